//! A vector of two registers of AVX2.

use crate::portable::Portable;
use crate::vector::{LANES, Lanes};

/// Made only inside of [`Isa::run`](crate::Isa::run), where AVX2 and FMA have been found: every
/// intrinsic below may be called.
#[derive(Clone, Copy)]
pub(crate) struct Avx2([std::arch::x86_64::__m256; 2]);

#[expect(
    unsafe_code,
    reason = "only the entry point that has looked for AVX2 and FMA names this type"
)]
impl Lanes for Avx2 {
    const IS_REGISTER: bool = false;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: see the type.
        Self([unsafe { std::arch::x86_64::_mm256_set1_ps(value) }; 2])
    }

    #[inline(always)]
    fn load(values: &[f32; LANES]) -> Self {
        let start = values.as_ptr();
        // SAFETY: see the type; the array is as long as two registers, and need not be aligned.
        unsafe {
            let low = std::arch::x86_64::_mm256_loadu_ps(start);
            Self([low, std::arch::x86_64::_mm256_loadu_ps(start.add(LANES / 2))])
        }
    }

    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        let start = to.as_mut_ptr();
        // SAFETY: see the type; the array is as long as two registers, and need not be aligned.
        unsafe {
            std::arch::x86_64::_mm256_storeu_ps(start, self.0[0]);
            std::arch::x86_64::_mm256_storeu_ps(start.add(LANES / 2), self.0[1]);
        }
    }

    #[inline(always)]
    fn load_part(values: &[f32]) -> Self {
        let Portable(lanes) = Portable::load_part(values);
        Self::load(&lanes)
    }

    #[inline(always)]
    fn store_part(self, to: &mut [f32]) {
        let mut lanes = [0.0; LANES];
        self.store(&mut lanes);
        Portable(lanes).store_part(to);
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        let ([a, b], [c, d]) = (self.0, other.0);
        // SAFETY: see the type.
        unsafe {
            Self([std::arch::x86_64::_mm256_add_ps(a, c), std::arch::x86_64::_mm256_add_ps(b, d)])
        }
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        let ([a, b], [c, d]) = (self.0, other.0);
        // SAFETY: see the type.
        unsafe {
            Self([std::arch::x86_64::_mm256_sub_ps(a, c), std::arch::x86_64::_mm256_sub_ps(b, d)])
        }
    }

    #[inline(always)]
    fn relu(self) -> Self {
        let [a, b] = self.0;
        // SAFETY: see the type. Of a NaN and a number the instruction gives the second.
        unsafe {
            let zero = std::arch::x86_64::_mm256_setzero_ps();
            let low = std::arch::x86_64::_mm256_max_ps(zero, a);
            Self([low, std::arch::x86_64::_mm256_max_ps(zero, b)])
        }
    }

    #[inline(always)]
    fn keep(self, lanes: u16) -> Self {
        self.through_portable(|lanes_of| lanes_of.keep(lanes))
    }

    #[inline(always)]
    fn up(self) -> Self {
        self.through_portable(Portable::up)
    }

    #[inline(always)]
    fn down(self) -> Self {
        self.through_portable(Portable::down)
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        let ([a, b], [c, d], [e, f]) = (self.0, factor.0, addend.0);
        // SAFETY: see the type.
        unsafe {
            let low = std::arch::x86_64::_mm256_fmadd_ps(a, c, e);
            Self([low, std::arch::x86_64::_mm256_fmadd_ps(b, d, f)])
        }
    }

    #[inline(always)]
    fn sums(vectors: [Self; LANES]) -> [f32; LANES] {
        let [first, second] = [Self::eight_sums(&vectors[..8]), Self::eight_sums(&vectors[8..])];
        let mut sums = [0.0; LANES];
        Self([first, second]).store(&mut sums);
        sums
    }

    #[inline(always)]
    fn transpose(vectors: [Self; LANES]) -> [Self; LANES] {
        let mut transposed = vectors;
        // A loop, because closures are not compiled for the instruction set.
        for (to, Portable(lanes)) in
            transposed.iter_mut().zip(Portable::transpose(Self::portable(vectors)))
        {
            *to = Self::load(&lanes);
        }
        transposed
    }

    #[inline(always)]
    fn interleave(self, other: Self) -> [Self; 2] {
        use std::arch::x86_64::{
            __m256, _mm256_permute2f128_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps,
        };
        let ([a, b], [c, d]) = (self.0, other.0);
        // SAFETY: see the type.
        unsafe {
            // Quarters of the first and the second half of both registers, in turns.
            let halves = |a: __m256, c: __m256| {
                let (low, high) = (_mm256_unpacklo_ps(a, c), _mm256_unpackhi_ps(a, c));
                Self([
                    _mm256_permute2f128_ps::<0x20>(low, high),
                    _mm256_permute2f128_ps::<0x31>(low, high),
                ])
            };
            [halves(a, c), halves(b, d)]
        }
    }

    #[inline(always)]
    fn deinterleave(self, other: Self) -> [Self; 2] {
        use std::arch::x86_64::{
            __m256, _mm256_castpd_ps, _mm256_castps_pd, _mm256_permute4x64_pd, _mm256_shuffle_ps,
        };
        let ([a, b], [c, d]) = (self.0, other.0);
        // SAFETY: see the type.
        unsafe {
            // Pairs of one register, of the other, and so on: the middle ones change places.
            let sorted = |v: __m256| {
                _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_castps_pd(v)))
            };
            let even = |a, b| sorted(_mm256_shuffle_ps::<0x88>(a, b));
            let odd = |a, b| sorted(_mm256_shuffle_ps::<0xdd>(a, b));
            [Self([even(a, b), even(c, d)]), Self([odd(a, b), odd(c, d)])]
        }
    }
}

