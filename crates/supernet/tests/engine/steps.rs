//! Steps of gradient descent.

use std::collections::BTreeMap;

use data::Batch;
use space::{Arch, EdgeId};
use supernet::{Kept, Lesson, Lookahead, Optimizer, StepOptions, Supernet};
use weights::Weights;

use crate::chain::{N_RUNS, STEP, arch, batch, engine, sealed, tensors};

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
fn parts_that_are_computed_again_give_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let after = |keeps| {
        let mut engine = engine().keeping(keeps);
        for seed in 1..4 {
            let batch = batch(seed);
            let lesson = Lesson { distillation: 0.5, ..Lesson::plain(&batch) };
            engine.train_together(&lesson, &[arch([0, 1]), arch([2, 0])], &STEP).unwrap();
        }
        tensors(&engine, folder.path())
    };
    let [kept, again] = [Kept::Activations, Kept::PartInputs].map(after);
    assert_eq!(kept, again);
    let [kept, again] = [Kept::Activations, Kept::PartInputs]
        .map(|keeps| engine().keeping(keeps).shared_gradient(&arch([1, 2]), &batch(1), EdgeId(0)));
    assert_eq!(kept.unwrap(), again.unwrap());
}

#[test]
fn parts_are_computed_again_where_their_inputs_are_kept() {
    let n_runs = |engine: &mut dyn Supernet| {
        N_RUNS.set(0);
        engine.train_step(&batch(1), &arch([0, 1]), &STEP).unwrap();
        N_RUNS.get()
    };
    let mut again = engine().keeping(Kept::PartInputs);
    let mut fork = again.fork();
    assert_eq!([n_runs(&mut engine()), n_runs(&mut again), n_runs(fork.as_mut())], [3, 6, 6]);
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

/// The weights after one step of a lesson.
fn after(lesson: &Lesson<'_>) -> BTreeMap<String, weights::Tensor> {
    let folder = tempfile::tempdir().expect("there is a place for files");
    let mut engine = engine();
    let options = StepOptions { label_smoothing: 0.0, ..STEP };
    engine.train_together(lesson, &[arch([0, 1])], &options).expect("the loss is finite");
    tensors(&engine, folder.path())
}

fn near(a: &BTreeMap<String, weights::Tensor>, b: &BTreeMap<String, weights::Tensor>) -> bool {
    let pairs = a.iter().flat_map(|(name, tensor)| tensor.values.iter().zip(&b[name].values));
    pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6)
}

#[test]
fn mixed_labels_count_by_their_share() {
    let own = batch(1);
    let others: Vec<i32> = own.labels.iter().rev().map(|label| (label + 1) % 3).collect();
    let of_others = Batch { labels: others.clone(), ..own.clone() };
    let mixed = |share| Lesson { mixed: Some((&others, share)), ..Lesson::plain(&own) };
    assert!(near(&after(&mixed(1.0)), &after(&Lesson::plain(&own))));
    assert!(near(&after(&mixed(0.0)), &after(&Lesson::plain(&of_others))));
    assert!(!near(&after(&mixed(0.5)), &after(&Lesson::plain(&own))));
}

#[test]
fn a_teacher_that_is_certain_teaches_labels() {
    let own = batch(1);
    let others: Vec<i32> = own.labels.iter().map(|label| (label + 1) % 3).collect();
    let answers: Vec<f32> = others
        .iter()
        .flat_map(|&label| (0..3).map(move |class| f32::from(u8::from(class == label))))
        .collect();
    let of_others = Batch { labels: others, ..own.clone() };
    let taught = |share| Lesson { teacher: Some((&answers, share)), ..Lesson::plain(&own) };
    assert!(near(&after(&taught(1.0)), &after(&Lesson::plain(&of_others))));
    assert!(near(&after(&taught(0.0)), &after(&Lesson::plain(&own))));
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

#[test]
fn of_several_paths_the_one_whose_loss_is_no_number_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.safetensors");
    let mut engine = engine();
    engine.save(&file, "").unwrap();
    let mut weights = Weights::read(&file).unwrap();
    let names = weights.tensors.keys().filter(|name| name.contains("edges.1.1."));
    let broken = names.min().unwrap().clone();
    weights.tensors.get_mut(&broken).unwrap().values[0] = f32::NAN;
    sealed(weights, &file);
    engine.load(&file).unwrap();
    let others = |engine: &_| {
        let mut all = tensors(engine, folder.path());
        assert!(all.remove(&broken).unwrap().values[0].is_nan());
        all
    };
    let before = others(&engine);
    let paths = [arch([0, 0]), arch([0, 1])];
    let error = engine.train_together(&Lesson::plain(&batch(1)), &paths, &STEP).unwrap_err();
    assert_eq!(error.to_string(), "the loss is NaN on path 0-1");
    assert_eq!(others(&engine), before);
}
