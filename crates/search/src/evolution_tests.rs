use std::collections::{BTreeMap, BTreeSet};

use space::{EdgeId, LatencyTable, OpId, PartLatency};

use super::*;
use crate::toy::Toy;

const OPTIONS: Evolution = Evolution {
    population: 20,
    n_parents: 6,
    selection: Selection::Accuracy,
    generations: 15,
    n_crossover: 8,
    n_mutation: 8,
    mutation_probability: 0.2,
};

/// Every edge counts alike, and the last operation is the best of each.
fn accuracy(space: &Toy, arch: &Arch) -> Accuracy<Valid> {
    let full = space.full_mask();
    let right: usize = full.edges().map(|edge| arch.op(edge).0).sum();
    let most: usize = full.edges().map(|edge| full.ops(edge).len() - 1).sum();
    Accuracy::from_counts(right, most)
}

fn prices(space: &Toy) -> Prices<'_> {
    Prices { space, latency: None }
}

type History = Vec<(Arch, Accuracy<Valid>)>;

fn run(space: &Toy, mask: &Mask, limits: Constraints, seed: u64) -> Result<History, SearchError> {
    let mut score = |arch: &Arch| Ok(accuracy(space, arch));
    evolve(&prices(space), mask, &OPTIONS, &limits, Seed::new(seed), &mut score)
}

fn archs(history: &History) -> BTreeSet<Arch> {
    history.iter().map(|(arch, _)| arch.clone()).collect()
}

#[test]
fn the_optimum_is_found_and_nothing_is_evaluated_twice() {
    // 5⁶ architectures are listed, 5⁸ are drawn from; 300 are evaluated.
    for n_edges in [6, 8] {
        let toy = Toy::new(&vec![5; n_edges]);
        let history = run(&toy, &toy.full_mask(), Constraints::default(), 7).unwrap();
        assert_eq!(history.len(), 300);
        assert_eq!(archs(&history).len(), 300);
        assert_eq!(best(&history, 1, &NO_SHIFT)[0].0, Arch::new(vec![OpId(4); n_edges]));
        assert!(history.iter().all(|(arch, _)| toy.is_connected(arch)));
    }
}

/// What is most accurate takes longest, by a table in which operation 2 of edge 1 is the fastest of all.
#[test]
fn nsga_2_weighs_the_times_of_a_table() {
    let toy = Toy::new(&[3; 4]);
    let part = |edge: usize| {
        let seconds = (0..3).map(|op| {
            let seconds = if (edge, op) == (1, 2) { 0.0 } else { 1.0 + op as f64 };
            (op.to_string(), seconds)
        });
        PartLatency { edges: vec![EdgeId(edge)], seconds: seconds.collect() }
    };
    let table = LatencyTable { parts: (0..4).map(part).collect() };
    let prices = Prices { space: &toy, latency: Some(&table) };
    let options = Evolution { selection: Selection::ParetoLatency, ..OPTIONS };
    let mut score = |arch: &Arch| Ok::<_, SearchError>(accuracy(&toy, arch));
    let (mask, limits) = (toy.full_mask(), Constraints::default());
    let history = evolve(&prices, &mask, &options, &limits, Seed::new(3), &mut score).unwrap();
    let front = crate::front(&prices, options.selection, &history, &NO_SHIFT);
    assert!(front.iter().all(|(arch, _)| arch.op(EdgeId(1)) == OpId(2)));
    let seconds: Vec<f64> = front.iter().map(|(arch, _)| table.seconds(arch)).collect();
    assert!(1 < seconds.len() && seconds.is_sorted_by(|a, b| b <= a), "{seconds:?}");

    let mut refused = |latency| {
        let prices = Prices { space: &toy, latency };
        evolve(&prices, &mask, &options, &limits, Seed::new(3), &mut score).unwrap_err()
    };
    let fault = |error| match error {
        SearchError::Evolution(fault) => fault.to_string(),
        other => other.to_string(),
    };
    assert!(fault(refused(None)).contains("no latency table"));
    let other = LatencyTable { parts: vec![part(7)] };
    let expected = "part 0 of the latency table has no time of 0 s or more for edge 7";
    assert!(fault(refused(Some(&other))).ends_with(expected));
}

