//! Sixteen `f32` at once, by whatever instructions the processor has.
//!
//! *Below floor 0: the kernels of `lid` and `flex-ops` are written with it. Knows only numbers.*
//!
//! A kernel is a [`Work`], written once over [`Lanes`]; [`Isa::run`] compiles it for each instruction
//! set and takes the widest that the processor has. A multiplication and the addition after it are
//! rounded once on every set, so all give the same bits.
//!
//! ```
//! use lanes::{Isa, LANES, Lanes, Work};
//!
//! struct Double<'a>(&'a mut [f32; LANES]);
//!
//! impl Work for Double<'_> {
//!     type Output = ();
//!
//!     #[inline(always)]
//!     fn run<L: Lanes>(self) {
//!         L::load(self.0).mul_add(L::splat(2.0), L::splat(0.0)).store(self.0);
//!     }
//! }
//!
//! let mut numbers = [3.0; LANES];
//! Isa::widest().run(Double(&mut numbers));
//! assert!(numbers.iter().all(|&number| (5.9..6.1).contains(&number)));
//! ```

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod isa;
mod portable;
mod vector;

pub use isa::{Isa, Work};
pub use vector::{LANES, Lanes};
