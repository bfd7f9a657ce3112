//! The files that arguments refer to.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::core::domain::Failure;

/// Something to read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Input {
    /// Its size in bytes, where it is known.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Stdin => None,
            Self::File(path) => std::fs::metadata(path).ok().map(|metadata| metadata.len()),
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Extensions of the files that are taken from a folder.
const EXTENSIONS: [&str; 5] = ["jsonl", "ndjson", "json", "csv", "parquet"];

/// Extensions of compressed files.
const COMPRESSED: [&str; 3] = ["gz", "zst", "zstd"];

/// How deep folders are searched.
const MAX_DEPTH: usize = 32;

/// The inputs that arguments refer to: `-` is standard input, a folder all its files of a known kind, and a pattern such as
/// `logs/2026-09-*.jsonl.gz` all files that match. Files of folders and patterns are sorted by name; each is read once.
///
/// # Errors
/// A usage failure for an argument to which no file belongs.
pub fn expand(arguments: &[PathBuf]) -> Result<Vec<Input>, Failure> {
    let (mut inputs, mut known) = (Vec::new(), HashSet::new());
    for argument in arguments {
        let found = inputs_of(argument)?;
        if found.is_empty() {
            return Err(Failure::usage(format!("there is nothing to read in {}", argument.display())).hint(format!(
                "files of a folder must end in {}, or these followed by .gz or .zst",
                EXTENSIONS.join(", ")
            )));
        }
        for input in found {
            if known.insert(input.clone()) {
                inputs.push(input);
            }
        }
    }
    Ok(inputs)
}

fn inputs_of(argument: &Path) -> Result<Vec<Input>, Failure> {
    if argument == Path::new("-") {
        return Ok(vec![Input::Stdin]);
    }
    if argument.is_dir() {
        let mut files = Vec::new();
        collect(argument, 0, &mut files).map_err(|error| {
            Failure::data(format!("cannot read the folder {}", argument.display())).caused_by(error)
        })?;
        files.sort();
        return Ok(files.into_iter().map(Input::File).collect());
    }
    let text = argument.to_string_lossy();
    if argument.exists() || !text.contains(['*', '?', '[']) {
        // A file that does not exist is reported when it is opened.
        return Ok(vec![Input::File(argument.to_owned())]);
    }
    let matches = glob::glob(&text)
        .map_err(|error| Failure::usage(format!("\"{text}\" is not a valid pattern")).hint(error.msg.to_owned()))?;
    let mut files: Vec<PathBuf> = matches.flatten().filter(|path| path.is_file()).collect();
    if files.is_empty() {
        return Err(Failure::usage(format!("no file matches {text}")));
    }
    files.sort();
    Ok(files.into_iter().map(Input::File).collect())
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() {
            // A link to a folder above would never end.
            if depth < MAX_DEPTH && !path.is_symlink() {
                collect(&path, depth + 1, files)?;
            }
        } else if extension(&path).is_some_and(|extension| EXTENSIONS.contains(&extension.as_str())) {
            files.push(path);
        }
    }
    Ok(())
}

/// The extension of a file in lower case, without that of a compression.
pub(super) fn extension(path: &Path) -> Option<String> {
    let last = path.extension()?.to_string_lossy().to_ascii_lowercase();
    if !COMPRESSED.contains(&last.as_str()) {
        return Some(last);
    }
    Path::new(path.file_stem()?).extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_patterns_and_standard_input_name_files_once_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir(root.join("b")).unwrap();
        for name in ["2.jsonl.gz", "1.csv", "b/3.json", "notes.txt", ".hidden.jsonl"] {
            std::fs::write(root.join(name), "x").unwrap();
        }
        let names = |inputs: Vec<Input>| {
            let name = |input: Input| match input {
                Input::Stdin => "-".to_owned(),
                Input::File(path) => path.strip_prefix(root).unwrap().display().to_string(),
            };
            inputs.into_iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(names(expand(&[root.to_owned(), root.join("1.csv")]).unwrap()), ["1.csv", "2.jsonl.gz", "b/3.json"]);
        assert_eq!(names(expand(&[root.join("*.csv"), "-".into()]).unwrap()), ["1.csv", "-"]);
        assert!(expand(&[root.join("*.parquet")]).unwrap_err().message.contains("no file matches"));
        assert_eq!(expand(&[root.join("none.csv")]).unwrap().len(), 1, "reported when it is opened");
        std::fs::create_dir(root.join("empty")).unwrap();
        assert!(expand(&[root.join("empty")]).unwrap_err().message.contains("nothing to read"));
    }
}
