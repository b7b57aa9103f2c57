//! The Once-for-All search space on MobileNetV3: architectures, costs, network.
//!
//! *Floor 4. May be used by the program; knows no other space and no search.*
//!
//! Five stages of up to four inverted bottlenecks. Of each block the kernel and the expansion are
//! chosen, of each stage how many blocks it has. Smaller choices are slices of the weights of larger
//! ones.
//!
//! ```
//! use ofa::{Ofa, OfaConfig};
//! use space::SearchSpace;
//!
//! let config =
//!     OfaConfig { width: 1.2, expand_ratios: vec![4, 6], depths: vec![3, 4], stem_stride: 2 };
//! let space = Ofa::new(&config, 3, 224, 1000)?;
//! assert_eq!(space.full_mask().n_archs(), 3_u128.pow(20) * 2_u128.pow(25));
//! # Ok::<(), ofa::OfaError>(())
//! ```
//!
//! Literature: Cai et al., *Once for All*, ICLR 2020; Howard et al., *Searching for MobileNetV3*,
//! ICCV 2019.

mod block;
mod choice;
mod error;
mod network;
mod space_impl;
mod stage;
mod text;

pub use error::OfaError;
pub use network::OfaNetwork;
pub use space_impl::{Ofa, OfaConfig};
