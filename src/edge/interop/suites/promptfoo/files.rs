//! Files that a configuration refers to.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// How many entries of folders are looked at for a pattern.
const MAX_ENTRIES: usize = 20_000;

/// How deep `**` goes.
const MAX_DEPTH: usize = 16;

/// Where files are looked for.
#[derive(Debug, Clone)]
pub(super) struct Files {
    /// The folder of the configuration, from which paths start.
    pub(super) base: PathBuf,
    /// The folder that paths must not leave.
    root: PathBuf,
}

impl Files {
    /// Files beside a configuration. A configuration may come from others, so it must not refer to files outside of its
    /// repository; without one, outside of the folder above.
    pub(super) fn beside(config: &Path) -> Self {
        let base = config.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let base = base.canonicalize().unwrap_or_else(|_| base.to_owned());
        let repository = base.ancestors().find(|folder| folder.join(".git").exists());
        let root = repository.or_else(|| base.parent()).unwrap_or(&base).to_owned();
        Self { base, root }
    }

    /// The file at a path, with or without `file://`.
    ///
    /// # Errors
    /// A sentence if it is outside of the project.
    pub(super) fn find(&self, path: &str) -> Result<PathBuf, String> {
        let path = path.strip_prefix("file://").unwrap_or(path);
        let joined = normal(&self.base.join(path));
        let real = joined.canonicalize().unwrap_or_else(|_| joined.clone());
        match real.starts_with(&self.root) {
            true => Ok(joined),
            false => Err("it is outside of the project; copy it there".to_owned()),
        }
    }

    /// The text of a file.
    ///
    /// # Errors
    /// A sentence that says why it cannot be read.
    pub(super) fn read(&self, path: &Path) -> Result<String, String> {
        let bytes = self.bytes(path)?;
        let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
    }

    /// The content of a file.
    ///
    /// # Errors
    /// A sentence that says why it cannot be read.
    pub(super) fn bytes(&self, path: &Path) -> Result<Vec<u8>, String> {
        let fail = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
            _ => format!("it cannot be read: {error}"),
        };
        if !path.is_file() {
            return Err(if path.exists() { "it is not a file" } else { "it does not exist" }.to_owned());
        }
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(fail)?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
        match u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_BYTES) {
            true => Ok(bytes),
            false => Err("it is larger than 64 MiB".to_owned()),
        }
    }

    /// The files that a path or pattern names, sorted. A path without a pattern is returned whether or not it exists.
    ///
    /// # Errors
    /// A sentence if it is outside of the project.
    pub(super) fn matching(&self, pattern: &str) -> Result<Vec<PathBuf>, String> {
        let pattern = pattern.strip_prefix("file://").unwrap_or(pattern);
        let exact = self.find(pattern)?;
        if !is_pattern(pattern) || exact.exists() {
            return Ok(vec![exact]);
        }
        let parts: Vec<String> =
            exact.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        let fixed = parts.iter().take_while(|part| !is_pattern(part)).count();
        let folder: PathBuf = parts.iter().take(fixed).collect();
        let rest: Vec<&str> = parts.iter().skip(fixed).map(String::as_str).collect();
        let mut found = Vec::new();
        let mut left = MAX_ENTRIES;
        for rest in expand(&rest) {
            walk(&folder, &rest, MAX_DEPTH, &mut left, &mut found);
        }
        found.retain(|path| path.canonicalize().is_ok_and(|real| real.starts_with(&self.root)));
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// A path as it is shown: relative to the configuration if possible, else to the project.
    pub(super) fn shown(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.base).or_else(|_| path.strip_prefix(&self.root)).unwrap_or(path).to_owned()
    }
}

/// Whether a path has the characters of a pattern.
pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[', '{'])
}

/// The extension of a path, in lower case, without what follows a colon or `#`.
pub(super) fn extension(path: &str) -> String {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let name = name.split(['#', '?']).next().unwrap_or(name);
    let name = name.split(':').next().unwrap_or(name);
    name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default()
}

/// Whether an extension is that of JavaScript or TypeScript.
pub(super) fn is_script(extension: &str) -> bool {
    ["js", "cjs", "mjs", "ts", "cts", "mts", "jsx", "tsx"].contains(&extension)
}

/// Splits `path:function`.
pub(super) fn path_and_function(reference: &str) -> (&str, Option<&str>) {
    let reference = reference.strip_prefix("file://").unwrap_or(reference);
    match reference.rsplit_once(':') {
        Some((path, function)) if path.len() > 1 && !function.contains(['/', '\\']) => (path, Some(function)),
        _ => (reference, None),
    }
}

fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some() => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// The parts with every `{a,b}` expanded, at most 256 combinations.
fn expand(parts: &[&str]) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = vec![Vec::new()];
    for part in parts {
        let options = braces(part);
        let next = all.iter().flat_map(|done| {
            options.iter().map(move |option| done.iter().cloned().chain([option.clone()]).collect::<Vec<_>>())
        });
        all = next.take(256).collect();
    }
    all
}

