//! Probes, evaluations and statistics.

use space::Arch;
use supernet::{Engine, Statistics, Supernet, Taps};

use crate::chain::{CHANNELS, Chain, STEP, arch, batch, engine, tensors};

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
