//! Architectures that no other beats in accuracy and cost at once.
//!
//! Deb et al. 2002, *A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II*, with two
//! objectives: fronts are peeled from the points in the order of accuracy.

use serde::{Deserialize, Serialize};
use space::{Accuracy, Arch, LatencyTable, SearchSpace, Valid};

use crate::{NO_SHIFT, best};

/// By what parents are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// Accuracy alone.
    Accuracy,
    /// NSGA-II on accuracy and parameters.
    ParetoParameters,
    /// NSGA-II on accuracy and multiply-adds.
    ParetoMacs,
    /// NSGA-II on accuracy and the time that a table says.
    ParetoLatency,
}

/// What architectures cost.
#[derive(Clone, Copy)]
pub struct Prices<'a> {
    /// Counts parameters and multiply-adds.
    pub space: &'a dyn SearchSpace,
    /// Says how long they take.
    pub latency: Option<&'a LatencyTable>,
}

impl Prices<'_> {
    /// What is weighed against accuracy; nothing costs 0.
    ///
    /// # Panics
    ///
    /// If there is no table of times, and they are asked for.
    fn of(&self, selection: Selection, arch: &Arch) -> f64 {
        match selection {
            Selection::Accuracy => 0.0,
            Selection::ParetoParameters => self.space.cost(arch).parameters as f64,
            Selection::ParetoMacs => self.space.cost(arch).macs as f64,
            Selection::ParetoLatency => {
                self.latency.expect("evolution checks that there is a table").seconds(arch)
            }
        }
    }
}

/// Accuracy, to be high, and cost, to be low.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    accuracy: f64,
    cost: f64,
}

/// The architectures of a history that no other beats: none is as accurate and as cheap, and better in
/// one of the two. Most accurate first; of several equal ones all.
///
/// With [`Selection::Accuracy`] cost is the same for all, so that the most accurate remain. `shift` is
/// added to an accuracy to compare it with others: nothing within one search.
///
/// # Examples
///
/// ```
/// use search::{NO_SHIFT, Prices, Selection, front};
/// use space::{Accuracy, Arch, Valid};
///
/// fn cheapest(prices: &Prices<'_>, history: &[(Arch, Accuracy<Valid>)]) -> Option<Arch> {
///     front(prices, Selection::ParetoMacs, history, &NO_SHIFT).pop().map(|(arch, _)| arch)
/// }
/// ```
///
/// # Panics
///
/// If times are asked for, and there is no table of them.
pub fn front(
    prices: &Prices<'_>,
    selection: Selection,
    history: &[(Arch, Accuracy<Valid>)],
    shift: &dyn Fn(&Arch) -> f64,
) -> Vec<(Arch, Accuracy<Valid>)> {
    let points = points(prices, selection, history, shift);
    let first = fronts(&points).into_iter().next().unwrap_or_default();
    first.into_iter().map(|i| history[i].clone()).collect()
}

/// The `n` best: the most accurate, or as NSGA-II selects them, by front and within a front the least
/// crowded first; in a tie the one evaluated first.
pub(crate) fn select(
    prices: &Prices<'_>,
    selection: Selection,
    history: &[(Arch, Accuracy<Valid>)],
    n: usize,
) -> Vec<Arch> {
    if selection == Selection::Accuracy {
        return best(history, n, &NO_SHIFT).into_iter().map(|(arch, _)| arch).collect();
    }
    let points = points(prices, selection, history, &NO_SHIFT);
    let of_front = |front: Vec<usize>| {
        let crowding = crowding(&points, &front);
        let mut order: Vec<(f64, usize)> = crowding.into_iter().zip(front).collect();
        order.sort_by(|(a, i), (b, j)| b.total_cmp(a).then(i.cmp(j)));
        order.into_iter().map(|(_, i)| i)
    };
    let order = fronts(&points).into_iter().flat_map(of_front);
    order.take(n).map(|i| history[i].0.clone()).collect()
}

