use lid::{Aggregate, Estimator, LidError};
use partition::{Measure, Objective, Sizes};
use space::{Arch, EdgeId, OpId};
use supernet::Taps;

use super::*;
use crate::lid_criterion::{forms, profiles};
use crate::survey::{Comparison, Form, Survey};
use crate::toy::{NONE_EDGE, PLANTED_EDGE, Toy, ToyNet, batches};
use crate::{
    CutOptions, EdgeScore, GradientCriterion, Incomparable, LidCriterion, LidOptions, PerTap,
    choose,
};

const CUT: CutOptions = CutOptions {
    n_groups: 2,
    sizes: Sizes::Balanced,
    objective: Objective::IntraSum,
    edge_score: EdgeScore::Gap,
};

fn lid(features: PerTap, measure: Measure) -> LidCriterion {
    let options = LidOptions {
        neighbors: 10,
        estimator: Estimator::Mle,
        taps: Taps::Blocks,
        features,
        aggregate: Aggregate::HarmonicMean,
        measure,
    };
    LidCriterion { options, cut: CUT }
}

fn criteria() -> Vec<Box<dyn Criterion>> {
    vec![
        Box::new(lid(PerTap::Mean, Measure::Cosine)),
        Box::new(lid(PerTap::Mean, Measure::InverseDistance)),
        Box::new(lid(PerTap::PerImage, Measure::Pearson)),
        Box::new(GradientCriterion { measure: Measure::Cosine, cut: CUT }),
    ]
}

fn toy() -> Toy {
    Toy::new(&[5, 5, 5])
}

fn gather_by(
    criterion: &dyn Criterion,
    mask: &Mask,
    seed: u64,
) -> Result<Vec<Evidence>, SearchError> {
    criterion.evidence(&ToyNet, &toy(), mask, &batches(6, 64), Seed::new(seed), &mut |_, _| ())
}

fn gather(criterion: &dyn Criterion, mask: &Mask) -> Result<Vec<Evidence>, SearchError> {
    gather_by(criterion, mask, 666)
}

/// The mask that allows one operation on an edge.
fn only(edge: EdgeId, op: usize) -> Mask {
    let groups = [vec![op], (0..5).filter(|&other| other != op).collect()];
    toy().full_mask().split(edge, &groups).unwrap().remove(0)
}

#[test]
fn the_planted_edge_and_groups_are_recovered() {
    let all = criteria();
    for (number, seed) in (0..all.len()).flat_map(|number| [1, 2, 666].map(|seed| (number, seed))) {
        let all = gather_by(&*all[number], &toy().full_mask(), seed).unwrap();
        let edges: Vec<usize> = all.iter().map(|evidence| evidence.edge.0).collect();
        assert_eq!(edges, [0, 1, 2]);
        let best = choose(&all).unwrap();
        assert_eq!(best.edge, PLANTED_EDGE, "criterion {number}");
        assert_eq!(best.groups, [vec![0, 3], vec![1, 2, 4]], "criterion {number}");
        // The kinds differ by far more than the noise.
        assert!(0.95 < best.readings[0].reliability.unwrap(), "criterion {number}: {best:?}");
    }
}

#[test]
fn every_edge_score_recovers_the_groups() {
    for edge_score in [EdgeScore::Gap, EdgeScore::IntraSum, EdgeScore::MeanInter] {
        let cut = CutOptions { edge_score, ..CUT };
        let criterion = GradientCriterion { measure: Measure::Cosine, cut };
        let all = gather(&criterion, &toy().full_mask()).unwrap();
        assert_eq!(all[PLANTED_EDGE.0].groups, [vec![0, 3], vec![1, 2, 4]]);
        // The paper's rule takes an edge whose operations are alike, as method.md warns.
        let is_planted = choose(&all).unwrap().edge == PLANTED_EDGE;
        assert_eq!(is_planted, edge_score != EdgeScore::IntraSum, "{edge_score:?}");
    }
}

#[test]
fn evidence_is_a_function_of_the_seed() {
    let mask = toy().full_mask();
    for criterion in criteria() {
        let gather = |seed| gather_by(&*criterion, &mask, seed).unwrap();
        assert_eq!(gather(7), gather(7));
        assert_ne!(gather(7), gather(8));
    }
}

