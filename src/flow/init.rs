//! Creates a new workspace.

use std::path::{Path, PathBuf};

use crate::core::domain::Failure;
use crate::edge::files::write_atomic;

/// The files of a new workspace: path and content.
const FILES: &[(&str, &str)] = &[
    ("karat.yaml", include_str!("../../templates/init/karat.yaml")),
    ("datasets/example/dataset.yaml", include_str!("../../templates/init/dataset.yaml")),
    ("datasets/example/examples.jsonl", include_str!("../../templates/init/examples.jsonl")),
    ("suites/example.yaml", include_str!("../../templates/init/suite.yaml")),
];

/// Lines for `.gitignore`.
const IGNORED: &[&str] = &["/.karat/", "/.env", "/reports/"];

/// Writes the files of a new workspace into `root` and returns their paths.
///
/// Existing files are not overwritten. Lines missing from an existing `.gitignore` are appended.
///
/// # Errors
/// A data failure if `root` is already a workspace; a failure if a file cannot be written.
pub fn init(root: &Path) -> Result<Vec<PathBuf>, Failure> {
    if root.join("karat.yaml").exists() {
        return Err(Failure::data(format!("{} is already a workspace", root.display()))
            .hint("choose another folder, or remove its karat.yaml"));
    }
    let mut written = Vec::new();
    for (name, content) in FILES {
        let path = root.join(name);
        if !path.exists() {
            write_atomic(&path, content.as_bytes())?;
            written.push(path);
        }
    }
    written.extend(ignore(root)?);
    Ok(written)
}

fn ignore(root: &Path) -> Result<Option<PathBuf>, Failure> {
    let path = root.join(".gitignore");
    let before = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        // A file that cannot be read must not be overwritten.
        Err(error) => {
            let lines = IGNORED.join(", ");
            return Err(Failure::data(format!("cannot read {}", path.display()))
                .hint(format!("add these lines to it by hand: {lines}"))
                .caused_by(error));
        }
    };
    let missing: Vec<&str> =
        IGNORED.iter().copied().filter(|line| !before.lines().any(|known| known.trim() == *line)).collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let separator = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    write_atomic(&path, format!("{before}{separator}{}\n", missing.join("\n")).as_bytes())?;
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gitignore_that_cannot_be_read_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".gitignore");
        std::fs::write(&path, b"caf\xe9\n").unwrap();
        assert!(init(folder.path()).unwrap_err().hint.unwrap().contains("/.env"));
        assert_eq!(std::fs::read(&path).unwrap(), b"caf\xe9\n");
    }

    #[test]
    fn a_second_init_changes_nothing_and_a_gitignore_keeps_its_lines() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".gitignore"), "target").unwrap();
        assert_eq!(init(folder.path()).unwrap().len(), 5);
        let ignored = std::fs::read_to_string(folder.path().join(".gitignore")).unwrap();
        assert_eq!(ignored, "target\n/.karat/\n/.env\n/reports/\n");
        assert!(init(folder.path()).unwrap_err().message.ends_with("is already a workspace"));
    }
}
