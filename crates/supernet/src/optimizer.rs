//! Steps of gradient descent over the parameters that paths have touched.

use std::collections::{BTreeMap, HashMap};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Gradients, Tensor};
use flex_ops::{Descent, Lookahead};

#[cfg(feature = "cuda")]
mod together;

use crate::checkpoint::to_host;
use crate::pass::Ops;
use crate::{Kernels, StepOptions};

/// How a gradient becomes an update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Stochastic gradient descent, without dampening.
    Sgd {
        /// Share of the last update that is kept, in `[0, 1)`.
        momentum: f64,
        /// Whether the update looks one momentum step ahead (Nesterov 1983).
        lookahead: Lookahead,
    },
    /// Loshchilov and Hutter 2019: the penalty shrinks weights, not gradients.
    AdamW {
        /// Shares of the mean of gradients and of their squares that are kept.
        betas: [f64; 2],
        /// Added to the root of the mean square.
        epsilon: f64,
    },
    /// Tieleman and Hinton 2012, with momentum, as PyTorch has it.
    RmsProp {
        /// Share of the mean of squared gradients that is kept.
        decay: f64,
        /// Share of the last update that is kept.
        momentum: f64,
        /// Added to the root of the mean square.
        epsilon: f64,
    },
}

/// What is remembered of every parameter that was ever trained, flat, by [`slot`] and name.
pub(crate) type State = BTreeMap<String, Tensor<1>>;

/// What stands before the name of a parameter in [`State`].
pub(crate) mod slot {
    /// The last update, or the mean of gradients.
    pub(crate) const MOMENTUM: &str = "momentum/";
    /// The mean of squared gradients.
    pub(crate) const SQUARES: &str = "squares/";
    /// A single number: how many steps the parameter has taken.
    pub(crate) const STEPS: &str = "steps/";
}

/// The gradients of the parameters that some paths have touched, flat.
pub(crate) type Sum = HashMap<ParamId, Tensor<1>>;

/// Adds the gradients of one path.
pub(crate) fn add<N: Module>(sum: &mut Sum, network: &N, gradients: Gradients) {
    struct Add<'a>(&'a mut Sum, Gradients);
    impl ModuleVisitor for Add<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let Some(gradient) = param.val().grad_remove(&mut self.1) else { return };
            let n = gradient.shape().num_elements();
            add_to(self.0, param.id, gradient.reshape([n]));
        }
    }
    network.visit(&mut Add(sum, gradients));
}

/// Adds the gradients of another path.
pub(crate) fn merge(sum: &mut Sum, gradients: Sum) {
    for (param, gradient) in gradients {
        add_to(sum, param, gradient);
    }
}

fn add_to(sum: &mut Sum, param: ParamId, gradient: Tensor<1>) {
    let total = match sum.remove(&param) {
        Some(others) => others + gradient,
        None => gradient,
    };
    sum.insert(param, total);
}

/// The network after one step; the norm of the gradient instead if that is not finite, which would leave no
/// weight a number.
///
/// burn's optimizer clips each parameter by itself and keys its state by numbers drawn at random;
/// here the norm is of the whole gradient, and the state has names that a checkpoint can hold.
pub(crate) fn step<N: Module>(
    network: N,
    mut gradients: Sum,
    state: &mut State,
    options: &StepOptions,
    kernels: Kernels,
) -> Result<N, f64> {
    let norm = norm(&network, &gradients, kernels);
    if !norm.is_finite() {
        return Err(norm);
    }
    let clip = options.max_gradient_norm.map_or(1.0, |max| max / norm.max(max));
    #[cfg(feature = "cuda")]
    if let Some(by) = descent(options, clip)
        && gradients.values().all(|t| kernels.on(&t.device()) == Ops::Cube)
    {
        return Ok(together::step(network, gradients, state, by));
    }
    let path = Vec::new();
    let mut update = Update { path, gradients: &mut gradients, state, clip, options, kernels };
    Ok(network.map(&mut update))
}

