//! Similarity of vectors: profiles of LID, or gradients.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{PartitionError, Similarity};

/// How the similarity of two vectors x and y is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// x·y / (‖x‖ ‖y‖).
    Cosine,
    /// Cosine of the vectors less their means.
    Pearson,
    /// 1 / (1 + ‖x − y‖₂).
    InverseDistance,
    /// Pearson correlation of the ranks; equal numbers share the mean of their ranks.
    Spearman,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cosine => "cosine",
            Self::Pearson => "pearson",
            Self::InverseDistance => "inverse-distance",
            Self::Spearman => "spearman",
        })
    }
}

impl Similarity {
    /// Similarity of each two of the vectors; the diagonal is 1.
    ///
    /// # Shapes
    ///
    /// - `vectors`: `[n, t]`
    /// - output: `[n, n]`
    ///
    /// # Errors
    ///
    /// If there are no vectors, they have no numbers or unequally many, a number is not finite, or a
    /// vector is zero (cosine) or constant (Pearson and Spearman).
    ///
    /// # Examples
    ///
    /// ```
    /// use partition::{Measure, Similarity};
    ///
    /// let vectors = [vec![0.0, 0.0], vec![3.0, 4.0]];
    /// let similarity = Similarity::of(&vectors, Measure::InverseDistance)?;
    /// assert_eq!(similarity.get(0, 1), 1.0 / 6.0);
    /// # Ok::<(), partition::PartitionError>(())
    /// ```
    pub fn of(vectors: &[Vec<f64>], measure: Measure) -> Result<Self, PartitionError> {
        check(vectors)?;
        match measure {
            Measure::Cosine => cosines(vectors.to_vec(), measure),
            Measure::Pearson => cosines(centered(vectors, measure)?, measure),
            Measure::Spearman => {
                let ranks: Vec<Vec<f64>> = vectors.iter().map(|vector| ranks(vector)).collect();
                cosines(centered(&ranks, measure)?, measure)
            }
            Measure::InverseDistance => {
                // Halves, whose differences do not overflow; a length that does has a similarity of 0.
                let half =
                    |x: &[f64], y: &[f64]| norm(x.iter().zip(y).map(|(x, y)| x / 2.0 - y / 2.0));
                pairwise(vectors, |x, y| 1.0 / (1.0 + 2.0 * half(x, y)))
            }
        }
    }
}

fn check(vectors: &[Vec<f64>]) -> Result<(), PartitionError> {
    let expected = vectors.first().ok_or(PartitionError::Empty)?.len();
    if expected == 0 {
        return Err(PartitionError::EmptyVectors);
    }
    for (vector, numbers) in vectors.iter().enumerate() {
        if numbers.len() != expected {
            return Err(PartitionError::UnequalVectors { vector, expected, got: numbers.len() });
        }
        if let Some(position) = numbers.iter().position(|number| !number.is_finite()) {
            let value = numbers[position];
            return Err(PartitionError::VectorNotFinite { vector, position, value });
        }
    }
    Ok(())
}

/// The vectors less their means, in units of their own.
///
/// A constant vector is told by its equal numbers: what rounding leaves of it after centering would
/// pass for a direction.
fn centered(vectors: &[Vec<f64>], measure: Measure) -> Result<Vec<Vec<f64>>, PartitionError> {
    let center = |(vector, numbers): (usize, &Vec<f64>)| {
        if numbers.windows(2).all(|pair| pair[0].total_cmp(&pair[1]).is_eq()) {
            return Err(PartitionError::FlatVector { measure, vector });
        }
        // By a power of two, which rounds nothing: then neither sums nor differences overflow.
        let unit = largest(numbers.iter().copied()).log2().floor().min(1023.0).exp2();
        let mut centered: Vec<f64> = numbers.iter().map(|number| number / unit).collect();
        // Far from zero the first mean rounds to a multiple of the spacing there; the second corrects.
        for _ in 0..2 {
            let mean = centered.iter().sum::<f64>() / centered.len() as f64;
            centered.iter_mut().for_each(|number| *number -= mean);
        }
        Ok(centered)
    };
    vectors.iter().enumerate().map(center).collect()
}

