//! Which points may be near, from inner products in `f32`.
//!
//! ‖x − y‖² = ‖x‖² + ‖y‖² − 2⟨x, y⟩ costs one symmetric matrix product, but in `f32` it cancels. Here
//! it only chooses which points may be near; their distances are then taken from the differences. For
//! the choice to be safe, columns are centered and scaled, sums go on in `f64` after a few hundred
//! terms, and what is left of the error is bounded. So neither the order of the sums nor the number
//! of threads can change a result.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lanes::Isa;
use rayon::prelude::*;

use crate::Points;
use crate::exact::squared_distances_here;
use crate::frame::{Frame, frames};
use crate::product::{N_ADDITIONS, Product};
use crate::shortlist::Shortlist;

/// The most rows of a block: the centered copies of two blocks fit a second-level cache.
const MAX_BLOCK: usize = 256;

/// Points that are passed over at once.
const AT_ONCE: usize = 16;

/// Half a unit in the last place of 1.
const ROUNDING: f64 = 0.5 * f32::EPSILON as f64;

/// Roundings besides those of the sums: a product, centering (4), and all that is done in `f64`,
/// rounded up.
const OTHER_ROUNDINGS: usize = 16;

/// What a product may lose by underflow, for features scaled to about `[-1, 1]`; rounded up from
/// 2⁻¹²⁶ (a product below the normal range) and (2⁻¹⁴⁹)² ∕ `ROUNDING` (a deviation there).
const UNDERFLOW: f64 = 1.0 / (1u128 << 120) as f64;

/// Told how many of how many pairs of blocks are done.
pub(crate) type Report<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// The points that may be among the `k` nearest of every row: at least `k` for each, in ascending
/// order, never the row itself.
pub(crate) fn candidates(points: Points<'_>, k: usize, report: Report<'_>) -> Vec<Vec<usize>> {
    let search = Search::new(points);
    let n_blocks = search.blocks.len();
    let n_pairs = n_blocks * (n_blocks + 1) / 2;
    let n_done = AtomicUsize::new(0);
    let done = || report(n_done.fetch_add(1, Ordering::Relaxed) + 1, n_pairs);

    let (norms, lists): (Vec<Vec<f64>>, Vec<Mutex<Vec<Shortlist>>>) = (0..n_blocks)
        .into_par_iter()
        .map(|block| {
            let (norms, lists) = search.within(block, k, n_blocks);
            done();
            (norms, Mutex::new(lists))
        })
        .unzip();
    // Pairs along one diagonal share few blocks, so few threads wait for each other.
    let pairs: Vec<[usize; 2]> = (1..n_blocks)
        .flat_map(|apart| (apart..n_blocks).map(move |block| [block, block - apart]))
        .collect();
    pairs.par_iter().for_each(|&pair| {
        let product = search.product(pair, pairs.len());
        search.offer(pair, &product, &norms, &lists);
        done();
    });
    let lists = lists.into_iter().flat_map(|lists| std::mem::take(&mut *lock(&lists)));
    let lists: Vec<Shortlist> = lists.collect();
    lists.into_par_iter().map(Shortlist::into_cols).collect()
}

/// What all pairs of blocks need.
struct Search<'a> {
    points: Points<'a>,
    isa: Isa,
    frames: Vec<Frame>,
    blocks: Vec<Range<usize>>,
    /// A squared distance from products is off by this share of the two squared norms …
    relative_error: f64,
    /// … and by this much more.
    absolute_error: f64,
}

impl<'a> Search<'a> {
    fn new(points: Points<'a>) -> Self {
        let n = points.n();
        let size = n.div_ceil(n.div_ceil(MAX_BLOCK));
        let frames = frames(points);
        let underflow = |frame: &Frame| frame.n_cols() as f64 * UNDERFLOW * frame.weight;
        Self {
            points,
            isa: Isa::widest(),
            blocks: (0..n).step_by(size).map(|start| start..n.min(start + size)).collect(),
            // Each of two norms and of the product twice, by at most γ‖x‖‖y‖ ≤ γ(‖x‖² + ‖y‖²)/2.
            relative_error: 2.0 * (N_ADDITIONS + OTHER_ROUNDINGS) as f64 * ROUNDING,
            absolute_error: 4.0 * frames.iter().map(underflow).sum::<f64>(),
            frames,
        }
    }

