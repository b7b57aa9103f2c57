//! `nas-lid lid`: the local intrinsic dimension of a feature matrix.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use lid::{Aggregate, Features, Fit, Lid, Neighbors, Pairwise, Points, estimate, tle, two_nn};
use rank::{Interval, bootstrap_interval};
use serde_json::json;
use space::Seed;

use crate::Format;
use crate::matrix::{self, Matrix, Numbers};
use crate::misuse::Misuse;
use crate::progress::Progress;

/// What to estimate.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// One row a point: npy of f4 or f8, CSV, or JSON (a list of rows, alone or under the key
    /// `points`)
    file: PathBuf,
    /// The file is the matrix of distances between the points (in JSON under the key `distances`)
    #[arg(long)]
    distances: bool,
    /// Neighbors of each point (k); two-nn and two-nn-ml look at 2, whatever this says
    #[arg(long, default_value_t = 20, value_parser = super::some())]
    neighbors: usize,
    /// How the dimension follows from the neighbors
    #[arg(long, value_enum, default_value_t = Estimator::Mle)]
    estimator: Estimator,
    /// Share of the ratios that two-nn and two-nn-ml leave out, the largest; others leave none out
    #[arg(long, default_value_t = 0.1, value_parser = super::share)]
    discard: f64,
    /// Bootstrap resamples of the points for intervals of mean, harmonic mean and median; 0: none
    #[arg(long, default_value_t = 0, value_parser = super::resamples())]
    bootstrap: usize,
    /// Confidence of the intervals
    #[arg(long, default_value_t = 0.95, value_parser = super::confidence)]
    confidence: f64,
    /// Seed of the resamples
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the dimension at every point
    #[arg(long)]
    per_point: bool,
    /// What to do with points that have duplicates or equidistant neighbors
    #[arg(long, value_enum, default_value_t = Degenerate::Error)]
    degenerate: Degenerate,
}

/// Estimators that need distances to the neighbors, and one that needs those among them, too.
#[derive(Clone, Copy, ValueEnum)]
enum Estimator {
    /// Maximum likelihood with 1/k
    Mle,
    /// Maximum likelihood with 1/(k - 1)
    MleUnbiased,
    /// Method of moments
    Mom,
    /// Two nearest neighbors, linear fit
    TwoNn,
    /// Two nearest neighbors, maximum likelihood
    TwoNnMl,
    /// Tight localities
    Tle,
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
    crate::print(output(options, format)?)
}

fn output(options: &Options, format: Format) -> Result<String> {
    options.check()?;
    let place = || options.file.display().to_string();
    let found = if options.distances {
        let matrix = matrix::read(&options.file, "distances")?;
        of_distances(options, &matrix).with_context(place)?
    } else {
        of_features(options, matrix::read(&options.file, "points")?).with_context(place)?
    };
    Ok(match format {
        Format::Json => found.json(options),
        Format::Text => found.text(options),
    })
}

/// What is printed.
struct Found {
    n: usize,
    /// Features of a point, if they are known.
    d: Option<usize>,
    /// Of each point, that the estimator looks at.
    neighbors: usize,
    lid: Lid,
    /// Of the mean, the harmonic mean and the median, if asked for.
    intervals: Option<[Interval; 3]>,
    elapsed: Duration,
}

const AGGREGATES: [Aggregate; 3] = [Aggregate::Mean, Aggregate::HarmonicMean, Aggregate::Median];

fn of_features(options: &Options, numbers: Numbers) -> Result<Found> {
    let clock = Instant::now();
    let k = options.k();
    let (n, d, lid) = match numbers {
        Numbers::Narrow(Matrix { n, d, values }) => {
            let points = Points::new(&values, d)?;
            let nearest = |report: Report<'_>| Neighbors::nearest_reporting(points, k, report);
            (n, d, dimension(options, &with_progress(nearest)?, Some(&points))?)
        }
        Numbers::Wide(Matrix { n, d, values }) => {
            let features = Features::new(values, d)?;
            let nearest = |report: Report<'_>| features.nearest(k, report);
            (n, d, dimension(options, &with_progress(nearest)?, Some(&features))?)
        }
    };
    let intervals = intervals(options, &lid)?;
    Ok(Found { n, d: Some(d), neighbors: k, lid, intervals, elapsed: clock.elapsed() })
}

/// Is told how many of how many parts are done.
type Report<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// Shows how many parts of a search are done; another total is of other parts.
fn with_progress<T>(search: impl FnOnce(Report<'_>) -> T) -> T {
    let progress: Mutex<Option<(usize, Progress)>> = Mutex::new(None);
    search(&|_, total| {
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, shown) = match progress.take() {
            Some(shown) if shown.0 == total => progress.insert(shown),
            _ => progress.insert((total, Progress::new("neighbors", 0, total as u64))),
        };
        shown.step();
    })
}

