//! The points that may be among the nearest of one point.

use crate::neighbors::{Neighbor, nearer};

/// Squares that differ by less than this share may have the same root, so that the place decides.
const SAME_ROOT: f64 = 8.0 * f64::EPSILON;

/// What is known of the distance to a point.
#[derive(Clone, Copy)]
struct Entry {
    lower: f64,
    upper: f64,
    col: u32,
}

/// Keeps every point that may be among the `k` nearest, and few others.
pub(crate) struct Shortlist {
    k: usize,
    /// At least `k` points are as near as this.
    radius: f64,
    entries: Vec<Entry>,
    /// The length at which it is worth to look again.
    limit: usize,
    /// Whether a look left about as many.
    is_crowded: bool,
}

impl Shortlist {
    pub(crate) fn new(k: usize) -> Self {
        let limit = 2 * k + 16;
        Self { k, radius: f64::INFINITY, entries: Vec::new(), limit, is_crowded: false }
    }

    /// Points that are farther than this for certain need not be offered.
    pub(crate) fn radius(&self) -> f64 {
        self.radius
    }

    /// Takes note of a point whose distance lies between two bounds.
    #[inline]
    pub(crate) fn offer(&mut self, col: usize, lower: f64, upper: f64) {
        if self.radius < lower {
            return;
        }
        self.entries.push(Entry { lower, upper, col: col as u32 });
        if self.limit <= self.entries.len() {
            self.tighten();
            self.is_crowded = self.limit + self.k < 2 * self.entries.len();
        }
    }

    /// Whether there are so many points that bounds do not tell apart that they should be
    /// [measured](Shortlist::measure).
    #[inline]
    pub(crate) fn is_crowded(&self) -> bool {
        self.is_crowded
    }

    /// Keeps the `k` nearest by the squared distances of all that are listed.
    pub(crate) fn measure(&mut self, squares: impl FnOnce(&[usize]) -> Vec<f64>) {
        let cols: Vec<usize> = self.entries.iter().map(|entry| entry.col as usize).collect();
        let mut measured: Vec<Neighbor> = squares(&cols)
            .into_iter()
            .zip(cols)
            .map(|(square, col)| (square.sqrt(), col))
            .collect();
        measured.select_nth_unstable_by(self.k - 1, nearer);
        let entry = |&(distance, col): &Neighbor| {
            let square = distance * distance;
            let [lower, upper] = [1.0 - SAME_ROOT, 1.0 + SAME_ROOT].map(|factor| square * factor);
            Entry { lower, upper, col: col as u32 }
        };
        self.entries = measured[..self.k].iter().map(entry).collect();
        self.radius = self.entries.iter().map(|entry| entry.upper).fold(0.0, f64::max);
        self.is_crowded = false;
    }

    /// The points that are left, in ascending order: a point is left out only if `k` others are
    /// nearer, whatever the errors are.
    pub(crate) fn into_cols(mut self) -> Vec<usize> {
        self.tighten();
        let mut cols: Vec<usize> = self.entries.iter().map(|entry| entry.col as usize).collect();
        cols.sort_unstable();
        cols
    }

    fn tighten(&mut self) {
        if self.entries.len() < self.k {
            return;
        }
        let by_upper = |a: &Entry, b: &Entry| a.upper.total_cmp(&b.upper);
        let (_, last, _) = self.entries.select_nth_unstable_by(self.k - 1, by_upper);
        self.radius = last.upper;
        self.entries.retain(|entry| entry.lower <= self.radius);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_point_is_lost_that_may_be_near(
            bounds in prop::collection::vec((0.0..1.0f64, 0.0..0.2f64), 5..400),
            k in 1usize..5,
        ) {
            let mut list = Shortlist::new(k);
            for (col, (lower, error)) in bounds.iter().enumerate() {
                list.offer(col, *lower, lower + error);
            }
            let mut uppers: Vec<f64> = bounds.iter().map(|(lower, error)| lower + error).collect();
            uppers.sort_by(f64::total_cmp);
            let expected: Vec<usize> =
                (0..bounds.len()).filter(|&col| bounds[col].0 <= uppers[k - 1]).collect();
            prop_assert_eq!(list.into_cols(), expected);
        }
    }

    #[test]
    fn points_without_bounds_stay_until_they_are_measured() {
        let mut list = Shortlist::new(2);
        for col in 0..50 {
            list.offer(col, f64::NEG_INFINITY, f64::INFINITY);
        }
        assert!(list.is_crowded());
        // The nearest, and of those equally far the first.
        list.measure(|cols| cols.iter().map(|&col| if col == 30 { 1.0 } else { 4.0 }).collect());
        assert!(!list.is_crowded() && (3.9..4.1).contains(&list.radius()));
        assert_eq!(list.into_cols(), [0, 30]);
    }

    #[test]
    fn of_squares_with_the_same_root_the_first_stays() {
        let square = 2.0_f64;
        let next = square.next_up();
        assert!((square.sqrt() - next.sqrt()).abs() < f64::MIN_POSITIVE);
        let mut list = Shortlist::new(2);
        for col in 0..30 {
            list.offer(col, f64::NEG_INFINITY, f64::INFINITY);
        }
        list.measure(|cols| cols.iter().map(|&col| [next, square, 9.0][col.min(2)]).collect());
        // A point nearer than both, by bounds: of the two that are left, both may be the second.
        list.offer(99, 0.5, 0.6);
        assert_eq!(list.into_cols(), [0, 1, 99]);
    }
}
