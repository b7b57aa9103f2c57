//! The best cut, by trying every partition.

use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::score::Sums;
use crate::{Partition, PartitionError, Similarity};

/// The most vertices [`best`] takes: twelve have 4 213 597 partitions.
pub const MAX_VERTICES: usize = 12;

/// Scores that differ by this fraction of themselves, or of what they are sums of, are equal.
const TIE_TOLERANCE: f64 = 1e-12;

/// Which sizes the groups may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sizes {
    /// At least one vertex each.
    #[serde(rename = "any")]
    Any,
    /// Sizes differ by at most one.
    #[serde(rename = "balanced")]
    Balanced,
    /// At least two vertices each.
    #[serde(rename = "min-2")]
    Min2,
}

impl Sizes {
    /// What each of `n_groups` groups may hold of `n` vertices; `None` if they make no such groups.
    ///
    /// # Examples
    ///
    /// ```
    /// use partition::Sizes;
    ///
    /// assert_eq!(Sizes::Balanced.of_groups(5, 2), Some(2..=3));
    /// assert_eq!(Sizes::Min2.of_groups(5, 3), None);
    /// ```
    pub fn of_groups(self, n: usize, n_groups: usize) -> Option<RangeInclusive<usize>> {
        if !(1..=n).contains(&n_groups) {
            return None;
        }
        let range = match self {
            Self::Any => 1..=n,
            Self::Balanced => n / n_groups..=n.div_ceil(n_groups),
            Self::Min2 => 2..=n,
        };
        (n_groups.saturating_mul(*range.start()) <= n).then_some(range)
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Balanced => "balanced",
            Self::Min2 => "min-2",
        })
    }
}

/// What the best cut maximizes. Pairs are i < j; the diagonal never counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Σ S_ij inside groups: figure 2 of the paper. Favors one against the rest unless the sizes
    /// are held.
    IntraSum,
    /// Mean of S_ij inside groups. Undefined if each vertex is alone.
    MeanIntra,
    /// Mean inside groups less mean between groups. Undefined if either has no pair.
    Gap,
    /// −Σ over groups g of cut(g) / vol(g): the normalized cut of Shi & Malik 2000, negated so that
    /// the largest wins here too. cut(g) = Σ S_ij from g to other groups, vol(g) = Σ S_ij from g to
    /// any other vertex. Needs non-negative entries; undefined if a volume is zero.
    NormalizedCut,
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IntraSum => "intra-sum",
            Self::MeanIntra => "mean-intra",
            Self::Gap => "gap",
            Self::NormalizedCut => "normalized-cut",
        })
    }
}

/// A score and the partitions found to have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cut {
    /// The largest value of the objective that was found.
    pub score: f64,
    /// Partitions with this score: of [`best`] every one, in lexicographic order of the labels of their vertices
    /// ([`Partition::labels`]); of [`min_cut`](crate::min_cut) and [`spectral_cut`](crate::spectral_cut) the one
    /// found, whether or not there are others. Never empty.
    pub maximizers: Vec<Partition>,
}

impl Cut {
    /// The first of the partitions, lexicographically.
    ///
    /// # Panics
    ///
    /// If `maximizers` was emptied; [`best`] never returns it empty.
    pub fn first(&self) -> &Partition {
        &self.maximizers[0]
    }
}

/// The best partition of the vertices into `n_groups` groups, by trying all of them.
///
/// Partitions for which the objective is undefined are no candidates. Scores that differ by less than
/// 10⁻¹², relative to the larger of the score and the entries, tie; normalized cuts, which have no scale,
/// if they differ by less than that.
///
/// # Errors
///
/// If there are more than [`MAX_VERTICES`] vertices, no partition has this many groups of these sizes,
/// the objective is undefined for each of them, or an entry is negative and the objective is
/// [`Objective::NormalizedCut`].
///
/// # Examples
///
/// ```
/// use partition::{Objective, Similarity, Sizes, best};
///
/// // All pairs alike: the three ways to set one vertex apart tie, the first in order comes first.
/// let similarity = Similarity::new(3, vec![0.5; 9])?;
/// let cut = best(&similarity, 2, Sizes::Any, Objective::IntraSum)?;
/// assert_eq!((cut.score, cut.maximizers.len()), (0.5, 3));
/// assert_eq!(cut.first().groups(), [vec![0, 1], vec![2]]);
/// # Ok::<(), partition::PartitionError>(())
/// ```
pub fn best(
    similarity: &Similarity,
    n_groups: usize,
    sizes: Sizes,
    objective: Objective,
) -> Result<Cut, PartitionError> {
    let n = similarity.n();
    if MAX_VERTICES < n {
        return Err(PartitionError::TooManyVertices { n, max: MAX_VERTICES });
    }
    let strings = Strings::new(n, n_groups, sizes)?;
    if objective == Objective::NormalizedCut {
        check_sign(similarity)?;
    }

    let mut leaders = Leaders::new(match objective {
        // A ratio, whatever the scale of the entries.
        Objective::NormalizedCut => 1.0,
        _ => similarity.magnitude(),
    });
    strings.each(|labels| {
        if let Some(score) = score(similarity, labels, n_groups, objective) {
            leaders.enter(score, labels);
        }
    });
    leaders.cut(n).ok_or(PartitionError::Undefined { objective, n, n_groups })
}

