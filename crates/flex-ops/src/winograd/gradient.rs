//! The gradient of the weights: a vector holds output channels, those of two points where half of it is enough.

use lanes::{LANES, Lanes};

use super::{Channels, PLANE, POINTS, POINTS_AT_ONCE, TAPS, Tiles, maps, vector};
use crate::by_channel;
use crate::geometry::ROWS;
use crate::vectors::{chunk, chunk_mut};

/// Points that a vector holds where half of one is enough for the output channels.
const POINTS_OF_HALVES: usize = 2;

/// The gradient of the weights in the making.
pub(crate) struct Gradient {
    n_in: usize,
    /// Points that a vector holds: one, or two if it holds all output channels twice.
    points: usize,
    /// Output channels of as many points, whole vectors.
    n_rows: usize,
    /// `[POINTS / points][n_in, a multiple of ROWS][n_rows]`.
    sums: Vec<f32>,
    /// Transformed pixels of `n_in` channels, and zeros up to a multiple of `ROWS`.
    seen: Vec<[f32; PLANE]>,
    /// Transformed gradients of outputs, `[LANES][POINTS / points][n_rows]`.
    slopes: Vec<f32>,
    /// Gradients of outputs before that, for each image `[places][n_rows / points]`.
    places: Vec<f32>,
}