#[test]
fn architectures_that_differ_in_inert_edges_alone_are_one() {
    let toy = Toy::new(&[5, 2, 4]);
    let history = run(&toy, &toy.full_mask(), Constraints::default(), 7).unwrap();
    // Under operation 3 of the last edge the first counts as one; operation 0 disconnects.
    assert_eq!(history.len(), 2 * 5 * 2 + 2);
}

/// The cheapest and the most accurate are opposite ends here, and evolution must reach both.
#[test]
fn nsga_2_finds_both_ends_of_the_front() {
    let toy = Toy::new(&[5; 6]);
    let options = Evolution { selection: Selection::ParetoMacs, generations: 40, ..OPTIONS };
    let mut score = |arch: &Arch| Ok::<_, SearchError>(accuracy(&toy, arch));
    let (mask, limits) = (toy.full_mask(), Constraints::default());
    let history =
        evolve(&prices(&toy), &mask, &options, &limits, Seed::new(3), &mut score).unwrap();
    let front = crate::front(&prices(&toy), options.selection, &history, &NO_SHIFT);
    let ops = |arch: &Arch| arch.ops().iter().map(|op| op.0).sum::<usize>();
    let sums: BTreeSet<usize> = front.iter().map(|(arch, _)| ops(arch)).collect();
    // Every step between the best of each costs as much as it gains; operation 0 of edge 2 disconnects.
    assert_eq!(sums.first(), Some(&1));
    assert_eq!(sums.last(), Some(&24));
}

#[test]
fn a_shift_decides_who_is_on_the_front() {
    let toy = Toy::new(&[5; 2]);
    let [cheap, costly] = [1, 4].map(|op| Arch::new(vec![OpId(op); 2]));
    let history = [(cheap.clone(), 0.75), (costly.clone(), 0.5)]
        .map(|(arch, fraction)| (arch, Accuracy::<Valid>::from_fraction(fraction)));
    let on_front = |shift: &dyn Fn(&Arch) -> f64| {
        let front = crate::front(&prices(&toy), Selection::ParetoMacs, &history, shift);
        front.into_iter().map(|(arch, _)| arch).collect::<Vec<_>>()
    };
    assert_eq!(on_front(&NO_SHIFT), std::slice::from_ref(&cheap));
    let favor_costly = |arch: &Arch| if *arch == costly { 0.5 } else { 0.0 };
    assert_eq!(on_front(&favor_costly), [costly.clone(), cheap]);
}

#[test]
fn evolution_beats_chance() {
    let toy = Toy::new(&[5; 8]);
    for seed in 0..5 {
        let top = |options: Evolution| {
            let mut score = |arch: &Arch| Ok::<_, SearchError>(accuracy(&toy, arch));
            let (mask, limits, seed) = (toy.full_mask(), Constraints::default(), Seed::new(seed));
            let history =
                evolve(&prices(&toy), &mask, &options, &limits, seed, &mut score).unwrap();
            best(&history, 1, &NO_SHIFT)[0].1
        };
        let chance = Evolution { n_crossover: 0, n_mutation: 0, ..OPTIONS };
        assert!(top(chance) < top(OPTIONS), "{seed}");
    }
}

#[test]
fn a_search_with_a_memory_replays_identically() {
    let toy = Toy::new(&[5; 8]);
    let mask = toy.full_mask();
    let whole = run(&toy, &mask, Constraints::default(), 11).unwrap();
    assert_eq!(whole, run(&toy, &mask, Constraints::default(), 11).unwrap());
    assert_ne!(whole, run(&toy, &mask, Constraints::default(), 12).unwrap());

    // Interrupted after 130 evaluations.
    let mut memory: BTreeMap<Arch, Accuracy<Valid>> = whole[..130].iter().cloned().collect();
    let mut n_new = 0;
    let mut score = |arch: &Arch| {
        let measure = || {
            n_new += 1;
            accuracy(&toy, arch)
        };
        Ok::<_, SearchError>(*memory.entry(arch.clone()).or_insert_with(measure))
    };
    let limits = Constraints::default();
    let resumed =
        evolve(&prices(&toy), &mask, &OPTIONS, &limits, Seed::new(11), &mut score).unwrap();
    assert_eq!(resumed, whole);
    assert_eq!(n_new, 170);
}

