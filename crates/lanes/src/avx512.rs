//! A vector of one register of AVX-512.

use crate::vector::{LANES, Lanes};

/// The first `n` lanes, or all there are.
#[inline(always)]
fn first(n: usize) -> std::arch::x86_64::__mmask16 {
    if n < LANES { (1 << n) - 1 } else { !0 }
}

/// Made only inside of [`Isa::run`](crate::Isa::run), where AVX-512 has been found: every intrinsic
/// below may be called.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(std::arch::x86_64::__m512);

#[expect(unsafe_code, reason = "only the entry point that has looked for AVX-512 names this type")]
impl Lanes for Avx512 {
    const IS_REGISTER: bool = true;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: see the type.
        Self(unsafe { std::arch::x86_64::_mm512_set1_ps(value) })
    }

    #[inline(always)]
    fn halves(first: f32, second: f32) -> Self {
        use std::arch::x86_64::{_mm512_mask_blend_ps, _mm512_set1_ps};
        // SAFETY: see the type.
        Self(unsafe { _mm512_mask_blend_ps(0xff00, _mm512_set1_ps(first), _mm512_set1_ps(second)) })
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
    fn load_part(values: &[f32]) -> Self {
        // SAFETY: see the type; no more is read than the slice holds.
        Self(unsafe {
            std::arch::x86_64::_mm512_maskz_loadu_ps(first(values.len()), values.as_ptr())
        })
    }

    #[inline(always)]
    fn store_part(self, to: &mut [f32]) {
        let lanes = first(to.len());
        // SAFETY: see the type; no more is written than the slice holds.
        unsafe { std::arch::x86_64::_mm512_mask_storeu_ps(to.as_mut_ptr(), lanes, self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see the type.
        Self(unsafe { std::arch::x86_64::_mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: see the type.
        Self(unsafe { std::arch::x86_64::_mm512_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn relu(self) -> Self {
        // SAFETY: see the type. Of a NaN and a number the instruction gives the second.
        Self(unsafe {
            std::arch::x86_64::_mm512_max_ps(std::arch::x86_64::_mm512_setzero_ps(), self.0)
        })
    }

    #[inline(always)]
    fn where_positive(self, other: Self) -> Self {
        use std::arch::x86_64::{
            _CMP_LT_OQ, _mm512_cmp_ps_mask, _mm512_maskz_mov_ps, _mm512_setzero_ps,
        };
        // SAFETY: see the type.
        Self(unsafe {
            let lanes = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(_mm512_setzero_ps(), other.0);
            _mm512_maskz_mov_ps(lanes, self.0)
        })
    }

    #[inline(always)]
    fn keep(self, lanes: u16) -> Self {
        // SAFETY: see the type.
        Self(unsafe { std::arch::x86_64::_mm512_maskz_mov_ps(lanes, self.0) })
    }

    #[inline(always)]
    fn up(self) -> Self {
        Self::window::<15>(Self::splat(0.0), self)
    }

    #[inline(always)]
    fn down(self) -> Self {
        Self::window::<1>(self, Self::splat(0.0))
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: see the type.
        Self(unsafe { std::arch::x86_64::_mm512_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn sums(vectors: [Self; LANES]) -> [f32; LANES] {
        // The order that ends in quarter j of lanes with the sums of vectors 4j to 4j + 3.
        let [a0, b0, c0, d0, a1, b1, c1, d1, a2, b2, c2, d2, a3, b3, c3, d3] = vectors;
        let a = Self::four(Self::eight(a0, a1), Self::eight(a2, a3));
        let b = Self::four(Self::eight(b0, b1), Self::eight(b2, b3));
        let c = Self::four(Self::eight(c0, c1), Self::eight(c2, c3));
        let d = Self::four(Self::eight(d0, d1), Self::eight(d2, d3));
        // Quarter j of each holds the four partial sums of its vector j; two steps within quarters
        // transpose and add them.
        let mut sums = [0.0; LANES];
        Self::pair(Self::pair(a, c), Self::pair(b, d)).store(&mut sums);
        sums
    }

    #[inline(always)]
    fn transpose(vectors: [Self; LANES]) -> [Self; LANES] {
        use std::arch::x86_64::{
            _mm512_castpd_ps, _mm512_castps_pd, _mm512_shuffle_f32x4, _mm512_unpackhi_pd,
            _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
        };
        // No array is mapped: what `map` is given is not compiled for the instruction set.
        let mut v = vectors;
        // SAFETY: see the type.
        unsafe {
            // Pairs of one column from two rows, then fours from four: afterwards quarter q of vector
            // 4g + j holds column 4q + j of rows 4g to 4g + 3.
            for g in (0..LANES).step_by(4) {
                let low = |a: Self, b: Self| _mm512_castps_pd(_mm512_unpacklo_ps(a.0, b.0));
                let high = |a: Self, b: Self| _mm512_castps_pd(_mm512_unpackhi_ps(a.0, b.0));
                let (a, b) = (low(v[g], v[g + 1]), low(v[g + 2], v[g + 3]));
                let (c, d) = (high(v[g], v[g + 1]), high(v[g + 2], v[g + 3]));
                v[g] = Self(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)));
                v[g + 1] = Self(_mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
                v[g + 2] = Self(_mm512_castpd_ps(_mm512_unpacklo_pd(c, d)));
                v[g + 3] = Self(_mm512_castpd_ps(_mm512_unpackhi_pd(c, d)));
            }
            // Quarters change places.
            for j in 0..4 {
                let even = |a: Self, b: Self| Self(_mm512_shuffle_f32x4::<0x88>(a.0, b.0));
                let odd = |a: Self, b: Self| Self(_mm512_shuffle_f32x4::<0xdd>(a.0, b.0));
                let (a, b) = (even(v[j], v[j + 4]), odd(v[j], v[j + 4]));
                let (c, d) = (even(v[j + 8], v[j + 12]), odd(v[j + 8], v[j + 12]));
                v[j] = even(a, c);
                v[j + 4] = even(b, d);
                v[j + 8] = odd(a, c);
                v[j + 12] = odd(b, d);
            }
        }
        v
    }

    #[inline(always)]
    fn interleave(self, other: Self) -> [Self; 2] {
        use std::arch::x86_64::{_mm512_permutex2var_ps, _mm512_setr_epi32};
        // SAFETY: see the type.
        unsafe {
            // Lane i of the other is number 16 + i.
            let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high =
                _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            let low = _mm512_permutex2var_ps(self.0, low, other.0);
            [Self(low), Self(_mm512_permutex2var_ps(self.0, high, other.0))]
        }
    }

    #[inline(always)]
    fn deinterleave(self, other: Self) -> [Self; 2] {
        use std::arch::x86_64::{_mm512_permutex2var_ps, _mm512_setr_epi32};
        // SAFETY: see the type.
        unsafe {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
            let even = _mm512_permutex2var_ps(self.0, even, other.0);
            [Self(even), Self(_mm512_permutex2var_ps(self.0, odd, other.0))]
        }
    }

    #[inline(always)]
    fn lows(self, other: Self) -> Self {
        // SAFETY: see the type. Quarters 0 and 1 of each.
        Self(unsafe { std::arch::x86_64::_mm512_shuffle_f32x4::<0x44>(self.0, other.0) })
    }

    #[inline(always)]
    fn highs(self, other: Self) -> Self {
        // SAFETY: see the type. Quarters 2 and 3 of each.
        Self(unsafe { std::arch::x86_64::_mm512_shuffle_f32x4::<0xee>(self.0, other.0) })
    }
}

#[expect(unsafe_code, reason = "as above")]
impl Avx512 {
    /// Adds what one choice of quarters takes of two vectors, and what another does.
    #[inline(always)]
    fn added<const ONE: i32, const OTHER: i32>(first: Self, second: Self) -> Self {
        use std::arch::x86_64::_mm512_shuffle_f32x4;
        // SAFETY: see the type.
        let one = Self(unsafe { _mm512_shuffle_f32x4::<ONE>(first.0, second.0) });
        // SAFETY: see the type.
        one.add(Self(unsafe { _mm512_shuffle_f32x4::<OTHER>(first.0, second.0) }))
    }

    /// Adds the halves of each of two vectors: eight sums of the first and eight of the second.
    #[inline(always)]
    fn eight(first: Self, second: Self) -> Self {
        Self::added::<0x44, 0xee>(first, second)
    }

    /// Adds the quarters of halves: four sums of each of four vectors.
    #[inline(always)]
    fn four(first: Self, second: Self) -> Self {
        Self::added::<0x88, 0xdd>(first, second)
    }

    /// Adds lanes i and i + 2 of the quarters of both, the first and the second in turns.
    #[inline(always)]
    fn pair(first: Self, second: Self) -> Self {
        use std::arch::x86_64::{_mm512_unpackhi_ps, _mm512_unpacklo_ps};
        // SAFETY: see the type.
        let [low, high] = unsafe {
            [_mm512_unpacklo_ps(first.0, second.0), _mm512_unpackhi_ps(first.0, second.0)]
        };
        Self(low).add(Self(high))
    }

    /// The lanes from number `FIRST` on of two vectors one after the other.
    #[inline(always)]
    fn window<const FIRST: i32>(low: Self, high: Self) -> Self {
        use std::arch::x86_64::{_mm512_alignr_epi32, _mm512_castps_si512, _mm512_castsi512_ps};
        // SAFETY: see the type.
        Self(unsafe {
            let (low, high) = (_mm512_castps_si512(low.0), _mm512_castps_si512(high.0));
            _mm512_castsi512_ps(_mm512_alignr_epi32::<FIRST>(high, low))
        })
    }
}
