//! Figures of one partition: sums and means inside and between groups, separation.

use crate::{Partition, Similarity};

/// Sums over the pairs inside groups and the pairs between groups.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    pub(crate) intra: f64,
    pub(crate) n_intra: u32,
    pub(crate) inter: f64,
    pub(crate) n_inter: u32,
}

impl Sums {
    /// Adds up the pairs, in row order, of vertices with these labels.
    pub(crate) fn of<L: PartialEq>(similarity: &Similarity, labels: &[L]) -> Self {
        let mut sums = Self::default();
        for (row, col, value) in similarity.pairs() {
            if labels[row] == labels[col] {
                sums.intra += value;
                sums.n_intra += 1;
            } else {
                sums.inter += value;
                sums.n_inter += 1;
            }
        }
        sums
    }

    fn checked(similarity: &Similarity, partition: &Partition) -> Self {
        let (n, grouped) = (similarity.n(), partition.n());
        assert!(n == grouped, "a similarity of {n} vertices, a partition of {grouped}");
        Self::of(similarity, &partition.labels())
    }

    pub(crate) fn mean_intra(self) -> Option<f64> {
        (0 < self.n_intra).then(|| self.intra / f64::from(self.n_intra))
    }

    pub(crate) fn mean_inter(self) -> Option<f64> {
        (0 < self.n_inter).then(|| self.inter / f64::from(self.n_inter))
    }

    pub(crate) fn gap(self) -> Option<f64> {
        Some(self.mean_intra()? - self.mean_inter()?)
    }
}

/// Σ S_ij over the pairs i < j of one group.
///
/// # Panics
///
/// If similarity and partition differ in the number of vertices.
pub fn intra_sum(similarity: &Similarity, partition: &Partition) -> f64 {
    Sums::checked(similarity, partition).intra
}

/// Σ S_ij over the pairs i < j of two groups.
///
/// # Panics
///
/// If similarity and partition differ in the number of vertices.
pub fn inter_sum(similarity: &Similarity, partition: &Partition) -> f64 {
    Sums::checked(similarity, partition).inter
}

/// Mean of S_ij over the pairs i < j of one group; `None` if each vertex is alone.
///
/// # Panics
///
/// If similarity and partition differ in the number of vertices.
pub fn mean_intra(similarity: &Similarity, partition: &Partition) -> Option<f64> {
    Sums::checked(similarity, partition).mean_intra()
}

/// Mean of S_ij over the pairs i < j of two groups; `None` if there is one group only.
///
/// # Panics
///
/// If similarity and partition differ in the number of vertices.
pub fn mean_inter(similarity: &Similarity, partition: &Partition) -> Option<f64> {
    Sums::checked(similarity, partition).mean_inter()
}

/// Mean similarity inside groups less mean similarity between groups.
///
/// Unlike the sums it can be compared between graphs: it is what chooses the edge to split. `None` if
/// there is no pair inside a group, or none between groups.
///
/// # Panics
///
/// If similarity and partition differ in the number of vertices.
///
/// # Examples
///
/// ```
/// use partition::{Partition, Similarity, gap};
///
/// let similarity = Similarity::new(3, vec![1.0, 0.75, 0.5, 0.75, 1.0, 0.0, 0.5, 0.0, 1.0])?;
/// let partition = Partition::new(vec![vec![0, 1], vec![2]])?;
/// assert_eq!(gap(&similarity, &partition), Some(0.75 - 0.25));
/// # Ok::<(), partition::PartitionError>(())
/// ```
pub fn gap(similarity: &Similarity, partition: &Partition) -> Option<f64> {
    Sums::checked(similarity, partition).gap()
}

/// Mean distance inside groups over mean distance between groups; small is well separated.
///
/// Distance is 1 − S. `None` if there is no pair inside a group, none between groups, or the mean
/// distance between groups is not positive.
///
/// # Panics
///
/// If similarity and partition differ in the number of vertices.
pub fn separability(similarity: &Similarity, partition: &Partition) -> Option<f64> {
    let sums = Sums::checked(similarity, partition);
    let (intra, inter) = (1.0 - sums.mean_intra()?, 1.0 - sums.mean_inter()?);
    (0.0 < inter).then(|| intra / inter)
}