    /// The products of two blocks; where pairs are too few to keep all threads busy, the columns
    /// are divided among them.
    fn product(&self, [rows, cols]: [usize; 2], n_pairs: usize) -> Product {
        let blocks = || [self.blocks[rows].clone(), self.blocks[cols].clone()];
        let n_shares = rayon::current_num_threads().div_ceil(n_pairs);
        let share = self.frames.len().div_ceil(n_shares);
        let of_share = |frames: &[Frame]| Product::new(self.isa, self.points, blocks(), frames);
        let parts: Vec<Product> = self.frames.par_chunks(share).map(of_share).collect();
        let total = parts.into_iter().reduce(|total, part| total.add(&part));
        total.expect("points have at least one column")
    }

    /// Squared norms and first shortlists of a block.
    fn within(&self, block: usize, k: usize, n_blocks: usize) -> (Vec<f64>, Vec<Shortlist>) {
        let product = self.product([block, block], n_blocks);
        let Range { start, end } = self.blocks[block];
        let norms: Vec<f64> = (0..end - start).map(|row| product.norm(row)).collect();
        let list = |products: &mut Vec<f64>, row: usize| {
            let mut list = Shortlist::new(k);
            product.row(row, products);
            self.offer_block([start + row, start], norms[row], &norms, products, &mut list);
            list
        };
        let rows = (0..norms.len()).into_par_iter().with_min_len(16);
        let lists = rows.map_init(Vec::new, list).collect();
        (norms, lists)
    }

    /// Offers each row of either block to the rows of the other.
    fn offer(
        &self,
        pair: [usize; 2],
        product: &Product,
        norms: &[Vec<f64>],
        lists: &[Mutex<Vec<Shortlist>>],
    ) {
        let [rows, cols] = pair.map(|block| self.blocks[block].start);
        let [row_norms, col_norms] = pair.map(|block| &norms[block]);
        let [row_lists, col_lists] = pair.map(|block| &lists[block]);
        let mut products = Vec::new();
        for (row, list) in lock(row_lists).iter_mut().enumerate() {
            product.row(row, &mut products);
            self.offer_block([rows + row, cols], row_norms[row], col_norms, &products, list);
        }
        for (col, list) in lock(col_lists).iter_mut().enumerate() {
            product.column(col, &mut products);
            self.offer_block([cols + col, rows], col_norms[col], row_norms, &products, list);
        }
    }

    /// Offers the points of a block, from number `first` on, to the list of point `own`, from their
    /// squared norms and their products with it.
    fn offer_block(
        &self,
        [own, first]: [usize; 2],
        norm: f64,
        norms: &[f64],
        products: &[f64],
        list: &mut Shortlist,
    ) {
        let numbers = (first..).step_by(AT_ONCE);
        for ((first, norms), products) in
            numbers.zip(norms.chunks(AT_ONCE)).zip(products.chunks(AT_ONCE))
        {
            // Most points are far from most others, and a few of them are soon seen to be.
            if let (Ok(norms), Ok(products)) = (norms.try_into(), products.try_into())
                && self.are_far(list.radius(), norm, norms, products)
            {
                continue;
            }
            for ((col, &other), &product) in (first..).zip(norms).zip(products) {
                if col != own {
                    let [lower, upper] = self.bounds(norm, other, product);
                    list.offer(col, lower, upper);
                }
            }
            if list.is_crowded() {
                list.measure(|cols| {
                    let pairs: Vec<[usize; 2]> = cols.iter().map(|&col| [own, col]).collect();
                    squared_distances_here(self.isa, self.points, &pairs)
                });
            }
        }
    }

    /// Whether some points lie outside of a squared radius for certain.
    #[inline]
    fn are_far(
        &self,
        radius: f64,
        norm: f64,
        norms: &[f64; AT_ONCE],
        products: &[f64; AT_ONCE],
    ) -> bool {
        let mut are_far = true;
        for (&other, &product) in norms.iter().zip(products) {
            let [lower, _] = self.bounds(norm, other, product);
            are_far &= radius < lower;
        }
        are_far
    }

    /// Bounds on a squared distance, from the squared norms and the product of two rows.
    #[inline]
    fn bounds(&self, row_norm: f64, col_norm: f64, product: f64) -> [f64; 2] {
        let norms = row_norm + col_norm;
        let distance = norms - 2.0 * product;
        let error = self.relative_error * norms + self.absolute_error;
        // A sum that has overflowed tells nothing.
        if error.is_finite() && distance.is_finite() {
            [distance - error, distance + error]
        } else {
            [f64::NEG_INFINITY, f64::INFINITY]
        }
    }
}

