//! The mean of each 3 × 3 neighborhood, places outside the image not counted.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::node::{contiguous, flex, tensor, tracked};

/// Runs on a plain or an autodiff device.
pub(crate) fn avg_pool3(x: Tensor<4>) -> Tensor<4> {
    if !x.is_autodiff() {
        return Tensor::from_primitive::<Flex>(pool(&flex(x), Direction::Forward));
    }
    let x = tracked(x);
    let output = pool(x.primitive(), Direction::Forward);
    let prepared = AvgPool3.prepare::<NoCheckpointing>([x.node()]).compute_bound().stateful();
    Tensor::from_primitive::<Autodiff<Flex>>(match prepared {
        OpsKind::Tracked(prep) => prep.finish((), output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    })
}

#[derive(Debug)]
struct AvgPool3;

impl Backward<Flex, 1> for AvgPool3 {
    type State = ();

    fn backward(self, ops: Ops<(), 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [node] = ops.parents;
        let slopes = grads.consume::<Flex>(&ops.node);
        if let Some(node) = node {
            grads.register::<Flex>(node.id, pool(&slopes, Direction::Backward));
        }
    }
}

/// Forward divides sums by the number of pixels they are of; backward, which is its transpose,
/// divides first and sums then.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

fn pool(x: &FlexTensor, direction: Direction) -> FlexTensor {
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
