//! How the operations of an edge are divided, and what the division is worth.

use std::ops::RangeInclusive;

use partition::{
    MAX_VERTICES, Objective, Partition, PartitionError, Similarity, Sizes, best, gap, intra_sum,
    mean_inter,
};
use serde::{Deserialize, Serialize};
use space::{EdgeId, Mask, SearchSpace};

use crate::{SearchError, context};

/// How the operations of an edge are divided, and how edges are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutOptions {
    /// Groups that the operations of the split edge fall into, at least 2.
    pub n_groups: usize,
    /// Which sizes the groups may have.
    pub sizes: Sizes,
    /// What the best division of one edge maximizes.
    pub objective: Objective,
    /// What the best edge maximizes.
    pub edge_score: EdgeScore,
}

/// What the edge that is split has most of, given the best division of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeScore {
    /// Mean similarity inside groups less that between groups. An operation alone in its group has
    /// similarity 1 with itself; this counts only if all operations are alone.
    Gap,
    /// Sum of the similarities inside groups, He et al. 2023. It compares sums between edges and so
    /// favors the edge whose operations are most alike.
    IntraSum,
    /// Least mean similarity between groups, negated. Hu et al. 2022 minimize it.
    MeanInter,
}

impl CutOptions {
    /// Whether the numbers make sense by themselves.
    pub(crate) fn check(&self) -> Result<(), SearchError> {
        let n_groups = self.n_groups;
        if n_groups < 2 { Err(SearchError::Groups { n_groups }) } else { Ok(()) }
    }

    /// The edges that can be split, in order: those whose operations are all there still, are enough and
    /// count.
    pub(crate) fn splittable(
        &self,
        space: &dyn SearchSpace,
        mask: &Mask,
    ) -> Result<Vec<EdgeId>, SearchError> {
        self.check()?;
        let full = space.full_mask();
        let (n_edges, expected) = (mask.n_edges(), full.n_edges());
        assert_eq!(n_edges, expected, "edges of the mask and of {}", space.name());

        let whole = |edge: &EdgeId| mask.ops(*edge).len() == full.ops(*edge).len();
        let divisible = |edge: &EdgeId| self.sizes_of(mask.ops(*edge).len()).is_some();
        let counts = |edge: &EdgeId| !context::is_inert(space, mask, *edge);
        let edges: Vec<EdgeId> =
            mask.edges().filter(whole).filter(divisible).filter(counts).collect();
        for &edge in &edges {
            let n = mask.ops(edge).len();
            if MAX_VERTICES < n {
                let source = PartitionError::TooManyVertices { n, max: MAX_VERTICES };
                return Err(SearchError::Cut { edge, source });
            }
        }
        Ok(edges)
    }

    /// The best division, the first in order of those that tie, and the score of the edge.
    ///
    /// # Shapes
    ///
    /// - `similarity`: `[n, n]`
    pub(crate) fn divide(
        &self,
        similarity: &Similarity,
    ) -> Result<(Partition, f64), PartitionError> {
        let n = similarity.n();
        let partition = if n == self.n_groups {
            // There is one division only, and some objectives are undefined for it.
            Partition::new((0..n).map(|op| vec![op]).collect())?
        } else {
            best(similarity, self.n_groups, self.sizes, self.objective)?.first().clone()
        };
        let score = self.edge_score.of(similarity, &partition);
        Ok((partition, score))
    }

    /// How many of `n` operations a group may hold; `None` if they cannot be divided.
    pub(crate) fn sizes_of(&self, n: usize) -> Option<RangeInclusive<usize>> {
        self.sizes.of_groups(n, self.n_groups)
    }
}

impl EdgeScore {
    fn of(self, similarity: &Similarity, partition: &Partition) -> f64 {
        let between = || mean_inter(similarity, partition).expect("there are two groups at least");
        match self {
            Self::Gap => gap(similarity, partition).unwrap_or_else(|| 1.0 - between()),
            Self::IntraSum => intra_sum(similarity, partition),
            // Not a negation: that would tell 0 from −0.
            Self::MeanInter => 0.0 - between(),
        }
    }
}

