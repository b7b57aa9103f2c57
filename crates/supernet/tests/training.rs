//! Gradients, off-path parameters, statistics and checkpoints of a small two-edge network.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use data::Batch;
use rand::RngExt;
use space::{Arch, EdgeId, OpId, Seed};
use supernet::{
    Activation, Affine, ConvNorm, ConvNormConfig, Engine, Groups, Lesson, Linear, Lookahead,
    Network, Optimizer, Pass, Statistics, StepOptions, Supernet, Taps, avg_pool3, global_avg_pool,
};
use weights::Weights;

/// Two edges in a row, each with a choice of 3 × 3 convolution, 1 × 1 convolution or pooling.
#[derive(Module, Debug)]
struct Chain {
    stem: ConvNorm,
    edges: Vec<Vec<ConvNorm>>,
    head: Linear,
}

const CHANNELS: usize = 5;
const CLASSES: usize = 3;

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
        let Some(edge) = part.checked_sub(1) else { return self.stem.forward(x, pass) };
        let x = match self.edges[edge].get(arch.op(EdgeId(edge)).0) {
            Some(conv) => conv.forward(x, pass),
            None => avg_pool3(x),
        };
        pass.tap(Taps::Blocks, &x);
        x
    }

    fn forward_head(&self, x: Tensor<4>, _pass: &mut Pass<'_>) -> Tensor<2> {
        self.head.forward(global_avg_pool(x))
    }

    fn edge_of(parameter: &str) -> Option<EdgeId> {
        parameter.strip_prefix("edges.")?.split('.').next()?.parse().ok().map(EdgeId)
    }
}

fn engine() -> Engine<Chain> {
    let device = Device::flex();
    Engine::new(Chain::init(&device.clone().autodiff()), &device)
}

fn batch(seed: u64) -> Batch {
    let mut rng = Seed::new(seed).rng();
    let shape = [6, 2, 5, 4];
    let images = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Batch { images, labels: vec![0, 1, 2, 2, 1, 0], shape }
}

fn arch(ops: [usize; 2]) -> Arch {
    Arch::new(ops.map(OpId).into())
}

const STEP: StepOptions = StepOptions {
    lr: 0.05,
    optimizer: Optimizer::Sgd { momentum: 0.9, lookahead: Lookahead::Nesterov },
    weight_decay: 1e-2,
    max_gradient_norm: None,
    label_smoothing: 0.1,
    stochastic_depth: None,
    averaging: None,
};

/// Every tensor of a supernet, as its checkpoint holds them.
fn tensors(supernet: &dyn Supernet, folder: &Path) -> BTreeMap<String, weights::Tensor> {
    let file = folder.join("tensors.safetensors");
    supernet.save(&file, "").expect("the folder is ours");
    Weights::read(&file).expect("it was just written").tensors
}

#[test]
fn parameters_off_the_path_do_not_move() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = engine();
    // Give every operation momentum first.
    for ops in [[0, 0], [1, 1]] {
        engine.train_step(&batch(1), &arch(ops), &STEP).unwrap();
    }
    let before = tensors(&engine, folder.path());
    engine.train_step(&batch(2), &arch([0, 1]), &STEP).unwrap();
    let after = tensors(&engine, folder.path());
    for (name, value) in &before {
        let off_path = name.contains("edges.0.1.") || name.contains("edges.1.0.");
        let is_kept = name.ends_with("norm.mean") || name.ends_with("norm.variance");
        assert_eq!(after[name] == *value, off_path || is_kept, "{name}");
    }
}

