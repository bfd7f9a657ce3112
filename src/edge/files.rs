//! Files written whole or not at all.

use std::io::Write;
use std::path::Path;

use crate::core::domain::Failure;

/// Writes a file through a temporary one beside it, so that a reader never sees half of it and a failure leaves what
/// was there.
///
/// # Errors
/// A failure naming the file.
pub fn write_atomic(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let write = || -> std::io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(content)?;
        set_permissions(&file)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| {
        Failure::other(format!("cannot write {}", path.display()))
            .hint("check the path, its permissions and the free space")
            .caused_by(error)
    })
}

/// A temporary file is readable by its owner alone; a report is made to be read.
#[cfg(unix)]
fn set_permissions(file: &tempfile::NamedTempFile) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn set_permissions(_file: &tempfile::NamedTempFile) -> std::io::Result<()> {
    Ok(())
}

/// Appends to a file, as `GITHUB_STEP_SUMMARY` asks for.
///
/// # Errors
/// A failure naming the file.
pub fn append(path: &Path, content: &str) -> Result<(), Failure> {
    let open = std::fs::OpenOptions::new().append(true).create(true).open(path);
    open.and_then(|mut file| file.write_all(content.as_bytes()))
        .map_err(|error| Failure::other(format!("cannot append to {}", path.display())).caused_by(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_its_folder_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.txt");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(std::fs::read_dir(folder.path().join("a")).unwrap().count(), 1);
    }

    #[test]
    fn a_path_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let failure = write_atomic(folder.path(), b"x").unwrap_err();
        assert!(failure.message.contains(&folder.path().display().to_string()));
    }
}
