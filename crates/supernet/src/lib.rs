//! Supernets on burn: shared blocks, path sampling, training, evaluation, probes.
//!
//! *Floor 3. May be used by spaces, search and the program; knows no single space and not how
//! splits are chosen.*
//!
//! Axes: `b` images in a batch, `c` channels, `h w` height and width, `e` edges, `o` operations,
//! `t` taps, `n` points (rows of a feature matrix, = `b`), `d` features per point, `k` neighbors.
//!
//! A space implements [`Network`]; [`Engine`] makes a [`Supernet`] of it, which everybody else uses
//! as a trait object.
//!
//! ```
//! use supernet::Schedule;
//!
//! let schedule = Schedule { first: 0.1, last: 0.0, n_steps: 100 };
//! assert!((schedule.lr(50) - 0.05).abs() < 1e-12);
//! ```
//!
//! Literature: Guo et al. 2020 (single-path one-shot), Chu et al. 2021 (FairNAS).

mod blocks;
mod bottleneck;
mod checkpoint;
mod engine;
mod error;
mod features;
mod gradient;
mod latency;
mod linear;
mod loss;
mod optimizer;
mod pass;
mod pool;
mod published;
mod squeeze_excite;
mod stock_conv;
mod supernet;
mod training;

pub use blocks::{Activation, Affine, Conv, ConvConfig, ConvNorm, ConvNormConfig, Norm};
pub use bottleneck::{Bottleneck, BottleneckConfig, Shortcut, plus_input};
pub use checkpoint::parameters;
pub use engine::{Engine, Network};
pub use error::SupernetError;
pub use features::Features;
pub use flex_ops::{Epsilon, Groups, Lookahead, PROFILE};
pub use gradient::Kept;
pub use linear::{Linear, prefix, product};
pub use optimizer::Optimizer;
pub use pass::{Kernels, Moments, Pass};
pub use pool::{avg_pool2, avg_pool3, global_avg_pool};
pub use published::{
    Imported, published_block, published_bottleneck, published_conv_norm, published_frame,
};
pub use squeeze_excite::SqueezeExcite;
pub use supernet::{
    Evaluation, Lesson, Statistics, StepOptions, StochasticDepth, Supernet, TapSink, Taps,
};
pub use training::{
    Paths, Sampling, Sandwich, Schedule, Training, TrainingError, first_steps, mean_loss,
};
