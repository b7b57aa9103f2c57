//! Files that appear whole or not at all.
//!
//! *Floor −1. May be used by every other crate; knows nothing of what is written.*
//!
//! ```
//! use std::io::Write;
//! use whole_file::WholeFile;
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("scores.csv");
//! let mut file = WholeFile::create(&path)?;
//! file.write_all(b"arch,accuracy\n")?;
//! assert!(!path.exists());
//! file.finish()?;
//! assert_eq!(std::fs::read(&path)?, b"arch,accuracy\n");
//! # Ok::<(), std::io::Error>(())
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// How the names of files begin that were not finished; a process that is killed leaves them.
pub const UNFINISHED: &str = ".unfinished-";

/// A file that is written beside its place and moved there when it is [finished](WholeFile::finish); dropped
/// before, it leaves what stood there.
///
/// A symbolic link is followed, and the file that it leads to replaced, if there is one. What is no regular
/// file, as a pipe or a device, cannot be replaced: it is written to.
pub struct WholeFile {
    to: Destination,
}

enum Destination {
    Beside { file: BufWriter<NamedTempFile>, place: PathBuf },
    Straight(BufWriter<File>),
}

impl WholeFile {
    /// Begins a file; folders that its path lacks are made.
    ///
    /// # Errors
    ///
    /// If nothing can be written there, or a folder stands there.
    pub fn create(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path);
        if found.as_ref().is_ok_and(|found| found.is_dir()) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if found.as_ref().is_ok_and(|found| !found.is_file()) {
            let file = OpenOptions::new().write(true).open(path)?;
            return Ok(Self { to: Destination::Straight(BufWriter::new(file)) });
        }
        let place = if found.is_ok() { fs::canonicalize(path)? } else { path.to_owned() };
        fs::create_dir_all(folder_of(&place))?;
        let mut file = tempfile::Builder::new();
        file.prefix(UNFINISHED);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As any other file: what the umask leaves of it.
            file.permissions(fs::Permissions::from_mode(0o666));
        }
        let file = file.tempfile_in(folder_of(&place))?;
        if let Ok(found) = found {
            file.as_file().set_permissions(found.permissions())?;
        }
        Ok(Self { to: Destination::Beside { file: BufWriter::new(file), place } })
    }

    /// Puts the file in its place, in one instant, once all of it has reached the disk.
    ///
    /// # Errors
    ///
    /// If it cannot be written or moved; its place is as it was then.
    pub fn finish(self) -> io::Result<()> {
        match self.to {
            Destination::Straight(mut file) => file.flush(),
            Destination::Beside { file, place } => {
                let file = file.into_inner()?;
                file.as_file().sync_all()?;
                file.persist(&place)?;
                // The new name is part of the folder, which not every system opens or syncs.
                if let Ok(folder) = File::open(folder_of(&place)) {
                    let _ = folder.sync_all();
                }
                Ok(())
            }
        }
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            Destination::Beside { file, .. } => file.write(bytes),
            Destination::Straight(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            Destination::Beside { file, .. } => file.flush(),
            Destination::Straight(file) => file.flush(),
        }
    }
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) -> io::Result<()> {
        let mut file = WholeFile::create(path)?;
        file.write_all(text.as_bytes())?;
        file.finish()
    }

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| {
            entry.map(|entry| entry.file_name().to_string_lossy().into_owned())
        };
        fs::read_dir(folder).unwrap().map(name).collect::<io::Result<_>>().unwrap()
    }

    #[test]
    fn what_is_not_finished_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/a.txt");
        write(&path, "old").unwrap();
        let mut file = WholeFile::create(&path).unwrap();
        file.write_all(&[0; 100_000]).unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(path.parent().unwrap()), ["a.txt"]);
        write(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn a_folder_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(folder.path(), "text").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_modes_kept() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let [real, link, plain] = ["real", "link", "plain"].map(|name| folder.path().join(name));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        fs::write(&plain, "").unwrap();
        write(&real, "old").unwrap();
        assert_eq!(mode(&real), mode(&plain));
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&real, &link).unwrap();
        write(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(mode(&real), 0o640);
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_is_written_to_or_fails_but_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        // A socket has no plain writer; what matters is that it stands there yet.
        write(&path, "text").unwrap_err();
        assert!(!fs::symlink_metadata(&path).unwrap().is_file());
    }
}