#[expect(unsafe_code, reason = "as above")]
impl Avx2 {
    /// The sums of eight vectors.
    #[inline(always)]
    fn eight_sums(vectors: &[Self]) -> std::arch::x86_64::__m256 {
        let a = Self::four(vectors[0], vectors[4]);
        let b = Self::four(vectors[1], vectors[5]);
        let c = Self::four(vectors[2], vectors[6]);
        let d = Self::four(vectors[3], vectors[7]);
        // Two steps within halves transpose and add.
        Self::pair(Self::pair(a, c), Self::pair(b, d))
    }

    /// Four sums of each of two vectors, of lanes i, i + 4, i + 8 and i + 12.
    #[inline(always)]
    fn four(first: Self, second: Self) -> std::arch::x86_64::__m256 {
        use std::arch::x86_64::{_mm256_add_ps, _mm256_permute2f128_ps};
        let ([a, b], [c, d]) = (first.0, second.0);
        // SAFETY: see the type.
        unsafe {
            let (first, second) = (_mm256_add_ps(a, b), _mm256_add_ps(c, d));
            let low = _mm256_permute2f128_ps::<0x20>(first, second);
            _mm256_add_ps(low, _mm256_permute2f128_ps::<0x31>(first, second))
        }
    }

    /// Adds lanes i and i + 2 of the halves of both, the first and the second in turns.
    #[inline(always)]
    fn pair(
        first: std::arch::x86_64::__m256,
        second: std::arch::x86_64::__m256,
    ) -> std::arch::x86_64::__m256 {
        use std::arch::x86_64::{_mm256_add_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps};
        // SAFETY: see the type.
        unsafe {
            let low = _mm256_unpacklo_ps(first, second);
            _mm256_add_ps(low, _mm256_unpackhi_ps(first, second))
        }
    }

    #[inline(always)]
    fn through_portable(self, work: impl FnOnce(Portable) -> Portable) -> Self {
        let mut lanes = [0.0; LANES];
        self.store(&mut lanes);
        let Portable(lanes) = work(Portable(lanes));
        Self::load(&lanes)
    }

    #[inline(always)]
    fn portable(vectors: [Self; LANES]) -> [Portable; LANES] {
        let mut portable = [Portable([0.0; LANES]); LANES];
        for (Portable(lanes), vector) in portable.iter_mut().zip(vectors) {
            vector.store(lanes);
        }
        portable
    }
}
