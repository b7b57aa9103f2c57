//! A small network of two edges, images and steps for it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use data::Batch;
use rand::RngExt;
use space::{Arch, EdgeId, OpId, Seed};
use supernet::{
    Activation, Affine, ConvNorm, ConvNormConfig, Engine, Epsilon, Groups, Linear, Lookahead,
    Network, Optimizer, Pass, StepOptions, Supernet, Taps, avg_pool3, global_avg_pool,
};
use weights::Weights;

/// Two edges in a row, each with a choice of 3 × 3 convolution, 1 × 1 convolution or pooling.
#[derive(Module, Debug)]
pub(crate) struct Chain {
    stem: ConvNorm,
    edges: Vec<Vec<ConvNorm>>,
    head: Linear,
}

thread_local! {
    /// Parts that the networks of this thread have run.
    pub(crate) static N_RUNS: Cell<usize> = const { Cell::new(0) };
}

pub(crate) const CHANNELS: usize = 5;
pub(crate) const CLASSES: usize = 3;

impl Chain {
    fn init(device: &Device) -> Self {
        let mut rng = Seed::new(3).rng();
        let conv = |n_in, kernel| ConvNormConfig {
            n_in,
            n_out: CHANNELS,
            kernel,
            stride: 1,
            groups: Groups::One,
            affine: Affine::Yes,
            epsilon: Epsilon::TensorFlow,
            activation: Activation::ReluBefore,
        };
        let stem = conv(2, 3).init(device, &mut rng);
        let edges = (0..2)
            .map(|_| [3, 1].map(|k| conv(CHANNELS, k).init(device, &mut rng)).into())
            .collect();
        Self { stem, edges, head: Linear::new(CHANNELS, CLASSES, device, &mut rng) }
    }
}

impl Network for Chain {
    fn n_parts(&self) -> usize {
        1 + self.edges.len()
    }

    fn edges_of_part(&self, part: usize) -> Vec<EdgeId> {
        part.checked_sub(1).map(EdgeId).into_iter().collect()
    }

    fn forward_part(
        &self,
        part: usize,
        x: Tensor<4>,
        arch: &Arch,
        pass: &mut Pass<'_>,
    ) -> Tensor<4> {
        N_RUNS.set(N_RUNS.get() + 1);
        let Some(edge) = part.checked_sub(1) else { return self.stem.forward(x, pass) };
        let x = match self.edges[edge].get(arch.op(EdgeId(edge)).0) {
            Some(conv) => conv.forward(x, pass),
            None => avg_pool3(x, pass),
        };
        pass.tap(Taps::Blocks, &x);
        x
    }

    fn forward_head(&self, x: Tensor<4>, pass: &mut Pass<'_>) -> Tensor<2> {
        self.head.forward(global_avg_pool(x, pass), pass)
    }

    fn edge_of(parameter: &str) -> Option<EdgeId> {
        parameter.strip_prefix("edges.")?.split('.').next()?.parse().ok().map(EdgeId)
    }
}

pub(crate) fn engine() -> Engine<Chain> {
    let device = Device::flex();
    Engine::new(Chain::init(&device.clone().autodiff()), &device)
}

pub(crate) fn batch(seed: u64) -> Batch {
    let mut rng = Seed::new(seed).rng();
    let shape = [6, 2, 5, 4];
    let images = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Batch { images, labels: vec![0, 1, 2, 2, 1, 0], shape }
}

pub(crate) fn arch(ops: [usize; 2]) -> Arch {
    Arch::new(ops.map(OpId).into())
}

pub(crate) const STEP: StepOptions = StepOptions {
    lr: 0.05,
    optimizer: Optimizer::Sgd { momentum: 0.9, lookahead: Lookahead::Nesterov },
    weight_decay: 1e-2,
    max_gradient_norm: None,
    label_smoothing: 0.1,
    averaging: None,
};

/// Every tensor of a supernet, as its checkpoint holds them.
pub(crate) fn tensors(supernet: &dyn Supernet, folder: &Path) -> BTreeMap<String, weights::Tensor> {
    let file = folder.join("tensors.safetensors");
    supernet.save(&file, "").expect("the folder is ours");
    Weights::read(&file).expect("it was just written").tensors
}

/// Writes weights as a checkpoint whose digest is right.
pub(crate) fn sealed(mut weights: Weights, file: &Path) {
    weights.metadata.remove("sha256");
    let digest = weights.sha256();
    weights.metadata.insert("sha256".to_owned(), digest);
    weights.write(file).expect("the folder is ours");
}