#[test]
fn several_paths_take_one_step_on_the_sum_of_their_losses() {
    let folder = tempfile::tempdir().unwrap();
    let options = StepOptions {
        lr: 0.05,
        optimizer: Optimizer::Sgd { momentum: 0.0, lookahead: Lookahead::None },
        weight_decay: 0.0,
        max_gradient_norm: None,
        label_smoothing: 0.0,
        stochastic_depth: None,
        averaging: None,
    };
    let paths = [arch([0, 0]), arch([1, 1])];
    let mut together = engine();
    together.train_together(&Lesson::plain(&batch(1)), &paths, &options).unwrap();
    let together = tensors(&together, folder.path());
    let start = tensors(&engine(), folder.path());
    let alone = paths.map(|path| {
        let mut engine = engine();
        engine.train_step(&batch(1), &path, &options).unwrap();
        tensors(&engine, folder.path())
    });
    for (name, start) in &start {
        for (at, (&got, start)) in together[name].values.iter().zip(&start.values).enumerate() {
            let [a, b] = [0, 1].map(|path| alone[path][name].values[at]);
            let expected = a + b - start;
            assert!((got - expected).abs() < 1e-5, "{name}: {got} for {expected}");
        }
    }
}

#[test]
fn distillation_learns_from_the_first_alone() {
    // With nothing but the answers of the same path to learn, there is nothing to learn.
    let folder = tempfile::tempdir().unwrap();
    let path = arch([0, 1]);
    let options = StepOptions { weight_decay: 0.0, label_smoothing: 0.0, ..STEP };
    let step = |archs: &[Arch]| {
        let mut engine = engine();
        let batch = batch(1);
        let lesson = Lesson { distillation: 1.0, ..Lesson::plain(&batch) };
        engine.train_together(&lesson, archs, &options).unwrap();
        tensors(&engine, folder.path())
    };
    let (once, twice) = (step(std::slice::from_ref(&path)), step(&[path.clone(), path]));
    for (name, tensor) in &once {
        for (a, b) in tensor.values.iter().zip(&twice[name].values) {
            assert!((a - b).abs() < 1e-6, "{name}: {a} and {b}");
        }
    }
}

#[test]
fn gradients_agree_with_finite_differences() {
    let engine = engine();
    let (path, images) = (arch([0, 1]), batch(5));
    let gradient = engine.shared_gradient(&path, &images, EdgeId(0)).unwrap();
    assert!(gradient.keys().all(|name| !name.starts_with("edges.0")));

    // The slope along the gradient is its squared norm: move the shared parameters by a step of
    // plain gradient descent and look at the loss.
    let squared_norm: f64 = gradient.values().flatten().map(|g| f64::from(*g).powi(2)).sum();
    let full = engine.shared_gradient(&path, &images, EdgeId(9)).unwrap();
    let all: f64 = full.values().flatten().map(|g| f64::from(*g).powi(2)).sum();
    assert!(squared_norm < all);
    let plain = |lr| StepOptions {
        lr,
        optimizer: Optimizer::Sgd { momentum: 0.0, lookahead: Lookahead::None },
        weight_decay: 0.0,
        max_gradient_norm: None,
        label_smoothing: 0.0,
        stochastic_depth: None,
        averaging: None,
    };
    let lr = 1e-2 / all.sqrt();
    let loss_after = |lr| {
        let mut moved = engine.fork();
        moved.train_step(&images, &path, &plain(lr)).unwrap();
        moved.train_step(&images, &path, &plain(0.0)).unwrap()
    };
    let slope = (loss_after(-lr) - loss_after(lr)) / (2.0 * lr);
    // Central differences in f32: rounding of the loss is about 1e-7 / 1e-2.
    assert!((slope / all - 1.0).abs() < 1e-2, "{slope} for {all}");
}

#[test]
fn the_gradient_norm_is_clipped_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let options = StepOptions {
        max_gradient_norm: Some(1e-3),
        optimizer: Optimizer::Sgd { momentum: 0.0, lookahead: Lookahead::None },
        weight_decay: 0.0,
        lr: 1.0,
        label_smoothing: 0.0,
        stochastic_depth: None,
        averaging: None,
    };
    let mut engine = engine();
    let before = tensors(&engine, folder.path());
    engine.train_step(&batch(1), &arch([0, 0]), &options).unwrap();
    let after = tensors(&engine, folder.path());
    let moved: f64 = before
        .iter()
        .flat_map(|(name, old)| old.values.iter().zip(&after[name].values))
        .map(|(&old, &new)| (f64::from(old) - f64::from(new)).powi(2))
        .sum();
    // Weights near 1 are rounded to 1e-7, a ten-thousandth of the step.
    assert!((moved.sqrt() / 1e-3 - 1.0).abs() < 1e-2, "{}", moved.sqrt());
}