fn braces(part: &str) -> Vec<String> {
    let split = part.find('{').and_then(|start| Some((start, start + part.get(start..)?.find('}')?)));
    let Some((start, end)) = split else { return vec![part.to_owned()] };
    let (Some(before), Some(inner), Some(after)) = (part.get(..start), part.get(start + 1..end), part.get(end + 1..))
    else {
        return vec![part.to_owned()];
    };
    inner.split(',').map(|option| format!("{before}{option}{after}")).collect()
}

fn walk(folder: &Path, parts: &[String], depth: usize, left: &mut usize, found: &mut Vec<PathBuf>) {
    let Some((part, rest)) = parts.split_first() else { return };
    if depth == 0 {
        return;
    }
    if part == "**" {
        walk(folder, rest, depth - 1, left, found);
    }
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Some(remaining) = left.checked_sub(1) else { return };
        *left = remaining;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if part == "**" {
            if path.is_dir() && !path.is_symlink() && !["node_modules", ".git"].contains(&name.as_str()) {
                walk(&path, parts, depth - 1, left, found);
            }
            continue;
        }
        if !matches(part, &name) || (name.starts_with('.') && !part.starts_with('.')) {
            continue;
        }
        match rest.is_empty() {
            true if path.is_file() => found.push(path),
            true => {}
            false => walk(&path, rest, depth - 1, left, found),
        }
    }
}

/// Whether a name matches a pattern with `*`, `?` and `[…]`.
fn matches(pattern: &str, name: &str) -> bool {
    let mut regex = String::from("^(?s:");
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '[' => {
                let class: String = chars.by_ref().take_while(|c| *c != ']').collect();
                let (negated, class) = class.strip_prefix('!').map_or(("", class.as_str()), |class| ("^", class));
                regex.push_str(&format!("[{negated}{}]", class.replace('\\', "\\\\").replace('[', "\\[")));
            }
            other => regex.push_str(&regex::escape(&other.to_string())),
        }
    }
    regex.push_str(")$");
    regex::Regex::new(&regex).is_ok_and(|regex| regex.is_match(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_files_and_paths_stay_within_the_project() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("project/evals");
        for file in ["a.txt", "b.txt", "deep/er/c.txt", "t1.yaml", "t2.yml", ".hidden.txt"] {
            std::fs::create_dir_all(base.join(file).parent().unwrap()).unwrap();
            std::fs::write(base.join(file), "x").unwrap();
        }
        let files = Files::beside(&base.join("promptfooconfig.yaml"));
        let names = |pattern: &str| {
            let found = files.matching(pattern).unwrap();
            found.iter().map(|path| files.shown(path).display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names("file://*.txt"), ["a.txt", "b.txt"]);
        assert_eq!(names("**/*.txt"), ["a.txt", "b.txt", "deep/er/c.txt"]);
        assert_eq!(names("t?.{yaml,yml}"), ["t1.yaml", "t2.yml"]);
        assert_eq!(names("[ab].txt"), ["a.txt", "b.txt"]);
        assert_eq!(names("missing.txt"), ["missing.txt"]);
        assert!(files.find("../shared.txt").is_ok());
        for outside in ["/etc/passwd", "../../../../etc/passwd"] {
            assert!(files.find(outside).is_err(), "{outside}");
        }
    }

    #[test]
    fn paths_are_split_into_their_parts() {
        assert_eq!(path_and_function("file://a/b.py:score"), ("a/b.py", Some("score")));
        assert_eq!(path_and_function("file://a/b.py"), ("a/b.py", None));
        assert_eq!(extension("file://a/b.PY:score"), "py");
        assert_eq!(extension("a/t.xlsx#Sheet1"), "xlsx");
        assert!(is_script("mjs") && !is_script("json"));
    }
}
