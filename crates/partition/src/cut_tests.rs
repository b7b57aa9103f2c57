use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn matrix(rows: &[&[f64]]) -> Similarity {
    Similarity::try_from(rows.iter().map(|row| row.to_vec()).collect::<Vec<_>>()).unwrap()
}

/// partition_cases.json, case 0: five vertices, uniform in [0, 1].
fn case_0() -> Similarity {
    matrix(&[
        &[1.0, 0.234844, 0.814371, 0.773413, 0.309827],
        &[0.234844, 1.0, 0.679555, 0.838067, 0.077488],
        &[0.814371, 0.679555, 1.0, 0.649242, 0.522861],
        &[0.773413, 0.838067, 0.649242, 1.0, 0.458125],
        &[0.309827, 0.077488, 0.522861, 0.458125, 1.0],
    ])
}

/// partition_cases.json, case 4: six vertices, ties and negative entries.
fn case_4() -> Similarity {
    matrix(&[
        &[1.0, 0.5, -0.5, 1.0, -1.0, 0.0],
        &[0.5, 1.0, 0.5, 0.5, -1.0, 0.5],
        &[-0.5, 0.5, 1.0, -1.0, 0.5, 0.5],
        &[1.0, 0.5, -1.0, 1.0, 1.0, 1.0],
        &[-1.0, -1.0, 0.5, 1.0, 1.0, 0.5],
        &[0.0, 0.5, 0.5, 1.0, 0.5, 1.0],
    ])
}

/// partition_cases.json, case 8: seven vertices, all entries near one.
fn case_8() -> Similarity {
    matrix(&[
        &[1.0, 0.997983, 0.970814, 0.976284, 0.995596, 0.998561, 0.99155],
        &[0.997983, 1.0, 0.974011, 0.975462, 0.972506, 0.985057, 0.992362],
        &[0.970814, 0.974011, 1.0, 0.988076, 0.996731, 0.980986, 0.972058],
        &[0.976284, 0.975462, 0.988076, 1.0, 0.990398, 0.994247, 0.97386],
        &[0.995596, 0.972506, 0.996731, 0.990398, 1.0, 0.991249, 0.995513],
        &[0.998561, 0.985057, 0.980986, 0.994247, 0.991249, 1.0, 0.987768],
        &[0.99155, 0.992362, 0.972058, 0.97386, 0.995513, 0.987768, 1.0],
    ])
}

/// partition_cases.json, case 36: five vertices with ties.
fn case_36() -> Similarity {
    matrix(&[
        &[1.0, 0.5, 0.5, 0.5, 0.5],
        &[0.5, 1.0, 0.0, 0.25, 1.0],
        &[0.5, 0.0, 1.0, 0.75, 0.75],
        &[0.5, 0.25, 0.75, 1.0, 0.25],
        &[0.5, 1.0, 0.75, 0.25, 1.0],
    ])
}

#[track_caller]
fn check_golden(
    similarity: &Similarity,
    n_groups: usize,
    sizes: Sizes,
    value: f64,
    argmax: &[&str],
) {
    let cut = best(similarity, n_groups, sizes, Objective::IntraSum).unwrap();
    // The figures have six decimals and were added up in another order.
    assert!((cut.score - value).abs() < 1e-12, "got {}, golden {value}", cut.score);
    let got: Vec<String> = cut.maximizers.iter().map(Partition::to_string).collect();
    assert_eq!(got, argmax);
}

#[test]
fn optima_agree_with_the_golden_ones() {
    // partition_cases.json, keys true_opt2_nonempty, _balanced, _min_size2 and true_opt3_*.
    check_golden(&case_0(), 2, Sizes::Any, 3.989492, &["{0 1 2 3 | 4}"]);
    check_golden(&case_0(), 2, Sizes::Balanced, 2.485126, &["{0 2 4 | 1 3}"]);
    check_golden(&case_0(), 3, Sizes::Any, 2.237026, &["{0 2 3 | 1 | 4}"]);
    check_golden(&case_0(), 3, Sizes::Balanced, 1.652438, &["{0 2 | 1 3 | 4}"]);
    check_golden(&case_4(), 2, Sizes::Balanced, 3.5, &["{0 1 3 | 2 4 5}"]);
    check_golden(&case_4(), 2, Sizes::Min2, 4.0, &["{0 1 3 5 | 2 4}"]);
    check_golden(
        &case_4(),
        3,
        Sizes::Min2,
        2.0,
        &["{0 1 | 2 4 | 3 5}", "{0 1 | 2 5 | 3 4}", "{0 3 | 1 2 | 4 5}", "{0 3 | 1 5 | 2 4}"],
    );
    check_golden(&case_8(), 2, Sizes::Any, 14.818396, &["{0 1 3 4 5 6 | 2}"]);
    check_golden(&case_8(), 2, Sizes::Balanced, 8.928486, &["{0 1 5 6 | 2 3 4}"]);
    check_golden(&case_8(), 2, Sizes::Min2, 10.896221, &["{0 1 4 5 6 | 2 3}"]);
    check_golden(&case_8(), 3, Sizes::Balanced, 4.972873, &["{0 1 6 | 2 4 | 3 5}"]);
    check_golden(&case_36(), 2, Sizes::Any, 3.25, &["{0 1 2 4 | 3}", "{0 2 3 4 | 1}"]);
    check_golden(&case_36(), 2, Sizes::Balanced, 2.75, &["{0 1 4 | 2 3}", "{0 2 3 | 1 4}"]);
}

