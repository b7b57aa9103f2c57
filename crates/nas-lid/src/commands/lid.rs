//! `nas-lid lid`: the local intrinsic dimension of a feature matrix.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;
use lid::{Estimator, Lid, Neighbors, Points, estimate};
use serde_json::json;

use crate::npy::Matrix;
use crate::{Format, npy};

/// What to estimate.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// One row a point: an npy file of f4 or f8
    file: PathBuf,
    /// Neighbors of each point (k)
    #[arg(long, default_value_t = 20)]
    neighbors: usize,
    /// mle, mle-unbiased, mom or two-nn
    #[arg(long, default_value_t = Estimator::Mle)]
    estimator: Estimator,
    /// Print the dimension at every point
    #[arg(long)]
    per_point: bool,
    /// What to do with points that have duplicates or equidistant neighbors
    #[arg(long, value_enum, default_value_t = Degenerate::Error)]
    degenerate: Degenerate,
}

/// What to do with points that have no dimension.
#[derive(Clone, Copy, ValueEnum)]
enum Degenerate {
    /// Refuse the file, naming the first such row
    Error,
    /// Leave them out and count them
    Skip,
}

pub(crate) fn run(options: &Options, format: Format) -> Result<()> {
    crate::print(output(options, format)?);
    Ok(())
}

fn output(options: &Options, format: Format) -> Result<String> {
    let matrix = npy::read(&options.file)?;
    let lid = dimension(options, &matrix).with_context(|| options.file.display().to_string())?;
    Ok(match format {
        Format::Json => json(options, &matrix, &lid),
        Format::Text => text(options, &matrix, &lid),
    })
}

fn dimension(options: &Options, matrix: &Matrix) -> Result<Lid> {
    let points = Points::new(&matrix.values, matrix.d)?;
    let neighbors = Neighbors::nearest(points, options.neighbors)?;
    let degenerate = match options.degenerate {
        Degenerate::Error => lid::Degenerate::Error,
        Degenerate::Skip => lid::Degenerate::Skip,
    };
    Ok(estimate(&neighbors, options.estimator, degenerate)?)
}

fn json(options: &Options, matrix: &Matrix, lid: &Lid) -> String {
    let value = json!({
        "n": matrix.n,
        "d": matrix.d,
        "neighbors": options.neighbors,
        "estimator": options.estimator.to_string(),
        "mean": lid.mean(),
        "harmonic_mean": lid.harmonic_mean(),
        "median": lid.median(),
        "skipped": lid.skipped(),
        "per_point": options.per_point.then(|| lid.per_point()),
    });
    format!("{value}\n")
}

fn text(options: &Options, matrix: &Matrix, lid: &Lid) -> String {
    let mut text = format!(
        "points         {} of {} features, {} skipped\nestimator      {}, {} neighbors\n\
         mean           {}\nharmonic mean  {}\nmedian         {}\n",
        matrix.n,
        matrix.d,
        lid.skipped(),
        options.estimator,
        options.neighbors,
        lid.mean(),
        lid.harmonic_mean(),
        lid.median()
    );
    if options.per_point {
        for value in lid.per_point() {
            text += &value.map_or("-\n".to_owned(), |value| format!("{value}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde_json::Value;

    use super::*;

    /// Points on a line, two neighbors, and what is printed for them.
    fn of(points: &[f32], degenerate: Degenerate, format: Format) -> Result<String> {
        let shape = format!("({}, 1)", points.len());
        let numbers: Vec<u8> = points.iter().flat_map(|point| point.to_le_bytes()).collect();
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(&npy::fixture("<f4", "False", &shape, &numbers))?;
        let estimator = Estimator::Mle;
        let file = file.path().to_owned();
        let options = Options { file, neighbors: 2, estimator, per_point: true, degenerate };
        output(&options, format)
    }

    #[test]
    fn four_points_on_a_line_give_what_is_computed_by_hand() {
        let text = of(&[0.0, 1.0, 3.0, 7.0], Degenerate::Error, Format::Json).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((value["n"].as_u64(), value["d"].as_u64()), (Some(4), Some(1)));
        assert_eq!((&value["estimator"], &value["skipped"]), (&json!("mle"), &json!(0)));
        // Distances 1 3, 1 2, 2 3 and 4 6: each is 2 ∕ ln(r₂ ∕ r₁).
        let expected = [3.0_f64, 2.0, 1.5, 1.5].map(|ratio| 2.0 / ratio.ln());
        for (got, expected) in value["per_point"].as_array().unwrap().iter().zip(expected) {
            assert!((got.as_f64().unwrap() - expected).abs() < 1e-12);
        }
        let mean = expected.iter().sum::<f64>() / 4.0;
        assert!((value["mean"].as_f64().unwrap() - mean).abs() < 1e-12);
    }

    #[test]
    fn duplicates_are_refused_or_skipped() {
        let points = [0.0, 0.0, 1.0, 3.0, 7.0];
        let error = format!("{:#}", of(&points, Degenerate::Error, Format::Text).unwrap_err());
        assert!(
            error.ends_with("row 0 have no dimension: a duplicate at distance zero"),
            "{error}"
        );
        let text = of(&points, Degenerate::Skip, Format::Text).unwrap();
        assert!(text.starts_with("points         5 of 1 features, 3 skipped\n"), "{text}");
        assert!(text.contains("\n-\n-\n"), "{text}");
    }

    #[test]
    fn too_few_points_are_refused_with_the_file() {
        let error = format!("{:#}", of(&[0.0, 1.0], Degenerate::Error, Format::Text).unwrap_err());
        assert!(error.ends_with(": 2 neighbors need at least 3 points, got 2"), "{error}");
    }
}
