//! Architectures as published: JSON objects that say of each edge which operations are allowed.

use anyhow::{Context, Result, bail};
use space::{Arch, OpId, SearchSpace};

use crate::lines::shown;
use crate::unique::Unique;

/// The architecture of a mask that allows one operation on each edge: `{"s0_c0": [false, true, …], …}`.
///
/// Keys that continue that of an edge by `_sub…` are left out: published masks repeat in them what the
/// parts of its operations are.
pub(crate) fn parse(space: &dyn SearchSpace, text: &str) -> Result<Arch> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Unique(mut mask) = serde_json::from_str::<Unique<Vec<bool>>>(text)
        .context("no object of lists of truth values")?;
    let edges: Vec<_> =
        space.full_mask().edges().map(|edge| (edge, space.mask_key(edge))).collect();
    mask.retain(|key, _| {
        let part =
            |edge: &String| key.strip_prefix(edge).is_some_and(|rest| rest.starts_with("_sub"));
        !edges.iter().any(|(_, edge)| part(edge))
    });
    let mut ops = Vec::with_capacity(edges.len());
    for (edge, key) in edges {
        let allowed = mask.remove(&key).with_context(|| format!("no key `{key}`"))?;
        let names = space.op_names(edge);
        if allowed.len() != names.len() {
            bail!("`{key}` has {} entries, expected {}", allowed.len(), names.join(", "));
        }
        let mut chosen = allowed.iter().enumerate().filter(|(_, allowed)| **allowed);
        match (chosen.next(), chosen.next()) {
            (Some((op, _)), None) => ops.push(OpId(op)),
            (None, _) => bail!("`{key}` allows no operation"),
            (Some(_), Some(_)) => bail!("`{key}` allows several operations, expected one"),
        }
    }
    match mask.keys().next() {
        Some(key) => bail!("unknown key `{}`", shown(key)),
        None => Ok(Arch::new(ops)),
    }
}

#[cfg(test)]
mod tests {
    use nb201::{Nb201, Nb201Config};

    use super::*;

    const MASK: &str = r#"{"0_1": [false, false, true, false, false],
        "0_2": [true, false, false, false, false], "1_2": [true, false, false, false, false],
        "0_3": [true, false, false, false, false], "1_3": [false, false, false, true, false],
        "2_3": [true, false, false, false, false], "2_3_subConv": [true]}"#;

    fn parse(text: &str) -> Result<Arch> {
        let config = Nb201Config { channels: 16, cells_per_stage: 5, affine: true };
        super::parse(&Nb201::new(&config, 3, 32, 10), text)
    }

    #[test]
    fn one_operation_of_each_edge_is_read() {
        assert_eq!(parse(MASK).unwrap().to_string(), "2-0-0-0-3-0");
    }

    #[test]
    fn other_masks_are_refused_by_key() {
        let refused = |text: &str, expected: &str| {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.starts_with(expected), "{error}");
        };
        refused("[]", "no object of lists of truth values: ");
        refused(&MASK.replace("1_3", "1_4"), "no key `1_3`");
        let twice = "no object of lists of truth values: the key `2_3` is there twice";
        refused(&MASK.replace("1_3", "2_3"), twice);
        refused(&MASK.replace("2_3_sub", "2_4_sub"), "unknown key `2_4_subConv`");
        refused(&MASK.replace("true, false, false]", "true, false]"), "`0_1` has 4 entries, exp");
        refused(&MASK.replacen("true", "false", 1), "`0_1` allows no operation");
        refused(&MASK.replacen("false", "true", 1), "`0_1` allows several operations");
    }
}
