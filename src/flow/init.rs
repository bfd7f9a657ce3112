//! Creates a new workspace.

use std::path::{Path, PathBuf};

use crate::core::domain::{Failure, did_you_mean};
use crate::edge::files::write_atomic;

/// A workspace to start from.
#[derive(Debug)]
pub struct Template {
    /// Its name, and that of its dataset and suite.
    pub name: &'static str,
    /// What it measures.
    pub about: &'static str,
    /// What a first run does.
    pub runs: &'static str,
    files: &'static [(&'static str, &'static str)],
}

/// The template of `karat init` unless another one is named.
pub const EXAMPLE: Template = Template {
    name: "example",
    about: "the smallest workspace: intents of a support desk",
    runs: "run the built-in baseline",
    files: &[
        ("karat.yaml", include_str!("../../templates/init/karat.yaml")),
        ("datasets/example/dataset.yaml", include_str!("../../templates/init/dataset.yaml")),
        ("datasets/example/examples.jsonl", include_str!("../../templates/init/examples.jsonl")),
        ("suites/example.yaml", include_str!("../../templates/init/suite.yaml")),
    ],
};

/// Every template.
pub static TEMPLATES: &[Template] = &[
    EXAMPLE,
    Template {
        name: "classify",
        about: "a label for each text",
        runs: "run the built-in baseline",
        files: &[
            ("karat.yaml", include_str!("../../templates/init/classify/karat.yaml")),
            (
                "datasets/classify/dataset.yaml",
                include_str!("../../templates/init/classify/datasets/classify/dataset.yaml"),
            ),
            (
                "datasets/classify/examples.jsonl",
                include_str!("../../templates/init/classify/datasets/classify/examples.jsonl"),
            ),
            ("suites/classify.yaml", include_str!("../../templates/init/classify/suites/classify.yaml")),
        ],
    },
    Template {
        name: "rag",
        about: "answers from documents, and the search that finds them",
        runs: "replay the recorded answers",
        files: &[
            ("karat.yaml", include_str!("../../templates/init/rag/karat.yaml")),
            ("cassettes/rag.jsonl", include_str!("../../templates/init/rag/cassettes/rag.jsonl")),
            ("cassettes/retriever.jsonl", include_str!("../../templates/init/rag/cassettes/retriever.jsonl")),
            ("datasets/rag/dataset.yaml", include_str!("../../templates/init/rag/datasets/rag/dataset.yaml")),
            ("datasets/rag/examples.jsonl", include_str!("../../templates/init/rag/datasets/rag/examples.jsonl")),
            ("suites/rag.yaml", include_str!("../../templates/init/rag/suites/rag.yaml")),
            ("suites/retriever.yaml", include_str!("../../templates/init/rag/suites/retriever.yaml")),
        ],
    },
    Template {
        name: "chat",
        about: "conversations of several turns",
        runs: "replay the recorded answers",
        files: &[
            ("karat.yaml", include_str!("../../templates/init/chat/karat.yaml")),
            ("cassettes/chat.jsonl", include_str!("../../templates/init/chat/cassettes/chat.jsonl")),
            ("datasets/chat/dataset.yaml", include_str!("../../templates/init/chat/datasets/chat/dataset.yaml")),
            ("datasets/chat/examples.jsonl", include_str!("../../templates/init/chat/datasets/chat/examples.jsonl")),
            ("suites/chat.yaml", include_str!("../../templates/init/chat/suites/chat.yaml")),
        ],
    },
    Template {
        name: "extract",
        about: "JSON out of text",
        runs: "replay the recorded answers",
        files: &[
            ("karat.yaml", include_str!("../../templates/init/extract/karat.yaml")),
            ("cassettes/extract.jsonl", include_str!("../../templates/init/extract/cassettes/extract.jsonl")),
            (
                "datasets/extract/dataset.yaml",
                include_str!("../../templates/init/extract/datasets/extract/dataset.yaml"),
            ),
            (
                "datasets/extract/examples.jsonl",
                include_str!("../../templates/init/extract/datasets/extract/examples.jsonl"),
            ),
            ("schemas/extract.json", include_str!("../../templates/init/extract/schemas/extract.json")),
            ("suites/extract.yaml", include_str!("../../templates/init/extract/suites/extract.yaml")),
        ],
    },
    Template {
        name: "tools",
        about: "which tool is called, and with which arguments",
        runs: "replay the recorded answers",
        files: &[
            ("karat.yaml", include_str!("../../templates/init/tools/karat.yaml")),
            ("cassettes/tools.jsonl", include_str!("../../templates/init/tools/cassettes/tools.jsonl")),
            ("datasets/tools/dataset.yaml", include_str!("../../templates/init/tools/datasets/tools/dataset.yaml")),
            ("datasets/tools/examples.jsonl", include_str!("../../templates/init/tools/datasets/tools/examples.jsonl")),
            ("suites/tools.yaml", include_str!("../../templates/init/tools/suites/tools.yaml")),
        ],
    },
];

