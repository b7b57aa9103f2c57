//! Weights, and what training remembers, in a safetensors file.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};
use weights::Weights;

use crate::SupernetError;
use crate::optimizer::{State, slot};

/// Stands before the name of a tensor in the average of the weights.
const AVERAGE: &str = "average/";

/// The key of the metadata under which the caller's note lies.
const NOTE: &str = "note";

/// The key under which the digest of all the rest lies.
const DIGEST: &str = "sha256";

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

/// A network, what its optimizer remembers, and the average of its weights over the steps.
pub(crate) struct Trained<M> {
    pub(crate) network: M,
    pub(crate) state: State,
    pub(crate) average: Option<M>,
}

/// Writes a checkpoint, whole or not at all.
pub(crate) fn save<M: Module>(
    trained: &Trained<M>,
    note: &str,
    file: &Path,
) -> Result<(), SupernetError> {
    let mut all = tensors(&trained.network);
    for (name, value) in &trained.state {
        all.insert(name.clone(), on_host(value.clone()));
    }
    for (name, tensor) in trained.average.iter().flat_map(tensors) {
        all.insert(format!("{AVERAGE}{name}"), tensor);
    }
    let metadata = BTreeMap::from([(NOTE.to_owned(), note.to_owned())]);
    let mut weights = Weights { tensors: all, metadata };
    let digest = weights.sha256();
    weights.metadata.insert(DIGEST.to_owned(), digest);
    Ok(weights.write(file)?)
}

/// Reads a checkpoint of the same network, and its note.
pub(crate) fn load<M: Module>(
    network: M,
    device: &Device,
    file: &Path,
) -> Result<(Trained<M>, String), SupernetError> {
    let mut weights = Weights::read(file)?;
    match weights.metadata.remove(DIGEST) {
        Some(digest) if digest == weights.sha256() => {}
        Some(_) => return Err(SupernetError::Altered { file: file.to_owned() }),
        None => return Err(SupernetError::Undigested { file: file.to_owned() }),
    }
    let Weights { tensors: mut found, mut metadata } = weights;
    let note = metadata.remove(NOTE).unwrap_or_default();
    let mismatch =
        |tensor: &str| SupernetError::Mismatch { file: file.to_owned(), tensor: tensor.to_owned() };
    let expected = tensors(&network);
    let has_average = found.keys().any(|name| name.starts_with(AVERAGE));
    let mut taken = |prefix: &str| -> Result<Tensors, SupernetError> {
        let take = |(name, place): (&String, &weights::Tensor)| {
            let found = found.remove(&format!("{prefix}{name}"));
            let fits = found.filter(|tensor| tensor.shape == place.shape);
            Ok((name.clone(), fits.ok_or_else(|| mismatch(name))?))
        };
        expected.iter().map(take).collect()
    };
    let weights = taken("")?;
    let average = if has_average { Some(taken(AVERAGE)?) } else { None };

    let mut state = State::new();
    for (name, tensor) in found {
        let (slot, parameter) = name.split_at(name.find('/').map_or(0, |end| end + 1));
        let place = expected.get(parameter).ok_or_else(|| mismatch(&name))?;
        let n = match slot {
            slot::MOMENTUM | slot::SQUARES => place.values.len(),
            slot::STEPS => 1,
            _ => return Err(mismatch(&name)),
        };
        if tensor.shape != [n] {
            return Err(mismatch(&name));
        }
        state.insert(name, Tensor::from_data(TensorData::new(tensor.values, [n]), device));
    }
    let average = average.map(|average| replace(network.clone(), average));
    Ok((Trained { network: replace(network, weights), state, average }, note))
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
