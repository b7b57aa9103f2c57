//! What the command line and the current folder change in a configuration.

use std::path::Path;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use super::one_line;
use crate::misuse::Misuse;

/// Keys that may name a file.
const FILES: [[&str; 3]; 2] =
    [["training", "first-weights", "published"], ["search", "latency", "table"]];

/// Sets a value that exists already: `split.probe-batches=2`.
pub(super) fn set(table: &mut Table, assignment: &str) -> Result<()> {
    let (key, value) = assignment
        .split_once('=')
        .ok_or_else(|| Misuse(format!("--set {assignment}: expected key=value")))?;
    let value = parsed(value).with_context(|| Misuse(format!("--set {assignment}")))?;
    let mut steps = key.split('.').peekable();
    let mut current = table;
    while let Some(step) = steps.next() {
        let unknown = || Misuse(format!("--set {assignment}: there is no key `{key}`"));
        let slot = current.get_mut(step).ok_or_else(unknown)?;
        if steps.peek().is_none() {
            *slot = value;
            return Ok(());
        }
        current = slot.as_table_mut().ok_or_else(unknown)?;
    }
    Ok(())
}

/// A value as TOML has it; a word needs no quotes.
fn parsed(text: &str) -> Result<Value> {
    match format!("value = {text}").parse::<Table>() {
        Ok(mut table) if table.len() == 1 => table.remove("value").context("no value"),
        Ok(_) => bail!("more than one value"),
        Err(_) if text.starts_with(|c: char| c.is_alphabetic() || "/._".contains(c)) => {
            Ok(Value::String(text.to_owned()))
        }
        Err(error) => bail!("{}", one_line(&error)),
    }
}

/// The assignment that a key, or what it is a part of, or a part of it has its value from.
pub(super) fn cause_of<'a>(assignments: &'a [String], key: &str) -> Option<&'a str> {
    let is_cause = |assignment: &&String| {
        let name = assignment.split_once('=').map_or("", |(name, _)| name);
        let is_part = |part: &str, whole: &str| {
            part.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        is_part(key, name) || is_part(name, key)
    };
    assignments.iter().rev().find(is_cause).map(String::as_str)
}

/// Makes names of files that are relative to the current folder absolute; whether there were any.
pub(super) fn make_absolute(table: &mut Table) -> Result<bool> {
    let mut is_changed = false;
    for [part, key, kind] in FILES {
        let named = table.get_mut(part).and_then(|part| part.get_mut(key)?.get_mut(kind));
        let Some(Value::String(name)) = named else { continue };
        if Path::new(name).is_relative() {
            let absolute = std::path::absolute(&*name).with_context(|| name.clone())?;
            *name = absolute.to_str().context("the current folder has no UTF-8 name")?.to_owned();
            is_changed = true;
        }
    }
    Ok(is_changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMOKE: &str = include_str!("../../../../configs/nb201-smoke.toml");

    #[test]
    fn overrides_change_the_tree_and_unknown_ones_are_refused() {
        let mut table: Table = SMOKE.parse().unwrap();
        set(&mut table, "training.momentum=0.5").unwrap();
        assert_eq!(table["training"]["momentum"].as_float(), Some(0.5));
        set(&mut table, "data.source=digits").unwrap();
        assert_eq!(table["data"]["source"].as_str(), Some("digits"));
        assert!(set(&mut table, "training.no-such-key=1").is_err());
        let error = set(&mut table, "seed=18446744073709551615").unwrap_err();
        assert!(format!("{error:#}").starts_with("--set seed=18446744073709551615: "), "{error:#}");
        assert!(set(&mut table, "seed=1\nother=2").is_err());
    }

    #[test]
    fn a_fault_is_told_of_the_assignment_that_made_it() {
        let assignments = ["seed=3", "data.augment.jitter={ contrast = -1.0 }", "seed=4"];
        let assignments = assignments.map(str::to_owned);
        assert_eq!(cause_of(&assignments, "seed"), Some("seed=4"));
        let jitter = Some(assignments[1].as_str());
        assert_eq!(cause_of(&assignments, "data.augment.jitter.contrast"), jitter);
        assert_eq!(cause_of(&assignments, "data.augment.jitters"), None);
    }

    #[test]
    fn names_of_files_become_absolute_once() {
        let text = SMOKE.replace("latency = \"unknown\"", "latency = { table = \"lat.json\" }");
        let mut table: Table = text.parse().unwrap();
        assert!(make_absolute(&mut table).unwrap());
        let name = table["search"]["latency"]["table"].as_str().unwrap();
        assert!(Path::new(name).is_absolute() && name.ends_with("lat.json"), "{name}");
        assert!(!make_absolute(&mut table).unwrap());
        assert!(!make_absolute(&mut SMOKE.parse().unwrap()).unwrap());
    }
}