#[track_caller]
fn check_published(similarity: &Similarity, edge_score: f64, groups: &str) {
    let cut = crate::min_cut_as_published(similarity).unwrap();
    assert!((cut.edge_score - edge_score).abs() < 1e-12, "got {}", cut.edge_score);
    assert_eq!(cut.partition.to_string(), groups);
}

#[test]
fn published_cut_agrees_with_the_golden_one() {
    // partition_cases.json, key ref_mincut2.
    check_published(&case_0(), 2.872667, "{0 2 4 | 1 3}");
    check_published(&case_4(), 0.5, "{0 1 3 5 | 2 4}");
    check_published(&case_8(), 16.727884, "{0 1 | 2 3 4 5 6}");
    check_published(&case_36(), 2.25, "{0 2 3 | 1 4}");
    let three = Similarity::new(3, vec![1.0; 9]).unwrap();
    let error = PartitionError::TooFewVertices { n: 3, min: 4 };
    assert_eq!(crate::min_cut_as_published(&three), Err(error));
}

#[track_caller]
fn check_best(objective: Objective, n_groups: usize, sizes: Sizes, expect: Expect) {
    // Two tight pairs and a bridge: every figure is a binary fraction.
    let similarity = matrix(&[
        &[1.0, 0.75, 0.25, 0.0],
        &[0.75, 1.0, 0.5, 0.25],
        &[0.25, 0.5, 1.0, 0.5],
        &[0.0, 0.25, 0.5, 1.0],
    ]);
    let got = match best(&similarity, n_groups, sizes, objective) {
        Ok(cut) => {
            let partitions: Vec<String> = cut.maximizers.iter().map(Partition::to_string).collect();
            format!("{:.6} {}", cut.score, partitions.join(" "))
        }
        Err(error) => format!("error: {error}"),
    };
    expect.assert_eq(&got);
}

#[test]
fn objectives_by_hand() {
    use Objective::{Gap, IntraSum, MeanIntra, NormalizedCut};
    check_best(IntraSum, 2, Sizes::Any, expect!["1.500000 {0 1 2 | 3}"]);
    check_best(IntraSum, 2, Sizes::Min2, expect!["1.250000 {0 1 | 2 3}"]);
    check_best(MeanIntra, 2, Sizes::Any, expect!["0.625000 {0 1 | 2 3}"]);
    check_best(MeanIntra, 3, Sizes::Any, expect!["0.750000 {0 1 | 2 | 3}"]);
    check_best(Gap, 2, Sizes::Any, expect!["0.375000 {0 1 | 2 3}"]);
    // Volumes 1 + 1.5 and 1.25 + 0.75, cut 1: 1/2.5 + 1/2.
    check_best(NormalizedCut, 2, Sizes::Any, expect!["-0.900000 {0 1 | 2 3}"]);
}

#[test]
fn impossible_requests_are_errors() {
    use Objective::{Gap, IntraSum, MeanIntra};
    let none = |n_groups, sizes: &str| {
        format!(
            "error: no partition of 4 vertices into {n_groups} groups of sizes `{sizes}` exists"
        )
    };
    let check_none = |n_groups, sizes: Sizes| {
        let similarity = Similarity::new(4, vec![1.0; 16]).unwrap();
        let error = best(&similarity, n_groups, sizes, IntraSum).unwrap_err();
        assert_eq!(format!("error: {error}"), none(n_groups, &sizes.to_string()));
    };
    check_none(0, Sizes::Balanced);
    check_none(5, Sizes::Any);
    check_none(3, Sizes::Min2);
    check_none(usize::MAX, Sizes::Min2);
    check_best(
        MeanIntra,
        4,
        Sizes::Any,
        expect!["error: objective `mean-intra` is undefined for every cut of 4 vertices into 4"],
    );
    check_best(
        Gap,
        1,
        Sizes::Any,
        expect!["error: objective `gap` is undefined for every cut of 4 vertices into 1"],
    );
    let negative = best(&case_4(), 2, Sizes::Any, Objective::NormalizedCut);
    assert_eq!(negative, Err(PartitionError::Negative { row: 0, col: 2, value: -0.5 }));
    let large = Similarity::new(13, vec![0.0; 169]).unwrap();
    let error = best(&large, 2, Sizes::Any, IntraSum).unwrap_err();
    assert_eq!(error, PartitionError::TooManyVertices { n: 13, max: 12 });
}