fn points(
    prices: &Prices<'_>,
    selection: Selection,
    history: &[(Arch, Accuracy<Valid>)],
    shift: &dyn Fn(&Arch) -> f64,
) -> Vec<Point> {
    let point = |(arch, accuracy): &(Arch, Accuracy<Valid>)| Point {
        accuracy: accuracy.fraction() + shift(arch),
        cost: prices.of(selection, arch),
    };
    history.iter().map(point).collect()
}

/// Positions of the points that none beats, of those that only these beat, and so on; each from the most
/// accurate to the cheapest.
fn fronts(points: &[Point]) -> Vec<Vec<usize>> {
    let mut rest: Vec<usize> = (0..points.len()).collect();
    let key = |i: usize| points[i];
    rest.sort_by(|&i, &j| {
        key(j).accuracy.total_cmp(&key(i).accuracy).then(key(i).cost.total_cmp(&key(j).cost))
    });
    let mut fronts = Vec::new();
    while !rest.is_empty() {
        let mut front: Vec<usize> = Vec::new();
        // In this order a point is beaten by the last of the front or by none of it.
        rest.retain(|&i| {
            let stands = front
                .last()
                .is_none_or(|&last| key(i).cost < key(last).cost || key(i) == key(last));
            if stands {
                front.push(i);
            }
            !stands
        });
        fronts.push(front);
    }
    fronts
}

/// How far the neighbors of each point of a front lie apart, as a share of the front's extent, summed over
/// both objectives; infinite at its ends.
fn crowding(points: &[Point], front: &[usize]) -> Vec<f64> {
    let [first, .., last] = front else { return vec![f64::INFINITY; front.len()] };
    let extent = |from: usize, to: usize| {
        let accuracy = points[from].accuracy - points[to].accuracy;
        [accuracy, (points[from].cost - points[to].cost).abs()]
    };
    let whole = extent(*first, *last);
    let mut distances = vec![f64::INFINITY; front.len()];
    for (window, distance) in front.windows(3).zip(&mut distances[1..]) {
        let parts = extent(window[0], window[2]).into_iter().zip(whole);
        *distance = parts.map(|(part, whole)| if 0.0 < whole { part / whole } else { 0.0 }).sum();
    }
    distances
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn beats(a: Point, b: Point) -> bool {
        b.accuracy <= a.accuracy && a.cost <= b.cost && a != b
    }

    proptest! {
        #[test]
        fn fronts_are_what_is_left_unbeaten(raw in prop::collection::vec((0u8..6, 0u8..6), 0..24)) {
            let point = |&(accuracy, cost): &(u8, u8)| {
                Point { accuracy: f64::from(accuracy) / 8.0, cost: f64::from(cost) }
            };
            let points: Vec<Point> = raw.iter().map(point).collect();
            let mut rest: Vec<usize> = (0..points.len()).collect();
            for front in fronts(&points) {
                let unbeaten = |i: &usize| !rest.iter().any(|&j| beats(points[j], points[*i]));
                let expected: Vec<usize> = rest.iter().copied().filter(unbeaten).collect();
                let mut found = front.clone();
                found.sort_unstable();
                prop_assert_eq!(&found, &expected);
                prop_assert!(front.is_sorted_by(|&i, &j| points[j].accuracy <= points[i].accuracy));
                rest.retain(|i| !front.contains(i));
            }
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn crowding_by_hand() {
        let points = [(1.0, 10.0), (0.75, 4.0), (0.5, 3.0), (0.0, 0.0)]
            .map(|(accuracy, cost)| Point { accuracy, cost });
        let [a, b, c, d] = crowding(&points, &[0, 1, 2, 3])[..] else { panic!("four points") };
        assert!(a.is_infinite() && d.is_infinite());
        // 0.5 + 7 / 10 and 0.75 + 4 / 10.
        assert!((b - 1.2).abs() < 1e-12 && (c - 1.15).abs() < 1e-12, "{b} {c}");
        assert_eq!(crowding(&points, &[2, 3]), [f64::INFINITY; 2]);
        // All equal: nobody lies apart.
        assert_eq!(crowding(&[points[0]; 3], &[0, 1, 2])[1].to_bits(), 0.0_f64.to_bits());
    }
}
