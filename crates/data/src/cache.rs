//! One file for an imported data set.
//!
//! Magic (8 bytes), SHA-256 of the canonical bytes (32 bytes), canonical bytes. The file appears
//! whole or not at all.

use std::{
    fs::File,
    io::{self, BufReader, Read, Write},
    path::Path,
};

use sha2::{Digest, Sha256};
use whole_file::WholeFile;

use crate::{DataError, content::Content};

/// Names the format and its version, which is the last byte.
const MAGIC: &[u8; 8] = b"lidimgs\x01";

/// The content of the file at `path` with its digest; `None` if there is no such file or it does
/// not match its digest.
pub(crate) fn read(path: &Path) -> Option<(Content, [u8; 32])> {
    let mut file = BufReader::new(File::open(path).ok()?);
    let mut magic = [0; MAGIC.len()];
    let mut expected = [0; 32];
    file.read_exact(&mut magic).ok()?;
    file.read_exact(&mut expected).ok()?;
    let mut source = Hashing { source: file, hash: Sha256::new() };
    let content = Content::read(&mut source).ok()?;
    let at_end = source.source.read(&mut [0]).ok()? == 0;
    let found: [u8; 32] = source.hash.finalize().into();
    let sound = magic == *MAGIC && at_end && found == expected && labels_are_classes(&content);
    sound.then_some((content, found))
}

/// Writes `content` to `path` and returns its digest.
pub(crate) fn write(path: &Path, content: &Content) -> Result<[u8; 32], DataError> {
    let digest = content.digest();
    let write = || {
        let mut file = WholeFile::create(path)?;
        file.write_all(MAGIC)?;
        file.write_all(&digest)?;
        for part in content.parts() {
            file.write_all(&part)?;
        }
        file.finish()
    };
    write().map_err(DataError::io(path))?;
    Ok(digest)
}

fn labels_are_classes(content: &Content) -> bool {
    let mut labels = content.train.labels.iter().chain(&content.test.labels);
    labels.all(|&label| usize::from(label) < content.classes.len())
}

/// Hashes what is read through it.
struct Hashing<R> {
    source: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buffer)?;
        self.hash.update(&buffer[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Images;

    fn content() -> Content {
        Content {
            classes: vec!["no".into(), "yes".into()],
            train: Images::new([1, 1, 2], vec![1, 2, 3, 4], vec![0, 1]),
            test: Images::new([1, 1, 2], vec![5, 6], vec![1]),
        }
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/cache");
        let digest = write(&path, &content()).unwrap();
        assert_eq!(read(&path), Some((content(), digest)));

        let bytes = std::fs::read(&path).unwrap();
        for place in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1;
            std::fs::write(&path, flipped).unwrap();
            assert_eq!(read(&path), None, "byte {place}");
            std::fs::write(&path, &bytes[..place]).unwrap();
            assert_eq!(read(&path), None, "cut at {place}");
        }
        std::fs::write(&path, [bytes.as_slice(), &[0]].concat()).unwrap();
        assert_eq!(read(&path), None, "a byte too many");
    }

    #[test]
    fn nothing_is_left_beside_the_file() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("cache"), &content()).unwrap();
        let names: Vec<_> =
            folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["cache"]);
    }

    #[test]
    fn a_file_in_place_of_the_folder_is_an_error_with_its_path() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = write(&file.path().join("cache"), &content()).unwrap_err();
        assert!(error.to_string().starts_with(file.path().to_str().unwrap()), "{error}");
    }
}
