//! A vector register, or what stands for it.

/// Numbers of a vector: a register of the widest instruction set.
pub const LANES: usize = 16;

/// A vector of [`LANES`] numbers; every method must be inlined into the entry points of
/// [`Isa::run`](crate::Isa::run).
pub trait Lanes: Copy {
    /// Whether a vector is one register, so that many fit.
    const IS_REGISTER: bool;

    /// The same number in all lanes.
    fn splat(value: f32) -> Self;
    /// The numbers of an array.
    fn load(values: &[f32; LANES]) -> Self;
    /// Writes the numbers to an array.
    fn store(self, to: &mut [f32; LANES]);
    /// `self − other`.
    fn sub(self, other: Self) -> Self;
    /// `self · factor + addend`, rounded once.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// The sum of the lanes of each of sixteen vectors, by halves: lanes i and i + 8 first, then
    /// i and i + 4, i and i + 2, i and i + 1.
    fn sums(vectors: [Self; LANES]) -> [f32; LANES];
    /// Vector i of lanes j from vector j of lanes i.
    fn transpose(vectors: [Self; LANES]) -> [Self; LANES];
}

/// What the compiler makes of an array.
#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; LANES]);

impl Lanes for Portable {
    const IS_REGISTER: bool = false;

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
    fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].mul_add(factor.0[i], addend.0[i])))
    }

    #[inline(always)]
    fn sums(vectors: [Self; LANES]) -> [f32; LANES] {
        let mut sums = [0.0; LANES];
        for (sum, Self(lanes)) in sums.iter_mut().zip(vectors) {
            let mut lanes = lanes;
            let mut half = LANES / 2;
            while 0 < half {
                for i in 0..half {
                    lanes[i] += lanes[i + half];
                }
                half /= 2;
            }
            *sum = lanes[0];
        }
        sums
    }

    #[inline(always)]
    fn transpose(vectors: [Self; LANES]) -> [Self; LANES] {
        std::array::from_fn(|i| Self(std::array::from_fn(|j| vectors[j].0[i])))
    }
}

#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx2([std::arch::x86_64::__m256; 2]);

#[cfg(target_arch = "x86_64")]
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
    fn sub(self, other: Self) -> Self {
        let ([a, b], [c, d]) = (self.0, other.0);
        // SAFETY: see the type.
        unsafe {
            Self([std::arch::x86_64::_mm256_sub_ps(a, c), std::arch::x86_64::_mm256_sub_ps(b, d)])
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
        Portable::sums(Self::portable(vectors))
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
}

#[cfg(target_arch = "x86_64")]
impl Avx2 {
    #[inline(always)]
    fn portable(vectors: [Self; LANES]) -> [Portable; LANES] {
        let mut portable = [Portable([0.0; LANES]); LANES];
        for (Portable(lanes), vector) in portable.iter_mut().zip(vectors) {
            vector.store(lanes);
        }
        portable
    }
}

#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx512(std::arch::x86_64::__m512);

#[cfg(target_arch = "x86_64")]
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
    fn sub(self, other: Self) -> Self {
        // SAFETY: see the type.
        Self(unsafe { std::arch::x86_64::_mm512_sub_ps(self.0, other.0) })
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
}

#[cfg(test)]
mod tests {
    use crate::{Isa, LANES, Lanes, Work};

    struct Sums([[f32; LANES]; LANES]);

    impl Work for Sums {
        type Output = [f32; LANES];

        #[inline(always)]
        fn run<L: Lanes>(self) -> Self::Output {
            L::sums(self.0.map(|vector| L::load(&vector)))
        }
    }

    /// a · b + c − a.
    struct Arithmetic([[f32; LANES]; 3]);

    impl Work for Arithmetic {
        type Output = [f32; LANES];

        #[inline(always)]
        fn run<L: Lanes>(self) -> Self::Output {
            let [a, b, c] = self.0;
            let a = L::load(&a);
            let mut output = [0.0; LANES];
            a.mul_add(L::load(&b), L::load(&c)).sub(a).store(&mut output);
            output
        }
    }

    #[test]
    fn arithmetic_is_rounded_once_on_all_sets() {
        let number = |i: usize, step: f32| (i as f32 * step).sin();
        let inputs = [0.7, 1.3, 2.9].map(|step| std::array::from_fn(|i| number(i, step)));
        let [a, b, c]: [[f32; LANES]; 3] = inputs;
        let expected: [f32; LANES] = std::array::from_fn(|i| a[i].mul_add(b[i], c[i]) - a[i]);
        for isa in Isa::available() {
            let found = isa.run(Arithmetic(inputs));
            assert_eq!(found.map(f32::to_bits), expected.map(f32::to_bits), "{isa:?}");
        }
    }

    struct Transpose([[f32; LANES]; LANES]);

    impl Work for Transpose {
        type Output = [[f32; LANES]; LANES];

        #[inline(always)]
        fn run<L: Lanes>(self) -> Self::Output {
            let mut output = self.0;
            for (to, vector) in output.iter_mut().zip(L::transpose(self.0.map(|v| L::load(&v)))) {
                vector.store(to);
            }
            output
        }
    }

    #[test]
    fn every_number_is_transposed() {
        let rows: [[f32; LANES]; LANES] =
            std::array::from_fn(|i| std::array::from_fn(|j| (LANES * i + j) as f32));
        for isa in Isa::available() {
            for (j, column) in isa.run(Transpose(rows)).iter().enumerate() {
                for (number, row) in column.iter().zip(&rows) {
                    assert_eq!(number.to_bits(), row[j].to_bits(), "{isa:?}");
                }
            }
        }
    }

    #[test]
    fn sums_have_the_same_bits_on_all_sets() {
        let number = |i: usize| (i as f32 * 0.7).sin() * 1.0e3_f32.powi((i % 5) as i32 - 2);
        let vectors: [[f32; LANES]; LANES] =
            std::array::from_fn(|v| std::array::from_fn(|lane| number(v * LANES + lane)));
        let expected = Isa::available()[0].run(Sums(vectors));
        for (sum, vector) in expected.iter().zip(&vectors) {
            let exact: f64 = vector.iter().map(|&x| f64::from(x)).sum();
            let size: f32 = vector.iter().map(|x| x.abs()).sum();
            // Four roundings of sums no larger than that of the magnitudes.
            assert!((f64::from(*sum) - exact).abs() <= f64::from(4.0 * f32::EPSILON * size));
        }
        for isa in Isa::available() {
            let found = isa.run(Sums(vectors));
            assert_eq!(found.map(f32::to_bits), expected.map(f32::to_bits), "{isa:?}");
        }
    }
}