/// The L2 norm of the whole gradient, summed in the order of the network.
fn norm<N: Module>(network: &N, gradients: &Sum, kernels: Kernels) -> f64 {
    struct Squares<'a> {
        gradients: &'a Sum,
        kernels: Kernels,
        sum: f64,
        /// Sums that a device holds yet: to wait for each would cost more than to make it.
        on_device: Vec<Tensor<1>>,
        /// Gradients there whose sums are made together.
        #[cfg(feature = "cuda")]
        on_card: Vec<Tensor<1>>,
    }
    impl ModuleVisitor for Squares<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let Some(gradient) = self.gradients.get(&param.id).cloned() else { return };
            match self.kernels.on(&gradient.device()) {
                Ops::Flex => self.sum += flex_ops::sum_of_squares(gradient),
                #[cfg(feature = "cuda")]
                Ops::Cube => self.on_card.push(gradient),
                Ops::Stock => self.on_device.push(gradient.square().sum()),
            }
        }
    }
    let mut squares = Squares {
        gradients,
        kernels,
        sum: 0.0,
        on_device: Vec::new(),
        #[cfg(feature = "cuda")]
        on_card: Vec::new(),
    };
    network.visit(&mut squares);
    #[cfg(feature = "cuda")]
    squares.on_device.extend(cube_ops::sums_of_squares(squares.on_card));
    let Squares { sum, on_device, .. } = squares;
    let sums = if on_device.is_empty() { Vec::new() } else { to_host(Tensor::cat(on_device, 0)) };
    (sum + sums.into_iter().map(f64::from).sum::<f64>()).sqrt()
}

/// `keep` of the weights of an average, and the rest of those of the network it is a copy of.
pub(crate) fn blend<N: Module>(average: N, keep: f64, network: &N) -> N {
    struct Flat(Sum);
    impl ModuleVisitor for Flat {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let weight = param.val();
            let n = weight.shape().num_elements();
            self.0.insert(param.id, weight.inner().reshape([n]));
        }
    }
    struct Blend(Sum, f64);
    impl ModuleMapper for Blend {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let Self(new, keep) = self;
            let Some(new) = new.remove(&param.id) else { return param };
            param.map(|old| {
                let new = new.reshape(old.shape());
                let blended = old.clone().inner() * *keep + new * (1.0 - *keep);
                Tensor::from_inner(blended).set_require_grad(old.is_require_grad())
            })
        }
    }
    let mut flat = Flat(Sum::new());
    network.visit(&mut flat);
    average.map(&mut Blend(flat.0, keep))
}

/// Gradient descent with momentum by these options, if it is that.
fn descent(options: &StepOptions, clip: f64) -> Option<Descent> {
    let StepOptions { lr, weight_decay, optimizer, .. } = *options;
    let Optimizer::Sgd { momentum, lookahead } = optimizer else { return None };
    Some(Descent {
        clip: clip as f32,
        weight_decay: weight_decay as f32,
        momentum: momentum as f32,
        lookahead,
        lr: lr as f32,
    })
}

struct Update<'a> {
    path: Vec<String>,
    gradients: &'a mut Sum,
    state: &'a mut State,
    clip: f64,
    options: &'a StepOptions,
    kernels: Kernels,
}

impl ModuleMapper for Update<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, weight, mapper) = param.consume();
        let Some(gradient) = self.gradients.remove(&id) else {
            return Param::from_mapped_value(id, weight, mapper);
        };
        let shape = weight.shape();
        let n = shape.num_elements();
        let weight = weight.inner().reshape([n]);
        let weight = self.moved(weight, gradient).reshape(shape);
        Param::from_mapped_value(id, Tensor::from_inner(weight).require_grad(), mapper)
    }
}

