//! Moves the files of an import into the workspace, a block at a time, so that they may be of any size.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::{FileState, cannot_write};
use crate::core::domain::Failure;
use crate::edge::files::AtomicFile;

/// Bytes of a file that are in memory at once.
const BLOCK: usize = 1 << 16;

/// The files of a folder, relative to it, and what becomes of each in the workspace at `root`.
///
/// # Errors
/// A failure if one of them, or the file that it would replace, cannot be read.
pub(super) fn states(folder: &Path, root: &Path) -> Result<BTreeMap<PathBuf, FileState>, Failure> {
    let mut files = Vec::new();
    collect(folder, Path::new(""), &mut files).map_err(cannot_write)?;
    files.into_iter().map(|file| Ok((file.clone(), state(&folder.join(&file), &root.join(&file))?))).collect()
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let path = folder.join(entry?.file_name());
        if root.join(&path).is_dir() {
            collect(root, &path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn state(new: &Path, target: &Path) -> Result<FileState, Failure> {
    let cannot_read = |error: io::Error| {
        Failure::data(format!("cannot read {}; nothing was written", target.display()))
            .hint("a file of the import has this path: move away what is there, or make it readable")
            .caused_by(error)
    };
    let present = match File::open(target) {
        Ok(present) => present,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(FileState::Created),
        Err(error) => return Err(cannot_read(error)),
    };
    let new = File::open(new).map_err(cannot_write)?;
    Ok(if same(&new, &present).map_err(cannot_read)? { FileState::Unchanged } else { FileState::Changed })
}

/// Whether two files have the same content.
fn same(one: &File, other: &File) -> io::Result<bool> {
    let (mut one, mut other) = (BufReader::with_capacity(BLOCK, one), BufReader::with_capacity(BLOCK, other));
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let length = left.len().min(right.len());
        if left.get(..length) != right.get(..length) {
            return Ok(false);
        }
        if length == 0 {
            return Ok(left.is_empty() && right.is_empty());
        }
        one.consume(length);
        other.consume(length);
    }
}

/// Copies a file. One that is there already is replaced only when the copy is complete.
///
/// # Errors
/// A failure that names the file.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let mut from = File::open(from).map_err(cannot_write)?;
    let mut to = AtomicFile::create(to)?;
    let mut block = vec![0; BLOCK];
    loop {
        let length = from.read(&mut block).map_err(cannot_write)?;
        match block.get(..length) {
            Some(read) if !read.is_empty() => to.write(read)?,
            _ => return to.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_several_blocks_are_compared_and_copied_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let content: Vec<u8> = (0..3 * BLOCK + 7).map(|at| (at % 251) as u8).collect();
        fs::write(path("a"), &content).unwrap();
        copy(&path("a"), &path("deep/b")).unwrap();
        assert_eq!(fs::read(path("deep/b")).unwrap(), content);
        assert_eq!(state(&path("a"), &path("deep/b")).unwrap(), FileState::Unchanged);
        for other in [&content[..content.len() - 1], &[&content[..], b"x"].concat(), &content[1..], b""] {
            fs::write(path("c"), other).unwrap();
            assert_eq!(state(&path("a"), &path("c")).unwrap(), FileState::Changed);
        }
        assert_eq!(state(&path("a"), &path("none")).unwrap(), FileState::Created);
    }

    #[test]
    fn a_file_that_would_be_replaced_must_be_readable() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "x").unwrap();
        fs::create_dir(folder.path().join("b")).unwrap();
        let failure = state(&folder.path().join("a"), &folder.path().join("b")).unwrap_err();
        assert!(failure.message.contains("cannot read") && failure.hint.is_some(), "{failure:?}");
    }
}
