//! What scripts import from files beside them.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

use super::files::is_script;

/// Relative imports of JavaScript.
static JAVASCRIPT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?:require\(|import\(|from|import)\s*['"](\.{1,2}/[^'"]+)['"]"#).ok());

/// Imports of Python.
static PYTHON: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)^[ \t]*(?:from[ \t]+(\.*[\w.]*)[ \t]+import\b|import[ \t]+([\w.]+))").ok());

/// An import of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Import {
    /// A path, as in JavaScript.
    Path(String),
    /// A module of Python.
    Module(String),
}

impl Import {
    /// Its name as written.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Path(name) | Self::Module(name) => name,
        }
    }

    /// Whether it is certain that it is a file of the project.
    pub(super) fn is_local(&self) -> bool {
        self.name().starts_with('.')
    }

    /// The files that it may be, for the script at a path.
    pub(super) fn candidates(&self, script: &Path) -> Vec<PathBuf> {
        let folder = script.parent().unwrap_or(Path::new("."));
        match self {
            Self::Path(path) => {
                let endings = ["", ".js", ".cjs", ".mjs", ".ts", ".json", "/index.js", "/index.ts"];
                endings.iter().map(|ending| folder.join(format!("{path}{ending}"))).collect()
            }
            Self::Module(name) => {
                let path = name.trim_start_matches('.').replace('.', "/");
                [".py", "/__init__.py"].iter().map(|ending| folder.join(format!("{path}{ending}"))).collect()
            }
        }
    }
}

/// The imports of a script with this extension.
pub(super) fn of(text: &str, extension: &str) -> Vec<Import> {
    let (pattern, python) = match extension {
        "py" => (&PYTHON, true),
        other if is_script(other) => (&JAVASCRIPT, false),
        _ => return Vec::new(),
    };
    let found = pattern.iter().flat_map(|pattern| pattern.captures_iter(text));
    let names = found.filter_map(|found| found.get(1).or_else(|| found.get(2)).map(|name| name.as_str().to_owned()));
    let mut imports: Vec<Import> =
        names.map(|name| if python { Import::Module(name) } else { Import::Path(name) }).collect();
    imports.dedup();
    imports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_in_both_languages() {
        let path = |name: &str| Import::Path(name.to_owned());
        let module = |name: &str| Import::Module(name.to_owned());
        let javascript = "const a = require('./a');\nimport b from \"../b.js\";\nimport fs from 'node:fs';\n";
        assert_eq!(of(javascript, "js"), [path("./a"), path("../b.js")]);
        assert_eq!(of("import os\nfrom .near import x\nfrom far.off import y\n", "py").len(), 3);
        assert_eq!(module(".near").candidates(Path::new("s/x.py"))[0], Path::new("s/near.py"));
        assert!(module(".near").is_local() && !module("os").is_local());
        assert_eq!(of("import x", "txt"), []);
    }
}
