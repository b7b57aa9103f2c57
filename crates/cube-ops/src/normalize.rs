//! Batch norm with what follows it, and its gradient: two kernels each, one to sum over all places of a channel and
//! one to change them.

use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use flex_ops::{After, Epsilon};

use crate::activation::{activated, steepness};
use crate::deviation::deviation;
use crate::shares::{Shares, end_of_share};
use crate::sums::{UNITS, cube_sum};
use crate::tensors::{empty, n_cubes};

/// Where the statistics come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    OfBatch,
    Given,
}

/// What is known when a kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Plan {
    pub(crate) after: After,
    pub(crate) source: Source,
    pub(crate) epsilon: Epsilon,
}

/// A batch `[n_images, channels, area]`, and how its images are shared among cubes.
#[derive(Clone, Copy, CubeLaunch, CubeType)]
struct Sizes {
    n_images: usize,
    channels: usize,
    area: usize,
    /// Images that a cube takes.
    share: usize,
    n_shares: usize,
}

/// [`Sizes`] and the cubes for them.
struct Cut {
    n_images: usize,
    channels: usize,
    area: usize,
    shares: Shares,
}

impl Cut {
    fn new(dims: [usize; 4]) -> Self {
        let [n_images, channels, h, w] = dims;
        Self { n_images, channels, area: h * w, shares: Shares::of(n_images, channels, 1) }
    }

    fn launched(&self) -> SizesLaunch {
        let Self { n_images, channels, area, shares: Shares { each, n } } = *self;
        SizesLaunch::new(n_images, channels, area, each, n)
    }

    fn n_cubes(&self) -> CubeCount {
        n_cubes([self.channels, self.shares.n, 1])
    }

    /// Two numbers of each channel and share.
    fn pairs(&self, like: &CubeTensor) -> CubeTensor {
        empty(like, &[self.channels, self.shares.n, 2])
    }
}

fn dims(t: &CubeTensor) -> [usize; 4] {
    t.meta.shape().dims()
}

/// Numbers of every channel, `[c]` each: what a norm takes and makes.
#[derive(Clone, Debug)]
pub(crate) struct Channels {
    pub(crate) scale: CubeTensor,
    pub(crate) shift: CubeTensor,
    pub(crate) mean: CubeTensor,
    /// Biased.
    pub(crate) variance: CubeTensor,
}

/// [`Channels`] in a kernel.
#[derive(CubeLaunch, CubeType)]
struct Kept {
    scale: Box<[f32]>,
    shift: Box<[f32]>,
    mean: Box<[f32]>,
    variance: Box<[f32]>,
}

impl Channels {
    fn launched(self) -> KeptLaunch {
        let Self { scale, shift, mean, variance } = self;
        KeptLaunch::new(
            scale.into_buffer_arg(),
            shift.into_buffer_arg(),
            mean.into_buffer_arg(),
            variance.into_buffer_arg(),
        )
    }
}

/// Normalizes by the statistics of the batch or by those given: mean and variance.
///
/// # Shapes
///
/// - `values` and output: `[b, c, h, w]`
/// - `affine` (scale and shift) and `given`: `[c]`
pub(crate) fn normalize(
    values: CubeTensor,
    affine: [CubeTensor; 2],
    given: Option<[CubeTensor; 2]>,
    epsilon: Epsilon,
    after: After,
) -> (CubeTensor, Channels, Plan) {
    let cut = Cut::new(dims(&values));
    let [scale, shift] = affine;
    let (source, partial, [mean, variance]) = match given {
        // The statistics stand in the place of parts that nobody reads.
        Some([mean, variance]) => (Source::Given, mean.clone(), [mean, variance]),
        None => {
            let statistics = [(); 2].map(|()| empty(&scale, &[dims(&values)[1]]));
            (Source::OfBatch, moments(&values, &cut), statistics)
        }
    };
    let plan = Plan { after, source, epsilon };
    let output = empty(&values, &dims(&values));
    let channels = Channels { scale, shift, mean, variance };
    let Channels { scale, shift, mean, variance } = channels.clone();
    // SAFETY: the kernel stays within a channel of its share of the images.
    unsafe {
        change::launch_unchecked(
            &values.client.clone(),
            cut.n_cubes(),
            CubeDim::new_1d(UNITS as u32),
            values.into_buffer_arg(),
            partial.into_buffer_arg(),
            scale.into_buffer_arg(),
            shift.into_buffer_arg(),
            mean.into_buffer_arg(),
            variance.into_buffer_arg(),
            output.clone().into_buffer_arg(),
            cut.launched(),
            plan,
        );
    }
    (output, channels, plan)
}

