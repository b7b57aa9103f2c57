//! Quantiles of Student's t for intervals of 95 %.

/// t at 0.975 for 1 … 30 degrees of freedom, as printed in every table (Student 1908, Fisher 1925).
const TABLE: [f64; 30] = [
    12.706_205, 4.302_653, 3.182_446, 2.776_445, 2.570_582, 2.446_912, 2.364_624, 2.306_004,
    2.262_157, 2.228_139, 2.200_985, 2.178_813, 2.160_369, 2.144_787, 2.131_450, 2.119_905,
    2.109_816, 2.100_922, 2.093_024, 2.085_963, 2.079_614, 2.073_873, 2.068_658, 2.063_899,
    2.059_539, 2.055_529, 2.051_831, 2.048_407, 2.045_230, 2.042_272,
];

/// The normal quantile at 0.975.
const NORMAL: f64 = 1.959_963_984_540_054;

/// The quantile of Student's t at 0.975, to six digits.
///
/// # Panics
///
/// If `degrees` is 0.
pub(crate) fn t_975(degrees: usize) -> f64 {
    assert!(0 < degrees, "no degree of freedom");
    if let Some(&quantile) = TABLE.get(degrees - 1) {
        return quantile;
    }
    // The expansion of Fisher and Cornish in 1 / degrees, as in Hill 1970; above 30 degrees what is left out
    // is below 1e-7.
    let (z, v) = (NORMAL, degrees as f64);
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    let fourth = (79.0 * z.powi(9) + 776.0 * z.powi(7) + 1482.0 * z.powi(5)
        - 1920.0 * z.powi(3)
        - 945.0 * z)
        / 92_160.0;
    z + first / v + second / v.powi(2) + third / v.powi(3) + fourth / v.powi(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(degrees: usize, expected: f64) {
        // Half a unit of the last digit printed, and what is left out.
        assert!((t_975(degrees) - expected).abs() < 6e-7, "{}", t_975(degrees));
    }

    #[test]
    fn quantiles_are_those_of_printed_tables() {
        check(1, 12.706_205);
        check(4, 2.776_445);
        check(30, 2.042_272);
        check(31, 2.039_513);
        check(35, 2.030_108);
        check(40, 2.021_075);
        check(60, 2.000_298);
        check(120, 1.979_930);
        check(1_000_000, 1.959_966);
    }
}