#[test]
fn probing_and_evaluating_change_nothing_and_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = engine();
    engine.train_step(&batch(1), &arch([0, 1]), &STEP).unwrap();
    let before = tensors(&engine, folder.path());
    let batches = [batch(7), batch(8)];
    let path = arch([1, 2]);
    let recalibrated = || engine.evaluate(&path, &batches, Statistics::Recalibrated(&batches));
    assert_eq!(recalibrated(), recalibrated());
    let mut shapes = Vec::new();
    engine.probe(&[path], &batches[0], Taps::Blocks, &mut |_, tap, features| {
        shapes.push((tap, features.to_vec().len(), features.d()));
    });
    assert_eq!(
        shapes,
        [(0, 6 * CHANNELS * 20, CHANNELS * 20), (1, 6 * CHANNELS * 20, CHANNELS * 20)]
    );
    assert_eq!(tensors(&engine, folder.path()), before);
}

/// What several architectures show at their taps, and how many activations were handed out.
fn shown(engine: &Engine<Chain>, archs: &[Arch]) -> (Vec<Vec<Vec<f32>>>, usize) {
    let (mut taps, mut n_shown) = (vec![Vec::new(); archs.len()], 0);
    engine.probe(archs, &batch(7), Taps::Blocks, &mut |owners, tap, features| {
        n_shown += 1;
        for owner in owners {
            assert_eq!(tap, taps[owner].len(), "taps come in order");
            taps[owner].push(features.to_vec());
        }
    });
    (taps, n_shown)
}

#[test]
fn what_architectures_share_is_computed_once_and_equal() {
    let engine = engine();
    let alone = |arch: &Arch| shown(&engine, std::slice::from_ref(arch)).0.remove(0);
    let check = |paths: &[[usize; 2]], expected: usize| {
        let archs: Vec<Arch> = paths.iter().copied().map(arch).collect();
        let (together, n_shown) = shown(&engine, &archs);
        assert_eq!(n_shown, expected);
        assert!(archs.iter().map(alone).eq(together));
    };
    check(&[], 0);
    check(&[[1, 0], [1, 1], [1, 2]], 1 + 3);
    check(&[[0, 1], [1, 1]], 2 + 2);
    check(&[[2, 1], [2, 1]], 2);
}

#[test]
fn statistics_can_be_kept() {
    let mut engine = engine();
    let batches = [batch(7), batch(8)];
    let path = arch([0, 2]);
    let recalibrated = engine.evaluate(&path, &batches, Statistics::Recalibrated(&batches));
    let fresh = engine.evaluate(&path, &batches, Statistics::Stored);
    assert_ne!(fresh, recalibrated);
    engine.store_statistics(&path, &batches);
    assert_eq!(engine.evaluate(&path, &batches, Statistics::Stored), recalibrated);
    // They travel with the weights.
    let mut other = self::engine();
    other.import(&engine.export()).unwrap();
    assert_eq!(other.evaluate(&path, &batches, Statistics::Stored), recalibrated);
    // Training leaves them alone.
    let folder = tempfile::tempdir().unwrap();
    let mean = |engine: &Engine<Chain>| tensors(engine, folder.path())["stem.norm.mean"].clone();
    let before = mean(&engine);
    engine.train_step(&batches[0], &path, &STEP).unwrap();
    assert_eq!(mean(&engine), before);
}

