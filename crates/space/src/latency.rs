//! How long the parts of a network take, by the operations they run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Arch, EdgeId, Mask, OpId, SpaceError};

/// Seconds of every part of a network, measured with each choice of its operations.
///
/// The parts follow one another, so the time of an architecture is the sum over them.
///
/// # Examples
///
/// ```
/// use std::collections::BTreeMap;
/// use space::{Arch, EdgeId, LatencyTable, Mask, OpId, PartLatency};
///
/// let stem = PartLatency { edges: vec![], seconds: BTreeMap::from([(String::new(), 0.25)]) };
/// let seconds = BTreeMap::from([("0".to_owned(), 0.5), ("1".to_owned(), 2.0)]);
/// let block = PartLatency { edges: vec![EdgeId(0)], seconds };
/// let table = LatencyTable { parts: vec![stem, block] };
/// table.check(&Mask::full(&[2]))?;
/// assert_eq!(table.seconds(&Arch::new(vec![OpId(1)])), 2.25);
/// # Ok::<(), space::SpaceError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LatencyTable {
    /// In the order in which they run.
    pub parts: Vec<PartLatency>,
}

/// Seconds of one part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PartLatency {
    /// The edges whose operations it runs.
    pub edges: Vec<EdgeId>,
    /// By the numbers of their operations, joined as in `2-0`.
    pub seconds: BTreeMap<String, f64>,
}

/// Choices that a table is looked through for, one by one, though it has not as many times.
const MOST_CHOICES: usize = 1 << 16;

impl PartLatency {
    /// The key of a choice of operations.
    pub fn key(ops: &[OpId]) -> String {
        Arch::new(ops.to_vec()).to_string()
    }

    fn key_of(&self, arch: &Arch) -> String {
        Self::key(&self.edges.iter().map(|&edge| arch.op(edge)).collect::<Vec<_>>())
    }
}

impl LatencyTable {
    /// Whether there is a time for every architecture under a mask, and every choice counts.
    ///
    /// # Errors
    ///
    /// [`SpaceError::Latency`] names the first part and choice without one, or an edge that is not there or
    /// that no part runs.
    pub fn check(&self, mask: &Mask) -> Result<(), SpaceError> {
        for (number, part) in self.parts.iter().enumerate() {
            let missing = |choice: String| SpaceError::Latency { part: number, choice };
            if let Some(edge) = part.edges.iter().find(|edge| mask.n_edges() <= edge.0) {
                return Err(missing(format!("edge {}", edge.0)));
            }
            let of_edge = |n: usize, &edge: &EdgeId| n.checked_mul(mask.ops(edge).len());
            let n_choices = part.edges.iter().try_fold(1, of_edge);
            if n_choices.is_none_or(|n| MOST_CHOICES.max(part.seconds.len()) < n) {
                return Err(missing("every choice on its edges".to_owned()));
            }
            for ops in choices(mask, &part.edges) {
                let key = PartLatency::key(&ops);
                let known = part.seconds.get(&key).is_some_and(|s| s.is_finite() && 0.0 <= *s);
                if !known {
                    return Err(missing(match key.as_str() {
                        "" => "what it does in every network".to_owned(),
                        key => format!("operations {key}"),
                    }));
                }
            }
        }
        let runs = |edge: &EdgeId| self.parts.iter().any(|part| part.edges.contains(edge));
        match mask.edges().find(|edge| !runs(edge)) {
            Some(EdgeId(edge)) => {
                let (part, choice) = (self.parts.len(), format!("edge {edge}"));
                Err(SpaceError::Latency { part, choice })
            }
            None => Ok(()),
        }
    }

    /// Seconds of an architecture.
    ///
    /// # Panics
    ///
    /// If it is not of a mask that was checked.
    pub fn seconds(&self, arch: &Arch) -> f64 {
        self.parts.iter().map(|part| part.seconds[&part.key_of(arch)]).sum()
    }
}

/// Every choice of operations on some edges under a mask; the last edge changes fastest.
///
/// # Examples
///
/// ```
/// use space::{EdgeId, Mask, choices};
///
/// let mask = Mask::full(&[3, 5, 2]);
/// assert_eq!(choices(&mask, &[EdgeId(2), EdgeId(0)]).len(), 6);
/// assert_eq!(choices(&mask, &[]), [vec![]]);
/// ```
pub fn choices(mask: &Mask, edges: &[EdgeId]) -> Vec<Vec<OpId>> {
    let extend = |choices: Vec<Vec<OpId>>, &edge: &EdgeId| {
        let extended =
            |ops: Vec<OpId>| mask.ops(edge).iter().map(move |&op| [ops.as_slice(), &[op]].concat());
        choices.into_iter().flat_map(extended).collect()
    };
    edges.iter().fold(vec![Vec::new()], extend)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(edges: &[usize], seconds: &[(&str, f64)]) -> PartLatency {
        let seconds = seconds.iter().map(|&(key, s)| (key.to_owned(), s)).collect();
        PartLatency { edges: edges.iter().copied().map(EdgeId).collect(), seconds }
    }

    #[test]
    fn parts_add_up() {
        let table = LatencyTable {
            parts: vec![
                part(&[], &[("", 1.0)]),
                part(&[2, 0], &[("0-0", 2.0), ("0-1", 4.0), ("1-0", 8.0), ("1-1", 16.0)]),
                part(&[1], &[("0", 0.5), ("1", 0.25), ("2", 0.125)]),
            ],
        };
        let mask = Mask::full(&[2, 3, 2]);
        table.check(&mask).unwrap();
        assert!((table.seconds(&Arch::new([0, 2, 1].map(OpId).into())) - 9.125).abs() < 1e-12);
    }

    #[track_caller]
    fn check_refused(part: PartLatency, choice: &str) {
        let refused = LatencyTable { parts: vec![part] }.check(&Mask::full(&[2]));
        assert_eq!(refused, Err(SpaceError::Latency { part: 0, choice: choice.to_owned() }));
    }

    #[test]
    fn gaps_are_named() {
        check_refused(part(&[0], &[("0", 1.0)]), "operations 1");
        check_refused(part(&[0], &[("0", 1.0), ("1", -1.0)]), "operations 1");
        check_refused(part(&[0], &[("0", f64::NAN), ("1", 1.0)]), "operations 0");
        check_refused(part(&[4], &[("0", 1.0)]), "edge 4");
        check_refused(part(&[], &[]), "what it does in every network");
        check_refused(part(&[0; 100], &[("0", 1.0)]), "every choice on its edges");
        let unused = LatencyTable { parts: Vec::new() }.check(&Mask::full(&[2]));
        assert_eq!(unused, Err(SpaceError::Latency { part: 0, choice: "edge 0".to_owned() }));
    }
}