impl Update<'_> {
    /// A weight after the step.
    ///
    /// # Shapes
    ///
    /// - `weight`, `gradient` and output: `[n]`
    fn moved(&mut self, weight: Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
        let StepOptions { lr, weight_decay, optimizer, .. } = *self.options;
        if let Some(by) = descent(self.options, self.clip)
            && self.kernels.on(&gradient.device()) == Ops::Flex
        {
            let name = self.name(slot::MOMENTUM);
            let last = self.state.remove(&name);
            let [weight, velocity] = flex_ops::descend(weight, gradient, last, by);
            self.state.insert(name, velocity);
            return weight;
        }
        let gradient = if self.clip < 1.0 { gradient * self.clip } else { gradient };
        match optimizer {
            Optimizer::Sgd { momentum, lookahead } => {
                let gradient = gradient + weight.clone() * weight_decay;
                let velocity = self.momentum(momentum, gradient.clone());
                let direction = match lookahead {
                    Lookahead::None => velocity,
                    Lookahead::Nesterov => gradient + velocity * momentum,
                };
                weight - direction * lr
            }
            Optimizer::AdamW { betas: [first, second], epsilon } => {
                let steps = self.count(&gradient);
                let mean = self.momentum(first, gradient.clone() * (1.0 - first));
                let squares = self.squares(second, gradient);
                let unbiased = |beta: f64| 1.0 - beta.powf(steps);
                let root = (squares / unbiased(second)).sqrt() + epsilon;
                let direction = mean / unbiased(first) / root;
                weight * (1.0 - lr * weight_decay) - direction * lr
            }
            Optimizer::RmsProp { decay, momentum, epsilon } => {
                let gradient = gradient + weight.clone() * weight_decay;
                let root = self.squares(decay, gradient.clone()).sqrt() + epsilon;
                weight - self.momentum(momentum, gradient / root) * lr
            }
        }
    }

    /// The key of this parameter in [`State`].
    fn name(&self, slot: &str) -> String {
        format!("{slot}{}", self.path.join("."))
    }

    /// `keep` of what was there before, and `new`.
    fn momentum(&mut self, keep: f64, new: Tensor<1>) -> Tensor<1> {
        self.remember(slot::MOMENTUM, keep, new)
    }

    /// The mean of squared gradients.
    fn squares(&mut self, keep: f64, gradient: Tensor<1>) -> Tensor<1> {
        self.remember(slot::SQUARES, keep, gradient.square() * (1.0 - keep))
    }

    /// Steps of this parameter, this one included.
    fn count(&mut self, like: &Tensor<1>) -> f64 {
        let one = Tensor::ones([1], &like.device());
        f64::from(self.remember(slot::STEPS, 1.0, one).into_scalar::<f32>())
    }

    fn remember(&mut self, slot: &str, keep: f64, new: Tensor<1>) -> Tensor<1> {
        let name = self.name(slot);
        let sum = match self.state.remove(&name) {
            Some(last) => last * keep + new,
            None => new,
        };
        self.state.insert(name, sum.clone());
        sum
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// Weights 1 and −2 after three steps; `torch.optim` gives the figures, in 64 bits.
    #[track_caller]
    fn check(optimizer: Optimizer, kernels: Kernels, expected: [f32; 2]) {
        let device = Device::flex();
        let options = StepOptions {
            lr: 0.1,
            optimizer,
            weight_decay: 0.05,
            max_gradient_norm: None,
            label_smoothing: 0.0,
            averaging: None,
        };
        let (mut gradients, mut state) = (Sum::new(), State::new());
        let path = vec!["weight".to_owned()];
        let mut update = Update {
            path,
            gradients: &mut gradients,
            state: &mut state,
            clip: 1.0,
            options: &options,
            kernels,
        };
        let mut weight = Tensor::from_floats([1.0, -2.0], &device);
        for gradient in [[0.5, -1.0], [0.25, 2.0], [-0.75, 0.125]] {
            weight = update.moved(weight, Tensor::from_floats(gradient, &device));
        }
        let got: Vec<f32> = weight.try_into_vec_as().unwrap();
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-5, "{got} for {expected}");
        }
    }

    #[test]
    fn a_gradient_that_is_no_number_moves_nothing() {
        let device = Device::flex();
        let options = StepOptions {
            lr: 0.1,
            optimizer: Optimizer::Sgd { momentum: 0.9, lookahead: Lookahead::None },
            weight_decay: 0.0,
            max_gradient_norm: Some(1.0),
            label_smoothing: 0.0,
            averaging: None,
        };
        let network = burn::nn::LinearConfig::new(2, 1).with_bias(false).init(&device);
        for bad in [f32::NAN, f32::INFINITY] {
            let gradient = Tensor::from_floats([1.0, bad], &device);
            let gradients = Sum::from([(network.weight.id, gradient)]);
            let mut state = State::new();
            let stepped = step(network.clone(), gradients, &mut state, &options, Kernels::Fused);
            assert!(stepped.is_err_and(|norm| !norm.is_finite()));
            assert!(state.is_empty());
        }
    }

    #[test]
    fn steps_are_those_of_pytorch() {
        let sgd = Optimizer::Sgd { momentum: 0.5, lookahead: Lookahead::Nesterov };
        for kernels in [Kernels::Fused, Kernels::Stock] {
            check(sgd, kernels, [0.951_152, -2.130_741]);
        }
        let adam_w = Optimizer::AdamW { betas: [0.9, 0.99], epsilon: 1e-3 };
        check(adam_w, Kernels::Fused, [0.801_796, -1.939_429]);
        let rms_prop = Optimizer::RmsProp { decay: 0.9, momentum: 0.5, epsilon: 1e-3 };
        check(rms_prop, Kernels::Fused, [0.473_605, -1.869_442]);
    }
}