fn cosines(mut vectors: Vec<Vec<f64>>, measure: Measure) -> Result<Similarity, PartitionError> {
    for (vector, numbers) in vectors.iter_mut().enumerate() {
        let largest = largest(numbers.iter().copied());
        if largest <= 0.0 {
            return Err(PartitionError::FlatVector { measure, vector });
        }
        // By the largest number first: then no length overflows or vanishes.
        numbers.iter_mut().for_each(|number| *number /= largest);
        let length = norm(numbers.iter().copied());
        numbers.iter_mut().for_each(|number| *number /= length);
    }
    // By Cauchy and Schwarz only rounding leads beyond 1.
    pairwise(&vectors, |x, y| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>().clamp(-1.0, 1.0))
}

fn pairwise(
    vectors: &[Vec<f64>],
    similarity: impl Fn(&[f64], &[f64]) -> f64,
) -> Result<Similarity, PartitionError> {
    let n = vectors.len();
    let mut values = vec![1.0; n * n];
    for (row, x) in vectors.iter().enumerate() {
        for (col, y) in vectors.iter().enumerate().skip(row + 1) {
            let value = similarity(x, y);
            values[row * n + col] = value;
            values[col * n + row] = value;
        }
    }
    Similarity::new(n, values)
}

/// Euclidean length, by the largest magnitude first so that squares neither overflow nor vanish.
fn norm(numbers: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = largest(numbers.clone());
    if largest <= 0.0 {
        return 0.0;
    }
    largest * numbers.map(|number| (number / largest).powi(2)).sum::<f64>().sqrt()
}

/// The largest magnitude.
fn largest(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.map(f64::abs).fold(0.0, f64::max)
}

