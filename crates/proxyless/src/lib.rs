//! The ProxylessNAS search space: architectures, costs, network.
//!
//! *Floor 4. May be used by the program; knows no other space and no search.*
//!
//! A chain of 21 blocks in six stages. Each is an inverted bottleneck of MobileNetV2 with one of six
//! kernels and expansions or, where the input may pass as it is, nothing.
//!
//! ```
//! use proxyless::{Proxyless, ProxylessConfig};
//! use space::SearchSpace;
//!
//! let config = ProxylessConfig {
//!     width: 1.4,
//!     stage_channels: [24, 40, 80, 96, 192, 320],
//!     stem_stride: 2,
//! };
//! let space = Proxyless::new(&config, 3, 224, 1000);
//! assert_eq!(space.full_mask().n_archs(), 6_u128.pow(6) * 7_u128.pow(15));
//! ```
//!
//! Literature: Cai et al., *ProxylessNAS*, ICLR 2019; Sandler et al., *MobileNetV2*, CVPR 2018.

mod block;
mod network;
mod space_impl;

pub use network::ProxylessNetwork;
pub use space_impl::{Proxyless, ProxylessConfig};
