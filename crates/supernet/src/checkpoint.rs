//! Weights and momentum in a safetensors file.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};
use weights::Weights;

use crate::SupernetError;
use crate::sgd::Momentum;

/// Stands before the name of a parameter's last update.
const MOMENTUM: &str = "momentum/";

/// The key of the metadata under which the caller's note lies.
const NOTE: &str = "note";

/// Tensors by name.
pub(crate) type Tensors = BTreeMap<String, weights::Tensor>;

/// Every tensor of a module by its path: parameters, and the statistics that norms keep.
pub(crate) fn tensors<M: Module>(module: &M) -> Tensors {
    struct Collect(Vec<String>, Tensors);
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.insert(self.0.join("."), on_host(param.val()));
        }
    }
    let mut collect = Collect(Vec::new(), Tensors::new());
    module.visit(&mut collect);
    collect.1
}

/// The ends of the names of statistics.
const STATISTICS: [&str; 2] = [".norm.mean", ".norm.variance"];

/// Names and sizes of what is trained: all tensors but the statistics that norms keep.
pub fn parameters<M: Module>(module: &M) -> BTreeMap<String, u64> {
    let is_trained = |name: &String| {
        let inside = format!(".{name}");
        !STATISTICS.iter().any(|end| inside.ends_with(end))
    };
    let tensors = tensors(module).into_iter().filter(|(name, _)| is_trained(name));
    tensors.map(|(name, tensor)| (name, tensor.values.len() as u64)).collect()
}

/// The numbers of a tensor in row-major order.
pub(crate) fn to_host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().expect("networks are made of 32-bit floats")
}

fn on_host<const D: usize>(tensor: Tensor<D>) -> weights::Tensor {
    weights::Tensor { shape: tensor.dims().to_vec(), values: to_host(tensor) }
}

/// Writes a checkpoint, whole or not at all.
pub(crate) fn save<M: Module>(
    network: &M,
    momentum: &Momentum,
    note: &str,
    file: &Path,
) -> Result<(), SupernetError> {
    let mut tensors = tensors(network);
    for (name, value) in momentum {
        tensors.insert(format!("{MOMENTUM}{name}"), on_host(value.clone()));
    }
    let metadata = BTreeMap::from([(NOTE.to_owned(), note.to_owned())]);
    Ok(Weights { tensors, metadata }.write(file)?)
}

/// Reads a checkpoint of the same network: the network, its momentum and the note.
pub(crate) fn load<M: Module>(
    network: M,
    device: &Device,
    file: &Path,
) -> Result<(M, Momentum, String), SupernetError> {
    let Weights { tensors: found, mut metadata } = Weights::read(file)?;
    let note = metadata.remove(NOTE).unwrap_or_default();
    let mut expected = tensors(&network);
    let mismatch =
        |tensor: &str| SupernetError::Mismatch { file: file.to_owned(), tensor: tensor.to_owned() };

    let lengths: BTreeMap<String, usize> =
        expected.iter().map(|(name, tensor)| (name.clone(), tensor.values.len())).collect();
    let (mut weights, mut momentum) = (Tensors::new(), Momentum::new());
    for (name, tensor) in found {
        let Some(parameter) = name.strip_prefix(MOMENTUM) else {
            let place = expected.remove(&name);
            place.filter(|place| place.shape == tensor.shape).ok_or_else(|| mismatch(&name))?;
            weights.insert(name, tensor);
            continue;
        };
        let n = *lengths.get(parameter).ok_or_else(|| mismatch(&name))?;
        if tensor.shape != [n] {
            return Err(mismatch(&name));
        }
        let data = TensorData::new(tensor.values, [n]);
        momentum.insert(parameter.to_owned(), Tensor::from_data(data, device));
    }
    if let Some((missing, _)) = expected.first_key_value() {
        return Err(mismatch(missing));
    }
    Ok((replace(network, weights), momentum, note))
}

/// The network with other numbers in the tensors of these names.
///
/// # Panics
///
/// If a tensor has not as many numbers as that of the network.
pub(crate) fn replace<M: Module>(network: M, weights: Tensors) -> M {
    network.map(&mut Replace { path: Vec::new(), weights })
}

struct Replace {
    path: Vec<String>,
    weights: Tensors,
}

impl ModuleMapper for Replace {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(tensor) = self.weights.remove(&self.path.join(".")) else { return param };
        param.map(|old| {
            let data = TensorData::new(tensor.values, old.dims());
            Tensor::from_data(data, &old.device()).set_require_grad(old.is_require_grad())
        })
    }
}
