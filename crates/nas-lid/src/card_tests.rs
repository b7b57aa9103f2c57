//! What a card computes, against the processor.
//!
//! For convolutions and products a card may round factors to 11 bits, so that both agree to some digits alone.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData};
use lid::{Aggregate, Estimator};
use partition::Measure;
use rand::RngExt;
use search::{LidOptions, TapLids, tap_lids};
use space::{Seed, sample_connected};
use supernet::{Features, Kept, Taps};

use crate::device;
use crate::spaces::tests::{curve, random_batch, small};
use crate::spaces::{Compute, Opened};

fn processor() -> Compute {
    Compute::fast(&device::open("cpu").expect("there is a processor"))
}

fn card() -> Compute {
    Compute::fast(&device::open("cuda:0").expect("there is a card"))
}

/// The length of the difference as a fraction of the length of the first.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let length = |numbers: &[f64]| numbers.iter().map(|x| x * x).sum::<f64>().sqrt();
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    length(&differences) / length(a)
}

#[track_caller]
fn check_near(what: &str, here: &[f64], there: &[f64], tolerance: f64) {
    let found = distance(here, there);
    println!("{what}: {found:.1e} of {tolerance:.0e}");
    assert!(found <= tolerance, "{what}: {found} for {tolerance}");
}

#[track_caller]
fn check_training(space: &str, lr: f64, tolerance: f64) {
    let here = curve(space, lr, &processor());
    check_near(space, &here, &curve(space, lr, &card()), tolerance);
    let again = curve(space, lr, &Compute { kept: Kept::PartInputs, ..card() });
    check_near("parts computed again", &here, &again, tolerance);
}

#[test]
#[ignore = "needs an NVIDIA card: cargo xtask gpu"]
fn losses_are_those_of_the_processor() {
    check_training("nb201", 0.02, 1e-2);
    check_training("proxyless", 2e-4, 1e-2);
    check_training("ofa", 2e-4, 1e-2);
}

/// In the place of the dimension of an image that has none.
const NONE: f64 = -1.0;

/// Dimensions and gradients of a few architectures.
fn profiles(space: &str, compute: &Compute) -> (Vec<f64>, Vec<f64>) {
    let options = LidOptions {
        neighbors: 20,
        estimator: Estimator::Mle,
        taps: Taps::Nodes,
        features: search::Features::PerImage,
        aggregate: Aggregate::Mean,
        measure: Measure::Pearson,
    };
    let Opened { space, untrained } = small(space, 16, compute);
    let (supernet, mask, mut rng) = (untrained(), space.full_mask(), Seed::new(7).rng());
    let archs = [0; 4].map(|_| sample_connected(space.as_ref(), &mask, &mut rng));
    let batch = random_batch(64, 16, &mut rng);
    let lids = tap_lids(supernet.as_ref(), &archs, &batch, &options).expect("features vary");
    let lids = lids.iter().flat_map(TapLids::values).flatten();
    let edge = mask.edges().next().expect("a space has edges");
    let gradient = |arch| -> BTreeMap<String, Vec<f32>> {
        supernet.shared_gradient(arch, &batch, edge).expect("the loss is finite")
    };
    let gradients = archs.iter().flat_map(|arch| gradient(arch).into_values().flatten());
    (lids.map(|lid| lid.unwrap_or(NONE)).collect(), gradients.map(f64::from).collect())
}

#[test]
#[ignore = "needs an NVIDIA card: cargo xtask gpu"]
fn profiles_are_those_of_the_processor() {
    for space in ["nb201", "proxyless", "ofa"] {
        let (here, there) = (profiles(space, &processor()), profiles(space, &card()));
        check_near(&format!("{space}, dimensions"), &here.0, &there.0, 1e-2);
        check_near(&format!("{space}, gradients"), &here.1, &there.1, 5e-2);
    }
}

#[test]
#[ignore = "needs an NVIDIA card: cargo xtask gpu"]
fn neighbors_are_those_of_the_processor() {
    let device = card().device;
    let (n, k) = (128, 20);
    for (d, offset, scale) in [
        (300, 0.0, 1.0),
        (4096, 0.0, 1.0),
        (16_384, 1e4, 1.0),
        (4096, 0.0, 1e-20),
        (4096, 0.0, 3e37),
    ] {
        let mut rng = Seed::new(3).rng();
        let values: Vec<f32> = (0..n * d).map(|_| offset + scale * rng.random::<f32>()).collect();
        let tensor = Tensor::from_data(TensorData::new(values.clone(), [n, d]), &device);
        let here = Features::on_host(&values, d).neighbors(k).unwrap();
        let there = Features::on_device(&tensor).neighbors(k).unwrap();
        let all =
            |of: &lid::Neighbors| (0..n).flat_map(|row| of.row(row).to_vec()).collect::<Vec<_>>();
        let name = format!("{n} points of {d} features, offset {offset}, scale {scale}");
        check_near(&name, &all(&here), &all(&there), 1e-5);
    }
}
