//! Which paths a step trains.

use std::num::NonZeroUsize;

use nb201::{Nb201, Nb201Config};
use space::{Arch, EdgeId, OpId, SearchSpace, Seed};
use supernet::{Paths, Sampling, Sandwich};

fn space() -> Nb201 {
    let config = Nb201Config { channels: 8, cells_per_stage: 1, affine: true };
    Nb201::new(&config, 3, 16, 10)
}

/// The paths of `n` steps.
fn paths(space: &Nb201, sampling: Sampling, n: usize) -> Vec<Vec<Arch>> {
    let mask = space.full_mask();
    let paths = Paths::new(space, &mask, sampling, Seed::new(3));
    (0..n).map(|step| paths.of_step(1, step)).collect()
}

fn costliest_of(n: usize) -> Sampling {
    Sampling::CostliestOf(NonZeroUsize::new(n).expect("at least one is drawn"))
}

fn deepest_of(n: usize) -> Sampling {
    Sampling::DeepestOf(NonZeroUsize::new(n).expect("at least one is drawn"))
}

#[test]
fn strict_fairness_draws_every_operation_equally_often() {
    let space = space();
    let steps = paths(&space, Sampling::StrictFair, 5 * 7);
    for edge in (0..6).map(EdgeId) {
        for op in (0..5).map(OpId) {
            let n = steps.iter().filter(|step| step[0].op(edge) == op).count();
            assert_eq!(n, 7, "{op:?} of {edge:?}");
        }
    }
}

#[test]
fn the_costliest_of_more_draws_costs_no_less() {
    let space = space();
    let macs = |sampling| -> Vec<u64> {
        let steps = paths(&space, sampling, 200);
        steps.iter().map(|step| space.live_cost(&step[0]).macs).collect()
    };
    let [one, two, four] = [1, 2, 4].map(|n| macs(costliest_of(n)));
    assert_eq!(one, macs(Sampling::Uniform));
    for (fewer, more) in [(&one, &two), (&two, &four)] {
        assert!(fewer.iter().zip(more).all(|(fewer, more)| fewer <= more));
        let n_costlier = fewer.iter().zip(more).filter(|(fewer, more)| fewer < more).count();
        assert!(50 < n_costlier, "{n_costlier} of 200");
    }
}

#[test]
fn the_deepest_of_more_draws_is_no_shallower_and_the_costliest_of_those_as_deep() {
    let space = space();
    let depth_and_macs = |sampling| -> Vec<(usize, u64)> {
        let key = |arch: &Arch| (space.live_depth(arch), space.live_cost(arch).macs);
        paths(&space, sampling, 200).iter().map(|step| key(&step[0])).collect()
    };
    let [one, two, four] = [1, 2, 4].map(|n| depth_and_macs(deepest_of(n)));
    assert_eq!(one, depth_and_macs(Sampling::Uniform));
    for (fewer, more) in [(&one, &two), (&two, &four)] {
        assert!(fewer.iter().zip(more).all(|(fewer, more)| fewer <= more));
        let n_deeper = fewer.iter().zip(more).filter(|(fewer, more)| fewer.0 < more.0).count();
        // Of two uniform draws of networks one, two or three convolutions deep, as most are, the second is
        // deeper in a quarter of the cases.
        assert!(30 < n_deeper, "{n_deeper} of 200");
    }
}

#[test]
fn the_sandwich_holds_both_ends_and_no_path_twice() {
    let space = space();
    let sampling = Sampling::Sandwich(Sandwich { between: 2, distillation: 0.0 });
    let all = space.full_mask();
    for step in paths(&space, sampling, 50) {
        assert_eq!(step[0], all.archs().max_by_key(|arch| space.cost(arch).macs).unwrap());
        assert_eq!(space.cost(&step[1]).macs, space.cost(&arch_of_skips()).macs);
        assert!((2..=4).contains(&step.len()));
        assert!((1..step.len()).all(|i| !step[..i].contains(&step[i])));
    }
}

fn arch_of_skips() -> Arch {
    Arch::new(vec![OpId(4); 6])
}

#[test]
fn paths_follow_from_epoch_and_step_and_are_connected() {
    let space = space();
    for sampling in [Sampling::Uniform, costliest_of(2), deepest_of(2)] {
        let steps = paths(&space, sampling, 100);
        assert_eq!(steps, paths(&space, sampling, 100));
        assert!(steps.iter().all(|step| step.len() == 1 && space.is_connected(&step[0])));
        assert!(steps.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
