//! Lines of a text, as editors count them.

/// The line, from 1, of the record that starts at a byte.
///
/// Where a record ends in `\r\n` or empty lines come first, `csv` lets the next one start in them.
pub(crate) fn line(text: &str, start: u64) -> usize {
    let bytes = text.as_bytes();
    let start = usize::try_from(start).unwrap_or(bytes.len()).min(bytes.len());
    let (before, rest) = bytes.split_at(start);
    let gap = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    1 + before.iter().chain(gap).filter(|&&byte| byte == b'\n').count()
}

/// The byte at which a record starts.
pub(crate) fn start(record: &csv::StringRecord) -> u64 {
    record.position().map_or(0, csv::Position::byte)
}
