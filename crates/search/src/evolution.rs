//! Evolution among the architectures of a mask, steered by validation accuracy.

use serde::{Deserialize, Serialize};
use space::{Accuracy, Arch, Mask, SearchSpace, Seed, Valid};

use crate::candidates::Candidates;
use crate::{EvolutionFault, Prices, SearchError, Selection, pareto};

/// How architectures are bred: Guo et al. 2020, algorithm 1.
///
/// Published for NAS-LID: a population of 50, 10 parents, 20 children by crossover and 20 by
/// mutation with probability 0.1, 50 to 100 generations.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Evolution {
    /// Architectures evaluated in each generation.
    pub population: usize,
    /// The best of all generations so far, which breed the next.
    pub n_parents: usize,
    /// What makes them the best.
    pub selection: Selection,
    /// Generations, the first, random one included.
    pub generations: usize,
    /// Children by crossover in each later generation.
    pub n_crossover: usize,
    /// Children by mutation in each later generation.
    pub n_mutation: usize,
    /// Probability that a mutation draws the operation of an edge anew.
    pub mutation_probability: f64,
}

/// What an architecture may cost; none is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Constraints {
    /// Most parameters.
    pub max_parameters: Option<u64>,
    /// Most multiply-adds.
    pub max_macs: Option<u64>,
}

impl Evolution {
    fn check(&self) -> Result<(), EvolutionFault> {
        let &Self { population, n_crossover, n_mutation, .. } = self;
        for (key, value) in [
            ("population", population),
            ("n-parents", self.n_parents),
            ("generations", self.generations),
        ] {
            if value == 0 {
                return Err(EvolutionFault::Zero(key));
            }
        }
        if population < n_crossover.saturating_add(n_mutation) {
            return Err(EvolutionFault::Children { n_crossover, n_mutation, population });
        }
        if !(0.0..=1.0).contains(&self.mutation_probability) {
            return Err(EvolutionFault::Probability(self.mutation_probability));
        }
        Ok(())
    }
}

impl Constraints {
    /// Whether an architecture is connected and cheap enough.
    pub fn admit(&self, space: &dyn SearchSpace, arch: &Arch) -> bool {
        if !space.is_connected(arch) {
            return false;
        }
        let cost = space.cost(arch);
        self.max_parameters.is_none_or(|most| cost.parameters <= most)
            && self.max_macs.is_none_or(|most| cost.macs <= most)
    }
}

