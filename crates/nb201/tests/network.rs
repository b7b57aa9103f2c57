//! Parameters, taps and paths of the network against what its space says of it.

use burn::tensor::{Device, Tensor, TensorData};
use data::Batch;
use nb201::{Nb201, Nb201Config, Nb201Network, live_edges};
use space::{Arch, EdgeId, OpId, SearchSpace, Seed};
use supernet::{
    Engine, Kept, Lookahead, Network, Optimizer, Pass, StepOptions, Supernet, Taps, parameters,
};

const CLASSES: usize = 10;
const RESOLUTION: usize = 8;

fn space(channels: usize, cells_per_stage: usize, affine: bool) -> Nb201 {
    let config = Nb201Config { channels, cells_per_stage, affine };
    Nb201::new(&config, 3, RESOLUTION, CLASSES)
}

fn network(space: &Nb201, device: &Device) -> Nb201Network {
    Nb201Network::init(space, device, &mut Seed::new(5).rng())
}

fn arch(ops: [usize; 6]) -> Arch {
    Arch::new(ops.map(OpId).into())
}

fn batch() -> Batch {
    let shape = [4, 3, RESOLUTION, RESOLUTION];
    let images = (0..shape.iter().product::<usize>()).map(|i| (0.37 * i as f32).sin()).collect();
    Batch { images, labels: vec![0, 3, 7, 9], shape }
}

fn images(device: &Device) -> Tensor<4> {
    let batch = batch();
    Tensor::from_data(TensorData::new(batch.images, batch.shape), device)
}

/// Whether a parameter is shared by all paths or of an operation on this one.
fn on_path(name: &str, arch: &Arch) -> bool {
    let Some(edge) = Nb201Network::edge_of(name) else { return true };
    match arch.op(edge).0 {
        2 => name.contains(".conv_3x3."),
        3 => name.contains(".conv_1x1."),
        _ => false,
    }
}

#[test]
fn parameters_are_as_many_as_the_space_says() {
    for affine in [true, false] {
        let space = space(8, 2, affine);
        let sizes = parameters(&network(&space, &Device::flex()));
        for ops in [[0; 6], [1; 6], [2; 6], [3; 6], [4; 6], [2, 3, 0, 1, 3, 2]] {
            let arch = arch(ops);
            let path = sizes.iter().filter(|(name, _)| on_path(name, &arch));
            let n: u64 = path.map(|(_, n)| n).sum();
            assert_eq!(n, space.cost(&arch).parameters, "{arch}, affine {affine}");
        }
    }
}

#[test]
fn the_published_supernet_has_1_699_546_parameters() {
    // `golden/nb201_archs.json`: all registered parameters of the PyTorch network.
    let sizes = parameters(&network(&space(16, 5, true), &Device::flex()));
    assert_eq!(sizes.values().sum::<u64>(), 1_699_546);
}

#[test]
fn every_edge_has_the_parameters_of_two_convolutions() {
    let sizes = parameters(&network(&space(4, 1, true), &Device::flex()));
    for edge in 0..6 {
        let of_edge =
            sizes.iter().filter(|(name, _)| Nb201Network::edge_of(name) == Some(EdgeId(edge)));
        // Weight, scale and shift, twice, in three cells.
        assert_eq!(of_edge.count(), 3 * 2 * 3, "edge {edge}");
    }
}

/// Shapes at the taps of one path, without the batch.
fn shapes(space: &Nb201, taps: Taps, arch: &Arch) -> Vec<[usize; 3]> {
    let device = Device::flex();
    let mut shapes = Vec::new();
    let mut see = |_, x: Tensor<4>| {
        let [_, c, h, w] = x.dims();
        shapes.push([c, h, w]);
    };
    network(space, &device).forward(images(&device), arch, &mut Pass::tapped(taps, &mut see));
    shapes
}

#[test]
fn taps_are_those_of_the_space_on_every_path() {
    let space = space(4, 2, true);
    for ops in [[0; 6], [2, 0, 0, 4, 0, 2], [3, 4, 1, 2, 4, 2]] {
        let arch = arch(ops);
        assert_eq!(shapes(&space, Taps::Blocks, &arch), space.taps(&arch));
        // Two inner nodes in each of six cells come on top, whether or not anything feeds them.
        assert_eq!(shapes(&space, Taps::Nodes, &arch).len(), space.taps(&arch).len() + 12);
    }
}

fn logits(network: &Nb201Network, arch: &Arch) -> Vec<f32> {
    let logits = network.forward(images(&Device::flex()), arch, &mut Pass::of_batch());
    logits.into_data().try_to_vec().expect("logits are f32")
}

#[test]
fn dead_edges_do_not_matter_and_do_not_run() {
    let network = network(&space(4, 1, true), &Device::flex());
    // Nothing leaves node 1 and nothing enters node 2.
    let [dead, bare] = [arch([2, 0, 0, 3, 0, 1]), arch([0, 0, 0, 3, 0, 0])];
    assert_eq!(live_edges(&dead), live_edges(&bare));
    assert_eq!(logits(&network, &dead), logits(&network, &bare));
    let n_norms = |arch| {
        let mut pass = Pass::recording();
        network.forward(images(&Device::flex()), arch, &mut pass);
        pass.into_moments().len()
    };
    // Stem, two reductions of two convolutions, one convolution in each of three cells, the last.
    assert_eq!([n_norms(&dead), n_norms(&bare)], [1 + 4 + 3 + 1; 2]);
}

#[test]
fn a_path_without_input_gives_the_same_logits_for_all_images() {
    let network = network(&space(4, 1, true), &Device::flex());
    let logits = logits(&network, &arch([2, 2, 2, 0, 0, 0]));
    let (first, rest) = logits.split_at(CLASSES);
    assert!(rest.chunks(CLASSES).all(|row| row == first), "{logits:?}");
    assert!(first.iter().all(|logit| logit.is_finite()));
}

#[test]
fn every_kind_of_path_can_be_trained() {
    let device = Device::flex();
    let space = space(4, 1, false);
    let engine =
        |keeps| Engine::new(network(&space, &device.clone().autodiff()), &device).keeping(keeps);
    let options = StepOptions {
        lr: 0.05,
        optimizer: Optimizer::Sgd { momentum: 0.9, lookahead: Lookahead::Nesterov },
        weight_decay: 0.0,
        max_gradient_norm: None,
        label_smoothing: 0.0,
        averaging: None,
    };
    let mut engines = [Kept::Activations, Kept::PartInputs].map(engine);
    for ops in [[0; 6], [2, 2, 2, 0, 0, 0], [3, 4, 1, 2, 4, 2]] {
        let mut losses = |engine: &mut Engine<_>| -> Vec<f64> {
            (0..8).map(|_| engine.train_step(&batch(), &arch(ops), &options).unwrap()).collect()
        };
        let [losses, again] = engines.each_mut().map(&mut losses);
        assert!(losses[7] < losses[0], "{ops:?}: {losses:?}");
        let same = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits();
        assert!(losses.iter().zip(&again).all(same), "{ops:?}: {losses:?} {again:?}");
    }
}
