//! The table of a run: the methods, beside what needs no training.

use anyhow::{Context, Result};
use rank::RankError;
use report::{Estimate, Report, ReportError, Row, TEN, measure};
use space::{Accuracy, Arch, Cost, EdgeId, SearchSpace, SplitTree};

use crate::config::{AcrossLeaves, Method, RunConfig};
use crate::lab::Lab;
use crate::method::Arm;
use crate::run::{Found, Outcome, constraints};
use crate::run_dir::RunDir;
use crate::separation::separations;
use crate::shift::{Score, Shift};

/// The row of the parameters on live edges, which every supernet must exceed.
pub(crate) const LIVE_PARAMETERS: &str = "live parameters";

/// Spaces up to this size are searched whole by the scorers that need no training.
const ENUMERABLE: u128 = 100_000;

/// Measures every scorer against the true accuracies, where they are known.
pub(crate) fn report(
    lab: &Lab,
    config: &RunConfig,
    dir: &RunDir,
    outcome: &Outcome,
) -> Result<Report> {
    let manifest = dir.manifest()?;
    let (truth, admitted) = (truths(outcome), admitted(lab, config, outcome));
    let best = best_known(outcome, &admitted);
    let summary = Summary { lab, config, outcome, truth, admitted, best };
    let mut rows = vec![
        summary.untrained("parameters", |space, arch| space.cost(arch))?,
        summary.untrained(LIVE_PARAMETERS, |space, arch| space.live_cost(arch))?,
    ];
    for &method in outcome.scores.keys() {
        rows.push(summary.trained(&Arm { lab, config, dir, method })?);
    }
    let trees = outcome
        .grown
        .iter()
        .map(|(method, grown)| {
            (method.name().to_owned(), indented(lab.space.as_ref(), &grown.tree, grown.levels, 0))
        })
        .collect();
    let truth = outcome.truth.description();
    let mut notes = vec![format!(
        "Intervals: bootstrap over architectures, {} resamples, {:.0} %.",
        config.ranking.resamples,
        100.0 * config.ranking.confidence
    )];
    notes.push(match truth {
        Some(_) => "Those of regret and best of ten are rough: a resample lacks some of the best and has others twice.",
        None => "True accuracies are not known: ranks are skipped.",
    }.into());
    if let AcrossLeaves::AsInParent(n) = config.evaluation.across_leaves {
        notes.push(format!(
            "Where a method has several leaves, scores of each are shifted until the mean of {n} random draws is what \
             it was before any split; validation accuracies are as they were measured."
        ));
    }
    let n_unreadable = lab.training.images().unreadable().len();
    if 0 < n_unreadable {
        notes.push(format!(
            "{n_unreadable} unreadable pictures were left out; the log of the run names them."
        ));
    }
    Ok(Report {
        title: format!("NAS-LID on {}", lab.space.name()),
        dataset: lab.dataset.clone(),
        truth,
        n_archs: outcome.sample.len(),
        run: dir.name(),
        command: manifest.command,
        device: manifest.device,
        rows,
        separations: separations(config, &outcome.grown),
        trees,
        notes,
    })
}

struct Summary<'a> {
    lab: &'a Lab,
    config: &'a RunConfig,
    outcome: &'a Outcome,
    /// Of the sample.
    truth: Option<Vec<f64>>,
    /// The architectures within the limits of the search.
    admitted: Vec<Arch>,
    /// The best true accuracy that is known of such an architecture.
    best: Option<f64>,
}

