//! `nas-lid lid`: the local intrinsic dimension of a feature matrix.

use std::path::PathBuf;

use anyhow::{Context, Result};
use lid::{Degenerate, Estimator, Neighbors, Points, estimate};
use serde_json::json;

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
    /// Leave out points with duplicates or equidistant neighbors instead of refusing them
    #[arg(long)]
    skip_degenerate: bool,
}

pub(crate) fn run(options: &Options, format: Format) -> Result<()> {
    let matrix = npy::read(&options.file)?;
    let place = || options.file.display().to_string();
    let points = Points::new(&matrix.values, matrix.d).with_context(place)?;
    let neighbors = Neighbors::nearest(points, options.neighbors).with_context(place)?;
    let degenerate = if options.skip_degenerate { Degenerate::Skip } else { Degenerate::Error };
    let lid = estimate(&neighbors, options.estimator, degenerate).with_context(place)?;
    let per_point = options.per_point.then(|| lid.per_point());
    crate::print(match format {
        Format::Json => format!(
            "{}\n",
            json!({
                "n": matrix.n,
                "d": matrix.d,
                "neighbors": options.neighbors,
                "estimator": options.estimator.to_string(),
                "mean": lid.mean(),
                "harmonic_mean": lid.harmonic_mean(),
                "median": lid.median(),
                "skipped": lid.skipped(),
                "per_point": per_point,
            })
        ),
        Format::Text => {
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
            for value in per_point.into_iter().flatten() {
                text += &value.map_or("-\n".to_owned(), |value| format!("{value}\n"));
            }
            text
        }
    });
    Ok(())
}