#[test]
fn constraints_hold_for_every_architecture() {
    // The toy's parameters are the sum of the operation numbers, its multiply-adds ten times that.
    for (limits, most) in [
        (Constraints { max_parameters: Some(14), max_macs: None }, 14),
        (Constraints { max_parameters: Some(99), max_macs: Some(120) }, 12),
    ] {
        for n_edges in [6, 8] {
            let toy = Toy::new(&vec![5; n_edges]);
            let history = run(&toy, &toy.full_mask(), limits, 7).unwrap();
            let costs = history.iter().map(|(arch, _)| toy.cost(arch).parameters);
            assert_eq!(costs.max(), Some(most));
        }
    }
}

#[test]
fn a_small_mask_is_exhausted() {
    let toy = Toy::new(&[3, 3, 3]);
    // A third of the 27 have operation 0 on the edge where it disconnects.
    let history = run(&toy, &toy.full_mask(), Constraints::default(), 7).unwrap();
    assert_eq!(history.len(), 18);
    assert_eq!(archs(&history).len(), 18);

    let mut mask = toy.full_mask();
    for edge in 0..3 {
        mask = mask.split(EdgeId(edge), &[vec![0, 2], vec![1]]).unwrap().remove(1);
    }
    let history = run(&toy, &mask, Constraints::default(), 7).unwrap();
    assert_eq!(archs(&history), BTreeSet::from([Arch::new(vec![OpId(1); 3])]));
}

#[test]
fn nothing_to_evaluate_is_an_error() {
    let limits = Constraints { max_parameters: Some(0), max_macs: None };
    for n_edges in [3, 8] {
        let toy = Toy::new(&vec![5; n_edges]);
        let error = run(&toy, &toy.full_mask(), limits, 7).unwrap_err();
        assert!(matches!(error, SearchError::NoArch), "{error}");
    }
}

#[test]
fn errors_of_the_score_end_the_search() {
    let toy = Toy::new(&[3, 3, 3]);
    let mut n = 0;
    let mut score = |_: &Arch| {
        n += 1;
        Err(SearchError::NoBatches)
    };
    let limits = Constraints::default();
    let ended =
        evolve(&prices(&toy), &toy.full_mask(), &OPTIONS, &limits, Seed::new(7), &mut score);
    assert!(matches!(ended, Err(SearchError::NoBatches)));
    assert_eq!(n, 1);
}

#[test]
fn options_must_fit_together() {
    let fault = |options: Evolution| options.check().unwrap_err();
    assert_eq!(fault(Evolution { population: 0, ..OPTIONS }), EvolutionFault::Zero("population"));
    assert_eq!(fault(Evolution { n_parents: 0, ..OPTIONS }), EvolutionFault::Zero("n-parents"));
    let (n_crossover, n_mutation, population) = (15, 8, 20);
    assert_eq!(
        fault(Evolution { n_crossover, ..OPTIONS }),
        EvolutionFault::Children { n_crossover, n_mutation, population }
    );
    let wrong = Evolution { mutation_probability: f64::NAN, ..OPTIONS };
    assert!(matches!(fault(wrong), EvolutionFault::Probability(p) if p.is_nan()));
    assert_eq!(OPTIONS.check(), Ok(()));
}

#[test]
fn unknown_keys_are_refused() {
    let text = serde_json::to_string(&OPTIONS).unwrap();
    assert!(text.contains("\"mutation-probability\":0.2"));
    assert_eq!(serde_json::from_str::<Evolution>(&text).unwrap(), OPTIONS);
    let misspelled = text.replace("n-parents", "parents");
    assert!(serde_json::from_str::<Evolution>(&misspelled).is_err());
}