#[test]
fn rounding_does_not_break_ties() {
    // 0.1 + 0.2 is not 0.3 in binary: both cuts have 0.6 inside, added up differently.
    let similarity = matrix(&[
        &[1.0, 0.3, 0.0, 0.1 + 0.2],
        &[0.3, 1.0, 0.1 + 0.2, 0.0],
        &[0.0, 0.1 + 0.2, 1.0, 0.3],
        &[0.1 + 0.2, 0.0, 0.3, 1.0],
    ]);
    let cut = best(&similarity, 2, Sizes::Balanced, Objective::IntraSum).unwrap();
    assert_eq!(cut.maximizers.len(), 2);
    assert_eq!(cut.first().to_string(), "{0 1 | 2 3}");
}

#[test]
fn every_partition_is_tried_once() {
    // Stirling numbers of the second kind: S(12, 5), S(7, 3), S(4, 4).
    for (n, n_groups, expected) in [(12, 5, 1_379_400), (7, 3, 301), (4, 4, 1)] {
        let mut count = 0;
        Strings::new(n, n_groups, Sizes::Any).unwrap().each(|_| count += 1);
        assert_eq!(count, expected);
    }
    // partition_cases.json, n_candidates of true_opt2_balanced and true_opt2_min_size2.
    for (n, sizes, expected) in [(6, Sizes::Balanced, 10), (7, Sizes::Min2, 56)] {
        let mut count = 0;
        Strings::new(n, 2, sizes).unwrap().each(|_| count += 1);
        assert_eq!(count, expected);
    }
}

#[test]
fn names_in_files() {
    for sizes in [Sizes::Any, Sizes::Balanced, Sizes::Min2] {
        assert_eq!(serde_json::to_string(&sizes).unwrap(), format!("\"{sizes}\""));
    }
    use Objective::{Gap, IntraSum, MeanIntra, NormalizedCut};
    for objective in [IntraSum, MeanIntra, Gap, NormalizedCut] {
        assert_eq!(serde_json::to_string(&objective).unwrap(), format!("\"{objective}\""));
    }
}

/// The best score by counting through all `n_groups^n` labelings, definitions written out anew.
fn brute_force(
    similarity: &Similarity,
    n_groups: usize,
    sizes: Sizes,
    objective: Objective,
) -> Option<f64> {
    let n = similarity.n();
    let labelings = (0..n_groups.pow(n as u32)).map(|code| {
        (0..n).map(|vertex| code / n_groups.pow(vertex as u32) % n_groups).collect::<Vec<_>>()
    });
    labelings
        .filter(|labels| sizes_fit(labels, n_groups, sizes))
        .filter_map(|labels| value_of(similarity, &labels, n_groups, objective))
        .max_by(f64::total_cmp)
}

fn sizes_fit(labels: &[usize], n_groups: usize, sizes: Sizes) -> bool {
    let counts: Vec<usize> =
        (0..n_groups).map(|group| labels.iter().filter(|&&label| label == group).count()).collect();
    let (least, greatest) = (*counts.iter().min().unwrap(), *counts.iter().max().unwrap());
    match sizes {
        Sizes::Any => 1 <= least,
        Sizes::Balanced => 1 <= least && greatest - least <= 1,
        Sizes::Min2 => 2 <= least,
    }
}

