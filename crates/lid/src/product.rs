//! Inner products of the rows of two blocks.

use std::ops::Range;

use lanes::{Isa, LANES, Lanes, Work};

use crate::Points;
use crate::frame::{CHUNK, Frame};

/// Rows and columns of a tile, as many products as a vector has lanes.
const TILE: usize = 4;

/// Additions in a row that an `f32` sum of one frame has at most: along the lanes, then over them.
pub(crate) const N_ADDITIONS: usize = CHUNK / LANES + LANES.ilog2() as usize;

/// The products of some rows with others, over some frames.
pub(crate) struct Product {
    /// `[n_rows, n_cols]`, both padded to whole tiles; of a block with itself only the tiles on and
    /// below the diagonal.
    values: Vec<f64>,
    stride: usize,
    is_symmetric: bool,
}

impl Product {
    /// Multiplies block by block of columns: the copies of one frame fit a second-level cache.
    pub(crate) fn new(
        isa: Isa,
        points: Points<'_>,
        [rows, cols]: [Range<usize>; 2],
        frames: &[Frame],
    ) -> Self {
        isa.run(Multiply { points, rows, cols, frames })
    }

    /// The product of a row with a column, counted from the start of their blocks.
    pub(crate) fn at(&self, row: usize, col: usize) -> f64 {
        let (row, col) = if self.is_symmetric && row < col { (col, row) } else { (row, col) };
        self.values[row * self.stride + col]
    }

    /// Adds the products over other frames.
    pub(crate) fn add(mut self, other: &Self) -> Self {
        for (sum, part) in self.values.iter_mut().zip(&other.values) {
            *sum += part;
        }
        self
    }
}

struct Multiply<'a> {
    points: Points<'a>,
    rows: Range<usize>,
    cols: Range<usize>,
    frames: &'a [Frame],
}

impl Work for Multiply<'_> {
    type Output = Product;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Product {
        let Self { points, rows, cols, frames } = self;
        let is_symmetric = rows == cols;
        let [n_rows, n_cols] = [&rows, &cols].map(|range| range.len().next_multiple_of(TILE));
        let mut values = vec![0.0; n_rows * n_cols];
        let width = frames.iter().map(Frame::width).max().unwrap_or(0);
        let mut left = vec![0.0; n_rows * width];
        let mut right = vec![0.0; if is_symmetric { 0 } else { n_cols * width }];
        for frame in frames {
            let width = frame.width();
            if width != left.len() / n_rows {
                // The last frame is narrower, and its padding must be zero.
                left.fill(0.0);
                right.fill(0.0);
            }
            frame.copy(points, rows.clone(), &mut left);
            if !is_symmetric {
                frame.copy(points, cols.clone(), &mut right);
            }
            let left = &left[..n_rows * width];
            let right = if is_symmetric { left } else { &right[..n_cols * width] };
            for row in (0..n_rows).step_by(TILE) {
                let end = if is_symmetric { row + TILE } else { n_cols };
                for col in (0..end).step_by(TILE) {
                    let sums = tile::<L>(&left[row * width..], &right[col * width..], width);
                    for (i, sums) in sums.as_chunks::<TILE>().0.iter().enumerate() {
                        let to = &mut values[(row + i) * n_cols + col..][..TILE];
                        for (to, &sum) in to.iter_mut().zip(sums) {
                            *to += frame.weight * f64::from(sum);
                        }
                    }
                }
            }
        }
        Product { values, stride: n_cols, is_symmetric }
    }
}

/// The products of four rows with four others.
#[inline(always)]
fn tile<L: Lanes>(left: &[f32], right: &[f32], width: usize) -> [f32; LANES] {
    let mut sums = [L::splat(0.0); LANES];
    if L::IS_REGISTER {
        part::<L, TILE>(left, right, width, 0, 0, &mut sums);
    } else {
        for row in [0, 2] {
            for col in [0, 2] {
                part::<L, 2>(left, right, width, row, col, &mut sums);
            }
        }
    }
    L::sums(sums)
}

/// The products of `N` of the rows with `N` of the others, as many as registers hold.
#[inline(always)]
fn part<L: Lanes, const N: usize>(
    left: &[f32],
    right: &[f32],
    width: usize,
    row: usize,
    col: usize,
    sums: &mut [L; LANES],
) {
    let n_vectors = width / LANES;
    let left: [&[[f32; LANES]]; N] = std::array::from_fn(|i| lanes_of(left, row + i, width));
    let right: [&[[f32; LANES]]; N] = std::array::from_fn(|i| lanes_of(right, col + i, width));
    let mut products = [[L::splat(0.0); N]; N];
    for at in 0..n_vectors {
        let a: [L; N] = std::array::from_fn(|i| L::load(&left[i][at]));
        let b: [L; N] = std::array::from_fn(|i| L::load(&right[i][at]));
        for i in 0..N {
            for j in 0..N {
                products[i][j] = a[i].mul_add(b[j], products[i][j]);
            }
        }
    }
    for i in 0..N {
        for j in 0..N {
            sums[(row + i) * TILE + col + j] = products[i][j];
        }
    }
}

/// One row as vectors.
#[inline(always)]
fn lanes_of(values: &[f32], row: usize, width: usize) -> &[[f32; LANES]] {
    values[row * width..(row + 1) * width].as_chunks::<LANES>().0
}
