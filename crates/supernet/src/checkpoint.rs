//! Weights and momentum in a safetensors file.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::SupernetError;
use crate::sgd::Momentum;

/// Stands before the name of a parameter's last update.
const MOMENTUM: &str = "momentum/";

/// The key of the metadata under which the caller's note lies.
const NOTE: &str = "note";

/// Named numbers with their shapes.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Every parameter of a module by its path.
pub(crate) fn parameters<M: Module>(module: &M) -> Tensors {
    struct Collect(Vec<String>, Tensors);
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            self.1.insert(self.0.join("."), (value.dims().to_vec(), to_host(value)));
        }
    }
    let mut collect = Collect(Vec::new(), Tensors::new());
    module.visit(&mut collect);
    collect.1
}

/// The numbers of a tensor in row-major order.
pub(crate) fn to_host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().expect("networks are made of 32-bit floats")
}

/// Writes a checkpoint, whole or not at all.
pub(crate) fn save<M: Module>(
    network: &M,
    momentum: &Momentum,
    note: &str,
    file: &Path,
) -> Result<(), SupernetError> {
    let mut tensors = parameters(network);
    for (name, value) in momentum {
        tensors
            .insert(format!("{MOMENTUM}{name}"), (value.dims().to_vec(), to_host(value.clone())));
    }
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, values))| {
            (name, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
        })
        .collect();
    let views: Result<Vec<_>, _> = bytes
        .iter()
        .map(|(name, shape, bytes)| {
            TensorView::new(Dtype::F32, shape.to_vec(), bytes).map(|view| (name.as_str(), view))
        })
        .collect();
    let metadata = HashMap::from([(NOTE.to_owned(), note.to_owned())]);
    let whole = views
        .and_then(|views| safetensors::serialize(views, Some(metadata)))
        .expect("shapes and lengths come from the same tensors");
    write_whole(file, &whole).map_err(|source| SupernetError::Io { file: file.to_owned(), source })
}

/// Puts bytes under a name in one instant: a reader sees the old file or the new one.
fn write_whole(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(file)?;
    Ok(())
}

/// Reads a checkpoint of the same network: the network, its momentum and the note.
pub(crate) fn load<M: Module>(
    network: M,
    device: &Device,
    file: &Path,
) -> Result<(M, Momentum, String), SupernetError> {
    let bytes = std::fs::read(file)
        .map_err(|source| SupernetError::Io { file: file.to_owned(), source })?;
    let damaged = |source| SupernetError::Damaged { file: file.to_owned(), source };
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
    let note = metadata.metadata().as_ref().and_then(|map| map.get(NOTE)).cloned();
    let tensors = SafeTensors::deserialize(&bytes).map_err(damaged)?;
    let expected = parameters(&network);
    let mismatch =
        |tensor: &str| SupernetError::Mismatch { file: file.to_owned(), tensor: tensor.to_owned() };

    let mut weights = BTreeMap::new();
    for (name, (shape, _)) in &expected {
        let view = tensors.tensor(name).ok().filter(|view| view.shape() == shape);
        weights.insert(name.clone(), floats(&view.ok_or_else(|| mismatch(name))?));
    }
    let mut momentum = Momentum::new();
    for (name, view) in tensors.iter() {
        let Some(parameter) = name.strip_prefix(MOMENTUM) else {
            expected.get(name).ok_or_else(|| mismatch(name))?;
            continue;
        };
        let n = expected.get(parameter).ok_or_else(|| mismatch(name))?.1.len();
        if view.shape() != [n] {
            return Err(mismatch(name));
        }
        let data = TensorData::new(floats(&view), [n]);
        momentum.insert(parameter.to_owned(), Tensor::from_data(data, device));
    }
    let network = network.map(&mut Replace { path: Vec::new(), weights });
    Ok((network, momentum, note.unwrap_or_default()))
}

fn floats(view: &TensorView<'_>) -> Vec<f32> {
    let number = |bytes: &[u8; 4]| f32::from_le_bytes(*bytes);
    view.data().as_chunks::<4>().0.iter().map(number).collect()
}

struct Replace {
    path: Vec<String>,
    weights: BTreeMap<String, Vec<f32>>,
}

impl ModuleMapper for Replace {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let values = self.weights.remove(&self.path.join(".")).expect("every name was checked");
        param.map(|old| {
            let data = TensorData::new(values, old.dims());
            Tensor::from_data(data, &old.device()).require_grad()
        })
    }
}
