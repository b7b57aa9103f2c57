//! `nas-lid rank`: how well predictions rank the truth.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use rank::{Interval, RankError, Statistic};
use report::TEN;
use serde_json::json;
use space::Seed;

use crate::Format;
use crate::lines::{line, shown, start};

/// What to compare.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A CSV file with a header: a key, then a score
    predictions: PathBuf,
    /// A CSV file with a header: the same keys, then the truth; it may hold more keys
    truth: PathBuf,
    /// Column of the predictions [default: the second]
    #[arg(long)]
    column: Option<String>,
    /// Column of the truth [default: the second]
    #[arg(long)]
    truth_column: Option<String>,
    /// Another file of predictions for the same keys: by how much the first exceeds it in τ-b
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Bootstrap resamples of the intervals, and permutations of the p-value; 0: none
    #[arg(long, default_value_t = 1000, value_parser = super::resamples())]
    resamples: usize,
    /// Confidence of the intervals
    #[arg(long, default_value_t = 0.95, value_parser = super::confidence)]
    confidence: f64,
    /// Seed of resamples and permutations
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(options: &Options, format: Format) -> Result<()> {
    crate::print(output(options, format)?)
}

fn output(options: &Options, format: Format) -> Result<String> {
    let Options { predictions, truth, .. } = options;
    let scores = column(predictions, options.column.as_deref())?;
    let others = match &options.against {
        Some(file) => Some((file, column(file, options.column.as_deref())?)),
        None => None,
    };
    let known: HashMap<String, f64> =
        column(truth, options.truth_column.as_deref())?.into_iter().collect();
    let of_keys = |known: &HashMap<String, f64>, file: &Path| -> Result<Vec<f64>> {
        let of_key = |(key, _): &(String, f64)| {
            let missing = || {
                format!(
                    "{} has no row `{}` of {}",
                    file.display(),
                    shown(key),
                    predictions.display()
                )
            };
            known.get(key).copied().with_context(missing)
        };
        scores.iter().map(of_key).collect()
    };
    let true_values = of_keys(&known, truth)?;
    let predicted: Vec<f64> = scores.iter().map(|&(_, score)| score).collect();
    let second =
        others.map(|(file, scores)| of_keys(&scores.into_iter().collect(), file)).transpose()?;
    let place = |of: &Path| format!("{} against {}", of.display(), truth.display());
    if let (Some(file), Some(second)) = (&options.against, &second) {
        rank::kendall_tau_b(second, &true_values).with_context(|| place(file))?;
    }
    let figures = Figures::of(&predicted, &true_values, second.as_deref(), options);
    Ok(figures.with_context(|| place(predictions))?.print(format))
}

/// How well predictions rank the truth.
struct Figures {
    n: usize,
    kendall_tau_b: Figure,
    spearman: Figure,
    /// At 1, 5 and 10 %.
    precision: [Figure; 3],
    /// Among the truly best 10 %; none where they tie.
    tau_of_top: Option<f64>,
    /// Rough intervals, as those of [`report::Measured::regret`].
    regret: Figure,
    best_of_ten: Figure,
    /// Of τ-b, by permutations.
    p_value: Option<f64>,
    /// By how much τ-b exceeds that of the other predictions, and by resamples the interval of that.
    difference: Option<(f64, Option<Interval>)>,
}

/// A figure of all pairs, and by resamples its interval.
struct Figure {
    value: f64,
    interval: Option<Interval>,
}

impl Figure {
    /// The ends of the interval.
    fn ends(&self) -> Option<[f64; 2]> {
        self.interval.map(|interval| [interval.low, interval.high])
    }

    /// `0.6034  [0.5510, 0.6490]`.
    fn text(&self) -> String {
        let interval = self.ends().map(|[low, high]| format!("  [{low:.4}, {high:.4}]"));
        format!("{:.4}{}", self.value, interval.unwrap_or_default())
    }

    /// All digits: a figure in the unit of the truth, whatever that is.
    fn digits(&self) -> String {
        let interval = self.ends().map(|[low, high]| format!("  [{low}, {high}]"));
        format!("{}{}", self.value, interval.unwrap_or_default())
    }
}

