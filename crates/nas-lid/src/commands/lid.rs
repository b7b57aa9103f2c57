//! `nas-lid lid`: the local intrinsic dimension of a feature matrix.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use lid::{Aggregate, Fit, Lid, Neighbors, Points, estimate, tle, two_nn};
use rank::{Interval, bootstrap_interval};
use serde_json::json;
use space::Seed;

use crate::Format;
use crate::matrix::{self, Matrix};
use crate::misuse::Misuse;
use crate::progress::Progress;

/// What to estimate.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// One row a point: npy of f4 or f8, CSV, or JSON (a list of rows, alone or under the key
    /// `points`); columns that 32 bits do not hold are rounded to them as differences from their median
    file: PathBuf,
    /// The file is the matrix of distances between the points (in JSON under the key `distances`)
    #[arg(long)]
    distances: bool,
    /// Neighbors of each point (k)
    #[arg(long, default_value_t = 20, value_parser = super::some())]
    neighbors: usize,
    /// How the dimension follows from the neighbors
    #[arg(long, value_enum, default_value_t = Estimator::Mle)]
    estimator: Estimator,
    /// Share of the ratios that two-nn and two-nn-ml leave out, the largest
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
        let matrix = matrix::read(&options.file, "points")?;
        of_features(options, &matrix).with_context(place)?
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

fn of_features(options: &Options, matrix: &Matrix<f32>) -> Result<Found> {
    let clock = Instant::now();
    let points = Points::new(&matrix.values, matrix.d)?;
    let progress: Mutex<Option<Progress>> = Mutex::new(None);
    let report = |_, total| {
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.get_or_insert_with(|| Progress::new("neighbors", 0, total as u64)).step();
    };
    let k = options.k();
    let neighbors = Neighbors::nearest_reporting(points, k, &report)?;
    let lid = dimension(options, &neighbors, Some(points))?;
    let intervals = intervals(options, &lid)?;
    let (n, d, elapsed) = (matrix.n, Some(matrix.d), clock.elapsed());
    Ok(Found { n, d, neighbors: k, lid, intervals, elapsed })
}

fn of_distances(options: &Options, matrix: &Matrix<f64>) -> Result<Found> {
    let clock = Instant::now();
    let (n, d) = (matrix.n, matrix.d);
    ensure!(n == d, "{n} rows of {d} distances are no square matrix");
    check_distances(matrix)?;
    let k = options.k();
    let neighbors = Neighbors::from_distances(&matrix.values, k)?;
    let lid = dimension(options, &neighbors, None)?;
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
fn dimension(options: &Options, neighbors: &Neighbors, points: Option<Points<'_>>) -> Result<Lid> {
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
mod tests {
    use std::io::Write;

    use serde_json::Value;

    use super::*;

    /// What is printed for a file of that content and two neighbors.
    fn printed(
        bytes: &[u8],
        distances: bool,
        degenerate: Degenerate,
        format: Format,
    ) -> Result<String> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(bytes)?;
        let options = Options {
            file: file.path().to_owned(),
            distances,
            neighbors: 2,
            estimator: Estimator::Mle,
            discard: 0.1,
            bootstrap: 50,
            confidence: 0.9,
            seed: 1,
            per_point: true,
            degenerate,
        };
        output(&options, format)
    }

    /// The same for points on a line.
    fn of(points: &[f32], degenerate: Degenerate, format: Format) -> Result<String> {
        let shape = format!("({}, 1)", points.len());
        let numbers: Vec<u8> = points.iter().flat_map(|point| point.to_le_bytes()).collect();
        let file = matrix::npy_fixture("<f4", "False", &shape, &numbers);
        printed(&file, false, degenerate, format)
    }

    #[test]
    fn distances_give_what_their_points_give() {
        let points = [0.0, 1.0, 3.0, 7.0];
        let distances = b"[[0, 1, 3, 7], [1, 0, 2, 6], [3, 2, 0, 4], [7, 6, 4, 0]]";
        let of_points = of(&points, Degenerate::Error, Format::Json).unwrap();
        let of_distances = printed(distances, true, Degenerate::Error, Format::Json).unwrap();
        let [mut a, mut b] =
            [of_points, of_distances].map(|text| serde_json::from_str::<Value>(&text).unwrap());
        assert_eq!((a["d"].take(), b["d"].take()), (json!(1), Value::Null));
        for value in [&mut a, &mut b] {
            value["seconds"].take();
        }
        assert_eq!(a, b);

        let error = printed(b"a,b\n0,1\n", true, Degenerate::Error, Format::Json).unwrap_err();
        assert!(format!("{error:#}").ends_with(": 1 rows of 2 distances are no square matrix"));
        let refused = |matrix: &str, expected: &str| {
            let error = printed(matrix.as_bytes(), true, Degenerate::Error, Format::Json);
            let error = format!("{:#}", error.unwrap_err());
            assert!(error.ends_with(expected), "{error}");
        };
        let other = "[[0, 1, 3], [1, 0, 2], [3, 2.5, 0]]";
        refused(other, "not symmetric: row 2, column 1 is 2.5, mirrored 2");
        refused(
            "[[0, 1, 3], [1, 4, 2], [3, 2, 0]]",
            "the distance of row 1 from itself is 4, not 0",
        );
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
        let interval = |at: usize| value["mean_interval"][at].as_f64().unwrap();
        assert!(expected[0] <= interval(0) && interval(0) < mean && mean < interval(1));
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
