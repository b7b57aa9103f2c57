//! One piece of work, compiled for each instruction set and chosen when the program runs.

use std::sync::OnceLock;

use crate::portable::Portable;
use crate::vector::Lanes;

/// The instruction sets that the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Whatever the target guarantees.
    Portable,
    /// AVX2 with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512, foundation.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// The widest set that this processor has.
    pub fn widest() -> Self {
        static WIDEST: OnceLock<Isa> = OnceLock::new();
        *WIDEST.get_or_init(|| Self::available().pop().unwrap_or(Self::Portable))
    }

    /// All sets that this processor has, from narrow to wide.
    pub fn available() -> Vec<Self> {
        let mut found = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            found.push(Self::Avx2);
            if is_x86_feature_detected!("avx512f") {
                found.push(Self::Avx512);
            }
        }
        found
    }

    /// Does the work with the instructions of this set.
    ///
    /// # Panics
    ///
    /// If the processor does not have them.
    #[inline]
    pub fn run<W: Work>(self, work: W) -> W::Output {
        match self {
            Self::Portable => work.run::<Portable>(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 | Self::Avx512 => self.run_vectorized(work),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "the features are looked for before the call")]
    fn run_vectorized<W: Work>(self, work: W) -> W::Output {
        assert!(self <= Self::widest(), "no {self:?} here");
        match self {
            Self::Portable => work.run::<Portable>(),
            // SAFETY: the assertion above.
            Self::Avx2 => unsafe { avx2(work) },
            // SAFETY: the assertion above.
            Self::Avx512 => unsafe { avx512(work) },
        }
    }
}

/// Something to do whose code is inlined into a function with more instructions.
pub trait Work {
    /// What comes out.
    type Output;

    /// Must be `#[inline(always)]`, and so must all it calls.
    fn run<L: Lanes>(self) -> Self::Output;
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<W: Work>(work: W) -> W::Output {
    work.run::<crate::avx2::Avx2>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn avx512<W: Work>(work: W) -> W::Output {
    work.run::<crate::avx512::Avx512>()
}