/// The file that lists what git leaves alone.
pub(super) const GITIGNORE: &str = ".gitignore";

/// Its lines for a workspace.
const IGNORED: &[&str] = &["/.karat/", "/.env", "/reports/"];

/// The template with a name.
///
/// # Errors
/// A usage failure if there is none.
pub fn template_named(name: &str) -> Result<&'static Template, Failure> {
    TEMPLATES.iter().find(|template| template.name == name).ok_or_else(|| {
        let names: Vec<&str> = TEMPLATES.iter().map(|template| template.name).collect();
        Failure::usage(format!("there is no template \"{name}\"")).hint(did_you_mean(name, &names, "there are"))
    })
}

/// Fails if a folder is a workspace already.
///
/// # Errors
/// A data failure.
pub fn require_none(root: &Path) -> Result<(), Failure> {
    if root.join("karat.yaml").exists() {
        return Err(Failure::data(format!("{} is already a workspace", root.display()))
            .hint("choose another folder, or remove its karat.yaml"));
    }
    Ok(())
}

/// Writes the files of a new workspace into `root` and returns their paths.
///
/// Existing files are not overwritten. Lines missing from an existing `.gitignore` are appended.
///
/// # Errors
/// A data failure if `root` is already a workspace; a failure if a file cannot be written.
pub fn init(root: &Path, template: &Template) -> Result<Vec<PathBuf>, Failure> {
    require_none(root)?;
    // Read first, so that nothing is written if it cannot be read.
    let ignored = with_ignored(root)?;
    let mut written = Vec::new();
    for (name, content) in template.files {
        let path = root.join(name);
        if !path.exists() {
            write_atomic(&path, content.as_bytes())?;
            written.push(path);
        }
    }
    if let Some(text) = ignored {
        let path = root.join(GITIGNORE);
        write_atomic(&path, text.as_bytes())?;
        written.push(path);
    }
    Ok(written)
}

/// The `.gitignore` of a folder with the lines that it lacks; `None` if it has them all.
///
/// # Errors
/// A data failure if there is one that cannot be read, since it must not be overwritten.
pub(super) fn with_ignored(root: &Path) -> Result<Option<String>, Failure> {
    use std::io::ErrorKind;
    let path = root.join(GITIGNORE);
    let before = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        // If the folder is a file, writing into it fails with a message of its own.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => String::new(),
        Err(error) => {
            let lines = IGNORED.join(", ");
            return Err(Failure::data(format!("cannot read {}", path.display()))
                .hint(format!("make it readable, as UTF-8; these lines are added to it: {lines}"))
                .caused_by(error));
        }
    };
    let missing: Vec<&str> =
        IGNORED.iter().copied().filter(|line| !before.lines().any(|known| known.trim() == *line)).collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let separator = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    Ok(Some(format!("{before}{separator}{}\n", missing.join("\n"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gitignore_that_cannot_be_read_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".gitignore");
        std::fs::write(&path, b"caf\xe9\n").unwrap();
        assert!(init(folder.path(), &EXAMPLE).unwrap_err().hint.unwrap().contains("/.env"));
        assert_eq!(std::fs::read(&path).unwrap(), b"caf\xe9\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is written");
    }

    #[test]
    fn a_second_init_changes_nothing_and_a_gitignore_keeps_its_lines() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".gitignore"), "target").unwrap();
        assert_eq!(init(folder.path(), &EXAMPLE).unwrap().len(), 5);
        let ignored = std::fs::read_to_string(folder.path().join(".gitignore")).unwrap();
        assert_eq!(ignored, "target\n/.karat/\n/.env\n/reports/\n");
        assert!(init(folder.path(), &EXAMPLE).unwrap_err().message.ends_with("is already a workspace"));
    }
}