/// Mean of each channel and share, and the sum of the squared distances from it.
fn moments(values: &CubeTensor, cut: &Cut) -> CubeTensor {
    let partial = cut.pairs(values);
    // SAFETY: the kernel stays within a channel of its share of the images.
    unsafe {
        measure::launch_unchecked(
            &values.client,
            cut.n_cubes(),
            CubeDim::new_1d(UNITS as u32),
            values.clone().into_buffer_arg(),
            partial.clone().into_buffer_arg(),
            cut.launched(),
        );
    }
    partial
}

/// Images of a share that are there.
#[cube]
fn n_images(sizes: &Sizes, share: usize) -> usize {
    let first = share * sizes.share;
    end_of_share(first, sizes.share, sizes.n_images) - first
}

/// The place of a term in the channel and share of this cube.
#[cube]
fn place(sizes: &Sizes, term: usize) -> usize {
    let image = CUBE_POS_Y as usize * sizes.share + term / sizes.area;
    (image * sizes.channels + CUBE_POS_X as usize) * sizes.area + term % sizes.area
}

#[cube(launch_unchecked)]
fn measure(values: &[f32], partial: &mut [f32], sizes: Sizes) {
    let mut scratch = Shared::<[f32]>::new_slice(UNITS);
    let n = n_images(&sizes, CUBE_POS_Y as usize) * sizes.area;
    let mut sum = 0.0f32;
    let mut term = UNIT_POS as usize;
    while term < n {
        sum += values[place(&sizes, term)];
        term += UNITS;
    }
    let mean = cube_sum(sum, &mut scratch) / f32::cast_from(n);
    let mut squares = 0.0f32;
    let mut term = UNIT_POS as usize;
    while term < n {
        let distance = values[place(&sizes, term)] - mean;
        squares = fma(distance, distance, squares);
        term += UNITS;
    }
    let squares = cube_sum(squares, &mut scratch);
    if UNIT_POS == 0 {
        let to = (CUBE_POS_X as usize * sizes.n_shares + CUBE_POS_Y as usize) * 2;
        partial[to] = mean;
        partial[to + 1] = squares;
    }
}

#[cube(launch_unchecked)]
fn change(
    values: &[f32],
    partial: &[f32],
    scales: &[f32],
    shifts: &[f32],
    means: &mut [f32],
    variances: &mut [f32],
    output: &mut [f32],
    sizes: Sizes,
    #[comptime] plan: Plan,
) {
    let channel = CUBE_POS_X as usize;
    let mut mean = 0.0f32;
    let mut variance = 0.0f32;
    match comptime!(plan.source) {
        Source::Given => {
            mean = means[channel];
            variance = variances[channel];
        }
        Source::OfBatch => {
            let n_all = f32::cast_from(sizes.n_images * sizes.area);
            let from = channel * sizes.n_shares * 2;
            for share in 0..sizes.n_shares {
                let n = f32::cast_from(n_images(&sizes, share) * sizes.area);
                mean += partial[from + share * 2] * (n / n_all);
            }
            for share in 0..sizes.n_shares {
                let n = f32::cast_from(n_images(&sizes, share) * sizes.area);
                let distance = partial[from + share * 2] - mean;
                variance += (partial[from + share * 2 + 1] + distance * distance * n) / n_all;
            }
            if CUBE_POS_Y == 0 && UNIT_POS == 0 {
                means[channel] = mean;
                variances[channel] = variance;
            }
        }
    }
    let factor = scales[channel] / deviation(variance, plan.epsilon);
    let offset = shifts[channel] - factor * mean;
    let n = n_images(&sizes, CUBE_POS_Y as usize) * sizes.area;
    let mut term = UNIT_POS as usize;
    while term < n {
        let place = place(&sizes, term);
        output[place] = activated(fma(values[place], factor, offset), plan.after);
        term += UNITS;
    }
}

/// The gradients of a norm.
pub(crate) struct Slopes {
    /// `[b, c, h, w]`, of what was normalized.
    pub(crate) values: CubeTensor,
    /// `[c]`.
    pub(crate) scale: CubeTensor,
    /// `[c]`.
    pub(crate) shift: CubeTensor,
}