#[test]
fn recalibration_on_the_evaluated_batch_equals_its_own_statistics() {
    let engine = engine();
    let batches = [batch(7)];
    let path = arch([0, 0]);
    let own = engine.evaluate(&path, &batches, Statistics::OfBatch);
    let recalibrated = engine.evaluate(&path, &batches, Statistics::Recalibrated(&batches));
    // The two formulas differ by rounding only.
    assert!((own.loss - recalibrated.loss).abs() < 1e-5, "{own:?} {recalibrated:?}");
}

#[test]
fn a_checkpoint_continues_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("middle.safetensors");
    let mut straight = engine();
    for step in 0..4 {
        if step == 2 {
            straight.save(&file, "half way").unwrap();
        }
        straight.train_step(&batch(step), &arch([step as usize % 3, 1]), &STEP).unwrap();
    }
    let mut resumed = engine();
    assert_eq!(resumed.load(&file).unwrap(), "half way");
    for step in 2..4 {
        resumed.train_step(&batch(step), &arch([step as usize % 3, 1]), &STEP).unwrap();
    }
    assert_eq!(tensors(&straight, folder.path()), tensors(&resumed, folder.path()));
}

#[test]
fn all_that_training_remembers_is_in_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("middle.safetensors");
    let options = StepOptions {
        optimizer: Optimizer::AdamW { betas: [0.9, 0.99], epsilon: 1e-8 },
        averaging: Some(0.75),
        ..STEP
    };
    let step = |engine: &mut Engine<Chain>, number: u64| {
        engine.train_step(&batch(number), &arch([number as usize % 2, 1]), &options).unwrap();
    };
    let mut straight = engine();
    (0..3).for_each(|number| step(&mut straight, number));
    straight.save(&file, "").unwrap();
    let mut resumed = engine();
    resumed.load(&file).unwrap();
    for engine in [&mut straight, &mut resumed] {
        step(engine, 3);
    }
    assert_eq!(tensors(&resumed, folder.path()), tensors(&straight, folder.path()));

    // The average keeps three quarters of what it was.
    let average = |engine: &Engine<Chain>| engine.averaged().export().tensors;
    let (before, now) = (average(&straight), straight.export().tensors.clone());
    step(&mut straight, 4);
    let (after, new) = (average(&straight), straight.export().tensors);
    assert_ne!(now, new);
    for (name, tensor) in &after {
        for (at, &got) in tensor.values.iter().enumerate() {
            let expected = 0.75 * before[name].values[at] + 0.25 * new[name].values[at];
            assert!((got - expected).abs() < 1e-6, "{name}: {got} for {expected}");
        }
    }
}

#[test]
fn damaged_and_foreign_checkpoints_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.safetensors");
    let refused = |engine: &mut Engine<Chain>| engine.load(&file).unwrap_err().to_string();
    let mut engine = engine();
    assert!(refused(&mut engine).starts_with("weights "));
    engine.save(&file, "").unwrap();
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert!(refused(&mut engine).starts_with("weights "));

    let mut whole = Weights::from_safetensors(&bytes).unwrap();
    let name = "stem.norm.mean".to_owned();
    let tensor = whole.tensors.remove(&name).unwrap();
    whole.write(&file).unwrap();
    assert!(refused(&mut engine).contains("tensor `stem.norm.mean` is missing"));
    whole.tensors.insert(name, tensor.clone());
    whole.tensors.insert("another".to_owned(), tensor);
    whole.write(&file).unwrap();
    assert!(refused(&mut engine).contains("does not fit: tensor `another`"));
}

#[test]
fn a_loss_that_is_no_number_stops_the_step() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = engine();
    let before = tensors(&engine, folder.path());
    let mut broken = batch(1);
    broken.images[3] = f32::NAN;
    let error = engine.train_step(&broken, &arch([0, 1]), &STEP).unwrap_err();
    assert_eq!(error.to_string(), "the loss is NaN on path 0-1");
    assert_eq!(tensors(&engine, folder.path()), before);
}
