//! A manifest with line numbers.

use anyhow::{Context, Result};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A key of a manifest, where it is, and the strings in its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    /// From 1.
    pub(super) line: usize,
    /// Whether the value is a table with `workspace = true`.
    pub(super) inherited: bool,
    /// Strings of the value, however deep: the features that it names.
    pub(super) strings: Vec<String>,
}

/// The two parts of a manifest that the rules look at.
#[derive(Debug, Default)]
pub(super) struct Sections {
    /// Dependencies of every kind, also those of one platform.
    pub(super) dependencies: Vec<Entry>,
    /// Features of the package.
    pub(super) features: Vec<Entry>,
}

impl Sections {
    pub(super) fn of(text: &str) -> Result<Self> {
        let table = DeTable::parse(text).context("failed to parse a manifest")?;
        let mut sections = Self::default();
        sections.collect(text, table.get_ref());
        Ok(sections)
    }

    /// The line of a dependency, 1 if it goes by another name.
    pub(super) fn line_of(&self, dependency: &str) -> usize {
        let entry = self.dependencies.iter().find(|entry| entry.key == dependency);
        entry.map_or(1, |entry| entry.line)
    }

    fn collect(&mut self, text: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let Some(inner) = value.get_ref().as_table() else { continue };
            match key.get_ref().as_ref() {
                "dependencies" | "dev-dependencies" | "build-dependencies" => {
                    self.dependencies.extend(entries(text, inner));
                }
                "features" => self.features.extend(entries(text, inner)),
                "target" => {
                    let platforms = inner.values().filter_map(|value| value.get_ref().as_table());
                    platforms.for_each(|platform| self.collect(text, platform));
                }
                _ => (),
            }
        }
    }
}

/// The line, from 1, of a byte offset.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

fn entries(text: &str, table: &DeTable<'_>) -> Vec<Entry> {
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key: &Spanned<std::borrow::Cow<'_, str>> = key;
        let mut strings = Vec::new();
        collect_strings(value.get_ref(), &mut strings);
        let inherited = value.get_ref().get("workspace").and_then(|flag| flag.get_ref().as_bool());
        Entry {
            key: key.get_ref().to_string(),
            line: line_at(text, key.span().start),
            inherited: inherited == Some(true),
            strings,
        }
    };
    table.iter().map(entry).collect()
}

fn collect_strings(value: &DeValue<'_>, strings: &mut Vec<String>) {
    if let Some(string) = value.as_str() {
        strings.push(string.to_owned());
    } else if let Some(array) = value.as_array() {
        array.iter().for_each(|value| collect_strings(value.get_ref(), strings));
    } else if let Some(table) = value.as_table() {
        table.values().for_each(|value| collect_strings(value.get_ref(), strings));
    }
}
