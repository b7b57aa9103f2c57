//! Where two configurations differ.

use std::collections::BTreeMap;

use toml::Value;

/// The first key whose values differ in two configurations, with both; none if both hold the same.
pub(crate) fn difference(old: &str, new: &str) -> Option<String> {
    let [old, new] = [old, new].map(|text| {
        let mut values = BTreeMap::new();
        flatten("", &Value::Table(text.parse().unwrap_or_default()), &mut values);
        values
    });
    let keys = old.keys().chain(new.keys());
    let key = keys.filter(|key| old.get(*key) != new.get(*key)).min()?;
    let [old, new] =
        [&old, &new].map(|values| values.get(key).cloned().unwrap_or("absent".to_owned()));
    Some(format!("`{key}` was {old}, now {new}"))
}

/// Every value that is no table, by its dotted key.
fn flatten(key: &str, value: &Value, values: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) => {
            let dot = if key.is_empty() { "" } else { "." };
            table
                .iter()
                .for_each(|(name, value)| flatten(&format!("{key}{dot}{name}"), value, values));
        }
        value => {
            values.insert(key.to_owned(), value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMOKE: &str = include_str!("../../../../configs/nb201-smoke.toml");

    #[test]
    fn the_first_key_that_differs_is_named() {
        let other = SMOKE.replace("momentum = 0.9", "momentum = 0.5 # half");
        let expected = "`training.momentum` was 0.9, now 0.5";
        assert_eq!(difference(SMOKE, &other).as_deref(), Some(expected));
        let other = SMOKE.replace("sampling = { deepest-of = 2 }", "sampling = \"uniform\"");
        let expected = "`training.sampling` was absent, now \"uniform\"";
        assert_eq!(difference(SMOKE, &other).as_deref(), Some(expected));
        assert_eq!(difference(SMOKE, &format!("# A comment.\n{SMOKE}")), None);
    }
}
