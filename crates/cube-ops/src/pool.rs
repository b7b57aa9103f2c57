//! Means of neighborhoods.

use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::shape::Direction;
use crate::sums::UNITS;
use crate::tensors::{empty, n_cubes};

/// The mean of each 3 × 3 neighborhood, places outside the image not counted; or the transposed map.
///
/// # Shapes
///
/// - `x` and output: `[b, c, h, w]`
pub(crate) fn avg_pool3(x: CubeTensor, direction: Direction) -> CubeTensor {
    let dims: [usize; 4] = x.meta.shape().dims();
    let [_, _, height, width] = dims;
    let n: usize = dims.iter().product();
    let output = empty(&x, &dims);
    // SAFETY: the kernel looks at every place before it reads or writes there.
    unsafe {
        average::launch_unchecked(
            &x.client.clone(),
            n_cubes([n.div_ceil(UNITS), 1, 1]),
            CubeDim::new_1d(UNITS as u32),
            x.into_buffer_arg(),
            output.clone().into_buffer_arg(),
            n,
            height,
            width,
            direction,
        );
    }
    output
}

#[cube(launch_unchecked)]
fn average(
    x: &[f32],
    output: &mut [f32],
    n: usize,
    height: usize,
    width: usize,
    #[comptime] direction: Direction,
) {
    let place = ABSOLUTE_POS;
    if place >= n {
        terminate!();
    }
    let line = place / width;
    let (y, x_here) = (line % height, place % width);
    let first_pixel = line / height * height * width;
    let mut sum = 0.0f32;
    #[unroll]
    for tap in 0..9usize {
        // Before 0 is a huge number.
        let down = y + comptime!(tap / 3) - 1;
        let right = x_here + comptime!(tap % 3) - 1;
        if down < height && right < width {
            let value = x[first_pixel + down * width + right];
            match comptime!(direction) {
                Direction::Forward => sum += value,
                Direction::Backward => {
                    sum += value / f32::cast_from(counted(down, height) * counted(right, width));
                }
            }
        }
    }
    if comptime!(direction == Direction::Forward) {
        sum /= f32::cast_from(counted(y, height) * counted(x_here, width));
    }
    output[place] = sum;
}

/// How many of a place and its two neighbors there are on a line.
#[cube]
fn counted(place: usize, size: usize) -> usize {
    let mut n = 1usize;
    if 0 < place {
        n += 1;
    }
    if place + 1 < size {
        n += 1;
    }
    n
}