impl Gradient {
    pub(crate) fn new(n_in: usize, n_out: usize) -> Self {
        let n_inputs = n_in.next_multiple_of(ROWS);
        let points = if n_out <= LANES / 2 { POINTS_OF_HALVES } else { 1 };
        let n_rows = by_channel::n_rows(n_out);
        Self {
            n_in,
            points,
            n_rows,
            sums: vec![0.0; POINTS / points * n_inputs * n_rows],
            seen: vec![[0.0; PLANE]; n_inputs],
            slopes: vec![0.0; POINTS / points * LANES * n_rows],
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
        let (of_image, of_places) =
            (slopes.n * slopes.plane, self.n_rows / self.points * slopes.plane);
        self.places.resize(images.n_images() * of_places, 0.0);
        let channels = slopes.values.chunks_exact(of_image);
        for (channels, places) in channels.zip(self.places.chunks_exact_mut(of_places)) {
            if self.points == 1 {
                by_channel::transpose::<L>(channels, slopes.plane, places);
            } else {
                by_channel::transpose_half::<L>(channels, slopes.plane, places);
            }
        }
        let edges = maps::Edges::of(tiles);
        for strip in tiles.strips(images.n_images()) {
            for (channel, seen) in self.seen.iter_mut().take(self.n_in).enumerate() {
                maps::pixels::<L>(tiles, &strip, edges, images, channel, seen);
            }
            let (places, to) = (&self.places, &mut self.slopes);
            if self.points == 1 {
                maps::slopes::<L>(tiles, &strip, places, [self.n_rows, of_places], to);
            } else {
                maps::slopes_by_half::<L>(tiles, &strip, places, of_places, to);
            }
            self.multiply::<L>(strip.n * tiles.columns());
        }
    }

    /// Adds the products of a strip, summed over its tiles.
    #[inline(always)]
    fn multiply<L: Lanes>(&mut self, n_tiles: usize) {
        match (self.points, self.n_rows / LANES % 2) {
            (1, 0) if L::IS_REGISTER => self.add_products::<L, 1, 1, ROWS, 2>(n_tiles),
            (1, _) if L::IS_REGISTER => self.add_products::<L, 1, POINTS_AT_ONCE, ROWS, 1>(n_tiles),
            (1, _) => self.add_products::<L, 1, 1, { ROWS / 2 }, 1>(n_tiles),
            _ if L::IS_REGISTER => {
                self.add_products::<L, POINTS_OF_HALVES, POINTS_AT_ONCE, ROWS, 1>(n_tiles)
            }
            _ => self.add_products::<L, POINTS_OF_HALVES, 1, { ROWS / 2 }, 1>(n_tiles),
        }
    }

    /// `P` times `H` points, those of a vector, of `I` input channels and `R` vectors of output channels at a time.
    #[inline(always)]
    fn add_products<L: Lanes, const H: usize, const P: usize, const I: usize, const R: usize>(
        &mut self,
        n_tiles: usize,
    ) {
        let n_inputs = self.seen.len();
        let Self { n_rows, ref mut sums, ref seen, ref slopes, .. } = *self;
        for point in (0..POINTS / H).step_by(P) {
            for input in (0..n_inputs).step_by(I) {
                let seen = &seen[input..][..I];
                for first in (0..n_rows).step_by(R * LANES) {
                    let block =
                        products::<L, H, P, I, R>(slopes, [n_rows, first], seen, point, n_tiles);
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

    /// `[n_in][taps][by_channel::n_rows]` of all that was added; what is beyond the output channels means nothing.
    #[inline(always)]
    pub(crate) fn taps<L: Lanes>(&self) -> Vec<f32> {
        let Self { n_in, points: at_once, n_rows, ref sums, .. } = *self;
        let n_inputs = self.seen.len();
        let mut all = vec![0.0; n_in * TAPS * n_rows];
        for (input, all) in all.chunks_exact_mut(TAPS * n_rows).enumerate() {
            for first in (0..n_rows).step_by(LANES) {
                let mut points = [L::splat(0.0); POINTS];
                for (point, vector) in points.iter_mut().enumerate() {
                    let start = (point / at_once * n_inputs + input) * n_rows + first;
                    let found = L::load(chunk(sums, start));
                    // Lanes beyond half a vector of output channels are not used.
                    *vector = if point % at_once == 0 { found } else { found.highs(found) };
                }
                for (tap, vector) in maps::taps(points).into_iter().enumerate() {
                    vector.store(chunk_mut(all, tap * n_rows + first));
                }
            }
        }
        all
    }
}

/// The sums over tiles of the products of `P · H` points, from number `H · point` on, of pixels and gradients; `first` of
/// `n_rows` is the first of their outputs.
#[inline(always)]
fn products<L: Lanes, const H: usize, const P: usize, const I: usize, const R: usize>(
    slopes: &[f32],
    [n_rows, first]: [usize; 2],
    seen: &[[f32; PLANE]],
    point: usize,
    n_tiles: usize,
) -> [[[L; R]; I]; P] {
    let mut sums = [[[L::splat(0.0); R]; I]; P];
    // Arrays of known length: nothing is checked in the loop.
    let mut pixels = [[[&[0.0; LANES]; H]; I]; P];
    for (p, pixels) in pixels.iter_mut().enumerate() {
        for (pixels, seen) in pixels.iter_mut().zip(seen) {
            for (h, pixels) in pixels.iter_mut().enumerate() {
                *pixels = vector(seen, H * (point + p) + h);
            }
        }
    }
    let of_tile = POINTS / H * n_rows;
    for (tile, slopes) in (0..n_tiles.min(LANES)).zip(slopes.chunks_exact(of_tile)) {
        for (p, (sums, pixels)) in sums.iter_mut().zip(&pixels).enumerate() {
            let start = (point + p) * n_rows + first;
            let slopes: &[[f32; LANES]; R] =
                slopes[start..].as_chunks().0.first_chunk().expect("whole vectors");
            let mut vectors = [L::splat(0.0); R];
            for (vector, slopes) in vectors.iter_mut().zip(slopes) {
                *vector = L::load(slopes);
            }
            for (sums, pixels) in sums.iter_mut().zip(pixels) {
                let pixel = L::halves(pixels[0][tile], pixels[H - 1][tile]);
                for (sum, vector) in sums.iter_mut().zip(vectors) {
                    *sum = pixel.mul_add(vector, *sum);
                }
            }
        }
    }
    sums
}