/// Ranks from 0, equal numbers sharing the mean of theirs.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_unstable_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
    let (mut ranks, mut below) = (vec![0.0; numbers.len()], 0);
    for equals in order.chunk_by(|&a, &b| numbers[b] <= numbers[a]) {
        for &at in equals {
            ranks[at] = below as f64 + (equals.len() - 1) as f64 / 2.0;
        }
        below += equals.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    const ALL: [Measure; 4] =
        [Measure::Cosine, Measure::Pearson, Measure::InverseDistance, Measure::Spearman];

    // similarity_cases.json, case 0 ("lid"), profiles 0 and 1: LID profiles of NB201, 17 taps.
    const PROFILES: [[f64; 17]; 2] = [
        [
            8.82584, 10.74772, 11.41259, 11.97879, 16.81731, 15.15824, 18.61019, 25.55938, 22.7588,
            25.35607, 27.17872, 29.11, 25.89083, 21.9945, 21.36068, 21.04114, 17.05269,
        ],
        [
            7.31513, 9.22793, 12.61681, 11.71507, 14.68791, 20.32908, 18.87297, 25.68959, 25.27864,
            32.48183, 29.92718, 26.50782, 27.92546, 27.88763, 23.90771, 15.59499, 17.74888,
        ],
    ];

    #[track_caller]
    fn check_pair(x: &[f64], y: &[f64], measure: Measure, expected: f64, tolerance: f64) {
        let similarity = Similarity::of(&[x.to_vec(), y.to_vec()], measure).unwrap();
        let got = similarity.get(0, 1);
        assert!((got - expected).abs() < tolerance, "{measure}: got {got}, expected {expected}");
    }

    #[test]
    fn measures_agree_with_numpy() {
        let [x, y] = PROFILES;
        // The reference adds 1e-6 to the product of the norms (about 7000) and to 1 + distance
        // (about 14), which moves the figures by 2e-10 and 5e-9.
        check_pair(&x, &y, Measure::Cosine, 0.9899313120146379, 1e-9);
        check_pair(&x, &y, Measure::InverseDistance, 0.0685860697018271, 1e-7);
        // np.corrcoef adds nothing: rounding only.
        check_pair(&x, &y, Measure::Pearson, 0.912339206935358, 1e-14);
    }

    #[test]
    fn spearman_shares_the_ranks_of_ties() {
        // By hand: ranks 0, 1.5, 1.5, 3 and 0, 1, 2, 3; centered products 4.5, squares 4.5 and 5.
        let expected = 4.5 / (4.5f64 * 5.0).sqrt();
        check_pair(
            &[1.0, 2.0, 2.0, 9.0],
            &[0.1, 0.2, 0.3, 0.4],
            Measure::Spearman,
            expected,
            1e-15,
        );
        check_pair(&[1.0, 2.0, 4.0], &[8.0, 2.0, 1.0], Measure::Spearman, -1.0, 1e-15);
    }

    #[test]
    fn extreme_scales_lose_nothing() {
        check_pair(&[1e308, 0.0], &[1.5e308, 1.5e308], Measure::Cosine, 0.5f64.sqrt(), 1e-15);
        check_pair(&[1e-200, 0.0], &[1e-200, 1e-200], Measure::Cosine, 0.5f64.sqrt(), 1e-15);
        let most = f64::MAX;
        let [huge, tiny] = [[most, -most, -most], [1e-323, 0.0, 0.0]];
        check_pair(&huge, &tiny, Measure::Pearson, 1.0, 1e-15);
        check_pair(&[most], &[-most], Measure::InverseDistance, 0.0, 1e-300);
    }

    #[test]
    fn offsets_lose_nothing() {
        // Neighbors of 10¹⁵ are 1/8 apart.
        let far = [1e15, 1e15 + 0.125, 1e15 + 0.25];
        check_pair(&far, &[1.0, 2.0, 3.0], Measure::Pearson, 1.0, 1e-15);
        check_pair(&far[..2], &[1.0, 2.0], Measure::Pearson, 1.0, 1e-15);
    }

    #[track_caller]
    fn check_error(vectors: &[Vec<f64>], measure: Measure, expect: Expect) {
        expect.assert_eq(&Similarity::of(vectors, measure).unwrap_err().to_string());
    }

    #[test]
    fn bad_vectors_are_named() {
        let good = vec![1.0, 2.0, 3.0];
        check_error(
            &[good.clone(), vec![0.0; 3]],
            Measure::Cosine,
            expect!["cosine similarity is undefined for vector 1: it is zero"],
        );
        // The mean of three 0.1 is not 0.1 in binary.
        check_error(
            &[good.clone(), vec![0.1; 3]],
            Measure::Pearson,
            expect!["pearson similarity is undefined for vector 1: it is constant"],
        );
        check_error(
            &[vec![7.0; 3], good.clone()],
            Measure::Spearman,
            expect!["spearman similarity is undefined for vector 0: it is constant"],
        );
        check_error(
            &[good.clone(), vec![1.0]],
            Measure::InverseDistance,
            expect!["vector 1 has 1 numbers, vector 0 has 3"],
        );
        check_error(
            &[good, vec![1.0, f64::INFINITY, 0.0]],
            Measure::Cosine,
            expect!["number 1 of vector 1 is inf, not finite"],
        );
        check_error(
            &[vec![]],
            Measure::Cosine,
            expect!["vectors without numbers have no similarity"],
        );
        check_error(
            &[],
            Measure::Cosine,
            expect!["nothing to compare: at least one vertex is needed"],
        );
    }

    #[test]
    fn names_are_kebab_case() {
        for measure in ALL {
            let json = serde_json::to_string(&measure).unwrap();
            assert_eq!(json, format!("\"{measure}\""));
        }
    }

    proptest! {
        #[test]
        fn similarity_is_at_most_one(
            mut vectors in prop::collection::vec(prop::collection::vec(-9.0..9.0f64, 5), 2..5),
        ) {
            // One in the same direction as another.
            vectors.push(vectors[0].iter().map(|number| 2.0 * number).collect());
            for measure in ALL {
                let similarity = Similarity::of(&vectors, measure).unwrap();
                for (_, _, value) in similarity.pairs() {
                    prop_assert!(value.abs() <= 1.0, "{measure}: {value}");
                }
            }
        }

        #[test]
        fn pearson_ignores_scale_and_offset(
            x in prop::collection::vec(-9.0..9.0f64, 6),
            y in prop::collection::vec(-9.0..9.0f64, 6),
            scale in 0.1..10.0f64,
            offset in -10.0..10.0f64,
        ) {
            let moved: Vec<f64> = x.iter().map(|x| scale * x + offset).collect();
            let plain = Similarity::of(&[x, y.clone()], Measure::Pearson).unwrap();
            let moved = Similarity::of(&[moved, y], Measure::Pearson).unwrap();
            // The offset costs the numbers up to three of their sixteen digits.
            prop_assert!((plain.get(0, 1) - moved.get(0, 1)).abs() < 1e-11);
        }
    }
}
