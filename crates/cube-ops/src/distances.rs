//! Squares of the distances of points, from differences: a product of matrices with subtraction in the place of
//! multiplication, whose terms are shared among cubes.

use burn::backend::Cube;
use burn::tensor::Tensor;
use burn_cubecl::cubecl;
use cubecl::prelude::*;

use crate::shares::{Shares, end_of_share};
use crate::sums::add_shares;
use crate::tensors::{empty, n_cubes, plain};
use crate::tile::{Four, Tile, no_sums, place_in};

/// Features that are worth a cube of their own, a multiple of the tile's depth.
const LEAST_TERMS: usize = 128;

const TILE: Tile = Tile { rows: 32, columns: 32, depth: 16 };

/// The squares of the distances of all points from each other, 0 from themselves. Their rounding is that of sums of
/// squares of differences in 32 bits, whatever the points have in common.
///
/// # Shapes
///
/// - `points`: `[n, d]`
/// - output: `[n, n]`
///
/// # Panics
///
/// If there are no points or they have no features, or the device is not [supported](crate::is_supported) or tracks gradients.
pub fn squared_distances(points: Tensor<2>) -> Tensor<2> {
    let [n, d] = points.dims();
    assert!(0 < n && 0 < d, "{n} points of {d} features");
    let points = plain(points);
    let n_tiles = n.div_ceil(TILE.rows);
    let shares = Shares::of(d, n_tiles * n_tiles, LEAST_TERMS);
    let partial = empty(&points, &[shares.n, n, n]);
    // SAFETY: the kernel looks at every place before it reads or writes there.
    unsafe {
        subtract::launch_unchecked(
            &points.client.clone(),
            n_cubes([n_tiles, n_tiles, shares.n]),
            CubeDim::new_1d(TILE.units() as u32),
            points.into_buffer_arg(),
            partial.clone().into_buffer_arg(),
            n,
            d,
            shares.each,
        );
    }
    Tensor::from_primitive::<Cube>(add_shares(partial, &[n, n]))
}

#[cube(launch_unchecked)]
fn subtract(points: &[f32], partial: &mut [f32], n: usize, d: usize, share: usize) {
    let mut left = Shared::<[Four]>::new_slice(comptime!(TILE.depth * TILE.left_pitch()));
    let mut right = Shared::<[Four]>::new_slice(comptime!(TILE.depth * TILE.right_pitch()));
    let mut sums = no_sums();
    let (row, column) = place_in(TILE);
    let first_row = CUBE_POS_Y as usize * TILE.rows;
    let first_column = CUBE_POS_X as usize * TILE.columns;
    let mut from = CUBE_POS_Z as usize * share;
    let end = end_of_share(from, share, d);
    while from < end {
        load(points, &mut left, first_row, from, end, n, d);
        load(points, &mut right, first_column, from, end, n, d);
        sync_cube();
        #[unroll]
        for k in 0..TILE.depth {
            let a = left[comptime!(k * TILE.left_pitch()) + row];
            let b = right[comptime!(k * TILE.right_pitch()) + column];
            #[unroll]
            for i in 0..4usize {
                let difference = Four::new(a.extract(i)) - b;
                sums[i] = fma(difference, difference, sums[i]);
            }
        }
        sync_cube();
        from += TILE.depth;
    }
    #[unroll]
    for i in 0..4usize {
        #[unroll]
        for j in 0..4usize {
            let (row, column) = (first_row + row * 4 + i, first_column + column * 4 + j);
            if row < n && column < n {
                partial[(CUBE_POS_Z as usize * n + row) * n + column] = sums[i].extract(j);
            }
        }
    }
}

/// Lays some features of a tile's points into shared memory; what is not there is zero.
#[cube]
fn load(
    points: &[f32],
    to: &mut Shared<[Four]>,
    first: usize,
    from: usize,
    end: usize,
    n: usize,
    d: usize,
) {
    // Units side by side load features side by side.
    let k = UNIT_POS as usize % TILE.depth;
    let together = comptime!(TILE.units() / TILE.depth);
    #[unroll]
    for turn in 0..comptime!(TILE.rows / 4 / together) {
        let group = UNIT_POS as usize / TILE.depth + comptime!(turn * together);
        let mut four = Four::empty();
        #[unroll]
        for i in 0..4usize {
            let point = first + group * 4 + i;
            let mut value = 0.0f32;
            if point < n && from + k < end {
                value = points[point * d + from + k];
            }
            four.insert(i, value);
        }
        to[k * comptime!(TILE.left_pitch()) + group] = four;
    }
}
