//! Kendall's τ-b.

use crate::RankError;
use crate::check::{varying_pairs, with_one_zero};

/// Kendall's τ-b: (C − D) ∕ √((N − X)(N − Y)).
///
/// C and D are the numbers of concordant and discordant pairs among all N = n(n − 1) ∕ 2, X and Y
/// those tied in the prediction and in the truth (Kendall 1945). Takes O(n log n) steps
/// (Knight 1966); the counts are whole numbers, so the result is exact to the last rounding.
///
/// # Shapes
///
/// - `predicted`, `truth`: `[n]`
///
/// # Errors
///
/// [`RankError::UnequalLengths`], [`RankError::TooFew`] below two pairs,
/// [`RankError::NotFinite`], [`RankError::Constant`] if all values of one side are equal.
///
/// # Examples
///
/// ```
/// assert_eq!(rank::kendall_tau_b(&[1.0, 2.0, 3.0], &[10.0, 30.0, 20.0])?, 1.0 / 3.0);
/// # Ok::<(), rank::RankError>(())
/// ```
pub fn kendall_tau_b(predicted: &[f64], truth: &[f64]) -> Result<f64, RankError> {
    varying_pairs(predicted, truth)?;
    let mut pairs: Vec<(f64, f64)> =
        with_one_zero(predicted).into_iter().zip(with_one_zero(truth)).collect();
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let tied_in_both = tied_pairs(&pairs, |a, b| a.0 < b.0 || a.1 < b.1);
    let tied_in_predicted = tied_pairs(&pairs, |a, b| a.0 < b.0);

    let mut truth: Vec<f64> = pairs.into_iter().map(|(_, truth)| truth).collect();
    let mut buffer = truth.clone();
    let discordant = sort_counting_inversions(&mut truth, &mut buffer);
    let tied_in_truth = tied_pairs(&truth, |a, b| a < b);

    let all = truth.len() as u64 * (truth.len() as u64 - 1) / 2;
    let tied = tied_in_predicted + tied_in_truth - tied_in_both;
    let concordant = all - tied - discordant;
    let excess = concordant as f64 - discordant as f64;
    let comparable = ((all - tied_in_predicted) as f64, (all - tied_in_truth) as f64);
    // Two roots could round to more than 1 together; the root of the product only if it is larger
    // than the excess squared, which Cauchy and Schwarz exclude but for one rounding.
    Ok((excess / (comparable.0 * comparable.1).sqrt()).clamp(-1.0, 1.0))
}

/// The number of pairs in runs of equals, given that the values are sorted.
fn tied_pairs<T>(sorted: &[T], less: impl Fn(&T, &T) -> bool) -> u64 {
    let runs = sorted.chunk_by(|a, b| !less(a, b));
    runs.map(|run| run.len() as u64 * (run.len() as u64 - 1) / 2).sum()
}

/// Sorts by merging, and counts the pairs that stood in descending order.
fn sort_counting_inversions(values: &mut [f64], buffer: &mut [f64]) -> u64 {
    let n = values.len();
    if n < 2 {
        return 0;
    }
    let middle = n / 2;
    let (left, right) = values.split_at_mut(middle);
    let mut inversions = sort_counting_inversions(left, &mut buffer[..middle])
        + sort_counting_inversions(right, &mut buffer[middle..]);

    let (mut i, mut j) = (0, middle);
    for target in buffer.iter_mut() {
        if i < middle && (j == n || values[i] <= values[j]) {
            *target = values[i];
            i += 1;
        } else {
            // The rest of the left half stood before this value and is larger.
            inversions += (middle - i) as u64;
            *target = values[j];
            j += 1;
        }
    }
    values.copy_from_slice(buffer);
    inversions
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, pair by pair.
    fn by_definition(predicted: &[f64], truth: &[f64]) -> f64 {
        let sign = |a: f64, b: f64| i32::from(b < a) - i32::from(a < b);
        let (mut excess, mut untied) = (0, (0, 0));
        for i in 0..truth.len() {
            for j in 0..i {
                let signs = (sign(predicted[i], predicted[j]), sign(truth[i], truth[j]));
                excess += signs.0 * signs.1;
                untied.0 += signs.0.abs();
                untied.1 += signs.1.abs();
            }
        }
        f64::from(excess) / (f64::from(untied.0) * f64::from(untied.1)).sqrt()
    }

    #[track_caller]
    fn check(predicted: &[f64], truth: &[f64], expected: f64) {
        let found = kendall_tau_b(predicted, truth).unwrap();
        // One root and one quotient round; everything before is counted.
        assert!((found - expected).abs() < 1e-15, "{found} for {expected}");
    }

    #[test]
    fn hand_made_orders() {
        check(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0], 1.0);
        check(&[1.0, 2.0, 3.0], &[6.0, 5.0, 4.0], -1.0);
        // Six pairs: 4 concordant, 1 discordant, 1 tied in the truth: 3 / √(6 · 5).
        check(&[1.0, 2.0, 3.0, 4.0], &[1.0, 3.0, 2.0, 3.0], 3.0 / 30f64.sqrt());
        // Zero has one rank whatever its sign.
        check(&[0.0, -0.0, 1.0], &[-0.0, 0.0, 1.0], 1.0);
    }

    proptest! {
        #[test]
        fn tau_counts_as_the_definition_does(
            pairs in prop::collection::vec((-4i8..4, -6i8..6), 2..60),
        ) {
            let predicted: Vec<f64> = pairs.iter().map(|pair| f64::from(pair.0)).collect();
            let truth: Vec<f64> = pairs.iter().map(|pair| f64::from(pair.1)).collect();
            let expected = by_definition(&predicted, &truth);
            match kendall_tau_b(&predicted, &truth) {
                // The same whole numbers enter both, so they may differ by one rounding.
                Ok(tau) => prop_assert!((tau - expected).abs() < 1e-15),
                Err(RankError::Constant { .. }) => prop_assert!(expected.is_nan()),
                Err(error) => prop_assert!(false, "{error}"),
            }
        }

        #[test]
        fn tau_is_symmetric_and_odd(
            pairs in prop::collection::vec((-1e3..1e3, -1e3..1e3), 2..40),
        ) {
            let (predicted, truth): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let opposite: Vec<f64> = truth.iter().map(|value| -value).collect();
            let tau = kendall_tau_b(&predicted, &truth).unwrap();
            prop_assert!((tau - kendall_tau_b(&truth, &predicted).unwrap()).abs() < 1e-15);
            prop_assert!((tau + kendall_tau_b(&predicted, &opposite).unwrap()).abs() < 1e-15);
        }
    }
}
