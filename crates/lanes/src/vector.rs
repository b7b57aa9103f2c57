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
    /// One number in the first half of the lanes, another in the second.
    fn halves(first: f32, second: f32) -> Self;
    /// The numbers of an array.
    fn load(values: &[f32; LANES]) -> Self;
    /// Writes the numbers to an array.
    fn store(self, to: &mut [f32; LANES]);
    /// The numbers of a slice, as many as there are lanes at most, and zeros after them.
    fn load_part(values: &[f32]) -> Self;
    /// Writes the first numbers to a slice, as many as there are lanes at most.
    fn store_part(self, to: &mut [f32]);
    /// `self + other`.
    fn add(self, other: Self) -> Self;
    /// `self − other`.
    fn sub(self, other: Self) -> Self;
    /// 0 for negative lanes; a NaN stays one.
    fn relu(self) -> Self;
    /// 0 for all lanes but those whose counterpart is above 0.
    fn where_positive(self, other: Self) -> Self;
    /// 0 for all lanes but those whose bit is set.
    fn keep(self, lanes: u16) -> Self;
    /// The lanes one place up, 0 in the first.
    fn up(self) -> Self;
    /// The lanes one place down, 0 in the last.
    fn down(self) -> Self;
    /// `self · factor + addend`, rounded once.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// The sum of the lanes of each of sixteen vectors, by halves: lanes i and i + 8 first, then
    /// i and i + 4, i and i + 2, i and i + 1.
    fn sums(vectors: [Self; LANES]) -> [f32; LANES];
    /// Vector i of lanes j from vector j of lanes i.
    fn transpose(vectors: [Self; LANES]) -> [Self; LANES];
    /// The lanes of both in turns: the first half of each, and the second.
    fn interleave(self, other: Self) -> [Self; 2];
    /// The even lanes of both, and the odd ones: undoes [`Lanes::interleave`].
    fn deinterleave(self, other: Self) -> [Self; 2];
    /// The first half of both, one after the other.
    fn lows(self, other: Self) -> Self;
    /// The second half of both, one after the other.
    fn highs(self, other: Self) -> Self;
}

#[cfg(test)]
#[path = "vector_tests.rs"]
mod tests;
