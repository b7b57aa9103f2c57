//! Inner products of the rows of two blocks.

use std::ops::Range;

use lanes::{Isa, LANES, Lanes, Work};

use crate::Points;
use crate::frame::{CHUNK, Frame, Line};

/// Rows and columns of a tile, as many products as a vector has lanes.
const TILE: usize = 4;

/// Additions in a row that an `f32` sum of one frame has at most: along the lanes, then over them.
pub(crate) const N_ADDITIONS: usize = CHUNK / LANES + LANES.ilog2() as usize;

/// The products of some rows with others, over some frames.
pub(crate) struct Product {
    /// `[n_rows, n_cols]` in tiles, both padded to whole ones; of a block with itself only the tiles on
    /// and below the diagonal.
    tiles: Vec<[f64; LANES]>,
    /// Tiles of a row.
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

    /// The product of a row with itself, in a block with itself.
    pub(crate) fn norm(&self, row: usize) -> f64 {
        self.tiles[row / TILE * (self.stride + 1)][row % TILE * (TILE + 1)]
    }

    /// The products of a row, counted from the start of its block, with all columns and some padding.
    pub(crate) fn row(&self, row: usize, to: &mut Vec<f64>) {
        to.clear();
        let (from, own) = (row / TILE, row % TILE);
        let n_stored = if self.is_symmetric { from + 1 } else { self.stride };
        for tile in &self.tiles[from * self.stride..][..n_stored] {
            to.extend_from_slice(&tile[own * TILE..][..TILE]);
        }
        if self.is_symmetric {
            let below = self.tiles.iter().skip((from + 1) * self.stride + from);
            for tile in below.step_by(self.stride) {
                to.extend((0..TILE).map(|row| tile[row * TILE + own]));
            }
        }
    }

    /// The products of a column, counted likewise, with all rows and some padding.
    pub(crate) fn column(&self, column: usize, to: &mut Vec<f64>) {
        if self.is_symmetric {
            return self.row(column, to);
        }
        to.clear();
        for tile in self.tiles.iter().skip(column / TILE).step_by(self.stride) {
            to.extend((0..TILE).map(|row| tile[row * TILE + column % TILE]));
        }
    }

    /// Adds the products over other frames.
    pub(crate) fn add(mut self, other: &Self) -> Self {
        for (sum, part) in self.tiles.as_flattened_mut().iter_mut().zip(other.tiles.as_flattened())
        {
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
        let stride = n_cols / TILE;
        let mut tiles = vec![[0.0; LANES]; n_rows / TILE * stride];
        let widest = frames.iter().map(Frame::width).max().unwrap_or(0);
        let mut left = vec![Line::ZERO; n_rows * widest];
        let mut right = vec![Line::ZERO; if is_symmetric { 0 } else { n_cols * widest }];
        for frame in frames {
            let width = frame.width();
            frame.copy::<L>(points, rows.clone(), &mut left);
            if !is_symmetric {
                frame.copy::<L>(points, cols.clone(), &mut right);
            }
            let right = if is_symmetric { &left } else { &right };
            for row in (0..n_rows).step_by(TILE) {
                let end = if is_symmetric { row + TILE } else { n_cols };
                for col in (0..end).step_by(TILE) {
                    let sums = tile::<L>(&left[row * width..], &right[col * width..], width);
                    let tile = &mut tiles[row / TILE * stride + col / TILE];
                    for (to, sum) in tile.iter_mut().zip(sums) {
                        *to += frame.weight * f64::from(sum);
                    }
                }
            }
        }
        Product { tiles, stride, is_symmetric }
    }
}

/// The products of four rows with four others.
#[inline(always)]
fn tile<L: Lanes>(left: &[Line], right: &[Line], width: usize) -> [f32; LANES] {
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
    left: &[Line],
    right: &[Line],
    width: usize,
    row: usize,
    col: usize,
    sums: &mut [L; LANES],
) {
    let left: [&[Line]; N] = std::array::from_fn(|i| &left[(row + i) * width..][..width]);
    let right: [&[Line]; N] = std::array::from_fn(|i| &right[(col + i) * width..][..width]);
    let mut products = [[L::splat(0.0); N]; N];
    for at in 0..width {
        let a: [L; N] = std::array::from_fn(|i| L::load(&left[i][at].0));
        let b: [L; N] = std::array::from_fn(|i| L::load(&right[i][at].0));
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
