//! What a run would do, and how long a few steps of it take on this machine.

use anyhow::Result;
use serde::Serialize;

use crate::config::{AcrossLeaves, Method, Plan, RunConfig, TruthConfig};
use crate::job::{Job, Measured};
use crate::lab::Lab;
use crate::memory::Peak;
use crate::method::{planned_epochs_after_parent, planned_leaves};
use crate::run::{RunOptions, check_limits, manifest};
use crate::run_dir::{Prospect, RunDir};
use crate::truth::Truth;
use crate::{Format, device};

/// What a run would take.
#[derive(Serialize)]
struct Forecast {
    dataset: String,
    space: &'static str,
    archs: u128,
    methods: Vec<&'static str>,
    epochs: u64,
    steps_per_epoch: usize,
    step_seconds: f64,
    /// Of a step, the greatest first.
    shares: Vec<Share>,
    /// Networks that are scored, at most.
    scores: usize,
    /// Of one network on one checkpoint.
    score_seconds: f64,
    /// What scores are held against, if it is known.
    truth: Option<String>,
    /// Of all of it but the split decisions.
    seconds: f64,
    /// Above rest, of what was measured, where that can be known.
    peak_bytes: Option<u64>,
    run_directory: String,
    prospect: Prospect,
}

/// A kind of work.
#[derive(Serialize)]
struct Share {
    work: &'static str,
    /// Of the time, as a fraction.
    share: f64,
}

/// Trains and scores for some seconds, and prints what all of a run would take.
pub(crate) fn dry_run(plan: &Plan, options: &RunOptions) -> Result<()> {
    let config = &plan.config;
    let device = device::open(&options.device)?;
    let peak = Peak::start(&device);
    let lab = plan.origin.locate(Lab::open(config, options.archives.as_deref(), &device))?;
    let truth = Truth::open(config, options.archives.as_deref())?;
    plan.origin.locate(check_limits(&lab, &config.search))?;
    plan.origin.locate(lab.check_statistics_batches())?;
    let manifest = manifest(plan, &lab, &truth, options);
    let prospect = RunDir::prospect(&options.out, &plan.text, &manifest)?;
    let mut supernet = plan.origin.locate(lab.first())?;
    let mask = lab.space.full_mask();
    tracing::info!("training and scoring a few networks, to see how long it takes");
    let Measured { step_seconds, shares, score_seconds } =
        Job::measure(&lab, config, supernet.as_mut(), &mask)?;
    let (epochs, scores) = (epochs(config), scores(config));
    let n_steps = epochs * lab.training.n_steps() as u64;
    let n_late = config.training.fine_tune.late_checkpoints as f64;
    let forecast = Forecast {
        dataset: lab.dataset.clone(),
        space: lab.space.name(),
        archs: mask.n_archs(),
        methods: config.split.methods.iter().map(|method| method.name()).collect(),
        epochs,
        steps_per_epoch: lab.training.n_steps(),
        step_seconds,
        shares: shares.each().into_iter().map(|(work, share)| Share { work, share }).collect(),
        scores,
        score_seconds,
        truth: truth.description(),
        seconds: n_steps as f64 * step_seconds + scores as f64 * n_late * score_seconds,
        peak_bytes: peak.bytes_above_rest(),
        run_directory: options.out.display().to_string(),
        prospect,
    };
    crate::print(match options.format {
        Format::Json => format!("{}\n", serde_json::to_string(&forecast)?),
        Format::Text => forecast.text(),
    })
}

/// Of all trainings.
fn epochs(config: &RunConfig) -> u64 {
    let alone = match config.ranking.truth {
        TruthConfig::TrainedAlone(training) => training.epochs * config.ranking.archs as u64,
        TruthConfig::Unknown | TruthConfig::Table(_) => 0,
    };
    let n_methods = config.split.methods.len() as u64;
    config.training.warm_up.epochs[0] + n_methods * planned_epochs_after_parent(config) + alone
}

/// Networks that are scored at most, by search and ranking, and to compare leaves.
fn scores(config: &RunConfig) -> usize {
    let evolution = &config.search.evolution;
    let of_search = evolution.population * evolution.generations;
    let of_method = |&method: &Method| {
        let n_leaves = planned_leaves(config, method);
        let of_comparison = match config.evaluation.across_leaves {
            // In the leaf and in the parent.
            AcrossLeaves::AsInParent(n) if 1 < n_leaves => 2 * n,
            AcrossLeaves::AsInParent(_) | AcrossLeaves::AsTheyAre => 0,
        };
        config.ranking.archs + n_leaves * (of_search + of_comparison)
    };
    config.split.methods.iter().map(of_method).sum()
}

impl Forecast {
    fn text(&self) -> String {
        let share = |Share { work, share }: &Share| format!("{work} {:.0} %", 100.0 * share);
        let shares: Vec<String> = self.shares.iter().map(share).collect();
        let mebibytes = |bytes: u64| format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20));
        let ranks = match &self.truth {
            Some(truth) => format!("against {truth}"),
            None => "skipped: no true accuracies".to_owned(),
        };
        format!(
            "data set        {}\nspace           {}, {} architectures\nmethods         {}\n\
             training        {} epochs of {} steps, {:.1} ms a step\n\
             of a step       {}\n\
             scores          at most {} architectures, {:.1} ms a checkpoint\n\
             ranks           {ranks}\nestimated time  {:.0} min, the split decisions not counted\n\
             peak memory     {}\nrun directory   {}, {}\n",
            self.dataset,
            self.space,
            self.archs,
            self.methods.join(", "),
            self.epochs,
            self.steps_per_epoch,
            1e3 * self.step_seconds,
            shares.join("; "),
            self.scores,
            1e3 * self.score_seconds,
            self.seconds / 60.0,
            self.peak_bytes.map_or("unknown".to_owned(), mebibytes),
            self.run_directory,
            match self.prospect {
                Prospect::Starts => "new",
                Prospect::GoesOn => "begun: the run goes on, and takes less than all of this",
            },
        )
    }
}
