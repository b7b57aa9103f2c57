//! A division by chance, the baseline that every criterion has to beat.

use data::Batch;
use rand::{Rng, RngExt};
use space::{Mask, SearchSpace, Seed};
use supernet::Supernet;

use crate::{Criterion, CutOptions, Evidence, SearchError};

/// Draws the edge and the division of its operations: Zhao et al. 2021.
///
/// Each division of the allowed sizes is equally likely, and so is each edge. Nothing but the seed
/// is used, from the stream `split/edge-e/chance`; objective and edge score play no part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandomCriterion {
    /// How operations are divided.
    pub cut: CutOptions,
}

impl Criterion for RandomCriterion {
    fn evidence(
        &self,
        _supernet: &dyn Supernet,
        space: &dyn SearchSpace,
        mask: &Mask,
        _batches: &[Batch],
        seed: Seed,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Evidence>, SearchError> {
        let edges = self.cut.splittable(space, mask)?;
        let total = edges.len();
        let mut all = Vec::with_capacity(total);
        for edge in edges {
            let mut rng = seed.child(&format!("split/edge-{}/chance", edge.0)).rng();
            let score = rng.random();
            let groups = groups(&self.cut, mask.ops(edge).len(), &mut rng);
            all.push(Evidence { edge, groups, score, readings: Vec::new() });
            progress(all.len(), total);
        }
        Ok(all)
    }
}

/// A division of `n` operations, uniform among those of the allowed sizes; one must exist.
///
/// Labels are drawn until the sizes are right. The least likely case, twelve operations in twelve
/// groups, takes 19 000 draws on average.
fn groups(cut: &CutOptions, n: usize, rng: &mut impl Rng) -> Vec<Vec<usize>> {
    let sizes = cut.sizes_of(n).expect("the operations can be divided");
    loop {
        let mut groups = vec![Vec::new(); cut.n_groups];
        for op in 0..n {
            groups[rng.random_range(0..cut.n_groups)].push(op);
        }
        if groups.iter().all(|group| sizes.contains(&group.len())) {
            groups.sort_unstable();
            return groups;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use partition::{Objective, Partition, Sizes};
    use proptest::prelude::*;

    use super::*;
    use crate::toy::{Toy, ToyNet};
    use crate::{EdgeScore, choose};

    fn cut(n_groups: usize, sizes: Sizes) -> CutOptions {
        CutOptions { n_groups, sizes, objective: Objective::IntraSum, edge_score: EdgeScore::Gap }
    }

    fn evidence(seed: u64) -> Vec<Evidence> {
        let (toy, cut) = (Toy::new(&[5, 5, 5, 5]), cut(2, Sizes::Balanced));
        let (mask, seed) = (toy.full_mask(), Seed::new(seed));
        let criterion = RandomCriterion { cut };
        criterion.evidence(&ToyNet, &toy, &mask, &[], seed, &mut |_, _| ()).unwrap()
    }

    #[test]
    fn edge_and_groups_follow_the_seed_alone() {
        assert_eq!(evidence(7), evidence(7));
        let mut chosen = BTreeMap::new();
        for seed in 0..200 {
            let all = evidence(seed);
            *chosen.entry(choose(&all).unwrap().edge).or_insert(0) += 1;
        }
        // 200 draws among 4 edges: 50 each, standard deviation 6.1; five of those.
        assert_eq!(chosen.len(), 4);
        assert!(chosen.values().all(|n| (20..80).contains(n)), "{chosen:?}");
    }

    #[test]
    fn every_allowed_division_is_equally_likely() {
        let mut counts = BTreeMap::new();
        let mut rng = Seed::new(7).rng();
        for _ in 0..1500 {
            *counts.entry(groups(&cut(2, Sizes::Any), 5, &mut rng)).or_insert(0) += 1;
        }
        // 15 divisions, 100 each, standard deviation 9.7; five of those.
        assert_eq!(counts.len(), 15);
        assert!(counts.values().all(|n| (52..149).contains(n)), "{counts:?}");
    }

    proptest! {
        #[test]
        fn groups_are_partitions_of_allowed_sizes(n in 4usize..9, n_groups in 2usize..4, seed: u64) {
            for sizes in [Sizes::Any, Sizes::Balanced, Sizes::Min2] {
                let cut = cut(n_groups, sizes);
                if sizes == Sizes::Min2 && n < 2 * n_groups {
                    continue;
                }
                let groups = groups(&cut, n, &mut Seed::new(seed).rng());
                let partition = Partition::new(groups.clone()).unwrap();
                prop_assert_eq!(partition.groups(), groups);
                prop_assert_eq!((partition.n(), partition.n_groups()), (n, n_groups));
                let found = || partition.groups().iter().map(Vec::len);
                let (least, greatest) = (found().min().unwrap(), found().max().unwrap());
                let is_allowed = match sizes {
                    Sizes::Any => 1 <= least,
                    Sizes::Balanced => greatest <= least + 1,
                    Sizes::Min2 => 2 <= least,
                };
                prop_assert!(is_allowed);
            }
        }
    }
}
