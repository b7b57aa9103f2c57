//! A vector for any processor.

use crate::vector::{LANES, Lanes};

/// What the compiler makes of an array.
#[derive(Clone, Copy)]
pub(crate) struct Portable(pub(crate) [f32; LANES]);

impl Lanes for Portable {
    const IS_REGISTER: bool = false;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    fn halves(first: f32, second: f32) -> Self {
        Self(std::array::from_fn(|i| if i < LANES / 2 { first } else { second }))
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
    fn load_part(values: &[f32]) -> Self {
        let mut lanes = [0.0; LANES];
        for (lane, value) in lanes.iter_mut().zip(values) {
            *lane = *value;
        }
        Self(lanes)
    }

    #[inline(always)]
    fn store_part(self, to: &mut [f32]) {
        for (to, lane) in to.iter_mut().zip(self.0) {
            *to = lane;
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }

    #[inline(always)]
    fn relu(self) -> Self {
        Self(self.0.map(|x| if x < 0.0 { 0.0 } else { x }))
    }

    #[inline(always)]
    fn where_positive(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| if 0.0 < other.0[i] { self.0[i] } else { 0.0 }))
    }

    #[inline(always)]
    fn keep(self, lanes: u16) -> Self {
        Self(std::array::from_fn(|i| if lanes >> i & 1 == 1 { self.0[i] } else { 0.0 }))
    }

    #[inline(always)]
    fn up(self) -> Self {
        Self(std::array::from_fn(|i| if i == 0 { 0.0 } else { self.0[i - 1] }))
    }

    #[inline(always)]
    fn down(self) -> Self {
        Self(std::array::from_fn(|i| if i + 1 == LANES { 0.0 } else { self.0[i + 1] }))
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

    #[inline(always)]
    fn interleave(self, other: Self) -> [Self; 2] {
        let both = [self.0, other.0];
        [0, LANES / 2].map(|first| Self(std::array::from_fn(|i| both[i % 2][first + i / 2])))
    }

    #[inline(always)]
    fn deinterleave(self, other: Self) -> [Self; 2] {
        let both = [self.0, other.0];
        let lane = |i: usize| both[i / LANES][i % LANES];
        [0, 1].map(|first| Self(std::array::from_fn(|i| lane(2 * i + first))))
    }

    #[inline(always)]
    fn lows(self, other: Self) -> Self {
        let both = [self.0, other.0];
        Self(std::array::from_fn(|i| both[2 * i / LANES][i % (LANES / 2)]))
    }

    #[inline(always)]
    fn highs(self, other: Self) -> Self {
        let both = [self.0, other.0];
        Self(std::array::from_fn(|i| both[2 * i / LANES][LANES / 2 + i % (LANES / 2)]))
    }
}