impl Figures {
    fn of(
        predicted: &[f64],
        truth: &[f64],
        second: Option<&[f64]>,
        options: &Options,
    ) -> Result<Self, RankError> {
        let Options { resamples, confidence, seed, .. } = *options;
        let rng = |stream| Seed::new(seed).child(stream).rng();
        let tau: Statistic<'_> = &rank::kendall_tau_b;
        let figure = |stream, statistic: Statistic<'_>| {
            let (value, rng) = (statistic(predicted, truth)?, &mut rng(stream));
            let mut interval = || {
                rank::statistic_interval(predicted, truth, statistic, resamples, confidence, rng)
            };
            let interval = (0 < resamples).then(&mut interval).transpose()?;
            Ok::<_, RankError>(Figure { value, interval })
        };
        let p_value =
            || rank::permutation_p_value(predicted, truth, tau, resamples, &mut rng("p-value"));
        let is_sampled = 0 < resamples;
        let difference = |second| {
            if !is_sampled {
                return Ok((tau(predicted, truth)? - tau(second, truth)?, None));
            }
            let (both, rng) = ([predicted, second], &mut rng("difference"));
            let (by, interval) =
                rank::paired_difference(both, truth, tau, resamples, confidence, rng)?;
            Ok((by, Some(interval)))
        };
        let tau_of_top = match rank::kendall_tau_of_top(predicted, truth, 0.1) {
            Ok(tau) => Some(tau),
            Err(RankError::Constant { .. } | RankError::TooFew { .. }) => None,
            Err(error) => return Err(error),
        };
        let precision = |stream, fraction| {
            figure(stream, &|predicted, truth| rank::precision_at_top(predicted, truth, fraction))
        };
        let best_of_ten = |predicted: &[f64], truth: &[f64]| {
            rank::best_of(predicted, truth, TEN.min(truth.len()))
        };
        Ok(Self {
            n: truth.len(),
            kendall_tau_b: figure("tau", tau)?,
            spearman: figure("spearman", &rank::spearman)?,
            precision: [
                precision("precision/1", 0.01)?,
                precision("precision/5", 0.05)?,
                precision("precision/10", 0.10)?,
            ],
            tau_of_top,
            p_value: is_sampled.then(p_value).transpose()?,
            difference: second.map(difference).transpose()?,
            regret: figure("regret", &rank::regret_of_top)?,
            best_of_ten: figure("best-of-ten", &best_of_ten)?,
        })
    }

    fn print(&self, format: Format) -> String {
        let Self { n, kendall_tau_b: tau, spearman: rho, regret, best_of_ten: best, .. } = self;
        let [one, five, ten] = &self.precision;
        let ends = |interval: &Interval| [interval.low, interval.high];
        match format {
            Format::Json => format!(
                "{}\n",
                json!({
                    "n": n,
                    "kendall_tau_b": tau.value,
                    "kendall_tau_b_interval": tau.ends(),
                    // On which τ-b is undefined.
                    "resamples_skipped": tau.interval.map(|interval| interval.skipped),
                    "kendall_tau_b_p_value": self.p_value,
                    "kendall_tau_b_of_top_10": self.tau_of_top,
                    "difference": self.difference.as_ref().map(|(by, interval)| {
                        json!({ "kendall_tau_b": by, "interval": interval.as_ref().map(ends) })
                    }),
                    "spearman": rho.value,
                    "spearman_interval": rho.ends(),
                    "precision_at": { "1": one.value, "5": five.value, "10": ten.value },
                    "precision_at_interval": { "1": one.ends(), "5": five.ends(), "10": ten.ends() },
                    "regret_top1": regret.value,
                    "regret_top1_interval": regret.ends(),
                    "best_of_10": best.value,
                    "best_of_10_interval": best.ends(),
                })
            ),
            Format::Text => {
                let p_value = self.p_value.map(|p| format!(", p = {p:.4}")).unwrap_or_default();
                let top = self.tau_of_top.map_or("undefined".to_owned(), |tau| format!("{tau:.4}"));
                let difference = self.difference.map(|(by, i)| {
                    let interval = i.map(|i| format!("  [{:.4}, {:.4}]", i.low, i.high));
                    format!("exceeds by     {by:.4}{} in τ-b\n", interval.unwrap_or_default())
                });
                let difference = difference.unwrap_or_default();
                format!(
                    "n              {n}\nKendall τ-b    {}{p_value}\n\
                     of the top 10% {top}\nSpearman ρ     {}\n\
                     precision 1 %  {}\nprecision 5 %  {}\nprecision 10 % {}\n\
                     regret         {}\nbest of ten    {}\n{difference}",
                    tau.text(),
                    rho.text(),
                    one.text(),
                    five.text(),
                    ten.text(),
                    regret.digits(),
                    best.digits(),
                )
            }
        }
    }
}

/// Keys and numbers of a column, in the order of the file.
fn column(file: &Path, name: Option<&str>) -> Result<Vec<(String, f64)>> {
    let text = std::fs::read_to_string(file);
    let rows = text.map_err(Into::into).and_then(|text| parse(&text, name));
    rows.with_context(|| file.display().to_string())
}

fn parse(text: &str, name: Option<&str>) -> Result<Vec<(String, f64)>> {
    // Rows of another length are told below, with their true line.
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let headers = reader.headers()?.clone();
    let index = match name {
        None => 1,
        Some(name) => {
            let mut found = (0..headers.len()).filter(|&index| headers[index] == *name);
            let first = found.next().with_context(|| format!("there is no column `{name}`"))?;
            ensure!(found.next().is_none(), "there are several columns `{name}`");
            first
        }
    };
    ensure!(index < headers.len(), "a key and a number are needed in every row");
    ensure!(0 < index, "column `{}` is the key", shown(&headers[0]));
    let head = &headers[index];
    let is_number = name.is_none() && head.trim().parse::<f64>().is_ok();
    ensure!(!is_number, "line 1 is no header: `{}` is a number", shown(head));
    let mut seen = HashMap::new();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        let start = start(&record);
        let (n, expected) = (record.len(), headers.len());
        ensure!(n == expected, "line {}: {n} fields, not {expected}", line(text, start));
        let (key, number) = (&record[0], &record[index]);
        match number.trim().parse::<f64>() {
            Ok(value) if value.is_finite() => rows.push((key.to_owned(), value)),
            _ => bail!("line {}: `{}` is no finite number", line(text, start), shown(number)),
        }
        if let Some(first) = seen.insert(key.to_owned(), start) {
            let (again, first) = (line(text, start), line(text, first));
            bail!("line {again} repeats the key `{}` of line {first}", shown(key));
        }
    }
    Ok(rows)
}

#[cfg(test)]
#[path = "rank_tests.rs"]
mod tests;
