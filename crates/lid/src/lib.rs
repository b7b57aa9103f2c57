//! Local intrinsic dimension (LID): distances of n points, estimators, profiles.
//!
//! Floor 0. May be used by every crate above; knows no tensor library, no file and no network.
//! The LID of a point is dimensionless: the exponent with which the number of its neighbors grows
//! with the radius. Points are the `n` rows of a row-major matrix of `d` features; `k` counts
//! neighbors, and a point is never a neighbor of itself.
//!
//! ```
//! use lid::{Aggregate, Degenerate, Estimator, Neighbors, Points, estimate};
//!
//! let values = [0.0, 1.0, 3.0, 7.0]; // Four points on a line.
//! let neighbors = Neighbors::nearest(Points::new(&values, 1)?, 2)?;
//! assert_eq!(neighbors.row(0), [1.0, 3.0]);
//!
//! let lid = estimate(&neighbors, Estimator::Mle, Degenerate::Error)?;
//! let first = 2.0 / 3.0_f64.ln(); // −((ln(1/3) + ln(3/3)) / 2)⁻¹
//! assert!((lid.per_point()[0].unwrap() - first).abs() < 1e-12);
//! assert!(lid.aggregate(Aggregate::HarmonicMean) <= lid.mean());
//! # Ok::<(), lid::LidError>(())
//! ```
//!
//! [`Features`] finds the neighbors of points with 64-bit features, [`Neighbors::from_distances`] those of points
//! of which distances alone are known. Every result is the same to the last bit whatever the number of threads.
//!
//! Literature: Levina & Bickel 2004 and Amsaleg et al. 2015 (maximum likelihood); MacKay &
//! Ghahramani 2005 (harmonic mean); Amsaleg et al. 2018 (method of moments); Facco et al. 2017
//! (two nearest neighbors); Amsaleg et al. 2019 (tight localities).

mod dimension;
mod error;
mod estimator;
mod exact;
mod features;
mod frame;
mod gram;
mod neighbors;
mod points;
mod product;
mod profile;
mod published;
mod shortlist;
mod tle;
mod two_nn;

pub use dimension::{Aggregate, Lid};
pub use error::{Cause, LidError};
pub use estimator::{Degenerate, Estimator, estimate};
pub use features::Features;
pub use neighbors::Neighbors;
pub use points::{Pairwise, Points};
pub use profile::Profile;
pub use published::mle_as_published;
pub use tle::tle;
pub use two_nn::{Fit, two_nn};
