//! The gradient of the weights: a vector holds output channels.

use lanes::{LANES, Lanes};

use super::{Channels, PLANE, POINTS, POINTS_AT_ONCE, TAPS, Tiles, maps, vector};
use crate::by_channel;
use crate::geometry::ROWS;
use crate::vectors::{chunk, chunk_mut};

/// The gradient of the weights in the making.
pub(crate) struct Gradient {
    n_in: usize,
    /// Output channels, whole vectors.
    n_rows: usize,
    /// `[POINTS][n_in, a multiple of ROWS][n_rows]`.
    sums: Vec<f32>,
    /// Transformed pixels of `n_in` channels, and zeros up to a multiple of `ROWS`.
    seen: Vec<[f32; PLANE]>,
    /// Transformed gradients of outputs, `[LANES][POINTS][n_rows]`.
    slopes: Vec<f32>,
    /// Gradients of outputs before that, for each image `[places][n_rows]`.
    places: Vec<f32>,
}

impl Gradient {
    pub(crate) fn new(n_in: usize, n_out: usize) -> Self {
        let (n_inputs, n_rows) = (n_in.next_multiple_of(ROWS), by_channel::n_rows(n_out));
        Self {
            n_in,
            n_rows,
            sums: vec![0.0; POINTS * n_inputs * n_rows],
            seen: vec![[0.0; PLANE]; n_inputs],
            slopes: vec![0.0; POINTS * LANES * n_rows],
            places: Vec::new(),
        }
    }

    /// Forgets what was added.
    pub(crate) fn clear(&mut self) {
        self.sums.fill(0.0);
    }

    /// Adds what some images give whose outputs have the gradients `slopes`.
    ///
    /// Those lie in planes of whole vectors, zeros beyond the places of a channel, and there are planes of zeros
    /// beyond the output channels to [`by_channel::n_rows`] of them.
    #[inline(always)]
    pub(crate) fn add<L: Lanes>(
        &mut self,
        tiles: Tiles,
        images: Channels<'_>,
        slopes: Channels<'_>,
    ) {
        let of_image = slopes.n * slopes.plane;
        self.places.resize(images.n_images() * of_image, 0.0);
        let channels = slopes.values.chunks_exact(of_image);
        for (channels, places) in channels.zip(self.places.chunks_exact_mut(of_image)) {
            by_channel::transpose::<L>(channels, slopes.plane, places);
        }
        let edges = maps::Edges::of(tiles);
        for strip in tiles.strips(images.n_images()) {
            for (channel, seen) in self.seen.iter_mut().take(self.n_in).enumerate() {
                maps::pixels::<L>(tiles, &strip, edges, images, channel, seen);
            }
            let size = [self.n_rows, of_image];
            maps::slopes::<L>(tiles, &strip, &self.places, size, &mut self.slopes);
            self.multiply::<L>(strip.n * tiles.columns());
        }
    }

    /// Adds the products of a strip, summed over its tiles.
    #[inline(always)]
    fn multiply<L: Lanes>(&mut self, n_tiles: usize) {
        match self.n_rows / LANES % 2 {
            0 if L::IS_REGISTER => self.add_products::<L, 1, ROWS, 2>(n_tiles),
            _ if L::IS_REGISTER => self.add_products::<L, POINTS_AT_ONCE, ROWS, 1>(n_tiles),
            _ => self.add_products::<L, 1, { ROWS / 2 }, 1>(n_tiles),
        }
    }

    /// `P` points of `I` input channels and `R` vectors of output channels at a time.
    #[inline(always)]
    fn add_products<L: Lanes, const P: usize, const I: usize, const R: usize>(
        &mut self,
        n_tiles: usize,
    ) {
        let n_inputs = self.seen.len();
        let Self { n_rows, ref mut sums, ref seen, ref slopes, .. } = *self;
        for point in (0..POINTS).step_by(P) {
            for input in (0..n_inputs).step_by(I) {
                let seen = &seen[input..][..I];
                for first in (0..n_rows).step_by(R * LANES) {
                    let block =
                        products::<L, P, I, R>(slopes, [n_rows, first], seen, point, n_tiles);
                    for (p, block) in block.iter().enumerate() {
                        for (i, vectors) in block.iter().enumerate() {
                            let start = ((point + p) * n_inputs + input + i) * n_rows + first;
                            for (r, vector) in vectors.iter().enumerate() {
                                let to = chunk_mut(sums, start + r * LANES);
                                L::load(to).add(*vector).store(to);
                            }
                        }
                    }
                }
            }
        }
    }

    /// `[n_in][taps][n_rows]` of all that was added.
    #[inline(always)]
    pub(crate) fn taps<L: Lanes>(&self) -> Vec<f32> {
        let Self { n_in, n_rows, ref sums, .. } = *self;
        let n_inputs = self.seen.len();
        let mut all = vec![0.0; n_in * TAPS * n_rows];
        for (input, all) in all.chunks_exact_mut(TAPS * n_rows).enumerate() {
            for first in (0..n_rows).step_by(LANES) {
                let mut points = [L::splat(0.0); POINTS];
                for (point, vector) in points.iter_mut().enumerate() {
                    *vector = L::load(chunk(sums, (point * n_inputs + input) * n_rows + first));
                }
                for (tap, vector) in maps::taps(points).into_iter().enumerate() {
                    vector.store(chunk_mut(all, tap * n_rows + first));
                }
            }
        }
        all
    }
}

/// The sums over tiles of the products of `P` points, from `point` on, of pixels and gradients; `first` of
/// `n_rows` output channels is the first.
#[inline(always)]
fn products<L: Lanes, const P: usize, const I: usize, const R: usize>(
    slopes: &[f32],
    [n_rows, first]: [usize; 2],
    seen: &[[f32; PLANE]],
    point: usize,
    n_tiles: usize,
) -> [[[L; R]; I]; P] {
    let mut sums = [[[L::splat(0.0); R]; I]; P];
    // Arrays of known length: nothing is checked in the loop.
    let mut pixels = [[&[0.0; LANES]; I]; P];
    for (p, pixels) in pixels.iter_mut().enumerate() {
        for (pixels, seen) in pixels.iter_mut().zip(seen) {
            *pixels = vector(seen, point + p);
        }
    }
    for (tile, slopes) in (0..n_tiles.min(LANES)).zip(slopes.chunks_exact(POINTS * n_rows)) {
        for (p, (sums, pixels)) in sums.iter_mut().zip(&pixels).enumerate() {
            let start = (point + p) * n_rows + first;
            let slopes: &[[f32; LANES]; R] =
                slopes[start..].as_chunks().0.first_chunk().expect("whole vectors");
            let mut vectors = [L::splat(0.0); R];
            for (vector, slopes) in vectors.iter_mut().zip(slopes) {
                *vector = L::load(slopes);
            }
            for (sums, pixels) in sums.iter_mut().zip(pixels) {
                let pixel = L::splat(pixels[tile]);
                for (sum, vector) in sums.iter_mut().zip(vectors) {
                    *sum = pixel.mul_add(vector, *sum);
                }
            }
        }
    }
    sums
}
