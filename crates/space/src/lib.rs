//! Vocabulary of search spaces: edges, operations, masks, architectures, split tree, accuracies.
//!
//! *Floor 0. May be used by every other crate; knows no single space and no tensor library.*
//!
//! ```
//! use space::{EdgeId, Mask, Seed, SplitTree};
//!
//! let mut tree = SplitTree::<()>::root(Mask::full(&[5, 5]));
//! tree.grow(EdgeId(1), &[vec![0, 1], vec![2, 3, 4]], vec![]).unwrap();
//! let arch = tree.mask.sample(&mut Seed::new(7).rng());
//! assert_eq!(tree.leaves().iter().filter(|leaf| leaf.mask.contains(&arch)).count(), 1);
//! ```
//!
//! The split tree: He et al., *NAS-LID*, AAAI 2023, figure 2.

mod accuracy;
mod error;
mod latency;
mod mask;
mod search_space;
mod seed;
mod tally;
mod tree;

pub use accuracy::{Accuracy, Test, Valid};
pub use error::{ArchFault, SpaceError};
pub use latency::{LatencyTable, PartLatency, choices};
pub use mask::{Arch, EdgeId, Mask, OpId};
pub use search_space::{
    Cost, SearchSpace, cheapest, extremes, sample_connected, stratified_sample,
};
pub use seed::Seed;
pub use tally::{Tally, multiple_of_eight};
pub use tree::{NodeId, Split, SplitTree};
