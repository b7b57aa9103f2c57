//! Sixteen numbers at once.

use crate::geometry::LANES;

/// A vector of [`LANES`] numbers; every method must be inlined into the entry points of
/// [`crate::isa`].
pub(crate) trait Lanes: Copy {
    fn splat(value: f32) -> Self;
    fn load(values: &[f32; LANES]) -> Self;
    fn store(self, to: &mut [f32; LANES]);
    /// `self · factor + addend`, rounded once.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
}

/// What the compiler makes of an array.
#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; LANES]);

impl Lanes for Portable {
    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    fn load(values: &[f32; LANES]) -> Self {
        Self(*values)
    }

    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        *to = self.0;
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].mul_add(factor.0[i], addend.0[i])))
    }
}

/// A register of AVX-512; used only where the processor has it.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx512(std::arch::x86_64::__m512);

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "only the entry point that has looked for AVX-512 names this type")]
impl Lanes for Avx512 {
    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: see the type.
        Self(unsafe { std::arch::x86_64::_mm512_set1_ps(value) })
    }

    #[inline(always)]
    fn load(values: &[f32; LANES]) -> Self {
        // SAFETY: see the type; the array is as long as the register, and need not be aligned.
        Self(unsafe { std::arch::x86_64::_mm512_loadu_ps(values.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        // SAFETY: see the type; the array is as long as the register, and need not be aligned.
        unsafe { std::arch::x86_64::_mm512_storeu_ps(to.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: see the type.
        Self(unsafe { std::arch::x86_64::_mm512_fmadd_ps(self.0, factor.0, addend.0) })
    }
}
