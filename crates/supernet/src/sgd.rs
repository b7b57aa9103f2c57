//! Stochastic gradient descent over the parameters that a path has touched.

use std::collections::{BTreeMap, HashMap};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Gradients, Tensor};

use crate::{Lookahead, StepOptions};

/// The last update of every parameter that was ever trained, by name and flat.
pub(crate) type Momentum = BTreeMap<String, Tensor<1>>;

/// The gradients of the parameters that some paths have touched, flat.
pub(crate) type Sum = HashMap<ParamId, Tensor<1>>;

/// Adds the gradients of one path.
pub(crate) fn add<N: Module>(sum: &mut Sum, network: &N, gradients: Gradients) {
    struct Add<'a>(&'a mut Sum, Gradients);
    impl ModuleVisitor for Add<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let Some(gradient) = param.val().grad_remove(&mut self.1) else { return };
            let n = gradient.shape().num_elements();
            let gradient = gradient.reshape([n]);
            let sum = match self.0.remove(&param.id) {
                Some(others) => others + gradient,
                None => gradient,
            };
            self.0.insert(param.id, sum);
        }
    }
    network.visit(&mut Add(sum, gradients));
}

/// The network after one step.
///
/// burn's optimizer clips each parameter by itself and keys its state by numbers drawn at random;
/// here the norm is of the whole gradient, and the state has names that a checkpoint can hold.
pub(crate) fn step<N: Module>(
    network: N,
    mut gradients: Sum,
    momentum: &mut Momentum,
    options: &StepOptions,
) -> N {
    let clip = match options.max_gradient_norm {
        Some(max) => (max / norm(&network, &gradients).max(f64::MIN_POSITIVE)).min(1.0),
        None => 1.0,
    };
    let mut update =
        Update { path: Vec::new(), gradients: &mut gradients, momentum, clip, options };
    network.map(&mut update)
}

/// The L2 norm of the whole gradient, summed in the order of the network.
fn norm<N: Module>(network: &N, gradients: &Sum) -> f64 {
    struct Squares<'a>(&'a Sum, f64);
    impl ModuleVisitor for Squares<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.0.get(&param.id) {
                self.1 += f64::from(gradient.clone().square().sum().into_scalar::<f32>());
            }
        }
    }
    let mut squares = Squares(gradients, 0.0);
    network.visit(&mut squares);
    squares.1.sqrt()
}

struct Update<'a> {
    path: Vec<String>,
    gradients: &'a mut Sum,
    momentum: &'a mut Momentum,
    clip: f64,
    options: &'a StepOptions,
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
        let Some(mut gradient) = self.gradients.remove(&id) else {
            return Param::from_mapped_value(id, weight, mapper);
        };
        let StepOptions { lr, momentum, lookahead, weight_decay, .. } = *self.options;
        let shape = weight.shape();
        let n = shape.num_elements();
        let weight = weight.inner().reshape([n]);
        if self.clip < 1.0 {
            gradient = gradient * self.clip;
        }
        let gradient = gradient + weight.clone() * weight_decay;
        let name = self.path.join(".");
        let velocity = match self.momentum.remove(&name) {
            Some(last) => last * momentum + gradient.clone(),
            None => gradient.clone(),
        };
        let direction = match lookahead {
            Lookahead::None => velocity.clone(),
            Lookahead::Nesterov => gradient + velocity.clone() * momentum,
        };
        self.momentum.insert(name, velocity);
        let weight = (weight - direction * lr).reshape(shape);
        Param::from_mapped_value(id, Tensor::from_inner(weight).require_grad(), mapper)
    }
}
