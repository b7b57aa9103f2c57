//! The NAS-Bench-201 search space: architectures, costs, network, accuracy table.
//!
//! *Floor 4. May be used by the program; knows no other space and no search.*
//!
//! ```
//! use nb201::{Nb201, Nb201Config};
//! use space::SearchSpace;
//!
//! let config = Nb201Config { channels: 16, cells_per_stage: 5, affine: true };
//! let space = Nb201::new(&config, 3, 32, 10);
//! assert_eq!(space.full_mask().n_archs(), 15_625);
//! ```
//!
//! Literature: Dong & Yang, *NAS-Bench-201*, ICLR 2020; Dong et al., *NATS-Bench*, TPAMI 2021.

mod cell;
mod error;
mod nats;
mod network;
mod space_impl;
mod table;

pub use cell::{Operation, canonical, live_edges};
pub use error::{NatsFault, Nb201Error};
pub use nats::{Measurement, Record, Training};
pub use network::Nb201Network;
pub use space_impl::{Nb201, Nb201Config};
pub use table::{Table, TruthSet};