/// The lists of a block; a thread that has panicked while it held them ends the program anyway.
fn lock(lists: &Mutex<Vec<Shortlist>>) -> MutexGuard<'_, Vec<Shortlist>> {
    lists.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fractions of golden-ratio multiples, spread evenly over `[0, 1)`.
    fn spread(n: usize, d: usize) -> Vec<f32> {
        (1..=n * d).map(|at| (at as f64 * 0.618_033_988_749_895).fract() as f32).collect()
    }

    fn exact(points: Points<'_>, row: usize, col: usize) -> f64 {
        let pairs = points.row(row).iter().zip(points.row(col));
        pairs.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
    }

    #[test]
    fn bounds_hold_for_every_pair_on_every_set() {
        for (n, d, offset) in [(40, 3, 0.0), (130, 1300, 1e4), (33, 257, -1e-3), (600, 20, 7.0)] {
            let values: Vec<f32> = spread(n, d).iter().map(|value| value + offset).collect();
            let points = Points::new(&values, d).unwrap();
            for isa in Isa::available() {
                let search = Search { isa, ..Search::new(points) };
                let last = search.blocks.len() - 1;
                for pair in [[0, 0], [last, 0]] {
                    let [rows, cols] = pair.map(|block| search.blocks[block].clone());
                    let norms = |block| {
                        let product = search.product([block, block], 1);
                        (0..search.blocks[block].len()).map(|row| product.norm(row)).collect()
                    };
                    let [row_norms, col_norms]: [Vec<f64>; 2] = pair.map(norms);
                    let product = search.product(pair, 1);
                    let [mut of_row, mut of_column] = [Vec::new(), Vec::new()];
                    for (i, row) in rows.enumerate() {
                        product.row(i, &mut of_row);
                        for (j, col) in cols.clone().enumerate() {
                            product.column(j, &mut of_column);
                            assert_eq!(of_row[j].to_bits(), of_column[i].to_bits());
                            let [lower, upper] =
                                search.bounds(row_norms[i], col_norms[j], of_row[j]);
                            let exact = exact(points, row, col);
                            assert!(lower <= exact && exact <= upper, "{row}, {col}: {exact}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn few_points_are_candidates_where_the_points_are_spread() {
        let values = spread(128, 4096);
        let found = candidates(Points::new(&values, 4096).unwrap(), 20, &|_, _| ());
        let n_candidates: usize = found.iter().map(Vec::len).sum();
        // The bound is 1e-5 of a squared distance, so hardly any pair is in doubt.
        assert!(n_candidates <= 128 * 22, "{n_candidates} for {}", 128 * 20);
    }

    #[test]
    fn points_that_cannot_be_told_apart_are_all_candidates() {
        // Two bundles far apart: within one, distances are below the rounding of the products.
        let values: Vec<f32> =
            (0..40).map(|at| if at % 2 == 0 { 1e4 } else { -1e4 } + 0.01 * at as f32).collect();
        let found = candidates(Points::new(&values, 1).unwrap(), 3, &|_, _| ());
        for (row, cols) in found.into_iter().enumerate() {
            let own_bundle: Vec<usize> =
                (0..40).filter(|&col| col % 2 == row % 2 && col != row).collect();
            assert_eq!(cols, own_bundle);
        }
    }

    #[test]
    fn points_of_a_crowd_are_measured_and_few_are_candidates() {
        // All in one place but a few, whose numbers are far apart.
        let mut values = vec![1.0; 1500];
        for at in 0..40 {
            values[at * 37] += at as f32;
        }
        for d in [1, 3] {
            let values: Vec<f32> = values.iter().flat_map(|&value| vec![value; d]).collect();
            let points = Points::new(&values, d).unwrap();
            for (row, cols) in candidates(points, 4, &|_, _| ()).iter().enumerate() {
                assert!(cols.len() <= 2 * 4 + 16 + AT_ONCE, "{}", cols.len());
                let mut nearest: Vec<(f64, usize)> = (0..1500)
                    .filter(|&col| col != row)
                    .map(|col| (exact(points, row, col).sqrt(), col))
                    .collect();
                nearest.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                assert!(nearest[..4].iter().all(|(_, col)| cols.contains(col)), "{row}");
            }
        }
    }

    #[test]
    fn every_pair_of_blocks_is_reported_once() {
        let values = spread(700, 2);
        let seen = Mutex::new(Vec::new());
        let report = |done, total| seen.lock().unwrap().push((done, total));
        candidates(Points::new(&values, 2).unwrap(), 3, &report);
        let mut seen = seen.into_inner().unwrap();
        seen.sort_unstable();
        assert_eq!(seen, (1..=6).map(|done| (done, 6)).collect::<Vec<_>>());
    }
}
