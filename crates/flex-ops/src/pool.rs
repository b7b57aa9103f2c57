//! Mean pooling: of 3 × 3 neighborhoods, places outside the image not counted, of 2 × 2 squares, and of
//! whole channels.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use lanes::{Isa, LANES, Lanes, Work};
use rayon::prelude::*;

use crate::node::{contiguous, flex, tensor, tracked};
use crate::pieces::{Piece, in_pieces};

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
        let of_image = |(): &mut (), i: usize, to: &mut Piece<'_>| {
            let to = to.take(to.len());
            let planes = values[i * channels * height * width..].chunks_exact(height * width);
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
        };
        let size = channels * half[0] * half[1];
        let (output, _) = in_pieces(n * size, size, || (), of_image);
        tensor(output, &[n, channels, half[0], half[1]])
    }

    fn backward(&self, slopes: &FlexTensor, dims: [usize; 4]) -> FlexTensor {
        let slopes = contiguous(slopes);
        let [n, channels, height, width] = dims;
        let (values, half): (&[f32], _) = (slopes.storage(), [height / 2, width / 2]);
        let of_image = |(): &mut (), i: usize, to: &mut Piece<'_>| {
            let to = to.take(to.len());
            let planes = values[i * channels * half[0] * half[1]..].chunks_exact(half[0] * half[1]);
            for (to, plane) in to.chunks_exact_mut(height * width).zip(planes) {
                for (row, to) in to.chunks_exact_mut(width).take(2 * half[0]).enumerate() {
                    let slopes = &plane[row / 2 * half[1]..][..half[1]];
                    for (to, slope) in to.as_chunks_mut::<2>().0.iter_mut().zip(slopes) {
                        *to = [0.25 * slope; 2];
                    }
                }
            }
        };
        let size = channels * height * width;
        let (output, _) = in_pieces(n * size, size, || (), of_image);
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
    let [n, channels, height, width] = dims;
    let (values, size): (&[f32], _) = (x.storage(), channels * height * width);
    let sides = [inverse_counts(height), inverse_counts(width)];
    let [inverse_rows, inverse_columns] = &sides;
    let of_image = |rows: &mut Vec<f32>, i: usize, output: &mut Piece<'_>| {
        let image = &values[i * size..][..size];
        let isa = Isa::widest();
        isa.run(Pool3 { direction, inverse_rows, inverse_columns, image, rows, output });
    };
    let (output, _) = in_pieces(n * size, size, || vec![0.0; height * width], of_image);
    tensor(output, &dims)
}

/// One image.
struct Pool3<'a, 'b> {
    direction: Direction,
    inverse_rows: &'a [f32],
    inverse_columns: &'a [f32],
    image: &'a [f32],
    /// Scratch: a plane of sums within rows.
    rows: &'a mut [f32],
    output: &'a mut Piece<'b>,
}

impl Work for Pool3<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { direction, inverse_rows, inverse_columns, image, rows, output } = self;
        let (area, width) = (rows.len(), inverse_columns.len());
        for plane in image.chunks_exact(area) {
            let output = output.take(area);
            let lines = plane.chunks_exact(width).zip(rows.chunks_exact_mut(width));
            for ((line, row), inverse) in lines.zip(inverse_rows) {
                if direction == Direction::Forward {
                    sum_of_three(line, row);
                } else {
                    // The output is scratch until it is written below.
                    let scaled = &mut output[..width];
                    scale(line, *inverse, inverse_columns, scaled);
                    sum_of_three(scaled, row);
                }
            }
            for (y, to) in output.chunks_exact_mut(width).enumerate() {
                let first = y.saturating_sub(1);
                let n_near = (y + 2).min(inverse_rows.len()) - first;
                let mut near = rows[first * width..].chunks_exact(width).take(n_near);
                if let Some(near) = near.next() {
                    to.copy_from_slice(near);
                }
                for near in near {
                    for (to, from) in to.iter_mut().zip(near) {
                        *to += from;
                    }
                }
                if direction == Direction::Forward {
                    for (to, inverse) in to.iter_mut().zip(inverse_columns) {
                        *to *= inverse * inverse_rows[y];
                    }
                }
            }
        }
    }
}

/// `to[i] = line[i] · inverse · inverses[i]`.
#[inline(always)]
fn scale(line: &[f32], inverse: f32, inverses: &[f32], to: &mut [f32]) {
    for ((to, from), other) in to.iter_mut().zip(line).zip(inverses) {
        *to = from * other * inverse;
    }
}

/// The sum of every number and its neighbors in a row.
#[inline(always)]
fn sum_of_three(row: &[f32], to: &mut [f32]) {
    to.copy_from_slice(row);
    let n = row.len();
    for (to, left) in to[1..].iter_mut().zip(&row[..n - 1]) {
        *to += left;
    }
    for (to, right) in to[..n - 1].iter_mut().zip(&row[1..]) {
        *to += right;
    }
}

/// One over the number of places within reach of each place along a side.
fn inverse_counts(side: usize) -> Vec<f32> {
    let count = |i: usize| (i + 2).min(side) - i.saturating_sub(1);
    (0..side).map(|i| 1.0 / count(i) as f32).collect()
}