fn value_of(
    similarity: &Similarity,
    labels: &[usize],
    n_groups: usize,
    objective: Objective,
) -> Option<f64> {
    let n = labels.len();
    let total = |keep: &dyn Fn(usize, usize) -> bool| {
        let ordered = (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).filter(|&(i, j)| i != j);
        let kept: Vec<f64> =
            ordered.filter(|&(i, j)| keep(i, j)).map(|(i, j)| similarity.get(i, j)).collect();
        (kept.iter().sum::<f64>(), kept.len() as f64)
    };
    let (intra, n_intra) = total(&|i, j| labels[i] == labels[j]);
    let (inter, n_inter) = total(&|i, j| labels[i] != labels[j]);
    let mean_intra = (0.0 < n_intra).then(|| intra / n_intra);
    match objective {
        Objective::IntraSum => Some(intra / 2.0),
        Objective::MeanIntra => mean_intra,
        Objective::Gap => (0.0 < n_inter).then(|| Some(mean_intra? - inter / n_inter))?,
        Objective::NormalizedCut => (0..n_groups)
            .map(|group| {
                let (volume, _) = total(&|i, _| labels[i] == group);
                let (cut, _) = total(&|i, j| labels[i] == group && labels[j] != group);
                (0.0 < volume).then(|| -cut / volume)
            })
            .sum(),
    }
}

/// A symmetric matrix of quarters, so that ties are frequent and sums exact.
fn quarters(n: usize, cells: &[i32], least: i32) -> Similarity {
    let entry = |row: usize, col: usize| {
        let (row, col) = (row.min(col), row.max(col));
        f64::from(cells[row * n + col].max(least)) / 4.0
    };
    let values = (0..n * n).map(|at| entry(at / n, at % n)).collect();
    Similarity::new(n, values).unwrap()
}

fn sizes() -> impl Strategy<Value = Sizes> {
    prop::sample::select(vec![Sizes::Any, Sizes::Balanced, Sizes::Min2])
}

fn objective() -> impl Strategy<Value = Objective> {
    use Objective::{Gap, IntraSum, MeanIntra, NormalizedCut};
    prop::sample::select(vec![IntraSum, MeanIntra, Gap, NormalizedCut])
}

/// Non-negative where the objective needs it.
fn least(objective: Objective) -> i32 {
    if objective == Objective::NormalizedCut { 0 } else { -4 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn cut_is_the_brute_force_one(
        n in 1..=8usize,
        cells in prop::collection::vec(-4..=4i32, 64),
        n_groups in 1..=3usize,
        sizes in sizes(),
        objective in objective(),
    ) {
        let similarity = quarters(n, &cells, least(objective));
        let expected = brute_force(&similarity, n_groups, sizes, objective);
        match (best(&similarity, n_groups, sizes, objective), expected) {
            // Means and volumes are rounded once or twice.
            (Ok(cut), Some(expected)) => prop_assert!((cut.score - expected).abs() < 1e-12),
            (Err(_), None) => (),
            (got, expected) => prop_assert!(false, "got {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn groups_are_disjoint_complete_and_best(
        n in 2..=7usize,
        cells in prop::collection::vec(-4..=4i32, 49),
        n_groups in 1..=4usize,
        sizes in sizes(),
        objective in objective(),
    ) {
        let similarity = quarters(n, &cells, least(objective));
        let Ok(cut) = best(&similarity, n_groups, sizes, objective) else { return Ok(()) };
        for partition in &cut.maximizers {
            // The constructor checks that groups are disjoint and complete.
            let rebuilt = Partition::new(partition.groups().to_vec());
            prop_assert_eq!(rebuilt.as_ref(), Ok(partition));
            prop_assert!(sizes_fit(&partition.labels(), n_groups, sizes));
            let value = value_of(&similarity, &partition.labels(), n_groups, objective);
            prop_assert!((value.unwrap() - cut.score).abs() < 1e-11);
        }
        prop_assert!(cut.maximizers.is_sorted_by_key(Partition::labels));
    }

    #[test]
    fn relabeling_commutes(
        (n, order) in (2..=7usize).prop_flat_map(|n| {
            (Just(n), Just((0..n).collect::<Vec<_>>()).prop_shuffle())
        }),
        cells in prop::collection::vec(-4..=4i32, 49),
        n_groups in 1..=3usize,
        sizes in sizes(),
        objective in objective(),
    ) {
        let similarity = quarters(n, &cells, least(objective));
        let values = (0..n * n).map(|at| similarity.get(order[at / n], order[at % n])).collect();
        let relabeled = Similarity::new(n, values).unwrap();
        let Ok(cut) = best(&similarity, n_groups, sizes, objective) else { return Ok(()) };
        let moved = best(&relabeled, n_groups, sizes, objective).unwrap();

        let back = |partition: &Partition| {
            let groups = partition.groups().iter();
            Partition::new(groups.map(|group| group.iter().map(|&v| order[v]).collect()).collect())
        };
        let mut returned: Vec<Partition> =
            moved.maximizers.iter().map(|partition| back(partition).unwrap()).collect();
        returned.sort_by_key(Partition::labels);
        prop_assert_eq!(returned, cut.maximizers);
        prop_assert!((cut.score - moved.score).abs() < 1e-12);
    }
}
