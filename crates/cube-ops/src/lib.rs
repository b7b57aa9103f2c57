//! Fused convolution, batch norm, pooling, gradient descent and distances of points for burn's CubeCL backends, which run on cards.
//!
//! *Floor 2. May be used by supernets; knows no network.*
//!
//! The operations are those of `flex-ops`, which runs on the processor, and so are the words for them. burn makes a
//! convolution out of changes of layout and a kernel, and a norm out of a dozen; here a convolution is one kernel
//! with the ReLU before it, and a norm two with the activation after it. Images stay `[b, c, h, w]`.
//!
//! Nothing is in this crate without one of its features: `cuda`, or `webgpu` for tests. Those
//! compare all of it with the processor: `cargo test --release -p cube-ops --features webgpu` takes the first device
//! with Vulkan that is no card, such as Mesa's `lavapipe`; `cargo xtask gpu` takes a card of NVIDIA.

#[cfg(feature = "kernels")]
mod activation;
#[cfg(all(test, feature = "kernels"))]
mod card_tests;
#[cfg(feature = "kernels")]
#[expect(unsafe_code, reason = "its kernels look at the bounds themselves")]
mod convolve;
#[cfg(feature = "kernels")]
#[expect(unsafe_code, reason = "its kernels look at the bounds themselves")]
mod depthwise;
#[cfg(feature = "kernels")]
#[expect(unsafe_code, reason = "its kernels look at the bounds themselves")]
mod descent;
#[cfg(feature = "kernels")]
#[expect(unsafe_code, reason = "its kernels look at the bounds themselves")]
mod distances;
#[cfg(feature = "kernels")]
mod node;
#[cfg(feature = "kernels")]
#[expect(unsafe_code, reason = "its kernels look at the bounds themselves")]
mod normalize;
#[cfg(feature = "kernels")]
mod ops;
#[cfg(feature = "kernels")]
#[expect(unsafe_code, reason = "its kernels look at the bounds themselves")]
mod pool;
#[cfg(feature = "kernels")]
mod shape;
#[cfg(feature = "kernels")]
mod shares;
#[cfg(feature = "kernels")]
#[expect(unsafe_code, reason = "its kernels look at the bounds themselves")]
mod sums;
#[cfg(feature = "kernels")]
mod tensors;
#[cfg(feature = "kernels")]
mod tile;
#[cfg(feature = "kernels")]
#[expect(unsafe_code, reason = "its kernels look at the bounds themselves")]
mod weigh;

#[cfg(feature = "kernels")]
pub use descent::{Moving, descend, sums_of_squares};
#[cfg(feature = "kernels")]
pub use distances::squared_distances;
#[cfg(feature = "kernels")]
pub use ops::{avg_pool3, conv, conv_norm, is_supported, norm};
