//! What is written and read again.

use supernet::{Engine, Optimizer, StepOptions, Supernet};
use weights::Weights;

use crate::chain::{Chain, STEP, arch, batch, engine, sealed, tensors};

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

    for at in [bytes.len() - 1, bytes.len() / 2] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        std::fs::write(&file, flipped).unwrap();
        assert!(refused(&mut engine).ends_with("is not as it was written"));
    }

    let mut whole = Weights::from_safetensors(&bytes).unwrap();
    let mut unsealed = whole.clone();
    unsealed.metadata.remove("sha256").unwrap();
    unsealed.write(&file).unwrap();
    assert!(refused(&mut engine).contains(" has no digest: "));
    let name = "stem.norm.mean".to_owned();
    let tensor = whole.tensors.remove(&name).unwrap();
    sealed(whole.clone(), &file);
    assert!(refused(&mut engine).contains("tensor `stem.norm.mean` is missing"));
    whole.tensors.insert(name, tensor.clone());
    whole.tensors.insert("another".to_owned(), tensor);
    sealed(whole, &file);
    assert!(refused(&mut engine).contains("does not fit: tensor `another`"));
}
