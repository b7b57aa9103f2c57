//! Cuts of graphs too large to try every partition.

use nalgebra::{DMatrix, SymmetricEigen};
use rustworkx_core::connectivity::stoer_wagner_min_cut;
use rustworkx_core::petgraph::graph::{NodeIndex, UnGraph};

use crate::cut::{check_sign, negated_normalized_cut};
use crate::{Cut, Objective, Partition, PartitionError, Similarity, Sizes};

/// Parts of the largest entry that the minimum cut counts in; a sum of 2⁶⁷ entries still fits.
const FRACTIONS: f64 = (1_u64 << 60) as f64;

/// The two groups of the least similarity between them, whatever their sizes: Stoer & Wagner 1997.
///
/// The score is Σ S_ij inside the groups, so that it compares with [`Objective::IntraSum`], of which it
/// is a maximum. Exact for any number of vertices, in O(n³), but that entries are counted in whole 2⁻⁶⁰ of the
/// largest; of several maxima one is returned.
///
/// # Errors
///
/// If there are fewer than two vertices, or an entry is negative.
///
/// # Examples
///
/// ```
/// use partition::{Similarity, min_cut};
///
/// let similarity = Similarity::new(3, vec![1.0, 0.9, 0.2, 0.9, 1.0, 0.1, 0.2, 0.1, 1.0])?;
/// assert_eq!(min_cut(&similarity)?.first().groups(), [vec![0, 1], vec![2]]);
/// # Ok::<(), partition::PartitionError>(())
/// ```
pub fn min_cut(similarity: &Similarity) -> Result<Cut, PartitionError> {
    check(similarity)?;
    let mut graph = UnGraph::<(), f64>::default();
    let vertices: Vec<NodeIndex> = (0..similarity.n()).map(|_| graph.add_node(())).collect();
    for (row, col, value) in similarity.pairs() {
        graph.add_edge(vertices[row], vertices[col], value);
    }
    // The algorithm compares sums, which whole numbers have exactly: fractions of the largest entry.
    let largest = similarity.magnitude();
    let weight =
        |value: f64| if largest == 0.0 { 0 } else { (value / largest * FRACTIONS) as i128 };
    let cut = stoer_wagner_min_cut(&graph, |edge| Ok::<_, PartitionError>(weight(*edge.weight())))?;
    let chosen: Vec<NodeIndex> = cut.map(|(_, vertices)| vertices).unwrap_or_default();
    let is_chosen: Vec<bool> = vertices.iter().map(|vertex| chosen.contains(vertex)).collect();
    let partition = two_groups(&is_chosen)?;
    Ok(Cut { score: crate::intra_sum(similarity, &partition), maximizers: vec![partition] })
}

/// Two groups of a small normalized cut, by the second eigenvector of the normalized Laplacian: Shi &
/// Malik 2000.
///
/// Of the n − 1 ways to cut the vertices in the order of that vector the best is taken. Not exact: its
/// score compares with [`Objective::NormalizedCut`], which is at least as large.
///
/// # Errors
///
/// If there are fewer than two vertices, an entry is negative, or a vertex is similar to no other.
///
/// # Examples
///
/// ```
/// use partition::{Similarity, spectral_cut};
///
/// let alike = |i: usize, j: usize| if i % 2 == j % 2 { 0.9 } else { 0.1 };
/// let similarity = Similarity::new(20, (0..400).map(|at| alike(at / 20, at % 20)).collect())?;
/// let evens: Vec<usize> = (0..20).step_by(2).collect();
/// assert_eq!(spectral_cut(&similarity)?.first().groups()[0], evens);
/// # Ok::<(), partition::PartitionError>(())
/// ```
pub fn spectral_cut(similarity: &Similarity) -> Result<Cut, PartitionError> {
    check(similarity)?;
    let n = similarity.n();
    let mut degrees = vec![0.0; n];
    for (row, col, value) in similarity.pairs() {
        degrees[row] += value;
        degrees[col] += value;
    }
    if let Some(vertex) = degrees.iter().position(|&degree| degree <= 0.0) {
        return Err(PartitionError::Isolated { vertex });
    }
    let laplacian = DMatrix::from_fn(n, n, |row, col| {
        // Roots before the product, which would overflow first.
        let alike = similarity.get(row, col) / (degrees[row].sqrt() * degrees[col].sqrt());
        if row == col { 1.0 } else { -alike }
    });
    let eigen = SymmetricEigen::new(laplacian);
    let mut by_value: Vec<usize> = (0..n).collect();
    by_value.sort_by(|&a, &b| eigen.eigenvalues[a].total_cmp(&eigen.eigenvalues[b]));
    let second = eigen.eigenvectors.column(by_value[1]);
    // The vector of the vertices themselves, not of their share in the degrees.
    let place = |vertex: usize| second[vertex] / degrees[vertex].sqrt();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| place(a).total_cmp(&place(b)).then(a.cmp(&b)));

    let mut best: Option<(f64, Vec<bool>)> = None;
    let mut is_first = vec![false; n];
    for &vertex in &order[..n - 1] {
        is_first[vertex] = true;
        let labels: Vec<u8> = is_first.iter().map(|&first| u8::from(first)).collect();
        let Some(score) = negated_normalized_cut(similarity, &labels, 2) else { continue };
        if best.as_ref().is_none_or(|(least, _)| *least < score) {
            best = Some((score, is_first.clone()));
        }
    }
    let undefined =
        PartitionError::Undefined { objective: Objective::NormalizedCut, n, n_groups: 2 };
    let (score, is_first) = best.ok_or(undefined)?;
    Ok(Cut { score, maximizers: vec![two_groups(&is_first)?] })
}

