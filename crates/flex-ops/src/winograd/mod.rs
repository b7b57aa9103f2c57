//! Dense 3 × 3 convolutions of stride 1 by 16 products for four outputs instead of 36.
//!
//! Winograd's minimal filtering F(2 × 2, 3 × 3): Lavin and Gray 2016, *Fast Algorithms for Convolutional Neural
//! Networks*, § 4.1. Four outputs, a *tile*, are Aᵀ(ΣG g Gᵀ ⊙ Bᵀ d B)A, the sum over input channels of kernels g
//! and 4 × 4 pixels d, with
//!
//! ```text
//! Bᵀ = 1  0 -1  0    G =  1    0    0    Aᵀ = 1  1  1  0
//!      0  1  1  0        1/2  1/2  1/2        0  1 -1 -1
//!      0 -1  1  0        1/2 -1/2  1/2
//!      0  1  0 -1         0    0    1
//! ```
//!
//! A gradient is what the transposed maps make of it: that of the pixels a convolution by the kernel turned
//! around, that of the kernel Gᵀ(Σ(A y Aᵀ) ⊙ (Bᵀ d B))G over tiles with gradients y.
//!
//! A vector holds sixteen tiles, a *strip*: whole rows of tiles, of one image after another. All that a strip
//! takes on its way lies in the caches.
//!
//! Everything that takes [`Lanes`] is inlined into the entry points of [`lanes::Isa::run`].

mod backward;
mod gradient;
mod kernel;
mod maps;

use lanes::{LANES, Lanes};

pub(crate) use backward::gradients;
use gradient::Gradient;
pub(crate) use kernel::Kernel;

use crate::geometry::{Geometry, ROWS};
use crate::shape::Shape;
use crate::vectors::{chunk, chunk_mut};
use crate::{Before, Groups};

/// Numbers of a kernel.
const TAPS: usize = 9;

/// Numbers of a transformed tile.
const POINTS: usize = 16;

/// Numbers of a transformed channel of a strip, `[POINTS][LANES]`, and a vector between two channels, so that not all
/// of them fall into the same places of a cache.
const PLANE: usize = (POINTS + 1) * LANES;

/// Points of a tile that are summed at once.
const POINTS_AT_ONCE: usize = 2;

/// Images in tiles of 2 × 2 places; an odd last row or column is half of a tile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiles {
    height: usize,
    width: usize,
}

/// Rows of tiles.
struct Strip {
    /// Image and row in it.
    rows: [[usize; 2]; LANES],
    n: usize,
}

impl Strip {
    fn rows(&self) -> &[[usize; 2]] {
        &self.rows[..self.n]
    }
}

impl Tiles {
    /// Those of an operation, if it is one for them and a strip holds a row.
    pub(crate) fn of(shape: Shape) -> Option<Self> {
        let Geometry { height, width, kernel, stride } = shape.geometry;
        let is_ours = shape.groups == Groups::One && kernel == 3 && stride == 1;
        (is_ours && width <= 2 * LANES).then_some(Self { height, width })
    }

    fn columns(self) -> usize {
        self.width.div_ceil(2)
    }

    /// Rows of an image.
    fn rows(self) -> usize {
        self.height.div_ceil(2)
    }

    /// Rows of a strip.
    fn rows_at_once(self) -> usize {
        LANES / self.columns()
    }

    /// The fewest images that fill a strip.
    pub(crate) fn images_at_once(self) -> usize {
        self.rows_at_once().div_ceil(self.rows())
    }

    fn area(self) -> usize {
        self.height * self.width
    }

    /// Rows of all images, as many at once as make a vector.
    fn strips(self, n_images: usize) -> impl Iterator<Item = Strip> {
        let of_image = self.rows();
        let (n_rows, step) = (n_images * of_image, self.rows_at_once());
        (0..n_rows).step_by(step).map(move |first| {
            let n = step.min(n_rows - first);
            let mut rows = [[0; 2]; LANES];
            for (to, row) in rows.iter_mut().zip(first..first + n) {
                *to = [row / of_image, row % of_image];
            }
            Strip { rows, n }
        })
    }
}

/// Channels of images: `n` of each, in planes.
#[derive(Clone, Copy)]
pub(crate) struct Channels<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) n: usize,
    /// Numbers from one plane to the next, not less than those of a channel.
    pub(crate) plane: usize,
    /// What happens to the numbers.
    pub(crate) before: Before,
}

impl<'a> Channels<'a> {
    fn n_images(self) -> usize {
        self.values.len() / (self.n * self.plane)
    }

    #[inline(always)]
    fn channel(self, tiles: Tiles, image: usize, channel: usize) -> &'a [f32] {
        &self.values[(image * self.n + channel) * self.plane..][..tiles.area()]
    }
}