#[test]
fn the_order_of_edges_changes_nothing() {
    let criterion = lid(PerTap::PerImage, Measure::Pearson);
    let (toy, mask, batches) = (toy(), toy().full_mask(), batches(6, 64));
    let (space, mask, batches) = (&toy, &mask, batches.as_slice());
    let (seed, cut, forms) = (Seed::new(666), &CUT, forms(&criterion.options));
    let survey = Survey { space, mask, batches, seed, cut, forms };
    let mut backward: Vec<Evidence> = (0..3)
        .rev()
        .map(|edge| {
            let measure = |c: &Comparison<'_>| profiles(&ToyNet, &criterion.options, c);
            survey.evidence(EdgeId(edge), &measure, &mut || ()).unwrap()
        })
        .collect();
    backward.reverse();
    assert_eq!(backward, gather(&criterion, mask).unwrap());
}

#[test]
fn a_split_edge_is_left_alone() {
    let mask =
        toy().full_mask().split(PLANTED_EDGE, &[vec![0, 3], vec![1, 2, 4]]).unwrap().remove(1);
    for criterion in criteria() {
        let all = gather(&*criterion, &mask).unwrap();
        assert_eq!(all.iter().map(|evidence| evidence.edge.0).collect::<Vec<_>>(), [0, 2]);
    }
    let mut mask = mask;
    for edge in [EdgeId(0), NONE_EDGE] {
        mask = mask.split(edge, &[vec![0, 3], vec![1, 2, 4]]).unwrap().remove(1);
    }
    assert_eq!(gather(&lid(PerTap::Mean, Measure::Cosine), &mask).unwrap(), []);
}

#[test]
fn dead_contexts_are_skipped_until_none_remains() {
    let groups = [vec![1, 2], vec![0, 3, 4]];
    for criterion in criteria() {
        // Half of the contexts are dead for edge 0: the others suffice.
        let mask = toy().full_mask().split(NONE_EDGE, &groups).unwrap().remove(0);
        let first = gather(&*criterion, &mask).unwrap().remove(0);
        assert_eq!(first.edge, EdgeId(0));
        let skipped = first.readings[0].skipped;
        assert!((1..6).contains(&skipped), "{skipped} of 6 skipped");

        // All of them are: only the other edges can be split.
        let others = gather(&*criterion, &only(NONE_EDGE, 1)).unwrap();
        assert!(!others.is_empty() && others.iter().all(|evidence| evidence.edge != EdgeId(0)));
    }
}

#[test]
fn flat_profiles_are_no_comparison() {
    // Pearson correlation of one number is undefined.
    let one_tap = |comparison: &Comparison<'_>| {
        let op = |arch: &Arch| arch.op(comparison.edge).0 as f64;
        let vectors = comparison.archs.iter().map(|arch| vec![1.0 + op(arch)]);
        Ok(vec![Ok(vectors.collect())])
    };
    let (toy, mask, batches) = (toy(), toy().full_mask(), batches(2, 4));
    let (space, mask, batches) = (&toy, &mask, batches.as_slice());
    let (seed, cut, measure) = (Seed::new(666), &CUT, Measure::Pearson);
    let forms = vec![Form { name: "pearson".into(), view: 0, measure }];
    let survey = Survey { space, mask, batches, seed, cut, forms };
    let error = survey.run(&one_tap, &mut |_, _| ()).unwrap_err();
    let flat = Incomparable::Flat(partition::PartitionError::FlatVector { measure, vector: 0 });
    assert!(
        matches!(error, SearchError::Incomparable { n_batches: 2, ref last, .. } if *last == flat),
        "{error}"
    );
}

#[test]
fn faults_are_located() {
    let criterion = lid(PerTap::Mean, Measure::Cosine);
    let (toy, mask) = (toy(), toy().full_mask());
    let error = criterion
        .evidence(&ToyNet, &toy, &mask, &batches(2, 8), Seed::new(666), &mut |_, _| ())
        .unwrap_err();
    let (edge, op) = (EdgeId(0), OpId(0));
    assert!(
        matches!(
            error,
            SearchError::Probe {
                edge: e, op: o, batch: 0, tap: 0, source: LidError::TooFewPoints { n: 8, k: 10 }
            } if (e, o) == (edge, op)
        ),
        "{error}"
    );

    let none = criterion.evidence(&ToyNet, &toy, &mask, &[], Seed::new(666), &mut |_, _| ());
    assert!(matches!(none, Err(SearchError::NoBatches)));
}

#[test]
fn progress_counts_every_comparison() {
    for criterion in criteria() {
        let mut steps = Vec::new();
        let mut progress = |done, total| steps.push((done, total));
        let (mask, seed) = (toy().full_mask(), Seed::new(666));
        criterion.evidence(&ToyNet, &toy(), &mask, &batches(2, 32), seed, &mut progress).unwrap();
        assert_eq!(steps, (1..=6).map(|done| (done, 6)).collect::<Vec<_>>());
    }
}
