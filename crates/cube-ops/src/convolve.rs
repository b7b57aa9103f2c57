//! Dense convolution, and its gradient with respect to the images, as products of matrices that are never written
//! down: the right one has a column for each place of the result and a row for each channel and tap that it sees.

use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use flex_ops::Before;

use crate::activation::gated;
use crate::shape::{Direction, Shape};
use crate::tensors::{empty, n_cubes};
use crate::tile::{Four, Tile, multiply, no_sums, place_in};

/// What is known when the kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Plan {
    tile: Tile,
    kernel: usize,
    stride: usize,
    direction: Direction,
    before: Before,
}

/// What a result is made from and what it is.
#[derive(Clone, Copy, CubeLaunch, CubeType)]
struct Sizes {
    /// Channels and sides of the images that are read.
    channels: usize,
    height: usize,
    width: usize,
    /// Channels, width and pixels of an image of the result.
    rows: usize,
    across: usize,
    area: usize,
    /// Pixels of all of them.
    columns: usize,
}

/// The convolution of images after ReLU, if the shape has one; or the gradient of the images from that of the
/// convolution.
///
/// # Shapes
///
/// - `source`: as `x`, or as the output forward
/// - `weight`: `[n_out, n_in, k, k]`
/// - `x`, and output backward: `[b, n_in, h, w]`
/// - output forward: `[b, n_out, ⌈h / stride⌉, ⌈w / stride⌉]`
pub(crate) fn launch(
    shape: Shape,
    direction: Direction,
    source: CubeTensor,
    weight: CubeTensor,
    x: CubeTensor,
) -> CubeTensor {
    let [from, to] = shape.ends(direction);
    let [b, rows, down, across] = to;
    let [_, channels, height, width] = from;
    let (area, columns) = (down * across, b * down * across);
    let tile = tile(rows, columns);
    let target = empty(&x, &to);
    let plan =
        Plan { tile, kernel: shape.kernel, stride: shape.stride, direction, before: shape.before };
    let cubes = n_cubes([columns.div_ceil(tile.columns), rows.div_ceil(tile.rows), 1]);
    // SAFETY: the kernel looks at every place before it reads or writes there.
    unsafe {
        product::launch_unchecked(
            &x.client.clone(),
            cubes,
            CubeDim::new_1d(tile.units() as u32),
            source.into_buffer_arg(),
            weight.into_buffer_arg(),
            x.into_buffer_arg(),
            target.clone().into_buffer_arg(),
            SizesLaunch::new(channels, height, width, rows, across, area, columns),
            plan,
        );
    }
    target
}

/// The fewer channels the fewer rows, and wide tiles where there are places enough for many.
fn tile(rows: usize, columns: usize) -> Tile {
    let (rows, columns) = match (rows, columns) {
        (0..=16, _) => (16, 128),
        (17..=32, _) => (32, 64),
        (_, 0..=32_768) => (32, 64),
        _ => (64, 64),
    };
    Tile { rows, columns, depth: 16 }
}

#[cube(launch_unchecked)]
fn product(
    source: &[f32],
    weights: &[f32],
    images: &[f32],
    target: &mut [f32],
    sizes: Sizes,
    #[comptime] plan: Plan,
) {
    let tile = comptime!(plan.tile);
    let mut left = Shared::<[Four]>::new_slice(comptime!(tile.depth * tile.left_pitch()));
    let mut right = Shared::<[Four]>::new_slice(comptime!(tile.depth * tile.right_pitch()));
    let mut sums = no_sums();

    // A unit always loads the same four columns.
    let across = comptime!(tile.columns / 4);
    let group = UNIT_POS as usize % across;
    let first_column = CUBE_POS_X as usize * tile.columns + group * 4;
    let mut images_from = Array::<usize>::new(4usize);
    let mut ys = Array::<usize>::new(4usize);
    let mut xs = Array::<usize>::new(4usize);
    #[unroll]
    for j in 0..4usize {
        let column = first_column + j;
        let pixel = column % sizes.area;
        images_from[j] = column / sizes.area * sizes.channels;
        ys[j] = corner(pixel / sizes.across, plan);
        xs[j] = corner(pixel % sizes.across, plan);
        if column >= sizes.columns {
            // Outside of every image.
            ys[j] = comptime!(1usize << 30);
        }
    }

    let depth = sizes.channels * comptime!(plan.kernel * plan.kernel);
    let mut from = 0usize;
    while from < depth {
        load_weights(weights, &mut left, from, depth, &sizes, plan);
        #[unroll]
        for turn in 0..comptime!(tile.depth * across / tile.units()) {
            let k = UNIT_POS as usize / across + comptime!(turn * (tile.units() / across));
            let mut four = Four::empty();
            #[unroll]
            for j in 0..4usize {
                let value =
                    seen(source, images_from[j], ys[j], xs[j], from + k, depth, &sizes, plan);
                four.insert(j, value);
            }
            right[k * comptime!(tile.right_pitch()) + group] = four;
        }
        sync_cube();
        multiply(&left, &right, &mut sums, tile);
        sync_cube();
        from += tile.depth;
    }
    store(target, images, &sums, &sizes, plan);
}

