//! Files that are written completely or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::core::domain::{Failure, HashKind, SourceHash};

/// A file that is written piece by piece and replaces an existing file only when it is complete. If dropped before
/// [`Self::finish`], it leaves nothing behind.
pub struct AtomicFile {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl AtomicFile {
    /// Starts a file that will be placed at `path`, as a temporary file next to it. Creates the folder if it is
    /// missing.
    ///
    /// # Errors
    /// A failure naming the file.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let create = || -> io::Result<NamedTempFile> {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)?;
            NamedTempFile::new_in(folder)
        };
        let file = create().map_err(|error| unwritable(path, error))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    /// Appends to the file.
    ///
    /// # Errors
    /// A failure naming the file.
    pub fn write(&mut self, content: &[u8]) -> Result<(), Failure> {
        self.file.write_all(content).map_err(|error| unwritable(&self.path, error))
    }

    /// Completes the file and moves it to its path.
    ///
    /// # Errors
    /// A failure that names the file; an existing file is then unchanged.
    pub fn finish(self) -> Result<(), Failure> {
        let Self { path, file } = self;
        let finish = || -> io::Result<()> {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            set_permissions(&file)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        finish().map_err(|error| unwritable(&path, error))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        self.file.write(content)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a file by way of a temporary file next to it, so that readers never see half of it and a failure leaves an
/// existing file unchanged.
///
/// # Errors
/// A failure naming the file.
pub fn write_atomic(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let mut file = AtomicFile::create(path)?;
    file.write(content)?;
    file.finish()
}

/// Waits until no other process has the lock of this name, and returns it. The lock ends when the file is closed, and so also
/// if the process dies.
///
/// # Errors
/// A failure naming the file.
pub fn lock_file(path: &Path) -> Result<std::fs::File, Failure> {
    let locked = || -> io::Result<std::fs::File> {
        let file = std::fs::File::options().create(true).truncate(false).write(true).open(path)?;
        file.lock()?;
        Ok(file)
    };
    locked().map_err(|error| unwritable(path, error))
}

fn unwritable(path: &Path, error: io::Error) -> Failure {
    Failure::other(format!("cannot write {}", path.display()))
        .hint("check the path, its permissions and the free space")
        .caused_by(error)
}

/// The number of bytes available on the file system of `path`, which must exist, not counting space reserved for the
/// administrator.
///
/// # Errors
/// The error of the operating system.
pub fn free_space(path: &Path) -> io::Result<u64> {
    fs4::available_space(path)
}

/// Makes the file readable by everyone; temporary files are readable only by their owner.
#[cfg(unix)]
fn set_permissions(file: &NamedTempFile) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn set_permissions(_file: &NamedTempFile) -> std::io::Result<()> {
    Ok(())
}

/// Appends to a file, creating it if it is missing.
///
/// # Errors
/// A failure naming the file.
pub fn append(path: &Path, content: &str) -> Result<(), Failure> {
    let open = std::fs::OpenOptions::new().append(true).create(true).open(path);
    open.and_then(|mut file| file.write_all(content.as_bytes()))
        .map_err(|error| Failure::other(format!("cannot append to {}", path.display())).caused_by(error))
}

/// The hash of a file's bytes.
///
/// # Errors
/// If the file cannot be read.
pub fn hash_file(path: &Path, kind: HashKind) -> io::Result<SourceHash> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    let (mut sha, mut blake) = (ring::digest::Context::new(&ring::digest::SHA256), blake3::Hasher::new());
    loop {
        let read = file.read(&mut buffer)?;
        match kind {
            _ if read == 0 => break,
            HashKind::Sha256 => sha.update(&buffer[..read]),
            HashKind::Blake3 => drop(blake.update(&buffer[..read])),
        }
    }
    let digits = match kind {
        HashKind::Sha256 => sha.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
        HashKind::Blake3 => blake.finalize().to_hex().to_string(),
    };
    Ok(SourceHash::new(kind, digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_completely_and_its_folder_is_created() {
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
    #[test]
    fn a_file_that_is_not_finished_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.txt");
        std::fs::write(&path, "before").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write(&[b'x'; 100_000]).unwrap();
        drop(file);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn free_space_is_known_for_existing_paths() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_space(folder.path()).unwrap() > 0);
        assert!(free_space(&folder.path().join("gone")).is_err());
    }
}