/// The gradients of a norm from that of its output.
///
/// # Shapes
///
/// - `slopes` and `values`: `[b, c, h, w]`
pub(crate) fn to_values(
    slopes: CubeTensor,
    values: CubeTensor,
    channels: Channels,
    plan: Plan,
) -> Slopes {
    let cut = Cut::new(dims(&values));
    let client = values.client.clone();
    let partial = cut.pairs(&values);
    let found = Slopes {
        values: empty(&values, &dims(&values)),
        scale: empty(&values, &[dims(&values)[1]]),
        shift: empty(&values, &[dims(&values)[1]]),
    };
    let of_channels = channels.clone().launched();
    // SAFETY: both kernels stay within a channel of their share of the images.
    unsafe {
        sum_slopes::launch_unchecked(
            &client,
            cut.n_cubes(),
            CubeDim::new_1d(UNITS as u32),
            slopes.clone().into_buffer_arg(),
            values.clone().into_buffer_arg(),
            channels.launched(),
            partial.clone().into_buffer_arg(),
            cut.launched(),
            plan,
        );
        change_slopes::launch_unchecked(
            &client,
            cut.n_cubes(),
            CubeDim::new_1d(UNITS as u32),
            slopes.into_buffer_arg(),
            values.into_buffer_arg(),
            of_channels,
            partial.into_buffer_arg(),
            found.values.clone().into_buffer_arg(),
            found.scale.clone().into_buffer_arg(),
            found.shift.clone().into_buffer_arg(),
            cut.launched(),
            plan,
        );
    }
    found
}

#[cube(launch_unchecked)]
fn sum_slopes(
    slopes: &[f32],
    values: &[f32],
    channels: Kept,
    partial: &mut [f32],
    sizes: Sizes,
    #[comptime] plan: Plan,
) {
    let mut scratch = Shared::<[f32]>::new_slice(UNITS);
    let channel = CUBE_POS_X as usize;
    let mean = channels.mean[channel];
    let root = deviation(channels.variance[channel], plan.epsilon);
    let factor = channels.scale[channel] / root;
    let offset = channels.shift[channel] - factor * mean;
    let n = n_images(&sizes, CUBE_POS_Y as usize) * sizes.area;
    let mut of_shift = 0.0f32;
    let mut of_scale = 0.0f32;
    let mut term = UNIT_POS as usize;
    while term < n {
        let place = place(&sizes, term);
        let value = values[place];
        let slope = slopes[place] * steepness(fma(value, factor, offset), plan.after);
        of_shift += slope;
        of_scale = fma(slope, value - mean, of_scale);
        term += UNITS;
    }
    let of_shift = cube_sum(of_shift, &mut scratch);
    let of_scale = cube_sum(of_scale, &mut scratch) / root;
    if UNIT_POS == 0 {
        let to = (channel * sizes.n_shares + CUBE_POS_Y as usize) * 2;
        partial[to] = of_shift;
        partial[to + 1] = of_scale;
    }
}

#[cube(launch_unchecked)]
#[expect(clippy::too_many_arguments, reason = "a kernel takes its buffers one by one")]
fn change_slopes(
    slopes: &[f32],
    values: &[f32],
    channels: Kept,
    partial: &[f32],
    output: &mut [f32],
    to_scale: &mut [f32],
    to_shift: &mut [f32],
    sizes: Sizes,
    #[comptime] plan: Plan,
) {
    let channel = CUBE_POS_X as usize;
    let mean = channels.mean[channel];
    let root = deviation(channels.variance[channel], plan.epsilon);
    let factor = channels.scale[channel] / root;
    let offset = channels.shift[channel] - factor * mean;
    let mut of_shift = 0.0f32;
    let mut of_scale = 0.0f32;
    let from = channel * sizes.n_shares * 2;
    for share in 0..sizes.n_shares {
        of_shift += partial[from + share * 2];
        of_scale += partial[from + share * 2 + 1];
    }
    if CUBE_POS_Y == 0 && UNIT_POS == 0 {
        to_scale[channel] = of_scale;
        to_shift[channel] = of_shift;
    }
    // The statistics of the batch have slopes of their own: one level, and one that grows with the distance.
    let n_all = f32::cast_from(sizes.n_images * sizes.area);
    let (level, growth) = (of_shift / n_all, of_scale / n_all / root);
    let n = n_images(&sizes, CUBE_POS_Y as usize) * sizes.area;
    let mut term = UNIT_POS as usize;
    while term < n {
        let place = place(&sizes, term);
        let value = values[place];
        let mut slope = slopes[place] * steepness(fma(value, factor, offset), plan.after);
        if comptime!(plan.source == Source::OfBatch) {
            slope -= level + (value - mean) * growth;
        }
        output[place] = factor * slope;
        term += UNITS;
    }
}
