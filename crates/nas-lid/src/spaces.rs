//! The search spaces of configurations, and their networks.

use std::ops::RangeInclusive;

use anyhow::{Result, ensure};
use burn::tensor::Device;
use nb201::{Nb201, Nb201Config, Nb201Network};
use ofa::{Ofa, OfaConfig, OfaError, OfaNetwork};
use proxyless::{Proxyless, ProxylessConfig, ProxylessNetwork};
use rand_chacha::ChaCha8Rng;
use space::{SearchSpace, Seed};
use supernet::{Engine, Kept, Kernels, Network, Supernet};

use crate::config::SpaceConfig;

/// Most channels at width 1, and pixels of a side. With these bounds and those of [`crate::space_options`]
/// all costs stay below 2⁶⁴.
pub(crate) const MOST_CHANNELS: usize = 1 << 12;

/// Most cells in a stage of nb201.
pub(crate) const MOST_CELLS: usize = 1 << 8;

/// Strides of the first convolution of a chain: those of the fused kernels.
pub(crate) const STRIDES: RangeInclusive<usize> = 1..=2;

/// What channels may be multiplied by.
pub(crate) const WIDTHS: RangeInclusive<f64> = 0.01..=10.0;

/// What the networks of a run see and tell apart.
#[derive(Clone, Copy)]
pub(crate) struct Task {
    pub(crate) image_channels: usize,
    pub(crate) resolution: usize,
    pub(crate) classes: usize,
}

/// A space, and the way to make a supernet of untrained weights.
pub(crate) struct Opened {
    pub(crate) space: Box<dyn SearchSpace>,
    pub(crate) untrained: Box<dyn Fn() -> Box<dyn Supernet>>,
}

/// The space of a configuration.
pub(crate) fn space(config: &SpaceConfig, task: Task) -> Result<Box<dyn SearchSpace>> {
    Ok(match config {
        SpaceConfig::Nb201(sizes) => Box::new(nb201(sizes, task)),
        SpaceConfig::Proxyless(sizes) => Box::new(proxyless(sizes, task)),
        SpaceConfig::Ofa(sizes) => Box::new(ofa(sizes, task)?),
    })
}

/// Where and how the networks of a space compute.
#[derive(Clone)]
pub(crate) struct Compute {
    pub(crate) device: Device,
    pub(crate) kernels: Kernels,
    pub(crate) kept: Kept,
}

impl Compute {
    /// As fast as the device can.
    pub(crate) fn fast(device: &Device) -> Self {
        Self { device: device.clone(), kernels: Kernels::Fused, kept: Kept::Activations }
    }
}

/// Whether networks of the space can see images of a side.
pub(crate) fn check_resolution(config: &SpaceConfig, resolution: usize) -> Result<()> {
    match config {
        SpaceConfig::Nb201(_) => ensure!(
            resolution.is_multiple_of(4),
            "nb201 halves the images twice, but their resolution is {resolution}"
        ),
        SpaceConfig::Proxyless(_) | SpaceConfig::Ofa(_) => {}
    }
    Ok(())
}

/// The space of a configuration, and the weights of its networks drawn from `seed`.
pub(crate) fn open(
    config: &SpaceConfig,
    task: Task,
    compute: &Compute,
    seed: Seed,
) -> Result<Opened> {
    check_resolution(config, task.resolution)?;
    Ok(match config {
        SpaceConfig::Nb201(sizes) => opened(nb201(sizes, task), Nb201Network::init, compute, seed),
        SpaceConfig::Proxyless(sizes) => {
            opened(proxyless(sizes, task), ProxylessNetwork::init, compute, seed)
        }
        SpaceConfig::Ofa(sizes) => opened(ofa(sizes, task)?, OfaNetwork::init, compute, seed),
    })
}

fn nb201(sizes: &Nb201Config, task: Task) -> Nb201 {
    Nb201::new(sizes, task.image_channels, task.resolution, task.classes)
}

fn proxyless(sizes: &ProxylessConfig, task: Task) -> Proxyless {
    Proxyless::new(sizes, task.image_channels, task.resolution, task.classes)
}

