//! A step of gradient descent on a card, where few kernels move all parameters.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use cube_ops::Moving;
use flex_ops::Descent;

use super::{State, Sum, slot};

/// The network after the step.
pub(super) fn step<N: Module>(network: N, gradients: Sum, state: &mut State, by: Descent) -> N {
    let mut found =
        Found { gradients, state, path: Vec::new(), moving: Vec::new(), keys: Vec::new() };
    network.visit(&mut found);
    let Found { moving, keys, .. } = found;
    let mut weights = Sum::new();
    for ((param, name), [weight, update]) in keys.into_iter().zip(cube_ops::descend(moving, by)) {
        weights.insert(param, weight);
        state.insert(name, update);
    }
    network.map(&mut Replace(weights))
}

/// The parameters that have gradients.
struct Found<'a> {
    gradients: Sum,
    state: &'a mut State,
    path: Vec<String>,
    moving: Vec<Moving>,
    /// Of each parameter, and of its last update.
    keys: Vec<(ParamId, String)>,
}

impl ModuleVisitor for Found<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.remove(&param.id) else { return };
        let name = format!("{}{}", slot::MOMENTUM, self.path.join("."));
        let [n] = gradient.dims();
        let weight = param.val().inner().reshape([n]);
        self.moving.push(Moving { weight, gradient, last: self.state.remove(&name) });
        self.keys.push((param.id, name));
    }
}

/// Puts flat weights in the places of others.
struct Replace(Sum);

impl ModuleMapper for Replace {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(weight) = self.0.remove(&param.id) else { return param };
        let (id, old, mapper) = param.consume();
        let weight = Tensor::from_inner(weight.reshape(old.shape())).require_grad();
        Param::from_mapped_value(id, weight, mapper)
    }
}