/// Scratch memory of a convolution.
pub(crate) struct Scratch {
    /// Of every input channel.
    seen: Vec<[f32; PLANE]>,
    /// Of a block of output channels.
    made: [[f32; PLANE]; ROWS],
}

impl Scratch {
    pub(crate) fn new(n_in: usize) -> Self {
        Self { seen: vec![[0.0; PLANE]; n_in], made: [[0.0; PLANE]; ROWS] }
    }
}

/// Convolves images into channels of their own size.
#[inline(always)]
pub(crate) fn convolve<L: Lanes>(
    kernel: &Kernel,
    tiles: Tiles,
    images: Channels<'_>,
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    let n_out = out.len() / (images.n_images() * tiles.area());
    let Scratch { seen, made } = scratch;
    let edges = maps::Edges::of(tiles);
    for strip in tiles.strips(images.n_images()) {
        for (channel, seen) in seen.iter_mut().enumerate() {
            maps::pixels::<L>(tiles, &strip, edges, images, channel, seen);
        }
        for (block, weights) in kernel.blocks().enumerate() {
            multiply::<L>(weights, seen, made);
            for (channel, made) in (block * ROWS..n_out).zip(made.iter()) {
                maps::outputs::<L>(tiles, &strip, made, [channel, n_out], out);
            }
        }
    }
}

/// The products of a block of weights, `[POINTS][n_in][ROWS]`, summed over input channels.
#[inline(always)]
fn multiply<L: Lanes>(weights: &[f32], seen: &[[f32; PLANE]], made: &mut [[f32; PLANE]; ROWS]) {
    if L::IS_REGISTER {
        multiply_rows::<L, POINTS_AT_ONCE, ROWS>(weights, seen, made);
    } else {
        multiply_rows::<L, 1, { ROWS / 2 }>(weights, seen, made);
    }
}

/// `P` points of `R` output channels at a time.
#[inline(always)]
fn multiply_rows<L: Lanes, const P: usize, const R: usize>(
    weights: &[f32],
    seen: &[[f32; PLANE]],
    made: &mut [[f32; PLANE]; ROWS],
) {
    let weights = weights.as_chunks::<ROWS>().0;
    for (i, weights) in weights.chunks_exact(P * seen.len()).enumerate() {
        // Slices of one known length: nothing is checked in the loop.
        let mut columns: [&[[f32; ROWS]]; P] = [&[]; P];
        for (columns, weights) in columns.iter_mut().zip(weights.chunks_exact(seen.len())) {
            *columns = weights;
        }
        for (first, made) in (0..ROWS).step_by(R).zip(made.as_chunks_mut::<R>().0) {
            let mut sums = [[L::splat(0.0); R]; P];
            for (channel, seen) in seen.iter().enumerate() {
                for (p, (sums, column)) in sums.iter_mut().zip(columns).enumerate() {
                    let seen = L::load(vector(seen, i * P + p));
                    let column: &[f32; R] =
                        column[channel][first..].first_chunk().expect("R ≤ ROWS");
                    for (sum, weight) in sums.iter_mut().zip(column) {
                        *sum = L::splat(*weight).mul_add(seen, *sum);
                    }
                }
            }
            for (p, sums) in sums.iter().enumerate() {
                for (sum, made) in sums.iter().zip(made.iter_mut()) {
                    sum.store(vector_mut(made, i * P + p));
                }
            }
        }
    }
}

/// One of the vectors that lie one after the other.
#[inline(always)]
fn vector(values: &[f32], i: usize) -> &[f32; LANES] {
    chunk(values, i * LANES)
}

#[inline(always)]
fn vector_mut(values: &mut [f32], i: usize) -> &mut [f32; LANES] {
    chunk_mut(values, i * LANES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_tiles_is_in_one_strip() {
        for (height, width, n_images) in [(32, 32, 2), (7, 6, 5), (4, 4, 9), (1, 1, 33), (5, 31, 1)]
        {
            let tiles = Tiles { height, width };
            let strips: Vec<Strip> = tiles.strips(n_images).collect();
            let found: Vec<[usize; 2]> =
                strips.iter().flat_map(|strip| strip.rows().to_vec()).collect();
            let rows = height.div_ceil(2);
            let expected: Vec<[usize; 2]> =
                (0..n_images).flat_map(|image| (0..rows).map(move |row| [image, row])).collect();
            assert_eq!(found, expected);
            assert!(strips.iter().all(|strip| strip.n * tiles.columns() <= LANES));
            // No strip could take the row that follows it.
            let (_, whole) = strips.split_last().expect("there are rows");
            assert!(whole.iter().all(|strip| LANES < (strip.n + 1) * tiles.columns()));
        }
    }

    #[test]
    fn images_at_once_fill_a_strip() {
        let at_once = |height, width| Tiles { height, width }.images_at_once();
        assert_eq!([at_once(32, 32), at_once(8, 8), at_once(4, 4), at_once(7, 6)], [1, 1, 4, 2]);
    }
}
