//! Architectures that were not evaluated yet.

use std::collections::BTreeSet;
use std::vec;

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use space::{Arch, Mask, OpId, SearchSpace, Seed};

use crate::{Constraints, Evolution};

/// Masks of so many architectures are listed, greater ones are drawn from.
const LISTED: u128 = 1 << 16;

/// How many draws are made for each architecture wanted, before fewer are returned.
const DRAWS: usize = 100;

/// Hands out connected architectures within the constraints, each once.
pub(crate) struct Candidates<'a> {
    mask: &'a Mask,
    unseen: Unseen<'a>,
    fresh: Fresh,
}

/// The admissible architectures that were not handed out; those that differ in inert edges alone count
/// as one.
struct Unseen<'a> {
    space: &'a dyn SearchSpace,
    mask: &'a Mask,
    constraints: &'a Constraints,
    seen: BTreeSet<Arch>,
}

/// Where architectures without parents come from.
enum Fresh {
    /// All that are admissible, shuffled.
    Listed(vec::IntoIter<Arch>),
    /// Uniform draws.
    Drawn(Box<ChaCha8Rng>),
}

impl<'a> Candidates<'a> {
    /// Everything under the mask that is connected and within the constraints.
    pub(crate) fn new(
        space: &'a dyn SearchSpace,
        mask: &'a Mask,
        constraints: &'a Constraints,
        seed: Seed,
    ) -> Self {
        let mut rng = seed.rng();
        let fresh = if mask.n_archs() <= LISTED {
            let admitted = mask.archs().filter(|arch| constraints.admit(space, arch));
            let mut archs: Vec<Arch> = admitted.map(|arch| settled(space, mask, &arch)).collect();
            archs.shuffle(&mut rng);
            Fresh::Listed(archs.into_iter())
        } else {
            Fresh::Drawn(Box::new(rng))
        };
        Self { mask, unseen: Unseen { space, mask, constraints, seen: BTreeSet::new() }, fresh }
    }

    /// The next generation: children of the parents, filled up with uniform draws.
    pub(crate) fn generation(
        &mut self,
        parents: &[Arch],
        options: &Evolution,
        seed: Seed,
    ) -> Vec<Arch> {
        let mask = self.mask;
        let mut generation = Vec::with_capacity(options.population);
        if 1 < parents.len() {
            let mut rng = seed.child("crossover").rng();
            let cross = || crossover(parents, &mut rng);
            generation.extend(self.unseen.take(options.n_crossover, cross));
        }
        if !parents.is_empty() {
            let mut rng = seed.child("mutation").rng();
            let mutate = || mutation(parents, mask, options.mutation_probability, &mut rng);
            generation.extend(self.unseen.take(options.n_mutation, mutate));
        }
        generation.extend(self.fresh(options.population - generation.len()));
        generation
    }

    /// Up to `n` architectures, drawn uniformly, but for those handed out before.
    fn fresh(&mut self, n: usize) -> Vec<Arch> {
        match &mut self.fresh {
            Fresh::Listed(archs) => {
                archs.filter(|arch| self.unseen.seen.insert(arch.clone())).take(n).collect()
            }
            Fresh::Drawn(rng) => self.unseen.take(n, || self.mask.sample(rng)),
        }
    }
}

impl Unseen<'_> {
    /// Up to `n` of them, by at most `100 n` draws.
    fn take(&mut self, n: usize, mut draw: impl FnMut() -> Arch) -> Vec<Arch> {
        let mut archs = Vec::with_capacity(n);
        for _ in 0..n.saturating_mul(DRAWS) {
            if archs.len() == n {
                break;
            }
            let arch = settled(self.space, self.mask, &draw());
            if !self.seen.contains(&arch) && self.constraints.admit(self.space, &arch) {
                self.seen.insert(arch.clone());
                archs.push(arch);
            }
        }
        archs
    }
}

/// The same network with the cheapest operation of the mask on every inert edge, the first of several.
fn settled(space: &dyn SearchSpace, mask: &Mask, arch: &Arch) -> Arch {
    let settle = |arch: Arch, edge| {
        if !space.is_inert(&arch, edge) {
            return arch;
        }
        let cheapest = mask.ops(edge).iter().min_by_key(|&&op| space.cost(&arch.with(edge, op)));
        cheapest.map_or(arch.clone(), |&op| arch.with(edge, op))
    };
    mask.edges().fold(arch.clone(), settle)
}

/// Each operation from one of two different parents.
fn crossover(parents: &[Arch], rng: &mut impl Rng) -> Arch {
    let mother = rng.random_range(0..parents.len());
    let father = (mother + rng.random_range(1..parents.len())) % parents.len();
    let pairs = parents[mother].ops().iter().zip(parents[father].ops());
    Arch::new(pairs.map(|(&ours, &theirs)| if rng.random() { ours } else { theirs }).collect())
}

/// A parent whose operations are each drawn anew with the given probability.
fn mutation(parents: &[Arch], mask: &Mask, probability: f64, rng: &mut impl Rng) -> Arch {
    let parent = &parents[rng.random_range(0..parents.len())];
    let mutate = |(edge, &op): (_, &OpId)| {
        let ops = mask.ops(edge);
        if rng.random_bool(probability) { ops[rng.random_range(0..ops.len())] } else { op }
    };
    Arch::new(mask.edges().zip(parent.ops()).map(mutate).collect())
}
