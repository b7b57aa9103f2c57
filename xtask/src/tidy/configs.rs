//! Configs are the manual: every key has a comment above it.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::Complaint;
use super::manifest::line_at;

/// Complains of each key without a comment on the line above it; table headers need none.
pub(super) fn check(path: &Path, text: &str) -> Vec<Complaint> {
    let complaint =
        |line: usize, message: String| Complaint { path: path.to_path_buf(), line, message };
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map_or(1, |span| line_at(text, span.start));
            return vec![complaint(line, error.message().to_owned())];
        }
    };
    let mut keys = Vec::new();
    collect(text, table.get_ref(), &mut keys);
    keys.sort_unstable();
    // The keys of an inline table share its line.
    keys.dedup_by_key(|&mut (line, _)| line);

    let lines: Vec<&str> = text.lines().collect();
    let starts_with = |line: usize, mark: char| {
        let text = line.checked_sub(1).and_then(|at| lines.get(at));
        text.is_some_and(|text| text.trim_start().starts_with(mark))
    };
    keys.into_iter()
        .filter(|&(line, _)| !starts_with(line, '[') && !starts_with(line - 1, '#'))
        .map(|(line, key)| complaint(line, format!("key `{key}` has no comment above it")))
        .collect()
}

/// Line and name of each key, those of inner tables among them.
fn collect(text: &str, table: &DeTable<'_>, keys: &mut Vec<(usize, String)>) {
    for (key, value) in table {
        keys.push((line_at(text, key.span().start), key.get_ref().to_string()));
        match value.get_ref() {
            DeValue::Table(inner) => collect(text, inner, keys),
            DeValue::Array(values) => {
                let tables = values.iter().filter_map(|value| value.get_ref().as_table());
                tables.for_each(|inner| collect(text, inner, keys));
            }
            _ => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::listing;
    use super::*;

    #[track_caller]
    fn check_text(text: &str, expected: &str) {
        assert_eq!(listing(&check(Path::new("configs/a.toml"), text)), expected);
    }

    #[test]
    fn commented_keys_pass() {
        check_text(
            "# The seed.\nseed = 1\n\n[split.criterion.lid]\n# Two keys.\nsizes = { a = 1, b = 2 }\n\
             # Several lines.\nepochs = [\n  1, # one\n  2,\n]\n# Text that looks like a key.\n\
             note = \"\"\"\na = 1\n\"\"\"\n\n[[claim]]\n# Which.\nrow = \"lid\"\n",
            "",
        );
    }

    #[test]
    fn bare_keys_are_named() {
        let expected = "\
            configs/a.toml:1: key `seed` has no comment above it\n\
            configs/a.toml:4: key `k` has no comment above it\n\
            configs/a.toml:7: key `levels` has no comment above it\n";
        check_text(
            "seed = 1\n# The next line is blank.\n\nk = 20\n\n[split]\nlevels = 2\n",
            expected,
        );
    }

    #[test]
    fn comments_behind_a_key_do_not_count() {
        let expected = "configs/a.toml:3: key `b` has no comment above it\n";
        check_text("# First.\na = 1 # and\nb = 2\n", expected);
    }

    #[test]
    fn broken_files_are_complaints() {
        let got = listing(&check(Path::new("configs/a.toml"), "# Seed.\nseed = \n"));
        assert!(got.starts_with("configs/a.toml:2: "), "{got}");
    }
}
