//! Reading tar archives, compressed or not. Nothing is ever unpacked to disk.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Component, Path},
};

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, EntryType};

use crate::DataError;

/// The first bytes of every gzip file.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// Calls `visit` with the path and bytes of each file whose path is `wanted`.
///
/// # Errors
///
/// For an unreadable archive, one without its end, an entry that is cut off or points outside of the archive, a wanted
/// entry that is a link, and whatever `visit` returns.
pub(crate) fn for_each_file(
    path: &Path,
    wanted: impl Fn(&str) -> bool,
    mut visit: impl FnMut(String, Vec<u8>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let mut archive = Archive::new(Counted { inner: open(path)?, n: 0 });
    let mut end = 0;
    for entry in archive.entries().map_err(DataError::archive(path))? {
        let mut entry = entry.map_err(DataError::archive(path))?;
        end = entry.raw_file_position() + entry.size().next_multiple_of(BLOCK);
        let kind = entry.header().entry_type();
        let name = entry.path().map_err(DataError::archive(path))?;
        let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        let escapes = !name.components().all(inside);
        let name = name.to_string_lossy().into_owned();
        if escapes {
            return Err(DataError::Escape { path: path.into(), entry: name });
        }
        let is_link = matches!(kind, EntryType::Link | EntryType::Symlink);
        if is_link && wanted(&name) {
            return Err(DataError::Link { path: path.into(), entry: name });
        }
        if !kind.is_file() || !wanted(&name) {
            continue;
        }
        let expected = entry.size();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(DataError::archive(path))?;
        let found = bytes.len() as u64;
        if found < expected {
            return Err(DataError::Truncated { path: path.into(), entry: name, expected, found });
        }
        visit(name, bytes)?;
    }
    // Entries stop at a block of zeros, or where the file does.
    let mut rest = archive.into_inner();
    if rest.n < end + BLOCK {
        return Err(DataError::NoEnd { path: path.into() });
    }
    // The checksum of a compressed archive comes after the last entry.
    io::copy(&mut rest, &mut io::sink()).map_err(DataError::archive(path))?;
    Ok(())
}

/// Bytes of a header, which entries are padded to; an archive ends with such blocks of zeros.
const BLOCK: u64 = 512;

/// Counts the bytes that are read.
struct Counted<R> {
    inner: R,
    n: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.n += n as u64;
        Ok(n)
    }
}

fn open(path: &Path) -> Result<Box<dyn Read>, DataError> {
    let mut file = BufReader::new(File::open(path).map_err(DataError::io(path))?);
    let head = file.fill_buf().map_err(DataError::io(path))?;
    if head.starts_with(GZIP_MAGIC) {
        return Ok(Box::new(MultiGzDecoder::new(file)));
    }
    Ok(Box::new(file))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::fixtures::{chain, gzip, tar};

    fn listed(bytes: &[u8]) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut names = Vec::new();
        let result = for_each_file(
            file.path(),
            |_| true,
            |name, bytes| {
                names.push(format!("{name}={}", String::from_utf8(bytes).unwrap()));
                Ok(())
            },
        );
        match result {
            Ok(()) => names.join(" "),
            Err(error) => chain(&error).replace(file.path().to_str().unwrap(), "FILE"),
        }
    }

    #[track_caller]
    fn check(bytes: &[u8], expect: Expect) {
        expect.assert_eq(&listed(bytes));
    }

    fn files() -> Vec<u8> {
        tar(&[("./a", b"1".to_vec()), ("b/c", b"23".to_vec())])
    }

    #[test]
    fn plain_and_compressed() {
        check(&files(), expect!["./a=1 b/c=23"]);
        check(&gzip(&files()), expect!["./a=1 b/c=23"]);
    }

    #[test]
    fn truncated() {
        check(
            &files()[..1025],
            expect!["FILE: truncated or corrupt archive: failed to read entire block"],
        );
        check(&files()[..1537], expect!["FILE: truncated archive, b/c has 1 of 2 bytes"]);
        // Between two entries, and after the last.
        for n in [1024, 2048] {
            check(&files()[..n], expect!["FILE: truncated archive, its end is missing"]);
            check(&gzip(&files()[..n]), expect!["FILE: truncated archive, its end is missing"]);
        }
        let compressed = gzip(&files());
        for n in 3..compressed.len() {
            let text = listed(&compressed[..n]);
            assert!(text.starts_with("FILE: truncated or corrupt archive: "), "{n}: {text}");
        }
    }

    #[test]
    fn a_wrong_checksum_is_noticed_after_the_last_entry() {
        let mut compressed = gzip(&files());
        let crc = compressed.len() - 8;
        compressed[crc] ^= 1;
        check(
            &compressed,
            expect![
                "FILE: truncated or corrupt archive: corrupt gzip stream does not have a matching checksum"
            ],
        );
    }

    #[test]
    fn escaping_entries_are_refused() {
        check(&tar(&[("../a", vec![])]), expect!["FILE: entry ../a points outside the archive"]);
        check(
            &tar(&[("a/../../b", vec![])]),
            expect!["FILE: entry a/../../b points outside the archive"],
        );
        check(
            &tar(&[("/etc/passwd", vec![])]),
            expect!["FILE: entry /etc/passwd points outside the archive"],
        );
    }

    #[test]
    fn links_are_refused() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "a", "/etc/passwd").unwrap();
        check(&builder.into_inner().unwrap(), expect!["FILE: entry a is a link, not a file"]);
    }
}
