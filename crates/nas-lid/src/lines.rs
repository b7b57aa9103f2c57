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

/// What a cell holds, in one line and not at length.
pub(crate) fn shown(cell: &str) -> String {
    const MOST: usize = 40;
    let mut chars = cell.chars();
    let mut shown = String::new();
    for char in chars.by_ref().take(MOST) {
        if char.is_control() { shown.extend(char.escape_debug()) } else { shown.push(char) }
    }
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

/// The byte at which a record starts.
pub(crate) fn start(record: &csv::StringRecord) -> u64 {
    record.position().map_or(0, csv::Position::byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_shown_in_one_line() {
        assert_eq!(shown("it's \"3\""), "it's \"3\"");
        assert_eq!(shown("a\n\u{1b}b"), "a\\n\\u{1b}b");
        assert_eq!(shown(&"ä".repeat(40)), "ä".repeat(40));
        assert_eq!(shown(&"\n".repeat(1000)), "\\n".repeat(40) + "…");
    }
}
