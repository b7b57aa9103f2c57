//! What is known of an edge, and the choice among edges.

use partition::Similarity;
use serde::{Deserialize, Serialize};
use space::EdgeId;

/// What is known of one edge that could be split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Evidence {
    /// The edge.
    pub edge: EdgeId,
    /// How alike its operations are, in the order of the mask; none if nobody measured.
    pub similarity: Option<Similarity>,
    /// The best division: positions in [`space::Mask::ops`] of the edge.
    pub groups: Vec<Vec<usize>>,
    /// How much the edge deserves to be split; the largest wins.
    pub score: f64,
    /// Pearson correlation of the similarities of two halves of the batches.
    ///
    /// None if fewer than two batches were compared, the edge has fewer than three operations, or
    /// one half finds all pairs alike.
    pub reliability: Option<f64>,
    /// Batches left out because the operations could not be compared on them.
    pub skipped: usize,
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
        Evidence {
            edge: EdgeId(edge),
            similarity: None,
            groups,
            score,
            reliability: None,
            skipped: 0,
        }
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
        let text = concat!(
            r#"{"edge":2,"similarity":null,"groups":[[0],[1]],"score":0.5,"#,
            r#""reliability":null,"skipped":0}"#
        );
        let read: Evidence = serde_json::from_str(text).unwrap();
        assert_eq!(read, evidence(2, 0.5));
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}
