//! Gradient descent with momentum: one pass over weight, gradient and last update.

use burn::backend::Flex;
use burn::tensor::Tensor;

use crate::node::{contiguous, flex, tensor};

/// How a gradient becomes an update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Descent {
    /// What the gradient is multiplied by first.
    pub clip: f32,
    /// Share of the weight that is added to the gradient.
    pub weight_decay: f32,
    /// Share of the last update that is kept.
    pub momentum: f32,
    /// The kind of momentum.
    pub lookahead: Lookahead,
    /// The learning rate.
    pub lr: f32,
}

/// The kind of momentum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lookahead {
    /// Heavy ball.
    None,
    /// One momentum step ahead (Nesterov 1983).
    Nesterov,
}

/// A weight after a step, and the update to be remembered; `last` is that of the step before, if there was one.
///
/// # Shapes
///
/// - all of one shape
///
/// # Panics
///
/// If shapes disagree, or the device is not [supported](crate::is_supported).
pub fn descend<const D: usize>(
    weight: Tensor<D>,
    gradient: Tensor<D>,
    last: Option<Tensor<D>>,
    by: Descent,
) -> [Tensor<D>; 2] {
    let dims = weight.dims();
    assert_eq!(dims, gradient.dims(), "weight and gradient");
    let of = |t: Tensor<D>| contiguous(&flex(t));
    let (weight, gradient) = (of(weight), of(gradient));
    let (weight, gradient): (&[f32], &[f32]) = (weight.storage(), gradient.storage());
    // Without a last update, nothing is added to the gradient, not even a zero.
    let last = last.map(|last| {
        assert_eq!(dims, last.dims(), "weight and last update");
        of(last)
    });
    let last: &[f32] = last.as_ref().map_or(&[], |last| last.storage());
    let mut update: Vec<f32> =
        gradient.iter().zip(weight).map(|(g, w)| g * by.clip + w * by.weight_decay).collect();
    let mut moved = update.clone();
    for (update, last) in update.iter_mut().zip(last) {
        *update += last * by.momentum;
    }
    for ((moved, update), weight) in moved.iter_mut().zip(&update).zip(weight) {
        let direction = match by.lookahead {
            Lookahead::None => *update,
            Lookahead::Nesterov => *moved + update * by.momentum,
        };
        *moved = weight - direction * by.lr;
    }
    [moved, update].map(|numbers| Tensor::from_primitive::<Flex>(tensor(numbers, &dims)))
}

/// The sum of the squares of all numbers.
///
/// # Panics
///
/// If the device is not [supported](crate::is_supported).
pub fn sum_of_squares<const D: usize>(t: Tensor<D>) -> f64 {
    let t = contiguous(&flex(t));
    let numbers: &[f32] = t.storage();
    // Sixteen sums, as many as a vector holds, so that none waits for another.
    let (chunks, rest) = numbers.as_chunks::<16>();
    let mut sums = [0.0; 16];
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(*x) * f64::from(*x);
        }
    }
    let rest: f64 = rest.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    sums.iter().sum::<f64>() + rest
}
