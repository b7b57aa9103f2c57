//! The search spaces of configurations, and their networks.

use std::ops::RangeInclusive;

use anyhow::{Result, ensure};
use burn::tensor::Device;
use nb201::{Nb201, Nb201Config, Nb201Network};
use ofa::{Ofa, OfaConfig, OfaError, OfaNetwork};
use proxyless::{Proxyless, ProxylessConfig, ProxylessNetwork};
use rand_chacha::ChaCha8Rng;
use space::{SearchSpace, Seed};
use supernet::{Engine, Network, Supernet};

use crate::config::SpaceConfig;

/// Most channels, pixels of a side and strides, at width 1.
pub(crate) const MOST_CHANNELS: usize = 1 << 12;

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

/// The space of a configuration, its networks on `device` and their weights drawn from `seed`.
pub(crate) fn open(
    config: &SpaceConfig,
    task: Task,
    device: &Device,
    seed: Seed,
) -> Result<Opened> {
    Ok(match config {
        SpaceConfig::Nb201(sizes) => {
            let resolution = task.resolution;
            ensure!(
                resolution.is_multiple_of(4),
                "nb201 halves the images twice, but their resolution is {resolution}"
            );
            opened(nb201(sizes, task), Nb201Network::init, device, seed)
        }
        SpaceConfig::Proxyless(sizes) => {
            opened(proxyless(sizes, task), ProxylessNetwork::init, device, seed)
        }
        SpaceConfig::Ofa(sizes) => opened(ofa(sizes, task)?, OfaNetwork::init, device, seed),
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

fn opened<S: SearchSpace + Clone + 'static, N: Network>(
    space: S,
    init: fn(&S, &Device, &mut ChaCha8Rng) -> N,
    device: &Device,
    seed: Seed,
) -> Opened {
    let (of_network, device) = (space.clone(), device.clone());
    let untrained = move || -> Box<dyn Supernet> {
        let network = init(&of_network, &device.clone().autodiff(), &mut seed.rng());
        Box::new(Engine::new(network, &device))
    };
    Opened { space: Box::new(space), untrained: Box::new(untrained) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use data::Batch;
    use rand::RngExt;
    use space::Arch;
    use supernet::Taps;

    use super::*;
    use crate::config::Plan;

    const SIDE: usize = 8;

    fn small(space: &str) -> Opened {
        let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
        let plan = Plan::read(&configs.join(format!("{space}-smoke.toml")), &[]).unwrap();
        let task = Task { image_channels: 1, resolution: SIDE, classes: 3 };
        open(&plan.config.space, task, &Device::flex(), Seed::new(5)).unwrap()
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
        let Opened { space, untrained } = small(space);
        let supernet = untrained();
        let mut rng = Seed::new(9).rng();
        let images = (0..4 * SIDE * SIDE).map(|_| rng.random()).collect();
        let batch = Batch { images, labels: vec![0, 1, 2, 0], shape: [4, 1, SIDE, SIDE] };
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