fn of_distances(options: &Options, matrix: &Matrix<f64>) -> Result<Found> {
    let clock = Instant::now();
    let (n, d) = (matrix.n, matrix.d);
    ensure!(n == d, "{n} rows of {d} distances are no square matrix");
    check_distances(matrix)?;
    let k = options.k();
    let neighbors = Neighbors::from_distances(&matrix.values, k)?;
    let lid = dimension(options, &neighbors, None::<&Points<'_>>)?;
    let intervals = intervals(options, &lid)?;
    Ok(Found { n, d: None, neighbors: k, lid, intervals, elapsed: clock.elapsed() })
}

/// Distances are zero from a point to itself and the same in both directions, but for rounding.
fn check_distances(matrix: &Matrix<f64>) -> Result<()> {
    /// Of the largest distance. From products in 32 bits the diagonal keeps some 2⁻¹² of it; that of
    /// similarities is the largest.
    const DIAGONAL: f64 = 1e-2;
    const SYMMETRY: f64 = 1e-5;
    let (n, at) = (matrix.n, |row: usize, col: usize| matrix.values[row * matrix.n + col]);
    let largest = matrix.values.iter().copied().fold(0.0, f64::max);
    let slack = SYMMETRY * largest;
    for row in 0..n {
        let own = at(row, row);
        ensure!(
            own.abs() <= DIAGONAL * largest,
            "the distance of row {row} from itself is {own}, not 0"
        );
        for col in 0..row {
            let [a, b] = [at(row, col), at(col, row)];
            ensure!(
                (a - b).abs() <= slack,
                "distances are not symmetric: row {row}, column {col} is {a}, mirrored {b}"
            );
        }
    }
    Ok(())
}

impl Options {
    /// Whether they go together.
    fn check(&self) -> Result<(), Misuse> {
        match self.estimator {
            Estimator::Tle if self.distances => {
                Err(Misuse("--distances: tight localities need the features".into()))
            }
            Estimator::TwoNn | Estimator::TwoNnMl if 0 < self.bootstrap => Err(Misuse(format!(
                "--bootstrap: {} has one dimension for all points, nothing to resample",
                name(self.estimator)
            ))),
            _ => Ok(()),
        }
    }

    /// Neighbors that the estimator looks at.
    fn k(&self) -> usize {
        match self.estimator {
            Estimator::TwoNn | Estimator::TwoNnMl => 2,
            _ => self.neighbors,
        }
    }
}

/// The dimension by the estimator that was asked for; one of them needs the points themselves.
fn dimension(
    options: &Options,
    neighbors: &Neighbors,
    points: Option<&impl Pairwise>,
) -> Result<Lid> {
    let degenerate = match options.degenerate {
        Degenerate::Error => lid::Degenerate::Error,
        Degenerate::Skip => lid::Degenerate::Skip,
    };
    let by = |estimator| estimate(neighbors, estimator, degenerate);
    Ok(match options.estimator {
        Estimator::Mle => by(lid::Estimator::Mle),
        Estimator::MleUnbiased => by(lid::Estimator::MleUnbiased),
        Estimator::Mom => by(lid::Estimator::Mom),
        Estimator::TwoNn => two_nn(neighbors, Fit::Linear, options.discard, degenerate),
        Estimator::TwoNnMl => {
            two_nn(neighbors, Fit::MaximumLikelihood, options.discard, degenerate)
        }
        Estimator::Tle => {
            tle(points.context("tight localities need the features")?, neighbors, degenerate)
        }
    }?)
}

/// Percentile intervals over resampled points.
fn intervals(options: &Options, lid: &Lid) -> Result<Option<[Interval; 3]>> {
    if options.bootstrap == 0 {
        return Ok(None);
    }
    let known: Vec<f64> = lid.per_point().iter().flatten().copied().collect();
    let interval = |aggregate: Aggregate| {
        let mut rng = Seed::new(options.seed).child("bootstrap").rng();
        let statistic = |indices: &[usize]| {
            Ok(aggregate.of(indices.iter().map(|&index| known[index]).collect()))
        };
        bootstrap_interval(known.len(), options.bootstrap, options.confidence, &mut rng, statistic)
    };
    let [mean, harmonic, median] = AGGREGATES.map(interval);
    Ok(Some([mean?, harmonic?, median?]))
}

impl Found {
    fn json(&self, options: &Options) -> String {
        let interval = |at: usize| self.intervals.as_ref().map(|all| [all[at].low, all[at].high]);
        let lid = &self.lid;
        let value = json!({
            "n": self.n,
            "d": self.d,
            "neighbors": self.neighbors,
            "estimator": name(options.estimator),
            "mean": lid.mean(),
            "mean_interval": interval(0),
            "harmonic_mean": lid.harmonic_mean(),
            "harmonic_mean_interval": interval(1),
            "median": lid.median(),
            "median_interval": interval(2),
            "skipped": lid.skipped(),
            "seconds": self.elapsed.as_secs_f64(),
            "per_point": options.per_point.then(|| lid.per_point()),
        });
        format!("{value}\n")
    }

    fn text(&self, options: &Options) -> String {
        let lid = &self.lid;
        let features =
            self.d.map_or("by their distances".to_owned(), |d| format!("of {d} features"));
        let mut text = format!(
            "points         {} {features}, {} skipped\nestimator      {}, {} neighbors\n",
            self.n,
            lid.skipped(),
            name(options.estimator),
            self.neighbors,
        );
        let names = ["mean", "harmonic mean", "median"];
        for (at, (name, aggregate)) in names.iter().zip(AGGREGATES).enumerate() {
            let interval = self.intervals.as_ref().map_or(String::new(), |all| {
                let percent = 100.0 * options.confidence;
                format!("  [{}, {}] at {percent} %", all[at].low, all[at].high)
            });
            text += &format!("{name:<15}{}{interval}\n", lid.aggregate(aggregate));
        }
        text += &format!("time           {:.2} s\n", self.elapsed.as_secs_f64());
        if options.per_point {
            for value in lid.per_point() {
                text += &value.map_or("-\n".to_owned(), |value| format!("{value}\n"));
            }
        }
        text
    }
}

fn name(estimator: Estimator) -> String {
    let value = estimator.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

#[cfg(test)]
#[path = "lid_tests.rs"]
mod tests;