fn ofa(sizes: &OfaConfig, task: Task) -> Result<Ofa, OfaError> {
    Ofa::new(sizes, task.image_channels, task.resolution, task.classes)
}

fn opened<S: SearchSpace + Clone + Sync + 'static, N: Network>(
    space: S,
    init: fn(&S, &Device, &mut ChaCha8Rng) -> N,
    compute: &Compute,
    seed: Seed,
) -> Opened {
    let (of_network, Compute { device, kernels, kept }) = (space.clone(), compute.clone());
    let untrained = move || -> Box<dyn Supernet> {
        let network = |device: &Device| init(&of_network, device, &mut seed.rng());
        Box::new(Engine::build(&device, network).by(kernels).keeping(kept))
    };
    Opened { space: Box::new(space), untrained: Box::new(untrained) }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use data::Batch;
    use rand::RngExt;
    use search::{Constraints, Evolution, Prices, Selection, evolve};
    use space::{Accuracy, Arch, EdgeId, OpId, sample_connected};
    use supernet::{Lesson, Lookahead, Optimizer, Statistics, StepOptions, StochasticDepth, Taps};

    use super::*;
    use crate::config::Plan;

    pub(crate) fn small(space: &str, resolution: usize, compute: &Compute) -> Opened {
        let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
        let plan = Plan::read(&configs.join(format!("{space}-smoke.toml")), &[]).unwrap();
        let task = Task { image_channels: 1, resolution, classes: 3 };
        open(&plan.config.space, task, compute, Seed::new(5)).unwrap()
    }

    fn fast() -> Compute {
        Compute::fast(&Device::flex())
    }

    pub(crate) fn random_batch(n: usize, side: usize, rng: &mut ChaCha8Rng) -> Batch {
        let images = (0..n * side * side).map(|_| rng.random()).collect();
        let labels = (0..n).map(|image| image as i32 % 3).collect();
        Batch { images, labels, shape: [n, 1, side, side] }
    }

    /// Losses of a few steps, each with a path, a batch and blocks left out of its own, and then of an
    /// evaluation.
    pub(crate) fn curve(space: &str, lr: f64, compute: &Compute) -> Vec<f64> {
        let Opened { space, untrained } = small(space, 32, compute);
        let mut supernet = untrained();
        let mut rng = Seed::new(3).rng();
        let options = StepOptions {
            lr,
            optimizer: Optimizer::Sgd { momentum: 0.9, lookahead: Lookahead::Nesterov },
            weight_decay: 5e-4,
            max_gradient_norm: Some(5.0),
            label_smoothing: 0.0,
            averaging: None,
        };
        // So many images of that size leave 64 numbers to each norm of the last stage.
        let batch = |rng: &mut ChaCha8Rng| random_batch(16, 32, rng);
        let mask = space.full_mask();
        let mut step = |number: u64| {
            let arch = sample_connected(space.as_ref(), &mask, &mut rng);
            let left_out = StochasticDepth { rate: 0.2, seed: Seed::new(number) };
            let batch = batch(&mut rng);
            let lesson = Lesson { stochastic_depth: Some(left_out), ..Lesson::plain(&batch) };
            supernet.train_together(&lesson, &[arch], &options).unwrap()
        };
        let mut losses: Vec<f64> = (0..8).map(&mut step).collect();
        let statistics = [batch(&mut rng)];
        let evaluation = supernet.evaluate(
            &sample_connected(space.as_ref(), &mask, &mut rng),
            &[batch(&mut rng)],
            Statistics::Recalibrated(&statistics),
        );
        losses.push(evaluation.loss);
        losses
    }

    fn bits(losses: &[f64]) -> Vec<u64> {
        losses.iter().map(|loss| loss.to_bits()).collect()
    }

    #[track_caller]
    fn check_kernels(space: &str, lr: f64, tolerance: f64) {
        let [fused, stock] = [Kernels::Fused, Kernels::Stock]
            .map(|kernels| curve(space, lr, &Compute { kernels, ..fast() }));
        let close = |(a, b): (&f64, &f64)| (a - b).abs() < tolerance * a;
        assert!(fused.iter().zip(&stock).all(close), "{fused:?} {stock:?}");
        assert_ne!(bits(&fused), bits(&stock), "there is one kind of kernels");
    }

    #[test]
    fn stock_kernels_train_as_the_fused_ones_do() {
        // Sums are rounded otherwise, and every step carries that on.
        check_kernels("nb201", 0.02, 1e-3);
        // In deep chains another last digit of the images changes gradients by 1 %, by either kernels: it
        // moves some of very many activations across a kink.
        check_kernels("proxyless", 2e-4, 1e-2);
        check_kernels("ofa", 2e-4, 1e-2);
    }

    #[test]
    fn parts_that_are_computed_again_train_to_the_same_bits() {
        for space in ["nb201", "proxyless", "ofa"] {
            let [whole, again] = [Kept::Activations, Kept::PartInputs]
                .map(|kept| curve(space, 0.02, &Compute { kept, ..fast() }));
            assert_eq!(bits(&whole), bits(&again), "{space}: {whole:?} {again:?}");
        }
        let [whole, again] = [Kept::Activations, Kept::PartInputs].map(|kept| {
            let compute = Compute { kept, kernels: Kernels::Stock, ..fast() };
            curve("nb201", 0.02, &compute)
        });
        assert_eq!(bits(&whole), bits(&again), "stock: {whole:?} {again:?}");
    }

    #[test]
    fn a_search_puts_nothing_costly_where_it_counts_for_nothing() {
        let Opened { space, .. } = small("nb201", 8, &fast());
        // Convolution or skip on the way to the first node, which others may leave unused.
        let mask =
            space.full_mask().split(EdgeId(0), &[vec![2, 4], vec![0, 1, 3]]).unwrap().remove(0);
        let prices = Prices { space: space.as_ref(), latency: None };
        let options = Evolution {
            population: 15_625,
            n_parents: 1,
            selection: Selection::Accuracy,
            generations: 1,
            n_crossover: 0,
            n_mutation: 0,
            mutation_probability: 0.0,
        };
        let score = &mut |_: &_| Ok::<_, anyhow::Error>(Accuracy::from_fraction(0.5));
        let limits = Constraints::default();
        let found = evolve(&prices, &mask, &options, &limits, Seed::new(1), score).unwrap();
        let unused = found.iter().filter(|(arch, _)| space.is_inert(arch, EdgeId(0)));
        let ops: BTreeSet<OpId> = unused.map(|(arch, _)| arch.op(EdgeId(0))).collect();
        assert_eq!(ops, BTreeSet::from([OpId(4)]));
    }

    type Shown = Vec<BTreeMap<usize, Vec<f32>>>;

    fn probe(supernet: &dyn Supernet, archs: &[Arch], batch: &Batch) -> Shown {
        let mut shown = vec![BTreeMap::new(); archs.len()];
        supernet.probe(archs, batch, Taps::Blocks, &mut |owners, tap, features| {
            owners.for_each(|owner| assert_eq!(shown[owner].insert(tap, features.to_vec()), None));
        });
        shown
    }

    /// A network that forgets on which edges a part depends would share what differs.
    #[track_caller]
    fn check_shared_parts(space: &str) {
        let Opened { space, untrained } = small(space, 8, &fast());
        let supernet = untrained();
        let mut rng = Seed::new(9).rng();
        let batch = random_batch(4, 8, &mut rng);
        let mask = space.full_mask();
        for edge in mask.edges() {
            let context = mask.sample(&mut rng);
            let archs: Vec<Arch> =
                mask.ops(edge).iter().map(|&op| context.with(edge, op)).collect();
            let alone =
                |arch: &Arch| probe(&*supernet, std::slice::from_ref(arch), &batch).remove(0);
            let together = probe(&*supernet, &archs, &batch);
            assert!(archs.iter().map(alone).eq(together), "edge {} of {context}", edge.0);
        }
    }

    #[test]
    fn architectures_probed_together_show_what_they_show_alone() {
        check_shared_parts("nb201");
        check_shared_parts("proxyless");
        check_shared_parts("ofa");
    }
}