/// Mean silhouette of the vertices, in [−1, 1]: large is well separated. Rousseeuw 1987.
///
/// With a the mean distance to the rest of the own group and b the least mean distance to another
/// group, the silhouette of a vertex is (b − a) / max(a, b); 0 if the vertex is alone or a = b.
/// Distance is max(0, 1 − S): a similarity that rounding lifts above 1 is no negative distance. `None`
/// if there is only one group.
///
/// # Panics
///
/// If similarity and partition differ in the number of vertices.
pub fn silhouette(similarity: &Similarity, partition: &Partition) -> Option<f64> {
    let (n, grouped) = (similarity.n(), partition.n());
    assert!(n == grouped, "a similarity of {n} vertices, a partition of {grouped}");
    if partition.n_groups() < 2 {
        return None;
    }
    let labels = partition.labels();
    let total: f64 =
        (0..n).map(|vertex| silhouette_of(similarity, partition, vertex, labels[vertex])).sum();
    Some(total / n as f64)
}

fn silhouette_of(similarity: &Similarity, partition: &Partition, vertex: usize, own: usize) -> f64 {
    let distance = |other: usize| (1.0 - similarity.get(vertex, other)).max(0.0);
    let mut to_own = None;
    let mut to_next = f64::INFINITY;
    for (label, group) in partition.groups().iter().enumerate() {
        let total: f64 = group.iter().filter(|&&other| other != vertex).map(|&o| distance(o)).sum();
        if label != own {
            to_next = to_next.min(total / group.len() as f64);
        } else if 1 < group.len() {
            to_own = Some(total / (group.len() - 1) as f64);
        }
    }
    let Some(to_own) = to_own else { return 0.0 };
    let larger = to_own.max(to_next);
    if 0.0 < larger { (to_next - to_own) / larger } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn four() -> Similarity {
        let rows = vec![
            vec![1.0, 0.75, 0.25, 0.0],
            vec![0.75, 1.0, 0.5, 0.25],
            vec![0.25, 0.5, 1.0, 0.5],
            vec![0.0, 0.25, 0.5, 1.0],
        ];
        Similarity::try_from(rows).unwrap()
    }

    fn partition(groups: &[&[usize]]) -> Partition {
        Partition::new(groups.iter().map(|group| group.to_vec()).collect()).unwrap()
    }

    #[track_caller]
    fn check(got: Option<f64>, expected: Option<f64>) {
        match (got, expected) {
            // A handful of additions: rounding only.
            (Some(got), Some(expected)) => assert!((got - expected).abs() < 1e-14, "{got}"),
            (got, expected) => assert_eq!(got, expected),
        }
    }

    #[test]
    fn pairs_are_inside_or_between() {
        let (similarity, halves) = (four(), partition(&[&[0, 1], &[2, 3]]));
        check(Some(intra_sum(&similarity, &halves)), Some(1.25));
        check(Some(inter_sum(&similarity, &halves)), Some(1.0));
        check(mean_intra(&similarity, &halves), Some(0.625));
        check(gap(&similarity, &halves), Some(0.625 - 0.25));
        check(separability(&similarity, &halves), Some(0.375 / 0.75));
    }

    #[test]
    fn silhouette_by_hand() {
        // a, b of the vertices: 0.25, 0.875; 0.25, 0.625; 0.5, 0.625; 0.5, 0.875.
        let expected = (0.625 / 0.875 + 0.375 / 0.625 + 0.125 / 0.625 + 0.375 / 0.875) / 4.0;
        check(silhouette(&four(), &partition(&[&[0, 1], &[2, 3]])), Some(expected));
        // Alone is 0; vertices 0 to 2 have a = 0.5, 0.375, 0.625 and b = 1, 0.75, 0.5.
        let expected = (0.5 + 0.5 - 0.125 / 0.625) / 4.0;
        check(silhouette(&four(), &partition(&[&[0, 1, 2], &[3]])), Some(expected));
    }

    #[test]
    fn undefined_is_none() {
        let (similarity, whole) = (four(), partition(&[&[0, 1, 2, 3]]));
        let alone = partition(&[&[0], &[1], &[2], &[3]]);
        check(gap(&similarity, &whole), None);
        check(gap(&similarity, &alone), None);
        check(mean_intra(&similarity, &alone), None);
        check(separability(&similarity, &alone), None);
        check(silhouette(&similarity, &whole), None);
        let equal = Similarity::new(3, vec![1.0; 9]).unwrap();
        check(separability(&equal, &partition(&[&[0, 1], &[2]])), None);
        check(silhouette(&equal, &partition(&[&[0, 1], &[2]])), Some(0.0));
    }
}
