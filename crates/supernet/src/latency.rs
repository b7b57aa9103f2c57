//! How long the parts of a network take on the machine at hand.

use std::time::Instant;

use burn::tensor::{Device, Tensor};
use space::{LatencyTable, Mask, PartLatency, choices};

use crate::{Kernels, Network, Pass, SupernetError};

/// Most choices of the operations of one part that are measured.
const MOST_CHOICES: usize = 1024;

/// The fastest of `repeats` runs of every part with every choice of its operations, each after a run that
/// is not measured. Batch norm by kept statistics, as networks are used.
///
/// # Shapes
///
/// - `images`: `[b, c, h, w]`
pub(crate) fn measure<N: Network>(
    network: &N,
    kernels: Kernels,
    mask: &Mask,
    images: Tensor<4>,
    repeats: usize,
) -> Result<LatencyTable, SupernetError> {
    let device = images.device();
    let pass = || Pass::stored().by(kernels);
    let mut arch = mask.first();
    let mut x = images;
    let mut parts = Vec::new();
    for part in 0..network.n_parts() {
        let edges = network.edges_of_part(part);
        let n_choices = edges.iter().map(|&edge| mask.ops(edge).len()).product();
        if MOST_CHOICES < n_choices {
            return Err(SupernetError::Choices { part, n: n_choices, most: MOST_CHOICES });
        }
        let mut latency = PartLatency { edges, seconds: Default::default() };
        for ops in choices(mask, &latency.edges) {
            for (&edge, &op) in latency.edges.iter().zip(&ops) {
                arch = arch.with(edge, op);
            }
            let seconds = fastest(&device, repeats, || {
                network.forward_part(part, x.clone(), &arch, &mut pass())
            });
            latency.seconds.insert(PartLatency::key(&ops), seconds);
        }
        x = network.forward_part(part, x, &arch, &mut pass());
        parts.push(latency);
    }
    let seconds = fastest(&device, repeats, || network.forward_head(x.clone(), &mut pass()));
    let seconds = [(String::new(), seconds)].into();
    parts.push(PartLatency { edges: Vec::new(), seconds });
    Ok(LatencyTable { parts })
}

/// Seconds of the fastest call, until the device is done.
pub(crate) fn fastest<T>(device: &Device, repeats: usize, mut call: impl FnMut() -> T) -> f64 {
    let mut timed = || {
        let clock = Instant::now();
        let result = call();
        device.sync().expect("the device has worked before");
        let seconds = clock.elapsed().as_secs_f64();
        drop(result);
        seconds
    };
    timed();
    (0..repeats).map(|_| timed()).fold(f64::INFINITY, f64::min)
}
