//! What is known of an edge, and the choice among edges.

use partition::{Partition, Similarity, separability, silhouette};
use serde::{Deserialize, Serialize};
use space::EdgeId;

/// What is known of one edge that could be split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Evidence {
    /// The edge.
    pub edge: EdgeId,
    /// The best division: positions in [`space::Mask::ops`] of the edge.
    pub groups: Vec<Vec<usize>>,
    /// How much the edge deserves to be split; the largest wins.
    pub score: f64,
    /// What was measured, in several forms; the first has decided groups and score. None if nobody
    /// measured.
    pub readings: Vec<Reading>,
}

/// How alike the operations of an edge are in one form of the measured vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Reading {
    /// What was compared, and by which measure.
    pub form: String,
    /// How alike the operations are, in the order of the mask.
    pub similarity: Similarity,
    /// The best division in this form: positions in [`space::Mask::ops`] of the edge.
    pub groups: Vec<Vec<usize>>,
    /// Pearson correlation of the similarities of two halves of the batches.
    ///
    /// None if fewer than two batches were compared, the edge has fewer than three operations, or
    /// one half finds all pairs alike.
    pub reliability: Option<f64>,
    /// Batches left out because the operations could not be compared on them.
    pub skipped: usize,
}

impl Reading {
    /// Mean silhouette of the operations in the groups, in [−1, 1]; large is well separated.
    pub fn silhouette(&self) -> Option<f64> {
        silhouette(&self.similarity, &self.partition()?)
    }

    /// Mean distance inside the groups over that between them, distance being 1 − similarity; small
    /// is well separated.
    pub fn separability(&self) -> Option<f64> {
        separability(&self.similarity, &self.partition()?)
    }

    /// None where a file has groups that are no division of the operations.
    fn partition(&self) -> Option<Partition> {
        let partition = Partition::new(self.groups.clone()).ok()?;
        (partition.n() == self.similarity.n()).then_some(partition)
    }
}

/// The edge to split: that of the best score, in a tie the first in the order of the space.
///
/// # Examples
///
/// ```
/// assert_eq!(search::choose(&[]), None);
/// ```
pub fn choose(evidence: &[Evidence]) -> Option<&Evidence> {
    evidence.iter().max_by(|a, b| a.score.total_cmp(&b.score).then(b.edge.cmp(&a.edge)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(edge: usize, score: f64) -> Evidence {
        let groups = vec![vec![0], vec![1]];
        Evidence { edge: EdgeId(edge), groups, score, readings: Vec::new() }
    }

    #[track_caller]
    fn check(scores: &[(usize, f64)], expected: usize) {
        let all: Vec<Evidence> =
            scores.iter().map(|&(edge, score)| evidence(edge, score)).collect();
        assert_eq!(choose(&all).unwrap().edge, EdgeId(expected));
    }

    #[test]
    fn the_best_score_wins_and_ties_go_to_the_first_edge() {
        check(&[(0, -0.5), (1, -0.1), (2, -0.3)], 1);
        check(&[(0, 0.1), (1, 0.3), (2, 0.3)], 1);
        check(&[(2, 0.3), (1, 0.3), (0, 0.1)], 1);
    }

    #[test]
    fn files_have_kebab_keys() {
        let text = r#"{"edge":2,"groups":[[0],[1]],"score":0.5,"readings":[]}"#;
        let read: Evidence = serde_json::from_str(text).unwrap();
        assert_eq!(read, evidence(2, 0.5));
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }

    #[test]
    fn readings_tell_how_far_the_groups_lie_apart() {
        let rows = vec![vec![1.0, 0.75, 0.5], vec![0.75, 1.0, 0.5], vec![0.5, 0.5, 1.0]];
        let reading = |groups| Reading {
            form: "cosine".into(),
            similarity: Similarity::try_from(rows.clone()).unwrap(),
            groups,
            reliability: None,
            skipped: 0,
        };
        let apart = reading(vec![vec![0, 1], vec![2]]);
        assert_eq!(apart.separability(), Some(0.25 / 0.5));
        assert_eq!(apart.silhouette(), Some((0.5 + 0.5 + 0.0) / 3.0));
        let foreign = reading(vec![vec![0, 1]]);
        assert_eq!((foreign.separability(), foreign.silhouette()), (None, None));
    }
}
