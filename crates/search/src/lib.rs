//! NAS-LID itself: which edge of a supernet to split and how, and evolution in what remains.
//!
//! *Floor 4. May be used by the program; knows no single space, no file and no command line.*
//!
//! A [`Criterion`] gathers [`Evidence`] on every edge that can be split, [`choose`] takes the best,
//! and `SplitTree<Evidence>` keeps it all. [`evolve`] then looks for good architectures under the
//! mask of a leaf. Only validation accuracy can steer it.
//!
//! ```
//! use search::{Evidence, choose};
//! use space::{EdgeId, Mask, SplitTree};
//!
//! let evidence = |edge, score| {
//!     let groups = vec![vec![0, 2], vec![1, 3]];
//!     Evidence { edge: EdgeId(edge), groups, score, readings: Vec::new() }
//! };
//! let all = vec![evidence(0, 0.1), evidence(1, 0.4), evidence(2, 0.4)];
//! let best = choose(&all).cloned().ok_or("nothing to split")?;
//! assert_eq!(best.edge, EdgeId(1));
//!
//! let mut tree = SplitTree::root(Mask::full(&[4, 4, 4]));
//! tree.grow(best.edge, &best.groups, all)?;
//! assert_eq!(tree.leaves().len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Axes: `n` operations on an edge, `t` numbers in the vector of an operation.
//!
//! # Literature
//!
//! - He et al. 2023, *NAS-LID: Efficient Neural Architecture Search with Local Intrinsic Dimension*
//!   (the split by profiles of LID).
//! - Hu et al. 2022, *Generalizing Few-Shot NAS with Gradient Matching* (the split by gradients).
//! - Zhao et al. 2021, *Few-Shot Neural Architecture Search* (the split by chance, its baseline).
//! - Guo et al. 2020, *Single Path One-Shot Neural Architecture Search with Uniform Sampling*, and
//!   Real et al. 2019, *Regularized Evolution for Image Classifier Architecture Search* (evolution).
//! - Deb et al. 2002, *A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II* (accuracy against
//!   cost).

mod candidates;
mod context;
mod criterion;
mod cut;
mod error;
mod evidence;
mod evolution;
mod gradient_criterion;
mod lid_criterion;
mod pareto;
mod probe;
mod random_criterion;
mod survey;
#[cfg(test)]
mod toy;

pub use criterion::Criterion;
pub use cut::{CutOptions, EdgeScore};
pub use error::{EvolutionFault, Incomparable, SearchError};
pub use evidence::{Evidence, Reading, choose};
pub use evolution::{Constraints, Evolution, NO_SHIFT, best, evolve};
pub use gradient_criterion::GradientCriterion;
pub use lid_criterion::{LidCriterion, LidOptions, PerTap};
pub use pareto::{Prices, Selection, front};
pub use probe::{ProbeFault, TapLids, tap_lids};
pub use random_criterion::RandomCriterion;
