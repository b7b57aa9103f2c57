//! Dense convolutions larger than 1 × 1 whose output channels fill pairs of vectors: a pixel is one
//! number, wherever it lies, and no place of the border is computed.
//!
//! Everything here is inlined into the entry points of [`lanes::Isa::run`].

use lanes::{Isa, LANES, Lanes};

use crate::dense::Planes;
use crate::geometry::{Packed, Window};

/// Vectors of output channels in a tile: with one, every product waits for a pixel from memory.
const VECTORS: usize = 2;

/// Output channels of a tile.
pub(crate) const CHANNELS: usize = VECTORS * LANES;

/// Whether such tiles serve a convolution: they want wide registers, full vectors and enough places.
pub(crate) fn serve(isa: Isa, n_out: usize, n_taps: usize, window: Window) -> bool {
    let is_full = n_out.is_multiple_of(CHANNELS);
    isa.has_wide_registers() && is_full && 1 < n_taps && Tile::of(window).is_some()
}

/// Rows and columns of a tile: as many places as, times [`VECTORS`], there are lanes.
#[derive(Clone, Copy)]
enum Tile {
    OneByEight,
    TwoByFour,
}

impl Tile {
    /// The widest that fits.
    fn of(window: Window) -> Option<Self> {
        let [height, width] = window.size;
        match (height, width) {
            (1.., 8..) => Some(Self::OneByEight),
            (2.., 4..) => Some(Self::TwoByFour),
            _ => None,
        }
    }
}

/// Convolves padded planes `[n_in]` into channels `[n_out]` of a window's places; tap t reads at the
/// distance `offsets[t]` from a place.
#[inline(always)]
pub(crate) fn convolve<L: Lanes>(
    packed: &Packed,
    offsets: &[usize],
    padded: Planes<'_>,
    window: Window,
    out: &mut [f32],
) {
    let blocks = packed.weights.chunks_exact(packed.n_in * offsets.len() * CHANNELS);
    for (weights, out) in blocks.zip(out.chunks_exact_mut(CHANNELS * window.area())) {
        let block = Block { weights, offsets, padded, window };
        match Tile::of(window) {
            Some(Tile::OneByEight) => tiles::<L, 1, 8>(block, out),
            Some(Tile::TwoByFour) => tiles::<L, 2, 4>(block, out),
            None => unreachable!("weights are packed so where a tile fits"),
        }
    }
}

/// Output channels of a tile: their weights, and what they see.
#[derive(Clone, Copy)]
struct Block<'a> {
    /// `[n_in][taps][CHANNELS]`.
    weights: &'a [f32],
    offsets: &'a [usize],
    padded: Planes<'a>,
    window: Window,
}

/// Every place; the last tile of a row or column is moved back to end with it.
#[inline(always)]
fn tiles<L: Lanes, const R: usize, const P: usize>(block: Block<'_>, out: &mut [f32]) {
    let [height, width] = block.window.size;
    for row in (0..height).step_by(R) {
        let row = row.min(height - R);
        for column in (0..width).step_by(P) {
            let column = column.min(width - P);
            let sums = tile::<L, R, P>(block, row * block.window.pitch + column);
            store::<L, R, P>(sums, block.window, row * width + column, out);
        }
    }
}

/// The sums of both vectors of channels at `R` rows of `P` places, in this order.
#[inline(always)]
fn tile<L: Lanes, const R: usize, const P: usize>(block: Block<'_>, start: usize) -> [L; LANES] {
    let Block { weights, offsets, padded, window } = block;
    let mut sums = [L::splat(0.0); LANES];
    let inputs = padded.values.chunks_exact(padded.plane);
    let vectors = weights.as_chunks::<LANES>().0.as_chunks::<VECTORS>().0;
    for (input, vectors) in inputs.zip(vectors.chunks_exact(offsets.len())) {
        for (offset, vectors) in offsets.iter().zip(vectors) {
            let seen = &input[start + offset..][..(R - 1) * window.pitch + P];
            for r in 0..R {
                let pixels: &[f32; P] =
                    seen[r * window.pitch..].first_chunk().expect("the last row ends the slice");
                for (p, pixel) in pixels.iter().enumerate() {
                    let pixel = L::splat(*pixel);
                    for (v, weights) in vectors.iter().enumerate() {
                        let sum = &mut sums[(v * R + r) * P + p];
                        *sum = pixel.mul_add(L::load(weights), *sum);
                    }
                }
            }
        }
    }
    sums
}

/// Writes a tile to its channels, the first of its places at `start`.
#[inline(always)]
fn store<L: Lanes, const R: usize, const P: usize>(
    sums: [L; LANES],
    window: Window,
    start: usize,
    out: &mut [f32],
) {
    let (area, width) = (window.area(), window.size[1]);
    for (channel, places) in L::transpose(sums).into_iter().enumerate() {
        let mut lanes = [0.0; LANES];
        places.store(&mut lanes);
        for (i, places) in lanes.as_chunks::<P>().0.iter().enumerate() {
            let (v, r) = (i / R, i % R);
            let at = (v * LANES + channel) * area + start + r * width;
            *out[at..].first_chunk_mut().expect("the tile lies within") = *places;
        }
    }
}
