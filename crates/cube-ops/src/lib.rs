//! Fused convolution, batch norm, pooling, gradient descent and distances of points for burn's CubeCL backends, which
//! run on cards.
//!
//! *Floor 2. May be used by supernets; knows no network.*
//!
//! The operations are those of `flex-ops`, which runs on the processor, and so are the words for them. burn makes a
//! convolution out of changes of layout and a kernel, and a norm out of a dozen; here a convolution is one kernel
//! with the ReLU before it, and a norm two with the activation after it. Images stay `[b, c, h, w]`.
//!
//! Nothing is in this crate without one of its features: `cuda`, or `webgpu` for tests. Those compare all of it with
//! the processor: `cargo test --release -p cube-ops --features webgpu` takes the first device with Vulkan that is no
//! card, such as Mesa's `lavapipe`; `cargo xtask gpu` takes a card of NVIDIA.

#![cfg(feature = "kernels")]
#![expect(
    unsafe_code,
    reason = "kernels look at the bounds themselves, and are launched without further checks"
)]

mod activation;
#[cfg(test)]
mod card_tests;
mod convolve;
mod depthwise;
mod descent;
mod deviation;
mod distances;
mod node;
mod normalize;
mod ops;
mod pool;
mod shape;
mod shares;
mod sums;
mod tensors;
mod tile;
mod weigh;

pub use descent::{Moving, descend, sums_of_squares};
pub use distances::squared_distances;
pub use ops::{avg_pool3, conv, conv_norm, is_supported, norm};
