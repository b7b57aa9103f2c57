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
        use std::arch::x86_64::{
            _mm512_add_ps, _mm512_shuffle_f32x4, _mm512_unpackhi_ps, _mm512_unpacklo_ps,
        };
        let v = vectors.map(|vector| vector.0);
        // SAFETY: see the type.
        unsafe {
            // Halves of 8 lanes: 128-bit quarters q0 + q2 and q1 + q3 of two vectors in one.
            let eight = |a, b| {
                let (low, high) =
                    (_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xee>(a, b));
                _mm512_add_ps(low, high)
            };
            // Quarters: the even and the odd of each vector.
            let four = |a, b| {
                let (even, odd) =
                    (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
                _mm512_add_ps(even, odd)
            };
            let quad = |i: usize| four(eight(v[i], v[i + 1]), eight(v[i + 2], v[i + 3]));
            // Now quarter j of each holds the four partial sums of vector i + j; two steps within
            // quarters transpose and add them.
            let (a, b, c, d) = (quad(0), quad(4), quad(8), quad(12));
            let pair = |a, b| _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
            // unpack adds lanes i and i + 2 of a quarter and interleaves: a0 b0 a1 b1.
            let (ac, bd) = (pair(a, c), pair(b, d));
            let all = pair(ac, bd);
            // A quarter j now holds vectors j, j + 4, j + 8, j + 12.
            let mut mixed = [0.0; LANES];
            Self(all).store(&mut mixed);
            let mut sums = [0.0; LANES];
            for j in 0..4 {
                for m in 0..4 {
                    sums[j + 4 * m] = mixed[4 * j + m];
                }
            }
            sums
        }
    }

    #[inline(always)]
    fn transpose(vectors: [Self; LANES]) -> [Self; LANES] {
        use std::arch::x86_64::{
            _mm512_castpd_ps, _mm512_castps_pd, _mm512_shuffle_f32x4, _mm512_unpackhi_pd,
            _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
        };
        let mut v = vectors.map(|vector| vector.0);
        // SAFETY: see the type.
        unsafe {
            // Pairs of one column from two rows, then fours from four: afterwards quarter q of vector
            // 4g + j holds column 4q + j of rows 4g to 4g + 3.
            for g in (0..LANES).step_by(4) {
                let low = |a, b| _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
                let high = |a, b| _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
                let (a, b) = (low(v[g], v[g + 1]), low(v[g + 2], v[g + 3]));
                let (c, d) = (high(v[g], v[g + 1]), high(v[g + 2], v[g + 3]));
                v[g] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
                v[g + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
                v[g + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(c, d));
                v[g + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(c, d));
            }
            // Quarters change places.
            for j in 0..4 {
                let even = |a, b| _mm512_shuffle_f32x4::<0x88>(a, b);
                let odd = |a, b| _mm512_shuffle_f32x4::<0xdd>(a, b);
                let (a, b) = (even(v[j], v[j + 4]), odd(v[j], v[j + 4]));
                let (c, d) = (even(v[j + 8], v[j + 12]), odd(v[j + 8], v[j + 12]));
                v[j] = even(a, c);
                v[j + 4] = even(b, d);
                v[j + 8] = odd(a, c);
                v[j + 12] = odd(b, d);
            }
        }
        v.map(Self)
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
}

impl Avx512 {
    /// The lanes from number `FIRST` on of two vectors one after the other.
    #[inline(always)]
    #[expect(unsafe_code, reason = "as above")]
    fn window<const FIRST: i32>(low: Self, high: Self) -> Self {
        use std::arch::x86_64::{_mm512_alignr_epi32, _mm512_castps_si512, _mm512_castsi512_ps};
        // SAFETY: see the type.
        Self(unsafe {
            let (low, high) = (_mm512_castps_si512(low.0), _mm512_castps_si512(high.0));
            _mm512_castsi512_ps(_mm512_alignr_epi32::<FIRST>(high, low))
        })
    }
}
