//! The cut as the published Python makes it, for comparison only.

use serde::Serialize;

use crate::{Partition, PartitionError, Similarity};

/// The fewest vertices the published cut takes; with two or three it fails there.
const MIN_VERTICES: usize = 4;

/// How many vertices of the second group the published cut looks at.
const N_SEEN: usize = 3;

/// Cut and edge score of the published Python.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PublishedCut {
    /// Σ of all S_ij, i < j, less what the cut found inside its groups. The published search splits
    /// the edge where it is largest.
    pub edge_score: f64,
    /// Two groups, of 2 and `n` − 2 vertices.
    pub partition: Partition,
}

/// The cut as the published Python makes it.
///
/// Every pair is set against the rest; the first with the largest sum inside the groups wins. Of the
/// rest only the three pairs of its first three vertices are added up, so from six vertices on this is
/// not the sum inside the groups, and the edge score is not the similarity between them. Four vertices
/// are taken, but no published figure confirms that case.
///
/// # Errors
///
/// If there are fewer than four vertices.
///
/// # Examples
///
/// ```
/// use partition::{Similarity, min_cut_as_published};
///
/// let similarity = Similarity::new(5, vec![0.0; 25])?;
/// let cut = min_cut_as_published(&similarity)?;
/// assert_eq!(cut.partition.groups(), [vec![0, 1], vec![2, 3, 4]]);
/// # Ok::<(), partition::PartitionError>(())
/// ```
pub fn min_cut_as_published(similarity: &Similarity) -> Result<PublishedCut, PartitionError> {
    let n = similarity.n();
    if n < MIN_VERTICES {
        return Err(PartitionError::TooFewVertices { n, min: MIN_VERTICES });
    }
    let (mut pair, mut largest) = ((0, 1), f64::NEG_INFINITY);
    for (first, second, value) in similarity.pairs() {
        let intra = value + seen_sum(similarity, &rest(n, first, second));
        if largest < intra {
            (pair, largest) = ((first, second), intra);
        }
    }
    let total: f64 = similarity.pairs().map(|(_, _, value)| value).sum();
    let partition = Partition::new(vec![vec![pair.0, pair.1], rest(n, pair.0, pair.1)])?;
    Ok(PublishedCut { edge_score: total - largest, partition })
}

fn rest(n: usize, first: usize, second: usize) -> Vec<usize> {
    (0..n).filter(|&vertex| vertex != first && vertex != second).collect()
}

/// Sum over the pairs of the first three of the group.
fn seen_sum(similarity: &Similarity, group: &[usize]) -> f64 {
    let seen = &group[..N_SEEN.min(group.len())];
    let pairs =
        seen.iter().enumerate().flat_map(|(at, &a)| seen[at + 1..].iter().map(move |&b| (a, b)));
    pairs.map(|(a, b)| similarity.get(a, b)).sum()
}