impl Summary<'_> {
    /// The row of a cost that is taken as a score; it chooses within the limits of the search.
    fn untrained(&self, name: &str, cost: fn(&dyn SearchSpace, &Arch) -> Cost) -> Result<Row> {
        let space = self.lab.space.as_ref();
        let parameters = |arch: &Arch| cost(space, arch).parameters as f64;
        let scores: Vec<f64> = self.outcome.sample.iter().map(parameters).collect();
        let mut all: Vec<&Arch> = self.admitted.iter().collect();
        all.sort_by(|a, b| parameters(b).total_cmp(&parameters(a)));
        let chosen = |arch: &Arch| Found { arch: arch.clone(), valid_accuracy: 0.0, shift: 0.0 };
        let found: Vec<Found> = all.into_iter().take(TEN).map(chosen).collect();
        Ok(Row { chosen_valid: None, ..self.row(name, &scores, &found)? })
    }

    /// The row of a method whose supernets were trained.
    fn trained(&self, arm: &Arm<'_>) -> Result<Row> {
        let (method, name) = (arm.method, arm.method.name());
        let (scores, grown) = (&self.outcome.scores[&method], &self.outcome.grown[&method]);
        let accuracy: Vec<f64> = scores.iter().map(Score::accuracy).collect();
        let loss: Vec<f64> = scores.iter().map(|score| -score.loss()).collect();
        let live = |arch| self.lab.space.live_cost(arch).parameters as f64;
        let live: Vec<f64> = self.outcome.sample.iter().map(live).collect();
        let mut row = self.row(name, &accuracy, &self.outcome.found[&method])?;
        if scores.iter().any(|score| score.shift != Shift::NONE) {
            let measured = |score: &Score| score.measured.accuracy.fraction();
            row.tau_as_measured =
                self.tau(name, &scores.iter().map(measured).collect::<Vec<f64>>())?;
        }
        row.tau_by_loss = self.tau(name, &loss)?;
        row.tau_with_live_parameters = self.tau(name, &rank::mean_rank(&[&accuracy, &live])?)?;
        row.epochs = Some(arm.total_epochs(grown));
        if method != Method::OneShot {
            row.split_seconds = Some(grown.seconds);
            row.split_peak_bytes = grown.peak_bytes;
        }
        Ok(row)
    }

    fn row(&self, method: &str, scores: &[f64], found: &[Found]) -> Result<Row> {
        let mut row = Row { method: method.to_owned(), ..Row::default() };
        let test = |found: &Found| Some(self.outcome.truth.accuracy(&found.arch)?.fraction());
        if let Some(best) = found.first() {
            row.chosen = Some(self.lab.space.format(&best.arch));
            row.chosen_valid = Some(best.valid_accuracy);
            row.chosen_test = test(best);
            let ten: Option<Vec<f64>> = found.iter().take(TEN).map(test).collect();
            row.best_of_ten = ten.and_then(|ten| ten.into_iter().reduce(f64::max));
        }
        let Some(truth) = &self.truth else { return Ok(row) };
        row.regret = self.best.zip(row.chosen_test).map(|(best, chosen)| best - chosen);
        if let Some(measured) = self.measure(method, scores, truth)? {
            row.tau = Some(measured.tau);
            row.spearman = Some(measured.spearman);
            row.precision_at_1 = Some(measured.precision_at_1);
            row.precision_at_5 = Some(measured.precision_at_5);
            row.precision_at_10 = Some(measured.precision_at_10);
            row.regret_in_sample = Some(measured.regret);
            row.best_of_ten_in_sample = Some(measured.best_of_ten);
        }
        Ok(row)
    }

    fn tau(&self, method: &str, scores: &[f64]) -> Result<Option<Estimate>> {
        let Some(truth) = &self.truth else { return Ok(None) };
        Ok(self.measure(method, scores, truth)?.map(|measured| measured.tau))
    }

    /// Nothing, with a warning, where all scores are equal.
    fn measure(
        &self,
        method: &str,
        scores: &[f64],
        truth: &[f64],
    ) -> Result<Option<report::Measured>> {
        let ranking = &self.config.ranking;
        let mut rng = self.lab.seed.child("ranking/bootstrap").rng();
        match measure(scores, truth, ranking.resamples, ranking.confidence, &mut rng) {
            Ok(measured) => Ok(Some(measured)),
            Err(ReportError::Rank(
                error @ (RankError::Constant { .. } | RankError::AllUndefined { .. }),
            )) => {
                tracing::warn!("{method} has no rank: {error}");
                Ok(None)
            }
            Err(error) => Err(error).with_context(|| format!("{method} cannot be ranked")),
        }
    }
}

/// The architectures within the limits of the search: all, if there are not too many, else those of the sample.
fn admitted(lab: &Lab, config: &RunConfig, outcome: &Outcome) -> Vec<Arch> {
    let (space, limits) = (lab.space.as_ref(), constraints(&config.search));
    let mask = space.full_mask();
    let mut all: Vec<Arch> =
        if mask.n_archs() <= ENUMERABLE { mask.archs().collect() } else { outcome.sample.clone() };
    all.retain(|arch| limits.admit(space, arch));
    all
}

/// The best true accuracy that is known of these architectures and of those that were found.
fn best_known(outcome: &Outcome, admitted: &[Arch]) -> Option<f64> {
    let found = outcome.found.values().flatten().map(|found| &found.arch);
    let known = admitted.iter().chain(found).filter_map(|arch| outcome.truth.accuracy(arch));
    known.map(Accuracy::fraction).reduce(f64::max)
}

fn truths(outcome: &Outcome) -> Option<Vec<f64>> {
    outcome.sample.iter().map(|arch| Some(outcome.truth.accuracy(arch)?.fraction())).collect()
}

/// A split tree as indented text, with the leaves that `n_levels` decisions have left whole.
fn indented(
    space: &dyn SearchSpace,
    tree: &SplitTree<search::Evidence>,
    n_levels: usize,
    depth: usize,
) -> String {
    let names = |edge: EdgeId, ops: &[space::OpId]| -> String {
        ops.iter().map(|op| space.op_names(edge)[op.0]).collect::<Vec<_>>().join(", ")
    };
    let indent = "  ".repeat(depth);
    let Some(split) = &tree.split else {
        let fate = if depth < n_levels { ", stays whole: no edge could be split" } else { "" };
        return format!("{indent}{}: {} architectures{fate}\n", tree.id, tree.mask.n_archs());
    };
    let score = split.evidence.iter().find(|e| e.edge == split.edge).map_or(f64::NAN, |e| e.score);
    let mut text = format!(
        "{indent}{}: split on edge {}, score {score:.4}\n",
        tree.id,
        space.edge_name(split.edge)
    );
    for child in &split.children {
        let ops = names(split.edge, child.mask.ops(split.edge));
        text.push_str(&format!("{indent}  {{{ops}}}\n"));
        text.push_str(&indented(space, child, n_levels, depth + 1));
    }
    text
}

#[cfg(test)]
mod tests {
    use nb201::Nb201Config;

    use super::*;
    use crate::config::SpaceConfig;
    use crate::spaces::{self, Task};

    #[test]
    fn a_leaf_that_stays_whole_is_told() {
        let task = Task { image_channels: 3, resolution: 8, classes: 2 };
        let sizes = Nb201Config { channels: 4, cells_per_stage: 1, affine: true };
        let space = spaces::space(&SpaceConfig::Nb201(sizes), task).unwrap();
        let tree = SplitTree::root(space.full_mask());
        let text = |n_levels| indented(space.as_ref(), &tree, n_levels, 0);
        assert_eq!(text(0), "0: 15625 architectures\n");
        assert_eq!(text(1), "0: 15625 architectures, stays whole: no edge could be split\n");
    }
}
