//! A vector of two registers of AVX2.

use crate::vector::{LANES, Lanes};

/// Lanes of one register.
const HALF: usize = LANES / 2;

/// All bits of as many integers as there are lanes, and none of as many after them.
const ONES_AND_ZEROS: [i32; 2 * LANES] = {
    let mut masks = [0; 2 * LANES];
    let mut lane = 0;
    while lane < LANES {
        masks[lane] = -1;
        lane += 1;
    }
    masks
};

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
    fn halves(first: f32, second: f32) -> Self {
        // SAFETY: see the type.
        unsafe {
            let first = std::arch::x86_64::_mm256_set1_ps(first);
            Self([first, std::arch::x86_64::_mm256_set1_ps(second)])
        }
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
        use std::arch::x86_64::{_mm256_loadu_si256, _mm256_maskload_ps};
        let n = values.len().min(LANES);
        let masks = &ONES_AND_ZEROS[LANES - n..][..LANES];
        let (start, masks) = (values.as_ptr(), masks.as_ptr());
        // SAFETY: see the type; the masks are as long as two registers, and of the numbers no more is read than the
        // slice holds.
        unsafe {
            let low = _mm256_maskload_ps(start, _mm256_loadu_si256(masks.cast()));
            let masks = _mm256_loadu_si256(masks.add(HALF).cast());
            Self([low, _mm256_maskload_ps(start.wrapping_add(HALF), masks)])
        }
    }

    #[inline(always)]
    fn store_part(self, to: &mut [f32]) {
        use std::arch::x86_64::{
            _mm_castps_si128, _mm_movehl_ps, _mm_store_ss, _mm_storel_epi64, _mm_storeu_ps,
            _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_storeu_ps,
        };
        let n = to.len().min(LANES);
        let to = &mut to[..n];
        if let Some(whole) = to.as_mut_array() {
            return self.store(whole);
        }
        // In parts of 8, 4, 2 and 1, for a store under a mask is slow on many processors.
        let mut to = to.as_mut_ptr();
        let [low, high] = self.0;
        // SAFETY: see the type; the parts are as long as the slice together.
        unsafe {
            let mut rest = low;
            if n & 8 != 0 {
                _mm256_storeu_ps(to, low);
                (rest, to) = (high, to.add(8));
            }
            let mut rest_4 = _mm256_castps256_ps128(rest);
            if n & 4 != 0 {
                _mm_storeu_ps(to, rest_4);
                (rest_4, to) = (_mm256_extractf128_ps::<1>(rest), to.add(4));
            }
            if n & 2 != 0 {
                _mm_storel_epi64(to.cast(), _mm_castps_si128(rest_4));
                (rest_4, to) = (_mm_movehl_ps(rest_4, rest_4), to.add(2));
            }
            if n & 1 != 0 {
                _mm_store_ss(to, rest_4);
            }
        }
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
    fn where_positive(self, other: Self) -> Self {
        use std::arch::x86_64::{_CMP_LT_OQ, _mm256_and_ps, _mm256_cmp_ps, _mm256_setzero_ps};
        let ([a, b], [c, d]) = (self.0, other.0);
        // SAFETY: see the type.
        unsafe {
            let zero = _mm256_setzero_ps();
            let low = _mm256_and_ps(a, _mm256_cmp_ps::<_CMP_LT_OQ>(zero, c));
            Self([low, _mm256_and_ps(b, _mm256_cmp_ps::<_CMP_LT_OQ>(zero, d))])
        }
    }

    #[inline(always)]
    fn keep(self, lanes: u16) -> Self {
        use std::arch::x86_64::{
            _mm256_and_ps, _mm256_and_si256, _mm256_castsi256_ps, _mm256_cmpeq_epi32,
            _mm256_set1_epi32, _mm256_setr_epi32,
        };
        let [low, high] = self.0;
        // SAFETY: see the type.
        unsafe {
            let bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let kept = |half, lanes: i32| {
                let masks =
                    _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(lanes), bit), bit);
                _mm256_and_ps(half, _mm256_castsi256_ps(masks))
            };
            Self([kept(low, i32::from(lanes)), kept(high, i32::from(lanes >> HALF))])
        }
    }

    #[inline(always)]
    fn up(self) -> Self {
        use std::arch::x86_64::{
            _mm256_blend_ps, _mm256_permutevar8x32_ps, _mm256_setr_epi32, _mm256_setzero_ps,
        };
        let [low, high] = self.0;
        // SAFETY: see the type.
        unsafe {
            let order = _mm256_setr_epi32(7, 0, 1, 2, 3, 4, 5, 6);
            let low = _mm256_permutevar8x32_ps(low, order);
            let high = _mm256_permutevar8x32_ps(high, order);
            let zeros = _mm256_setzero_ps();
            Self([_mm256_blend_ps::<0x01>(low, zeros), _mm256_blend_ps::<0x01>(high, low)])
        }
    }

    #[inline(always)]
    fn down(self) -> Self {
        use std::arch::x86_64::{
            _mm256_blend_ps, _mm256_permutevar8x32_ps, _mm256_setr_epi32, _mm256_setzero_ps,
        };
        let [low, high] = self.0;
        // SAFETY: see the type.
        unsafe {
            let order = _mm256_setr_epi32(1, 2, 3, 4, 5, 6, 7, 0);
            let low = _mm256_permutevar8x32_ps(low, order);
            let high = _mm256_permutevar8x32_ps(high, order);
            let zeros = _mm256_setzero_ps();
            Self([_mm256_blend_ps::<0x80>(low, high), _mm256_blend_ps::<0x80>(high, zeros)])
        }
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
        // Loops, because closures that are given to `map` are not compiled for the instruction set.
        for half in 0..2 {
            for other in 0..2 {
                let mut block = [vectors[0].0[0]; HALF];
                for (row, vector) in block.iter_mut().zip(&vectors[other * HALF..]) {
                    *row = vector.0[half];
                }
                let columns = transposed[half * HALF..].iter_mut();
                for (vector, column) in columns.zip(Self::transpose_block(block)) {
                    vector.0[other] = column;
                }
            }
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

    #[inline(always)]
    fn lows(self, other: Self) -> Self {
        Self([self.0[0], other.0[0]])
    }

    #[inline(always)]
    fn highs(self, other: Self) -> Self {
        Self([self.0[1], other.0[1]])
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

    /// Register i of lanes j from register j of lanes i.
    #[inline(always)]
    fn transpose_block(
        rows: [std::arch::x86_64::__m256; HALF],
    ) -> [std::arch::x86_64::__m256; HALF] {
        use std::arch::x86_64::{
            _mm256_castpd_ps, _mm256_castps_pd, _mm256_permute2f128_ps, _mm256_unpackhi_pd,
            _mm256_unpackhi_ps, _mm256_unpacklo_pd, _mm256_unpacklo_ps,
        };
        let mut v = rows;
        // SAFETY: see the type.
        unsafe {
            // Pairs of one column from two rows, then fours from four: afterwards half h of register 4g + j holds
            // column 4h + j of rows 4g to 4g + 3.
            for g in [0, 4] {
                let low = |a, b| _mm256_castps_pd(_mm256_unpacklo_ps(a, b));
                let high = |a, b| _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
                let (a, b) = (low(v[g], v[g + 1]), low(v[g + 2], v[g + 3]));
                let (c, d) = (high(v[g], v[g + 1]), high(v[g + 2], v[g + 3]));
                v[g] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, b));
                v[g + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, b));
                v[g + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(c, d));
                v[g + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(c, d));
            }
            // Halves change places.
            for j in 0..4 {
                let (a, b) = (v[j], v[j + 4]);
                v[j] = _mm256_permute2f128_ps::<0x20>(a, b);
                v[j + 4] = _mm256_permute2f128_ps::<0x31>(a, b);
            }
        }
        v
    }
}
