//! Images for training: decode, split, augment, batch; host memory only.
//!
//! *Floor 1. May be used by every crate above it; knows no tensor library.*
//!
//! A [`Source`] names a data set, [`Dataset::load`] imports it once and afterwards reads one cached
//! file, or, where pictures are of any size, lists them to decode each when it is shown. [`split`]
//! holds validation images out of the training images, and [`Batches`] turns [`Images`] and
//! [`Pictures`] into normalized numbers. Every random choice is drawn from a named [`space::Seed`],
//! so a batch of a data set is a function of seed, epoch and step alone.
//!
//! # Shapes
//!
//! `b` images in a batch, `n` images, `c` channels, `h w` height and width; row-major throughout.
//!
//! # Examples
//!
//! ```
//! use std::{path::Path, sync::Arc};
//!
//! use data::{Augment, Batches, Dataset, Normalization, Source, split};
//! use space::Seed;
//!
//! let digits = Dataset::load(&Source::Digits, None, Path::new("unused"))?;
//! let (train, valid) = split(&digits.train, 300, Seed::new(666))?;
//! assert_eq!((train.len(), valid.len(), digits.test.len()), (1200, 300, 297));
//!
//! let normalization = Normalization::of(&train)?;
//! let augment = Augment { crop_padding: 1, ..Augment::NONE };
//! let batches = Batches::new(Arc::new(train), &normalization, augment, 64)?;
//! let epoch = batches.epoch(Seed::new(666), 0);
//! assert_eq!(batches.batch(&epoch, 3)?.shape, [64, 1, 8, 8]);
//! # Ok::<(), data::DataError>(())
//! ```
//!
//! # Literature
//!
//! - Krizhevsky 2009, *Learning Multiple Layers of Features from Tiny Images* (CIFAR-10 and -100).
//! - Alpaydin and Kaynak 1998, *Cascading Classifiers* (digits; see `assets/CREDITS.txt`).
//! - DeVries and Taylor 2017, *Improved Regularization of CNNs with Cutout*.
//! - Zhang et al. 2018, *mixup*; Zhong et al. 2020, *Random Erasing Data Augmentation*.

mod archive;
mod augment;
mod batch;
mod cache;
mod cifar;
mod content;
mod dataset;
mod digest;
mod digits;
mod epoch;
mod error;
#[cfg(test)]
mod fixtures;
mod gallery;
mod imagenet16;
mod images;
mod jitter;
mod mixup;
mod normalization;
mod picture;
mod pictures;
mod prefetch;
mod source;
mod split;
mod tree;
mod view;

pub use augment::Augment;
pub use batch::{Batch, Batches};
pub use dataset::Dataset;
pub use epoch::Epoch;
pub use error::DataError;
pub use gallery::Gallery;
pub use images::Images;
pub use jitter::Jitter;
pub use mixup::Mixed;
pub use normalization::Normalization;
pub use pictures::{PictureFolder, Pictures};
pub use prefetch::Prefetch;
pub use source::Source;
pub use split::split;
