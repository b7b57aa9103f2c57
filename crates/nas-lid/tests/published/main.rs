//! Small supernets that PyTorch has written: `xtask/torch/write.py` made the files, in the new format and
//! the old one, and said the logits.

use std::fmt::Debug;
use std::io::Read;

use burn::tensor::{Device, Tensor, TensorData};
use flate2::read::GzDecoder;
use ofa::{Ofa, OfaConfig, OfaNetwork};
use proxyless::{Proxyless, ProxylessConfig, ProxylessNetwork};
use space::{Arch, OpId, Seed};
use supernet::{Engine, Imported, Network, Pass, Supernet};
use weights::Weights;

const OFA: &[u8] = include_bytes!("ofa.pth.gz");
const PROXYLESS: &[u8] = include_bytes!("proxyless.pth.tar.gz");

const WIDTH: f64 = 0.01;
const SIDE: usize = 16;
const CLASSES: usize = 3;

/// The end of the names that only PyTorch has.
const STEPS_OF_A_NORM: &str = "num_batches_tracked";

#[track_caller]
fn fine<T, E: Debug>(result: Result<T, E>) -> T {
    result.expect("files of this folder")
}

fn published(compressed: &[u8]) -> Weights {
    let folder = fine(tempfile::tempdir());
    let file = folder.path().join("weights");
    let mut bytes = Vec::new();
    fine(GzDecoder::new(compressed).read_to_end(&mut bytes));
    fine(std::fs::write(&file, bytes));
    fine(Weights::read(&file))
}

fn ofa(classes: usize) -> Engine<OfaNetwork> {
    let (expand_ratios, depths) = (vec![4, 6], vec![3, 4]);
    let config = OfaConfig { width: WIDTH, expand_ratios, depths, stem_stride: 1 };
    let space = fine(Ofa::new(&config, 3, SIDE, classes));
    let device = Device::flex();
    let mut rng = Seed::new(1).rng();
    Engine::new(OfaNetwork::init(&space, &device.clone().autodiff(), &mut rng), &device)
}

fn proxyless() -> Engine<ProxylessNetwork> {
    let stage_channels = [24, 40, 80, 96, 192, 320];
    let config = ProxylessConfig { width: WIDTH, stage_channels, stem_stride: 1 };
    let space = Proxyless::new(&config, 3, SIDE, CLASSES);
    let device = Device::flex();
    let mut rng = Seed::new(1).rng();
    Engine::new(ProxylessNetwork::init(&space, &device.clone().autodiff(), &mut rng), &device)
}

/// Two images that `write.py` draws, too.
fn images() -> Tensor<4> {
    let n = 3 * SIDE * SIDE;
    let value = |i: usize| {
        let contrast = if i < n { 1.0 } else { -0.25 };
        contrast * ((37 * i % 101) as f32 / 50.0 - 1.0)
    };
    let values: Vec<f32> = (0..2 * n).map(value).collect();
    Tensor::from_data(TensorData::new(values, [2, 3, SIDE, SIDE]), &Device::flex().autodiff())
}

/// PyTorch has computed with 64 bits.
#[track_caller]
fn check_logits<N: Network>(engine: &Engine<N>, ops: Vec<usize>, expected: [f32; 2 * CLASSES]) {
    let arch = Arch::new(ops.into_iter().map(OpId).collect());
    let logits = engine.network().forward(images(), &arch, &mut Pass::stored());
    let logits = fine(logits.into_data().try_to_vec::<f32>());
    for (got, expected) in logits.iter().zip(expected) {
        assert!((got - expected).abs() < 1e-4, "{logits:?}");
    }
}

#[track_caller]
fn check_import(supernet: &mut dyn Supernet, compressed: &[u8], wrapped: &str) {
    let published = published(compressed);
    let imported = fine(supernet.import(&published));
    let theirs: Vec<_> = published
        .tensors
        .iter()
        .filter(|(name, _)| !name.ends_with(STEPS_OF_A_NORM))
        .map(|(name, tensor)| (name.strip_prefix(wrapped), tensor))
        .collect();
    let nothing = Vec::new();
    let all = Imported { n_taken: theirs.len(), unused: nothing.clone(), kept: nothing };
    assert_eq!(imported, all);
    // They go back as they came.
    let exported = supernet.export().tensors;
    let ours = exported.iter().map(|(name, tensor)| (Some(name.as_str()), tensor));
    assert!(ours.eq(theirs));
}

#[test]
fn ofa_has_the_logits_of_pytorch() {
    let mut engine = ofa(CLASSES);
    check_import(&mut engine, OFA, "state_dict.");
    // Kernel and expansion of each block, then the depths.
    let ops = |kernels: &[usize], expansions: &[usize], depths: &[usize]| {
        let of_block =
            |block: usize| [kernels[block % kernels.len()], expansions[block % expansions.len()]];
        let depths = (0..5).map(|stage| depths[stage % depths.len()]);
        (0..20).flat_map(of_block).chain(depths).collect()
    };
    let largest = [3.112_325, 0.718_197, 9.653_241, 5.580_256, 1.849_621, 6.614_596];
    check_logits(&engine, ops(&[2], &[1], &[1]), largest);
    let smaller = [0.372_918, -0.212_789, -0.118_775, 0.266_698, -0.264_285, -0.253_454];
    check_logits(&engine, ops(&[0, 1, 2, 2, 1], &[0, 1, 1, 0], &[0, 1]), smaller);
}

#[test]
fn proxyless_has_the_logits_of_pytorch() {
    let mut engine = proxyless();
    check_import(&mut engine, PROXYLESS, "state_dict.module.");
    let without_skips = [0.347_778, 0.483_836, 0.325_679, 0.347_572, 0.486_538, 0.324_066];
    check_logits(&engine, (0..21).map(|block| block % 6).collect(), without_skips);
    let with_skips = [0.263_848, 0.132_606, 0.278_697, 0.263_065, 0.133_756, 0.278_970];
    let op = |block: usize| match block % 4 {
        0 => 0,
        1 => 6,
        _ => block % 6,
    };
    check_logits(&engine, (0..21).map(op).collect(), with_skips);
}

#[test]
fn what_does_not_fit_is_named() {
    let published = published(OFA);
    let imported = fine(ofa(CLASSES + 2).import(&published));
    assert_eq!(imported.kept, ["classifier.linear.bias", "classifier.linear.weight"]);

    let mut damaged = published;
    let name = "state_dict.blocks.7.mobile_inverted_conv.depth_conv.conv.7to5_matrix";
    let matrix = damaged.tensors.remove(name).expect("the block has a matrix");
    damaged.tensors.insert("extra".to_owned(), matrix);
    let mut engine = ofa(CLASSES);
    let before = engine.export();
    let error = engine.import(&damaged).expect_err("a tensor is missing");
    let missing = "blocks.7.mobile_inverted_conv.depth_conv.conv.7to5_matrix is missing";
    let expected = format!("tensors that do not fit the network: {missing} (1 in all)");
    assert_eq!(error.to_string(), expected);
    assert_eq!(engine.export(), before);
}