#[cfg(test)]
mod tests {
    use space::OpId;

    use super::*;
    use crate::toy::Toy;

    fn options(n_groups: usize, sizes: Sizes, edge_score: EdgeScore) -> CutOptions {
        CutOptions { n_groups, sizes, objective: Objective::IntraSum, edge_score }
    }

    #[track_caller]
    fn check_score(edge_score: EdgeScore, expected: f64) {
        let rows = vec![
            vec![1.0, 0.75, 0.25, 0.0],
            vec![0.75, 1.0, 0.5, 0.25],
            vec![0.25, 0.5, 1.0, 0.5],
            vec![0.0, 0.25, 0.5, 1.0],
        ];
        let similarity = Similarity::try_from(rows).unwrap();
        let (partition, score) =
            options(2, Sizes::Balanced, edge_score).divide(&similarity).unwrap();
        assert_eq!(partition.groups(), [[0, 1], [2, 3]]);
        // A handful of additions of quarters: exact but for the last division.
        assert!((score - expected).abs() < 1e-15, "{score}");
    }

    #[test]
    fn edge_scores_by_hand() {
        check_score(EdgeScore::Gap, 0.625 - 0.25);
        check_score(EdgeScore::IntraSum, 1.25);
        check_score(EdgeScore::MeanInter, -0.25);
    }

    #[test]
    fn two_operations_part_from_each_other() {
        let similarity = Similarity::new(2, vec![1.0, 0.25, 0.25, 1.0]).unwrap();
        let objective = Objective::Gap;
        let cut = CutOptions { objective, ..options(2, Sizes::Balanced, EdgeScore::Gap) };
        let (partition, score) = cut.divide(&similarity).unwrap();
        assert_eq!(partition.groups(), [[0], [1]]);
        assert!((score - 0.75).abs() < 1e-15);
    }

    #[test]
    fn an_edge_is_split_once_and_only_if_its_operations_suffice() {
        let toy = Toy::new(&[5, 3, 1, 4]);
        let edges = |options: CutOptions, mask: &Mask| {
            let edges = options.splittable(&toy, mask).unwrap();
            edges.into_iter().map(|edge| edge.0).collect::<Vec<_>>()
        };
        let full = toy.full_mask();
        assert_eq!(edges(options(2, Sizes::Balanced, EdgeScore::Gap), &full), [0, 1, 3]);
        assert_eq!(edges(options(2, Sizes::Min2, EdgeScore::Gap), &full), [0, 3]);
        assert_eq!(edges(options(5, Sizes::Any, EdgeScore::Gap), &full), [0]);

        let child = full.split(EdgeId(0), &[vec![0, 1, 2, 3], vec![4]]).unwrap().remove(0);
        assert_eq!(child.ops(EdgeId(0)), [0, 1, 2, 3].map(OpId));
        assert_eq!(edges(options(2, Sizes::Balanced, EdgeScore::Gap), &child), [1, 3]);
    }

    #[test]
    fn an_edge_that_changes_nothing_is_not_split() {
        let toy = Toy::new(&[5, 3, 4]);
        let groups = [vec![0, 1, 2], vec![3]];
        let mask = toy.full_mask().split(EdgeId(2), &groups).unwrap().remove(1);
        let edges = options(2, Sizes::Balanced, EdgeScore::Gap).splittable(&toy, &mask).unwrap();
        assert_eq!(edges, [EdgeId(1)]);
    }

    #[test]
    fn one_group_and_too_many_operations_are_refused() {
        let toy = Toy::new(&[13]);
        let refused = |n_groups| {
            options(n_groups, Sizes::Any, EdgeScore::Gap).splittable(&toy, &toy.full_mask())
        };
        assert!(matches!(refused(1), Err(SearchError::Groups { n_groups: 1 })));
        assert!(matches!(refused(2), Err(SearchError::Cut { edge: EdgeId(0), .. })));
    }
}
