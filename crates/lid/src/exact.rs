//! Squared distances from the differences themselves.

/// Independent sums, enough to fill the vector registers; their order never changes.
const N_SUMS: usize = 16;

/// The squared Euclidean distance of two points of equal length.
///
/// The difference of two `f32` is exact to 2⁻⁵³ in `f64`, and the square of the largest or the
/// smallest one is far inside its range, so no offset and no scale of the features does harm.
pub(crate) fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    debug_assert_eq!(a.len(), b.len());
    let (a_blocks, a_rest) = a.as_chunks::<N_SUMS>();
    let (b_blocks, b_rest) = b.as_chunks::<N_SUMS>();

    let mut sums = [0.0; N_SUMS];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += square_of_difference(a, b);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(&a, &b)| square_of_difference(a, b)).sum();
    sums.iter().sum::<f64>() + rest
}

fn square_of_difference(a: f32, b: f32) -> f64 {
    let difference = f64::from(a) - f64::from(b);
    difference * difference
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the sums of small integers and powers of two are exact")]
mod tests {
    use super::*;

    #[test]
    fn hand_made_distances() {
        assert_eq!(squared_distance(&[1.0, 2.0], &[4.0, 6.0]), 25.0);
        assert_eq!(squared_distance(&[2.0; 37], &[1.0; 37]), 37.0);
        assert_eq!(squared_distance(&[0.1; 20], &[0.1; 20]), 0.0);
    }

    #[test]
    fn the_ends_of_the_range_of_f32_neither_overflow_nor_vanish() {
        let huge = squared_distance(&[f32::MAX], &[f32::MIN]);
        assert_eq!(huge, (2.0 * f64::from(f32::MAX)).powi(2));
        let tiny = f32::from_bits(1);
        assert_eq!(squared_distance(&[tiny], &[0.0]), f64::from(tiny).powi(2));
    }
}
