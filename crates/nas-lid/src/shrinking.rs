//! Progressive shrinking: the warm-up trains the largest networks first, and smaller ones by and by.
//!
//! Small expansions take the first channels of large ones as they stand: Cai et al. sort them by importance before.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use space::{EdgeId, Mask, OpId, SearchSpace};

/// A stage of progressive shrinking (Cai et al. 2020).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Stage {
    /// The share of the warm-up's epochs after which it ends.
    pub(crate) until: f64,
    /// The operations that are trained, by the beginning of the names of their edges, of which the longest
    /// counts; on other edges all.
    pub(crate) allow: BTreeMap<String, Vec<String>>,
}

/// Which part of a space is trained until when.
pub(crate) struct Shrinking(Vec<(f64, Mask)>);

impl Shrinking {
    /// All of the space all the time.
    pub(crate) const NONE: Self = Self(Vec::new());

    /// The masks of the stages.
    pub(crate) fn new(stages: &[Stage], space: &dyn SearchSpace) -> Result<Self> {
        let mask = |stage: &Stage| Ok((stage.until, stage.mask(space)?));
        stages.iter().map(mask).collect::<Result<_>>().map(Self)
    }

    /// What is trained in an epoch of so many, of what `mask` allows.
    pub(crate) fn of_epoch<'a>(&'a self, epoch: u64, epochs: u64, mask: &'a Mask) -> &'a Mask {
        self.stage(epoch, epochs).unwrap_or(mask)
    }

    /// Whether an epoch of so many trains all of the space.
    pub(crate) fn is_over(&self, epoch: u64, epochs: u64) -> bool {
        self.stage(epoch, epochs).is_none()
    }

    fn stage(&self, epoch: u64, epochs: u64) -> Option<&Mask> {
        // A product such as 0.55 · 100 may be a little too large.
        let is_on = |(until, _): &&(f64, Mask)| (epoch as f64) < until * epochs as f64 - 1e-6;
        self.0.iter().find(is_on).map(|(_, narrow)| narrow)
    }
}

impl Stage {
    fn mask(&self, space: &dyn SearchSpace) -> Result<Mask> {
        let full = space.full_mask();
        for beginning in self.allow.keys() {
            let begins = |edge: EdgeId| space.mask_key(edge).starts_with(beginning);
            ensure!(full.edges().any(begins), "no edge's name begins with `{beginning}`");
        }
        let ops = |edge: EdgeId| -> Result<Vec<OpId>> {
            let name = space.mask_key(edge);
            // The longest beginning of a name stands last.
            let mut from_longest = self.allow.iter().rev();
            let allowed = from_longest.find(|(beginning, _)| name.starts_with(*beginning));
            let Some((_, allowed)) = allowed else { return Ok(full.ops(edge).to_vec()) };
            let known = space.op_names(edge);
            if let Some(op) = allowed.iter().find(|op| !known.contains(&op.as_str())) {
                anyhow::bail!("`{name}` has no operation `{op}`, but {}", known.join(", "));
            }
            let is_allowed = |op: &OpId| allowed.iter().any(|name| name == known[op.0]);
            Ok(full.ops(edge).iter().copied().filter(is_allowed).collect())
        };
        let allowed: Vec<Vec<OpId>> = full.edges().map(ops).collect::<Result<_>>()?;
        Mask::try_from(allowed).context("a stage must allow an operation on every edge")
    }
}

#[cfg(test)]
mod tests {
    use ofa::{Ofa, OfaConfig};

    use super::*;

    fn shrinking(allow: &[(&str, &str)], until: f64) -> Result<(Shrinking, Mask)> {
        let config =
            OfaConfig { width: 1.0, expand_ratios: vec![4, 6], depths: vec![3, 4], stem_stride: 1 };
        let space = Ofa::new(&config, 3, 32, 10)?;
        let allow =
            allow.iter().map(|&(edges, op)| (edges.to_owned(), vec![op.to_owned()])).collect();
        Ok((Shrinking::new(&[Stage { until, allow }], &space)?, space.full_mask()))
    }

    #[test]
    fn stages_narrow_the_edges_that_they_name() {
        let (shrinking, full) = shrinking(&[("ks_", "7x7"), ("er_block2", "e6")], 0.25).unwrap();
        let narrow = shrinking.of_epoch(0, 8, &full);
        assert_eq!(shrinking.of_epoch(1, 8, &full), narrow);
        assert_eq!(shrinking.of_epoch(2, 8, &full), &full);
        assert_eq!([1, 2].map(|epoch| shrinking.is_over(epoch, 8)), [false, true]);
        let (all_but_one, _) =
            self::shrinking(&[("ks_", "7x7"), ("ks_block2", "3x3")], 0.55).unwrap();
        let narrow_2 = all_but_one.of_epoch(54, 100, &full);
        assert_eq!([narrow_2.ops(EdgeId(0)), narrow_2.ops(EdgeId(2))], [&[OpId(2)], &[OpId(0)]]);
        assert_eq!(all_but_one.of_epoch(55, 100, &full), &full);
        let n_ops: Vec<usize> = full.edges().map(|edge| narrow.ops(edge).len()).collect();
        // `er_block2` begins `er_block20`, too.
        assert_eq!(n_ops[..6], [1, 2, 1, 1, 1, 2]);
        assert_eq!(n_ops[38..], [1, 1, 2, 2, 2, 2, 2]);
    }

    #[test]
    fn what_does_not_exist_is_named() {
        let refused = |edges, op, expected: &str| {
            let error = format!("{:#}", shrinking(&[(edges, op)], 0.5).err().unwrap());
            assert!(error.starts_with(expected), "{error}");
        };
        refused("width_", "7x7", "no edge's name begins with `width_`");
        refused("ks_", "9x9", "`ks_block1` has no operation `9x9`, but 3x3, 5x5, 7x7");
    }
}
