//! Kendall τ-b, Spearman, precision at the top, regret, intervals over seeds.
//!
//! Floor 0. May be used by every crate above; does not know where scores come from. Higher is
//! better. The first argument is what was predicted, the second what is true, pair by pair; a
//! coefficient that the data leave undefined is an error and never NaN.
//!
//! ```
//! use rank::{best_of, kendall_tau_b, precision_at_top, regret_of_top, spearman};
//!
//! let predicted = [0.1, 0.4, 0.2, 0.9];
//! let truth = [90.0, 93.0, 91.0, 92.0];
//! assert!((kendall_tau_b(&predicted, &truth)? - 4.0 / 6.0).abs() < 1e-12);
//! assert!((spearman(&predicted, &truth)? - 0.8).abs() < 1e-12);
//! assert_eq!(precision_at_top(&predicted, &truth, 0.5)?, 1.0);
//! assert_eq!(regret_of_top(&predicted, &truth)?, 1.0);
//! assert_eq!(best_of(&predicted, &truth, 2)?, 93.0);
//! # Ok::<(), rank::RankError>(())
//! ```
//!
//! Literature: Borda 1781 (mean ranks); Kendall 1945 (τ-b); Knight 1966 (its computation in O(n log n)); Spearman 1904;
//! Efron 1979 (bootstrap); Phipson & Smyth 2010 (permutation p-values); Student 1908, Hill 1970 (t).

mod check;
mod correlation;
mod error;
mod interval;
mod kendall;
mod significance;
mod student;
mod top;

pub use correlation::{mean_rank, pearson, spearman};
pub use error::{RankError, Side};
pub use interval::{Interval, bootstrap_interval, mean_and_interval};
pub use kendall::kendall_tau_b;
pub use significance::{Statistic, paired_difference, permutation_p_value, statistic_interval};
pub use top::{best_of, kendall_tau_of_top, precision_at_top, regret_of_top, top};