pub(crate) fn check_sign(similarity: &Similarity) -> Result<(), PartitionError> {
    match similarity.pairs().find(|&(_, _, value)| value < 0.0) {
        Some((row, col, value)) => Err(PartitionError::Negative { row, col, value }),
        None => Ok(()),
    }
}

fn score(
    similarity: &Similarity,
    labels: &[u8],
    n_groups: usize,
    objective: Objective,
) -> Option<f64> {
    match objective {
        Objective::IntraSum => Some(Sums::of(similarity, labels).intra),
        Objective::MeanIntra => Sums::of(similarity, labels).mean_intra(),
        Objective::Gap => Sums::of(similarity, labels).gap(),
        Objective::NormalizedCut => negated_normalized_cut(similarity, labels, n_groups),
    }
}

pub(crate) fn negated_normalized_cut(
    similarity: &Similarity,
    labels: &[u8],
    n_groups: usize,
) -> Option<f64> {
    let (mut cuts, mut volumes) = ([0.0; MAX_VERTICES], [0.0; MAX_VERTICES]);
    for (row, col, value) in similarity.pairs() {
        let (a, b) = (usize::from(labels[row]), usize::from(labels[col]));
        volumes[a] += value;
        volumes[b] += value;
        if a != b {
            cuts[a] += value;
            cuts[b] += value;
        }
    }
    let parts = cuts.iter().zip(&volumes).take(n_groups);
    parts.map(|(cut, &volume)| (0.0 < volume).then(|| -cut / volume)).sum()
}

/// The restricted growth strings of `n` letters with all of `n_groups` letters, each often enough.
///
/// A string labels the vertices; the first is 0, and each later label is at most one more than all
/// before it, so that every partition has one string.
struct Strings {
    n: usize,
    n_groups: usize,
    least: usize,
    greatest: usize,
}

impl Strings {
    fn new(n: usize, n_groups: usize, sizes: Sizes) -> Result<Self, PartitionError> {
        let range = sizes.of_groups(n, n_groups);
        let range = range.ok_or(PartitionError::NoPartition { n, n_groups, sizes })?;
        Ok(Self { n, n_groups, least: *range.start(), greatest: *range.end() })
    }

    /// Visits every string in lexicographic order.
    fn each(&self, mut visit: impl FnMut(&[u8])) {
        let mut counts = [0; MAX_VERTICES];
        self.extend(&mut Vec::with_capacity(self.n), &mut counts, 0, &mut visit);
    }

    fn extend(
        &self,
        labels: &mut Vec<u8>,
        counts: &mut [usize; MAX_VERTICES],
        n_used: usize,
        visit: &mut impl FnMut(&[u8]),
    ) {
        let wanted: usize =
            counts[..self.n_groups].iter().map(|&count| self.least.saturating_sub(count)).sum();
        if self.n - labels.len() < wanted {
            return;
        }
        if labels.len() == self.n {
            visit(labels);
            return;
        }
        for label in 0..self.n_groups.min(n_used + 1) {
            if counts[label] < self.greatest {
                // `n_groups` is at most `MAX_VERTICES`: the label fits.
                labels.push(label as u8);
                counts[label] += 1;
                self.extend(labels, counts, n_used.max(label + 1), visit);
                counts[label] -= 1;
                labels.pop();
            }
        }
    }
}

/// The strings whose score ties with the best so far.
struct Leaders {
    /// Of what scores are sums of.
    magnitude: f64,
    best: f64,
    strings: Vec<(f64, [u8; MAX_VERTICES])>,
}

impl Leaders {
    fn new(magnitude: f64) -> Self {
        Self { magnitude, best: f64::NEG_INFINITY, strings: Vec::new() }
    }

    /// Whether a score is as good as the best, but for rounding.
    fn leads(&self, score: f64) -> bool {
        self.best - TIE_TOLERANCE * self.best.abs().max(self.magnitude) <= score
    }

    fn enter(&mut self, score: f64, labels: &[u8]) {
        if self.best < score {
            // What ties with the new best is kept; what did not tie with the old one cannot.
            self.best = score;
            let strings = std::mem::take(&mut self.strings);
            self.strings = strings.into_iter().filter(|&(score, _)| self.leads(score)).collect();
        }
        if self.leads(score) {
            let mut string = [0; MAX_VERTICES];
            string[..labels.len()].copy_from_slice(labels);
            self.strings.push((score, string));
        }
    }

    fn cut(self, n: usize) -> Option<Cut> {
        let partition =
            |(_, string): &(f64, [u8; MAX_VERTICES])| Partition::from_labels(&string[..n]);
        let maximizers: Vec<Partition> = self.strings.iter().map(partition).collect();
        (!maximizers.is_empty()).then_some(Cut { score: self.best, maximizers })
    }
}

#[cfg(test)]
#[path = "cut_tests.rs"]
mod tests;
