//! Mean pooling: of 3 × 3 neighborhoods, places outside the image not counted, of 2 × 2 squares, and of
//! whole channels.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use lanes::LANES;
use rayon::prelude::*;

use crate::node::{contiguous, flex, tensor, tracked};

/// A linear map of images, with a second one for its gradient.
trait Pool: Clone + Send + std::fmt::Debug + 'static {
    fn forward(&self, x: &FlexTensor) -> FlexTensor;
    /// Takes the gradient of the output to that of an input of these dimensions.
    fn backward(&self, slopes: &FlexTensor, dims: [usize; 4]) -> FlexTensor;
}

/// The mean of 3 × 3 neighborhoods.
pub(crate) fn avg_pool3(x: Tensor<4>) -> Tensor<4> {
    run(AvgPool3, x)
}

/// The mean of 2 × 2 squares.
pub(crate) fn avg_pool2(x: Tensor<4>) -> Tensor<4> {
    run(AvgPool2, x)
}

/// The mean of every channel, `[b, c, 1, 1]`.
pub(crate) fn global_avg_pool(x: Tensor<4>) -> Tensor<4> {
    run(GlobalAvgPool, x)
}

/// Runs on a plain or an autodiff device.
fn run(pool: impl Pool, x: Tensor<4>) -> Tensor<4> {
    if !x.is_autodiff() {
        return Tensor::from_primitive::<Flex>(pool.forward(&flex(x)));
    }
    let dims = x.dims();
    let x = tracked(x);
    let output = pool.forward(x.primitive());
    let node = Node(pool);
    let prepared = node.prepare::<NoCheckpointing>([x.node()]).compute_bound().stateful();
    Tensor::from_primitive::<Autodiff<Flex>>(match prepared {
        OpsKind::Tracked(prep) => prep.finish(dims, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    })
}

/// A pool in the graph.
#[derive(Clone, Debug)]
struct Node<P>(P);

impl<P: Pool> Backward<Flex, 1> for Node<P> {
    type State = [usize; 4];

    fn backward(self, ops: Ops<[usize; 4], 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [node] = ops.parents;
        let slopes = grads.consume::<Flex>(&ops.node);
        if let Some(node) = node {
            grads.register::<Flex>(node.id, self.0.backward(&slopes, ops.state));
        }
    }
}

#[derive(Clone, Debug)]
struct AvgPool3;

impl Pool for AvgPool3 {
    fn forward(&self, x: &FlexTensor) -> FlexTensor {
        pool3(x, Direction::Forward)
    }

    fn backward(&self, slopes: &FlexTensor, _: [usize; 4]) -> FlexTensor {
        pool3(slopes, Direction::Backward)
    }
}

#[derive(Clone, Debug)]
struct AvgPool2;

impl Pool for AvgPool2 {
    fn forward(&self, x: &FlexTensor) -> FlexTensor {
        let x = contiguous(x);
        let [n, channels, height, width]: [usize; 4] = x.layout().shape().dims();
        let (values, half): (&[f32], _) = (x.storage(), [height / 2, width / 2]);
        let mut output = vec![0.0; n * channels * half[0] * half[1]];
        let squares = output.par_chunks_exact_mut(channels * half[0] * half[1]);
        squares.zip(values.par_chunks_exact(channels * height * width)).for_each(|(to, image)| {
            let planes = image.chunks_exact(height * width);
            for (to, plane) in to.chunks_exact_mut(half[0] * half[1]).zip(planes) {
                let pairs = to.chunks_exact_mut(half[1]).zip(plane.chunks_exact(2 * width));
                for (to, rows) in pairs {
                    let (upper, lower) = rows.split_at(width);
                    let columns = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
                    for (to, ([a, b], [c, d])) in to.iter_mut().zip(columns) {
                        *to = 0.25 * ((a + b) + (c + d));
                    }
                }
            }
        });
        tensor(output, &[n, channels, half[0], half[1]])
    }

    fn backward(&self, slopes: &FlexTensor, dims: [usize; 4]) -> FlexTensor {
        let slopes = contiguous(slopes);
        let [n, channels, height, width] = dims;
        let (values, half): (&[f32], _) = (slopes.storage(), [height / 2, width / 2]);
        let mut output = vec![0.0; n * channels * height * width];
        let images = output.par_chunks_exact_mut(channels * height * width);
        images.zip(values.par_chunks_exact(channels * half[0] * half[1])).for_each(|(to, from)| {
            let planes = from.chunks_exact(half[0] * half[1]);
            for (to, plane) in to.chunks_exact_mut(height * width).zip(planes) {
                for (row, to) in to.chunks_exact_mut(width).take(2 * half[0]).enumerate() {
                    let slopes = &plane[row / 2 * half[1]..][..half[1]];
                    for (to, slope) in to.as_chunks_mut::<2>().0.iter_mut().zip(slopes) {
                        *to = [0.25 * slope; 2];
                    }
                }
            }
        });
        tensor(output, &dims)
    }
}

#[derive(Clone, Debug)]
struct GlobalAvgPool;

impl Pool for GlobalAvgPool {
    fn forward(&self, x: &FlexTensor) -> FlexTensor {
        let x = contiguous(x);
        let [n, channels, height, width]: [usize; 4] = x.layout().shape().dims();
        let (values, area): (&[f32], _) = (x.storage(), height * width);
        let mean = |plane: &[f32]| {
            // Several sums at once, which a register can hold.
            let (heads, tail) = plane.as_chunks::<LANES>();
            let mut sums = [0.0; LANES];
            for head in heads {
                for (sum, value) in sums.iter_mut().zip(head) {
                    *sum += value;
                }
            }
            (sums.iter().sum::<f32>() + tail.iter().sum::<f32>()) / area as f32
        };
        tensor(values.par_chunks_exact(area).map(mean).collect(), &[n, channels, 1, 1])
    }

    fn backward(&self, slopes: &FlexTensor, dims: [usize; 4]) -> FlexTensor {
        let slopes = contiguous(slopes);
        let [_, _, height, width] = dims;
        let (values, area): (&[f32], _) = (slopes.storage(), height * width);
        let mut output = vec![0.0; values.len() * area];
        let planes = output.par_chunks_exact_mut(area).zip(values);
        planes.for_each(|(plane, slope)| plane.fill(slope / area as f32));
        tensor(output, &dims)
    }
}

/// Forward divides sums by the number of pixels they are of; backward, which is its transpose,
/// divides first and sums then.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

fn pool3(x: &FlexTensor, direction: Direction) -> FlexTensor {
    let x = contiguous(x);
    let dims: [usize; 4] = x.layout().shape().dims();
    let [_, channels, height, width] = dims;
    let values: &[f32] = x.storage();
    let mut output = vec![0.0; values.len()];
    let area = height * width;
    let (inverse_rows, inverse_cols) = (inverse_counts(height), inverse_counts(width));
    values
        .par_chunks_exact(channels * area)
        .zip(output.par_chunks_exact_mut(channels * area))
        .for_each(|(image, output)| {
            let mut rows = vec![0.0; area];
            let mut scaled = vec![0.0; width];
            for (plane, output) in image.chunks_exact(area).zip(output.chunks_exact_mut(area)) {
                for (y, row) in plane.chunks_exact(width).enumerate() {
                    let row = if direction == Direction::Backward {
                        for ((to, from), inverse) in scaled.iter_mut().zip(row).zip(&inverse_cols) {
                            *to = from * inverse * inverse_rows[y];
                        }
                        &scaled
                    } else {
                        row
                    };
                    sum_of_three(row, &mut rows[y * width..(y + 1) * width]);
                }
                for (y, to) in output.chunks_exact_mut(width).enumerate() {
                    for near in rows[y.saturating_sub(1) * width..]
                        .chunks_exact(width)
                        .take((y + 2).min(height) - y.saturating_sub(1))
                    {
                        to.iter_mut().zip(near).for_each(|(to, from)| *to += from);
                    }
                    if direction == Direction::Forward {
                        for (to, inverse) in to.iter_mut().zip(&inverse_cols) {
                            *to *= inverse * inverse_rows[y];
                        }
                    }
                }
            }
        });
    tensor(output, &dims)
}

/// The sum of every number and its neighbors in a row.
fn sum_of_three(row: &[f32], to: &mut [f32]) {
    to.copy_from_slice(row);
    let n = row.len();
    to[1..].iter_mut().zip(&row[..n - 1]).for_each(|(to, left)| *to += left);
    to[..n - 1].iter_mut().zip(&row[1..]).for_each(|(to, right)| *to += right);
}

/// One over the number of places within reach of each place along a side.
fn inverse_counts(side: usize) -> Vec<f32> {
    let count = |i: usize| (i + 2).min(side) - i.saturating_sub(1);
    (0..side).map(|i| 1.0 / count(i) as f32).collect()
}