/// Where the first tap of a place lies, or would lie: before 0 is a huge number.
#[cube]
fn corner(place: usize, #[comptime] plan: Plan) -> usize {
    let padding = comptime!(plan.kernel / 2);
    match comptime!(plan.direction) {
        Direction::Forward => place * plan.stride - padding,
        Direction::Backward => place + padding,
    }
}

/// The number that a tap sees; outside of the image it is zero.
#[cube]
#[expect(clippy::too_many_arguments, reason = "a kernel's helper has no struct to hold registers")]
fn seen(
    source: &[f32],
    images_from: usize,
    y: usize,
    x: usize,
    k: usize,
    depth: usize,
    sizes: &Sizes,
    #[comptime] plan: Plan,
) -> f32 {
    let taps = comptime!(plan.kernel * plan.kernel);
    let (channel, tap) = (k / taps, k % taps);
    let (down, right) = (tap / plan.kernel, tap % plan.kernel);
    let mut value = 0.0f32;
    match comptime!(plan.direction) {
        Direction::Forward => {
            let (y, x) = (y + down, x + right);
            if k < depth && y < sizes.height && x < sizes.width {
                value = source[((images_from + channel) * sizes.height + y) * sizes.width + x];
            }
            value = gated(value, plan.before);
        }
        Direction::Backward => {
            let (y, x) = (y - down, x - right);
            let is_met = y % plan.stride == 0 && x % plan.stride == 0;
            let (y, x) = (y / plan.stride, x / plan.stride);
            if k < depth && is_met && y < sizes.height && x < sizes.width {
                value = source[((images_from + channel) * sizes.height + y) * sizes.width + x];
            }
        }
    }
    value
}

/// Lays a part of the left matrix into shared memory.
#[cube]
fn load_weights(
    weights: &[f32],
    left: &mut Shared<[Four]>,
    from: usize,
    depth: usize,
    sizes: &Sizes,
    #[comptime] plan: Plan,
) {
    let tile = comptime!(plan.tile);
    let taps = comptime!(plan.kernel * plan.kernel);
    let n_fours = comptime!(tile.depth * tile.rows / 4);
    #[unroll]
    for turn in 0..comptime!(n_fours.div_ceil(tile.units())) {
        let item = UNIT_POS as usize + comptime!(turn * tile.units());
        if item < n_fours {
            let (group, k) = (item / tile.depth, item % tile.depth);
            let first_row = CUBE_POS_Y as usize * tile.rows + group * 4;
            let (channel, tap) = ((from + k) / taps, (from + k) % taps);
            let mut four = Four::empty();
            #[unroll]
            for i in 0..4usize {
                let row = first_row + i;
                let mut value = 0.0f32;
                if row < sizes.rows && from + k < depth {
                    value = match comptime!(plan.direction) {
                        Direction::Forward => weights[row * depth + from + k],
                        Direction::Backward => weights[(channel * sizes.rows + row) * taps + tap],
                    };
                }
                four.insert(i, value);
            }
            left[k * comptime!(tile.left_pitch()) + group] = four;
        }
    }
}

/// Writes what this unit has summed; gradients stop where ReLU was closed.
#[cube]
fn store(
    target: &mut [f32],
    images: &[f32],
    sums: &Array<Four>,
    sizes: &Sizes,
    #[comptime] plan: Plan,
) {
    let tile = comptime!(plan.tile);
    let (row, column) = place_in(tile);
    let first_row = CUBE_POS_Y as usize * tile.rows + row * 4;
    let first_column = CUBE_POS_X as usize * tile.columns + column * 4;
    #[unroll]
    for j in 0..4usize {
        let column = first_column + j;
        let (image, pixel) = (column / sizes.area, column % sizes.area);
        #[unroll]
        for i in 0..4usize {
            let row = first_row + i;
            if column < sizes.columns && row < sizes.rows {
                let place = (image * sizes.rows + row) * sizes.area + pixel;
                let mut value = sums[i].extract(j);
                if comptime!(plan.before == Before::Relu && plan.direction == Direction::Backward) {
                    let is_open = 0.0 < images[place];
                    if !is_open {
                        value = 0.0;
                    }
                }
                target[place] = value;
            }
        }
    }
}
