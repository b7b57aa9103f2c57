//! What a card computes, against the processor: `cargo xtask gpu`.
//!
//! burn's products may round factors to 11 bits on a card; those of `cube-ops` do not.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData};
use lid::{Aggregate, Estimator};
use partition::Measure;
use rand::RngExt;
use search::{LidOptions, TapLids, tap_lids};
use space::{Seed, sample_connected};
use supernet::{Features, Kept, Kernels, Taps};

use crate::device;
use crate::spaces::tests::{curve, random_batch, small};
use crate::spaces::{Compute, Opened};

fn processor() -> Compute {
    Compute::fast(&device::open("cpu").expect("there is a processor"))
}

fn card() -> Compute {
    Compute::fast(&device::open("cuda:0").expect("there is a card"))
}

fn length(numbers: &[f64]) -> f64 {
    numbers.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// The length of the difference, as a fraction of that of the first, is small.
#[track_caller]
#[expect(clippy::print_stdout, reason = "how near it is counts, too")]
fn check_near(what: &str, here: &[f64], there: &[f64], tolerance: f64) {
    assert_eq!(here.len(), there.len());
    let differences: Vec<f64> = here.iter().zip(there).map(|(a, b)| a - b).collect();
    let found = length(&differences) / length(here);
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
fn losses_are_those_of_the_processor() {
    check_training("nb201", 0.02, 1e-2);
    check_training("proxyless", 2e-4, 1e-2);
    check_training("ofa", 2e-4, 1e-2);
}

/// In the place of the dimension of an image that has none.
const NONE: f64 = -1.0;

/// What architectures are compared by.
struct Profiles {
    dimensions: Vec<f64>,
    /// Of each architecture, by the name of the parameter.
    gradients: Vec<BTreeMap<String, Vec<f32>>>,
}

/// Those of a few architectures.
fn profiles(space: &str, compute: &Compute) -> Profiles {
    let options = LidOptions {
        neighbors: 20,
        estimator: Estimator::Mle,
        taps: Taps::Nodes,
        features: search::PerTap::PerImage,
        aggregate: Aggregate::Mean,
        measure: Measure::Pearson,
    };
    let Opened { space, untrained } = small(space, 16, compute);
    let (supernet, mask, mut rng) = (untrained(), space.full_mask(), Seed::new(7).rng());
    let archs = [0; 4].map(|_| sample_connected(space.as_ref(), &mask, &mut rng));
    let batch = random_batch(64, 16, &mut rng);
    let lids = tap_lids(supernet.as_ref(), &archs, &batch, &options).expect("features vary");
    let dimensions = lids.iter().flat_map(TapLids::values).flatten();
    let edge = mask.edges().next().expect("a space has edges");
    let gradient = |arch| supernet.shared_gradient(arch, &batch, edge).expect("a finite loss");
    Profiles {
        dimensions: dimensions.map(|lid| lid.unwrap_or(NONE)).collect(),
        gradients: archs.iter().map(gradient).collect(),
    }
}

impl Profiles {
    /// The largest difference of a parameter's gradients, as a fraction of their length or of a hundredth of that of
    /// all: what a norm takes out again has no gradient but rounding.
    fn distance(&self, others: &Self) -> f64 {
        let numbers = |of: &[f32]| of.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let of_arch = |(here, there): (&BTreeMap<_, Vec<f32>>, &BTreeMap<_, Vec<f32>>)| {
            assert!(here.keys().eq(there.keys()), "parameters that have gradients");
            let whole: Vec<f64> = here.values().flat_map(|of| numbers(of)).collect();
            let of_parameter = |(a, b): (&Vec<f32>, &Vec<f32>)| {
                let difference: Vec<f64> =
                    numbers(a).iter().zip(numbers(b)).map(|(a, b)| a - b).collect();
                length(&difference) / length(&numbers(a)).max(1e-2 * length(&whole))
            };
            here.values().zip(there.values()).map(of_parameter).fold(0.0, f64::max)
        };
        self.gradients.iter().zip(&others.gradients).map(of_arch).fold(0.0, f64::max)
    }
}

/// In deep chains a last digit moves some activations across a kink, and gradients by some hundredths: the
/// processor's own two kinds of kernels tell by how much.
#[test]
fn profiles_are_those_of_the_processor() {
    for space in ["nb201", "proxyless", "ofa"] {
        let here = profiles(space, &processor());
        let stock = profiles(space, &Compute { kernels: Kernels::Stock, ..processor() });
        let kinks = here.distance(&stock);
        println!("{space}, gradients of the processor's two kernels: {kinks:.1e}");
        let there = profiles(space, &card());
        check_near(&format!("{space}, dimensions"), &here.dimensions, &there.dimensions, 1e-2);
        let found = here.distance(&there);
        println!("{space}, gradients: {found:.1e}");
        assert!(found <= 2.0 * kinks + 1e-3, "{space}: {found} for {kinks}");
    }
}

#[test]
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