fn check(similarity: &Similarity) -> Result<(), PartitionError> {
    let n = similarity.n();
    if n < 2 {
        return Err(PartitionError::NoPartition { n, n_groups: 2, sizes: Sizes::Any });
    }
    check_sign(similarity)
}

fn two_groups(is_first: &[bool]) -> Result<Partition, PartitionError> {
    let group = |wanted| (0..is_first.len()).filter(|&vertex| is_first[vertex] == wanted).collect();
    Partition::new(vec![group(true), group(false)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::best;

    fn similarity(n: usize, pairs: &[f64]) -> Similarity {
        let mut values = vec![1.0; n * n];
        let places = (0..n).flat_map(|row| (row + 1..n).map(move |col| (row, col)));
        for ((row, col), value) in places.zip(pairs) {
            values[row * n + col] = *value;
            values[col * n + row] = *value;
        }
        Similarity::new(n, values).unwrap()
    }

    proptest! {
        #[test]
        fn the_minimum_cut_is_that_of_all_partitions(
            n in 2usize..8,
            pairs in prop::collection::vec(0.0..1.0f64, 28),
        ) {
            let similarity = similarity(n, &pairs);
            let exact = best(&similarity, 2, Sizes::Any, Objective::IntraSum).unwrap();
            let found = min_cut(&similarity).unwrap();
            // Sums of at most 28 numbers in another order.
            prop_assert!((found.score - exact.score).abs() < 1e-12);
        }

        #[test]
        fn the_spectral_cut_is_no_better_than_the_best(
            n in 2usize..8,
            pairs in prop::collection::vec(0.01..1.0f64, 28),
        ) {
            let similarity = similarity(n, &pairs);
            let exact = best(&similarity, 2, Sizes::Any, Objective::NormalizedCut).unwrap();
            let found = spectral_cut(&similarity).unwrap();
            prop_assert!(found.score <= exact.score + 1e-12);
            // A sweep over one vector is close where the graph has no clear cut, too.
            prop_assert!(exact.score - 0.5 < found.score, "{} for {}", found.score, exact.score);
        }
    }

    #[test]
    fn planted_groups_of_forty_vertices_are_found() {
        let n = 40;
        let group = |vertex: usize| usize::from(vertex * 7 % n < 15);
        let noise = |i: usize, j: usize| ((i * j + i + j) as f64 * 0.618).fract() / 5.0;
        let value = |i: usize, j: usize| noise(i, j) + if group(i) == group(j) { 0.6 } else { 0.1 };
        let similarity =
            Similarity::new(n, (0..n * n).map(|at| value(at / n, at % n)).collect()).unwrap();
        let planted: Vec<usize> = (0..n).filter(|&vertex| group(vertex) == group(0)).collect();
        assert_eq!(spectral_cut(&similarity).unwrap().first().groups()[0], planted);
    }

    #[test]
    fn no_scale_changes_a_cut() {
        let pairs = [1.0, 0.25, 0.125, 0.25, 0.125, 1.0];
        for exponent in [-1060, -500, 0, 40, 1000] {
            let scale = |value: &f64| value * 2f64.powi(exponent / 2) * 2f64.powi(exponent / 2);
            let similarity = similarity(4, &pairs.each_ref().map(scale));
            let exact = |objective| best(&similarity, 2, Sizes::Any, objective).unwrap();
            let cuts = [min_cut(&similarity).unwrap(), spectral_cut(&similarity).unwrap()];
            for cut in cuts.into_iter().chain([exact(Objective::NormalizedCut)]) {
                assert_eq!(cut.first().groups(), [[0, 1], [2, 3]], "{exponent}");
            }
        }
    }

    #[test]
    fn graphs_that_have_no_cut_are_refused() {
        let single = Similarity::new(1, vec![1.0]).unwrap();
        assert!(matches!(min_cut(&single), Err(PartitionError::NoPartition { n: 1, .. })));
        let negative = similarity(3, &[0.5, -0.25, 0.5]);
        let expected = PartitionError::Negative { row: 0, col: 2, value: -0.25 };
        assert_eq!(min_cut(&negative), Err(expected.clone()));
        assert_eq!(spectral_cut(&negative), Err(expected));
        let lonely = similarity(3, &[0.5, 0.0, 0.0]);
        assert_eq!(spectral_cut(&lonely), Err(PartitionError::Isolated { vertex: 2 }));
    }
}