/// Every architecture that evolution evaluates, in order, with its accuracy.
///
/// The first generation is drawn uniformly from the connected architectures under the mask that
/// are within the constraints. Each later one is bred from the best so far and filled up with
/// uniform draws; [`Selection`] says whether the best are the most accurate or NSGA-II's. Unlike in Real et al. 2019 nobody dies of age: the parents are the best of all
/// generations.
///
/// No architecture is scored twice. The order follows from seed and accuracies alone, so a `score`
/// that remembers resumes an interrupted search by replaying it. The history is shorter than
/// `population × generations` if the mask holds no more, or if in a mask of more than 65 536 the
/// admissible ones are too rare for 100 draws each.
///
/// # Errors
///
/// [`SearchError::Evolution`] if the options do not fit together, [`SearchError::NoArch`] if no
/// architecture is found, or whatever `score` fails with.
///
/// # Panics
///
/// If the mask is not one of the space.
///
/// # Examples
///
/// ```
/// use search::{Constraints, Evolution, Prices, SearchError, NO_SHIFT, Selection, best, evolve};
/// use space::{Accuracy, Mask, SearchSpace, Seed, Valid};
///
/// fn search(space: &dyn SearchSpace, mask: &Mask) -> Result<String, SearchError> {
///     let prices = Prices { space, latency: None };
///     let options = Evolution {
///         population: 50,
///         n_parents: 10,
///         selection: Selection::Accuracy,
///         generations: 50,
///         n_crossover: 20,
///         n_mutation: 20,
///         mutation_probability: 0.1,
///     };
///     let mut score = |_: &_| Ok::<_, SearchError>(Accuracy::<Valid>::from_fraction(0.5));
///     let limits = Constraints::default();
///     let history = evolve(&prices, mask, &options, &limits, Seed::new(666), &mut score)?;
///     Ok(space.format(&best(&history, 1, &NO_SHIFT)[0].0))
/// }
/// ```
///
/// Test accuracy does not type-check:
///
/// ```compile_fail,E0271
/// use search::{Constraints, Evolution, Prices, SearchError, evolve};
/// use space::{Accuracy, Mask, Seed, Test};
///
/// fn peek(prices: &Prices<'_>, mask: &Mask, options: &Evolution) -> Result<(), SearchError> {
///     let mut score = |_: &_| Ok::<_, SearchError>(Accuracy::<Test>::from_fraction(0.5));
///     evolve(prices, mask, options, &Constraints::default(), Seed::new(666), &mut score)?;
///     Ok(())
/// }
/// ```
pub fn evolve<E: From<SearchError>>(
    prices: &Prices<'_>,
    mask: &Mask,
    options: &Evolution,
    constraints: &Constraints,
    seed: Seed,
    score: &mut dyn FnMut(&Arch) -> Result<Accuracy<Valid>, E>,
) -> Result<Vec<(Arch, Accuracy<Valid>)>, E> {
    options.check().map_err(SearchError::from)?;
    if options.selection == Selection::ParetoLatency {
        let table = prices.latency.ok_or(SearchError::from(EvolutionFault::NoTable))?;
        table.check(mask).map_err(|fault| SearchError::from(EvolutionFault::Table(fault)))?;
    }
    let mut candidates =
        Candidates::new(prices.space, mask, constraints, seed.child("evolution/fresh"));
    let mut history = Vec::new();
    for number in 0..options.generations {
        let parents = pareto::select(prices, options.selection, &history, options.n_parents);
        let stream = seed.child(&format!("evolution/generation-{number}"));
        let generation = candidates.generation(&parents, options, stream);
        if generation.is_empty() {
            break;
        }
        for arch in generation {
            let accuracy = score(&arch)?;
            history.push((arch, accuracy));
        }
    }
    if history.is_empty() { Err(SearchError::NoArch.into()) } else { Ok(history) }
}

/// The `n` most accurate, best first; in a tie the one evaluated first.
///
/// `shift` is added to an accuracy to compare it with others: nothing within one search.
///
/// # Examples
///
/// ```
/// use search::{NO_SHIFT, best};
/// use space::{Accuracy, Arch, OpId, Valid};
///
/// let arch = |op| Arch::new(vec![OpId(op)]);
/// let history: Vec<_> = [(0, 0.5), (1, 0.75), (2, 0.5)]
///     .map(|(op, fraction)| (arch(op), Accuracy::<Valid>::from_fraction(fraction)))
///     .into();
/// let archs = |best: Vec<(Arch, _)>| best.into_iter().map(|(arch, _)| arch).collect::<Vec<_>>();
/// assert_eq!(archs(best(&history, 2, &NO_SHIFT)), [arch(1), arch(0)]);
/// let favor_last = |of: &Arch| if *of == arch(2) { 0.5 } else { 0.0 };
/// assert_eq!(archs(best(&history, 2, &favor_last)), [arch(2), arch(1)]);
/// ```
pub fn best(
    history: &[(Arch, Accuracy<Valid>)],
    n: usize,
    shift: &dyn Fn(&Arch) -> f64,
) -> Vec<(Arch, Accuracy<Valid>)> {
    let score = |(arch, accuracy): &(Arch, Accuracy<Valid>)| accuracy.fraction() + shift(arch);
    let mut sorted: Vec<(f64, &(Arch, Accuracy<Valid>))> =
        history.iter().map(|found| (score(found), found)).collect();
    sorted.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    sorted.into_iter().take(n).map(|(_, found)| found.clone()).collect()
}

/// All accuracies are compared as they are.
pub const NO_SHIFT: fn(&Arch) -> f64 = |_| 0.0;

#[cfg(test)]
#[path = "evolution_tests.rs"]
mod tests;
