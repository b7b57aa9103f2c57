//! The gradient of a dense convolution's weights: a product of few rows and columns, and as many terms as there are
//! places in all images. Those are shared among cubes, and their sums added.

use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use flex_ops::Before;

use crate::activation::gated;
use crate::shape::Shape;
use crate::shares::{Shares, end_of_share};
use crate::sums::add_shares;
use crate::tensors::{empty, n_cubes};
use crate::tile::{Four, Tile, multiply, no_sums, place_in};

/// Terms that are worth a cube of their own, a multiple of the tile's depth.
const LEAST_TERMS: usize = 128;

/// What is known when the kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Plan {
    tile: Tile,
    kernel: usize,
    stride: usize,
    before: Before,
}

#[derive(Clone, Copy, CubeLaunch, CubeType)]
struct Sizes {
    /// Of the images.
    n_in: usize,
    height: usize,
    width: usize,
    /// Of the slopes.
    n_out: usize,
    across: usize,
    area: usize,
    /// Places in all of them, and how many of these a cube takes.
    terms: usize,
    share: usize,
}

/// The gradient of the weights from that of the convolution.
///
/// # Shapes
///
/// - `x`: `[b, n_in, h, w]`
/// - `slopes`: `[b, n_out, ⌈h / stride⌉, ⌈w / stride⌉]`
/// - output: `[n_out, n_in, k, k]`
pub(crate) fn to_weights(shape: Shape, x: CubeTensor, slopes: CubeTensor) -> CubeTensor {
    let Shape { n_in, n_out, kernel, height, width, .. } = shape;
    let [b, _, down, across] = shape.output();
    let (area, columns) = (down * across, n_in * kernel * kernel);
    let rows = if n_out <= 16 { 16 } else { 32 };
    let tile = Tile { rows, columns: 64, depth: 16 };
    let n_tiles = [columns.div_ceil(tile.columns), n_out.div_ceil(tile.rows)];
    let terms = b * area;
    let shares = Shares::of(terms, n_tiles[0] * n_tiles[1], LEAST_TERMS);
    let partial = empty(&x, &[shares.n, n_out, columns]);
    let sizes = SizesLaunch::new(n_in, height, width, n_out, across, area, terms, shares.each);
    let plan = Plan { tile, kernel, stride: shape.stride, before: shape.before };
    // SAFETY: the kernel looks at every place before it reads or writes there.
    unsafe {
        product::launch_unchecked(
            &x.client.clone(),
            n_cubes([n_tiles[0], n_tiles[1], shares.n]),
            CubeDim::new_1d(tile.units() as u32),
            x.into_buffer_arg(),
            slopes.into_buffer_arg(),
            partial.clone().into_buffer_arg(),
            sizes,
            plan,
        );
    }
    add_shares(partial, &[n_out, n_in, kernel, kernel])
}

#[cube(launch_unchecked)]
fn product(
    images: &[f32],
    slopes: &[f32],
    partial: &mut [f32],
    sizes: Sizes,
    #[comptime] plan: Plan,
) {
    let tile = comptime!(plan.tile);
    let mut left = Shared::<[Four]>::new_slice(comptime!(tile.depth * tile.left_pitch()));
    let mut right = Shared::<[Four]>::new_slice(comptime!(tile.depth * tile.right_pitch()));
    let mut sums = no_sums();

    // A unit loads one term of some groups of four rows or columns.
    let k = UNIT_POS as usize % tile.depth;
    let group = UNIT_POS as usize / tile.depth;
    let together = comptime!(tile.units() / tile.depth);
    let mut from = CUBE_POS_Z as usize * sizes.share;
    let end = end_of_share(from, sizes.share, sizes.terms);
    while from < end {
        let term = from + k;
        let (image, pixel) = (term / sizes.area, term % sizes.area);
        let is_one = term < end;
        let n_groups = comptime!(tile.rows / 4);
        #[unroll]
        for turn in 0..comptime!(n_groups.div_ceil(together)) {
            let group = group + comptime!(turn * together);
            if group < n_groups {
                let first = CUBE_POS_Y as usize * tile.rows + group * 4;
                let mut four = Four::empty();
                #[unroll]
                for i in 0..4usize {
                    let mut value = 0.0f32;
                    if is_one && first + i < sizes.n_out {
                        value = slopes[(image * sizes.n_out + first + i) * sizes.area + pixel];
                    }
                    four.insert(i, value);
                }
                left[k * comptime!(tile.left_pitch()) + group] = four;
            }
        }
        let y = pixel / sizes.across * plan.stride;
        let x = pixel % sizes.across * plan.stride;
        #[unroll]
        for turn in 0..comptime!(tile.columns / 4 / together) {
            let group = group + comptime!(turn * together);
            let first = CUBE_POS_X as usize * tile.columns + group * 4;
            let mut four = Four::empty();
            #[unroll]
            for j in 0..4usize {
                four.insert(j, seen(images, image, y, x, first + j, is_one, &sizes, plan));
            }
            right[k * comptime!(tile.right_pitch()) + group] = four;
        }
        sync_cube();
        multiply(&left, &right, &mut sums, tile);
        sync_cube();
        from += tile.depth;
    }
    store(partial, &sums, &sizes, plan);
}

/// What the tap of a column sees at a place; outside of the image it is zero.
#[cube]
#[expect(clippy::too_many_arguments, reason = "a kernel's helper has no struct to hold registers")]
fn seen(
    images: &[f32],
    image: usize,
    y: usize,
    x: usize,
    column: usize,
    is_one: bool,
    sizes: &Sizes,
    #[comptime] plan: Plan,
) -> f32 {
    let taps = comptime!(plan.kernel * plan.kernel);
    let padding = comptime!(plan.kernel / 2);
    let (channel, tap) = (column / taps, column % taps);
    // Before 0 is a huge number.
    let y = y + tap / plan.kernel - padding;
    let x = x + tap % plan.kernel - padding;
    let mut value = 0.0f32;
    if is_one && channel < sizes.n_in && y < sizes.height && x < sizes.width {
        value = images[((image * sizes.n_in + channel) * sizes.height + y) * sizes.width + x];
    }
    gated(value, plan.before)
}

#[cube]
fn store(partial: &mut [f32], sums: &Array<Four>, sizes: &Sizes, #[comptime] plan: Plan) {
    let tile = comptime!(plan.tile);
    let columns = sizes.n_in * comptime!(plan.kernel * plan.kernel);
    let (row, column) = place_in(tile);
    let first_row = CUBE_POS_Y as usize * tile.rows + row * 4;
    let first_column = CUBE_POS_X as usize * tile.columns + column * 4;
    #[unroll]
    for i in 0..4usize {
        #[unroll]
        for j in 0..4usize {
            let (row, column) = (first_row + i, first_column + j);
            if row < sizes.n_out && column < columns {
                let place = (CUBE_POS_Z as usize * sizes.n_out + row) * columns + column;
                partial[place] = sums[i].extract(j);
            }
        }
    }
}
