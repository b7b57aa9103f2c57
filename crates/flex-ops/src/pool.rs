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
use tracing::trace_span;

use crate::node::{contiguous, flex, tensor, tracked};
use crate::pieces::{Piece, in_pieces};
use crate::{Direction, PROFILE};

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
        return Tensor::from_primitive::<Flex>(forward(&pool, &flex(x)));
    }
    let dims = x.dims();
    let x = tracked(x);
    let output = forward(&pool, x.primitive());
    let node = Node(pool);
    let prepared = node.prepare::<NoCheckpointing>([x.node()]).compute_bound().stateful();
    Tensor::from_primitive::<Autodiff<Flex>>(match prepared {
        OpsKind::Tracked(prep) => prep.finish(dims, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    })
}

fn forward(pool: &impl Pool, x: &FlexTensor) -> FlexTensor {
    let _span = trace_span!(target: PROFILE, "pools, forward").entered();
    pool.forward(x)
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
            let _span = trace_span!(target: PROFILE, "pools, backward").entered();
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
fn pool3(x: &FlexTensor, direction: Direction) -> FlexTensor {
    let x = contiguous(x);
    let dims: [usize; 4] = x.layout().shape().dims();
    let [n, channels, height, width] = dims;
    let (values, size): (&[f32], _) = (x.storage(), channels * height * width);
    let neighborhoods = Neighborhoods::new(height, width);
    let of_image = |rows: &mut Vec<f32>, i: usize, output: &mut Piece<'_>| {
        let image = &values[i * size..][..size];
        let neighborhoods = &neighborhoods;
        Isa::widest().run(Pool3 { direction, neighborhoods, image, rows, output });
    };
    let rows = || vec![0.0; (height + 2) * width];
    let (output, _) = in_pieces(n * size, size, rows, of_image);
    tensor(output, &dims)
}

/// What the places of a plane have within reach.
struct Neighborhoods {
    width: usize,
    /// One over their number.
    inverse_counts: Vec<f32>,
    /// All bits where there is a neighbor to the left; none where there is none.
    left: Vec<u32>,
    right: Vec<u32>,
}

impl Neighborhoods {
    fn new(height: usize, width: usize) -> Self {
        let [rows, columns] = [inverse_counts(height), inverse_counts(width)];
        let plane = |row: &f32| columns.iter().map(move |column| column * row).collect::<Vec<_>>();
        let where_not = |end: usize| {
            let place = move |i| if i % width == end { 0 } else { u32::MAX };
            (0..height * width).map(place).collect()
        };
        Self {
            width,
            inverse_counts: rows.iter().flat_map(plane).collect(),
            left: where_not(0),
            right: where_not(width - 1),
        }
    }

    /// The sum of every number of a plane and its neighbors in the same row.
    #[inline(always)]
    fn sum_within_rows(&self, plane: &[f32], to: &mut [f32]) {
        to.copy_from_slice(plane);
        let n = plane.len() - 1;
        for ((to, left), mask) in to[1..].iter_mut().zip(&plane[..n]).zip(&self.left[1..]) {
            *to += f32::from_bits(left.to_bits() & mask);
        }
        for ((to, right), mask) in to[..n].iter_mut().zip(&plane[1..]).zip(&self.right) {
            *to += f32::from_bits(right.to_bits() & mask);
        }
    }
}

/// One image.
struct Pool3<'a, 'b> {
    direction: Direction,
    neighborhoods: &'a Neighborhoods,
    image: &'a [f32],
    /// Scratch: a plane of sums within rows, between two rows of zeros.
    rows: &'a mut [f32],
    output: &'a mut Piece<'b>,
}

impl Work for Pool3<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { direction, neighborhoods, image, rows, output } = self;
        let Neighborhoods { width, inverse_counts, .. } = neighborhoods;
        let area = inverse_counts.len();
        for plane in image.chunks_exact(area) {
            let output = output.take(area);
            let middle = &mut rows[*width..][..area];
            if direction == Direction::Forward {
                neighborhoods.sum_within_rows(plane, middle);
            } else {
                // The output is scratch until it is written below.
                for ((to, from), inverse) in output.iter_mut().zip(plane).zip(inverse_counts) {
                    *to = from * inverse;
                }
                neighborhoods.sum_within_rows(output, middle);
            }
            let (upper, middle, lower) = (&*rows, &rows[*width..], &rows[2 * width..]);
            let near = upper.iter().zip(middle).zip(lower);
            for (to, ((upper, middle), lower)) in output.iter_mut().zip(near) {
                *to = upper + middle + lower;
            }
            if direction == Direction::Forward {
                for (to, inverse) in output.iter_mut().zip(inverse_counts) {
                    *to *= inverse;
                }
            }
        }
    }
}

/// One over the number of places within reach of each place along a side.
fn inverse_counts(side: usize) -> Vec<f32> {
    let count = |i: usize| (i + 2).min(side) - i.saturating_sub(1);
    (0..side).map(|i| 1.0 / count(i) as f32).collect()
}
