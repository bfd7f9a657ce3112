//! The files in a folder, and what of it was not looked at.

use std::fs;
use std::path::{Path, PathBuf};

use super::records::{extension, unreadable};
use super::{Note, Sink};
use crate::core::domain::Failure;

/// How far a folder is searched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How many folders deep; 0 for the folder alone.
    pub(super) depth: usize,
    /// The most entries of a folder, and the most files in all.
    pub(super) most: usize,
}

/// The files that were found.
#[derive(Debug)]
pub(super) struct Found {
    /// The files, sorted.
    pub(super) files: Vec<PathBuf>,
    /// The first folder that has more entries than are looked at, or at which there were enough files.
    pub(super) full: Option<PathBuf>,
    /// The first folder that is too deep, and how many there are.
    deep: Option<(PathBuf, u64)>,
    limits: Limits,
}

/// The wanted files in a folder and in the folders within it. Links to folders are not followed, since one to a folder
/// above would never end; hidden files and folders are left out.
///
/// # Errors
/// A data failure if a folder cannot be read.
pub(super) fn files(folder: &Path, limits: Limits, wanted: &dyn Fn(&Path) -> bool) -> Result<Found, Failure> {
    let mut found = Found { files: Vec::new(), full: None, deep: None, limits };
    found.search(folder, 0, wanted)?;
    found.files.sort();
    Ok(found)
}

/// Whether a path is that of a YAML file.
pub(super) fn is_yaml(path: &Path) -> bool {
    ["yaml", "yml"].contains(&extension(path).as_str()) && path.is_file()
}

impl Found {
    fn search(&mut self, folder: &Path, depth: usize, wanted: &dyn Fn(&Path) -> bool) -> Result<(), Failure> {
        let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, error))?;
        let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let paths = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| !is_hidden(path));
        for (count, path) in paths.enumerate() {
            if count == self.limits.most || self.files.len() == self.limits.most {
                self.full.get_or_insert_with(|| folder.to_owned());
                break;
            }
            if path.is_dir() {
                match () {
                    () if path.is_symlink() || self.limits.depth == 0 => {}
                    () if depth < self.limits.depth => self.search(&path, depth + 1, wanted)?,
                    () => self.deep.get_or_insert((path, 0)).1 += 1,
                }
            } else if wanted(&path) {
                self.files.push(path);
            }
        }
        Ok(())
    }

    /// The files, after what was not looked at is reported.
    pub(super) fn noted(self, out: &mut dyn Sink) -> Vec<PathBuf> {
        let mut note = |file: &Path, why: String| {
            out.note(Note { file: file.to_owned(), line: 0, what: "folder".to_owned(), why });
        };
        if let Some(full) = &self.full {
            let most = self.limits.most;
            note(full, format!("not all of its files are read: {most} entries are the most; import the others apart"));
        }
        if let Some((folder, count)) = &self.deep {
            let depth = self.limits.depth;
            let why = format!("folders that are more than {depth} deep are not searched, here and elsewhere: {count}");
            note(folder, why);
        }
        self.files
    }
}

#[cfg(test)]
mod tests {
    use super::super::recording::Recorded;
    use super::*;

    #[test]
    fn what_is_not_looked_at_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.yaml", "b.yml", "c.txt", ".hidden/x.yaml", "1/2/x.yaml", "1/2/3/x.yaml", "1/2/4/x.yaml"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let search = |depth: usize, most: usize| {
            let mut out = Recorded::default();
            let files = files(folder.path(), Limits { depth, most }, &is_yaml).unwrap().noted(&mut out);
            (files.len(), out.notes.into_iter().map(|note| note.why).collect::<Vec<_>>())
        };
        assert_eq!(search(0, 100), (2, vec![]));
        assert_eq!(search(8, 100), (5, vec![]));
        let (count, notes) = search(2, 100);
        assert!(count == 3 && notes.len() == 1 && notes[0].ends_with("here and elsewhere: 2"), "{count} {notes:?}");
        let (count, notes) = search(8, 1);
        assert!(count <= 1 && notes.len() == 1 && notes[0].contains("1 entries are the most"), "{count} {notes:?}");
    }
}
