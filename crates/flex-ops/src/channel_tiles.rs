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

#[cfg(test)]
mod tests {
    use lanes::Work;

    use super::*;
    use crate::geometry::Geometry;

    const N_IN: usize = 3;
    const N_OUT: usize = 2 * CHANNELS;

    fn wave(n: usize, step: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * step).sin()).collect()
    }

    struct Convolve<'a> {
        packed: &'a Packed,
        geometry: Geometry,
        padded: &'a [f32],
        out: &'a mut [f32],
    }

    impl Work for Convolve<'_> {
        type Output = ();

        #[inline(always)]
        fn run<L: Lanes>(self) {
            let Self { packed, geometry, padded, out } = self;
            let padded = Planes { values: padded, plane: geometry.padded_plane() };
            convolve::<L>(packed, &geometry.offsets(), padded, geometry.window(), out);
        }
    }

    /// The sum of one place, term by term as the kernel has them.
    fn place(geometry: Geometry, weights: &[f32], padded: &[f32], o: usize, at: usize) -> f32 {
        let offsets = geometry.offsets();
        let terms = (0..N_IN).flat_map(|i| offsets.iter().enumerate().map(move |tap| (i, tap)));
        terms.fold(0.0, |sum, (i, (tap, offset))| {
            let pixel = padded[i * geometry.padded_plane() + at + offset];
            pixel.mul_add(weights[(o * N_IN + i) * offsets.len() + tap], sum)
        })
    }

    #[test]
    fn all_places_of_all_sizes_are_summed_on_all_sets() {
        for [height, width, stride] in [[1, 8, 1], [2, 4, 1], [3, 11, 1], [5, 6, 1], [9, 17, 2]] {
            let geometry = Geometry { height, width, kernel: 3, stride };
            let weights = wave(N_OUT * N_IN * 9, 1.3);
            let packed = Packed::forward(CHANNELS, &weights, [N_OUT, N_IN], 9);
            let padded = wave(N_IN * geometry.padded_plane(), 0.7);
            let window = geometry.window();
            for isa in Isa::available() {
                let mut out = vec![0.0; N_OUT * window.area()];
                isa.run(Convolve { packed: &packed, geometry, padded: &padded, out: &mut out });
                for (i, found) in out.iter().enumerate() {
                    let (o, at) = (i / window.area(), i % window.area());
                    let at = at / window.size[1] * window.pitch + at % window.size[1];
                    let expected = place(geometry, &weights, &padded, o, at);
                    assert_eq!(found.to_bits(), expected.to_bits(), "{i} of {window:?}, {isa:?}");
                }
            }
        }
    }

    #[test]
    fn tiles_serve_full_vectors_with_enough_places_and_wide_registers() {
        let window = |height, width| Window { pitch: width + 2, size: [height, width] };
        for isa in Isa::available() {
            let serves = |n_out, n_taps, window| serve(isa, n_out, n_taps, window);
            assert_eq!(serves(CHANNELS, 9, window(1, 8)), isa.has_wide_registers());
            assert_eq!(serves(2 * CHANNELS, 4, window(2, 4)), isa.has_wide_registers());
            assert!(!serves(CHANNELS, 1, window(8, 8)));
            assert!(!serves(LANES, 9, window(8, 8)));
            assert!(!serves(CHANNELS, 9, window(1, 7)) && !serves(CHANNELS, 9, window(9, 3)));
        }
    }
}
