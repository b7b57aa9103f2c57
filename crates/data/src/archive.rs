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
/// For an unreadable archive, an entry that is cut off or points outside of the archive, a wanted
/// entry that is a link, and whatever `visit` returns.
pub(crate) fn for_each_file(
    path: &Path,
    wanted: impl Fn(&str) -> bool,
    mut visit: impl FnMut(String, Vec<u8>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let mut archive = Archive::new(open(path)?);
    for entry in archive.entries().map_err(DataError::archive(path))? {
        let mut entry = entry.map_err(DataError::archive(path))?;
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
    // The checksum of a compressed archive comes after the last entry.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(DataError::archive(path))?;
    Ok(())
}

fn open(path: &Path) -> Result<Box<dyn Read>, DataError> {
    let mut file = BufReader::new(File::open(path).map_err(DataError::io(path))?);
    let head = file.fill_buf().map_err(DataError::io(path))?;
    if head.starts_with(GZIP_MAGIC) {
        return Ok(Box::new(MultiGzDecoder::new(file)));
    }
    Ok(Box::new(file))
}
