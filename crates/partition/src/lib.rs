//! Cuts a small similarity graph into disjoint, complete groups; scores edges.
//!
//! *Floor 0. May be used by every crate above.* It knows nothing of what the vertices mean: here they
//! are the operations on one edge of a supernet, and the similarity is that of their profiles.
//!
//! ```
//! use partition::{Objective, Similarity, Sizes, best, gap};
//!
//! let values = vec![
//!     1.0, 0.9, 0.1, 0.2, //
//!     0.9, 1.0, 0.2, 0.1, //
//!     0.1, 0.2, 1.0, 0.8, //
//!     0.2, 0.1, 0.8, 1.0,
//! ];
//! let similarity = Similarity::new(4, values)?;
//! let cut = best(&similarity, 2, Sizes::Balanced, Objective::IntraSum)?;
//! assert_eq!(cut.first().groups(), [[0, 1], [2, 3]]);
//! assert!((gap(&similarity, cut.first()).ok_or("no gap")? - 0.7).abs() < 1e-12);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Axes, in every `# Shapes` section: `n` vertices (or vectors), `t` numbers in each vector. The
//! diagonal of a similarity never counts.
//!
//! # Literature
//!
//! - He et al. 2023, *NAS-LID*, figure 2: the best cut maximizes the similarity inside the groups.
//! - Shi & Malik 2000, *Normalized cuts and image segmentation*.
//! - Stoer & Wagner 1997, *A simple min-cut algorithm*.
//! - Rousseeuw 1987, *Silhouettes*.
//! - Knuth, *The Art of Computer Programming* 4A, 7.2.1.5: restricted growth strings.

#![deny(clippy::expect_used)]

pub use crate::cut::{Cut, MAX_VERTICES, Objective, Sizes, best};
pub use crate::error::PartitionError;
pub use crate::groups::Partition;
pub use crate::large::{min_cut, spectral_cut};
pub use crate::measure::Measure;
pub use crate::published::{PublishedCut, min_cut_as_published};
pub use crate::score::{
    gap, inter_sum, intra_sum, mean_inter, mean_intra, separability, silhouette,
};
pub use crate::similarity::Similarity;

mod cut;
mod error;
mod groups;
mod large;
mod measure;
mod published;
mod score;
mod similarity;
