//! The stages of a run: train → split → fine-tune → search → rank → truth → report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use search::{Constraints, Prices, SearchError, evolve};
use serde::{Deserialize, Serialize};
use space::{Accuracy, Arch, Cost, SearchSpace, Valid, cheapest, stratified_sample};
use supernet::Evaluation;

use crate::config::{Key, Method, Plan, SearchConfig};
use crate::lab::Lab;
use crate::manifest::{Manifest, command};
use crate::method::{Arm, Grown};
use crate::progress::Progress;
use crate::run_dir::{RunDir, digest, must_exist};
use crate::scores::ScoreBook;
use crate::shift::Score;
use crate::truth::Truth;
use crate::{Format, device, log, summary};

/// How to run a configuration.
pub(crate) struct RunOptions {
    pub(crate) out: PathBuf,
    pub(crate) device: String,
    pub(crate) archives: Option<PathBuf>,
    pub(crate) format: Format,
}

/// Best architectures that one method's search has found, best first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Found {
    pub(crate) arch: Arch,
    /// Validation accuracy as a fraction, as it was measured.
    pub(crate) valid_accuracy: f64,
    /// What is added to it to compare it with those of other leaves.
    pub(crate) shift: f64,
}

/// An architecture that no other of a search beats in accuracy, and in cost if that was weighed.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct OnFront {
    /// As the space writes it, for `nas-lid arch`.
    arch: String,
    /// Validation accuracy as a fraction, as it was measured.
    valid_accuracy: f64,
    /// What is added to it to compare it with those of other leaves.
    shift: f64,
    parameters: u64,
    macs: u64,
    /// By the table, if there is one.
    seconds: Option<f64>,
}

impl OnFront {
    fn new(lab: &Lab, (of, accuracy): &(Arch, Accuracy<Valid>), shift: f64) -> Self {
        let Cost { parameters, macs } = lab.space.cost(of);
        let (arch, valid_accuracy) = (lab.space.format(of), accuracy.fraction());
        let seconds = lab.latency.as_ref().map(|table| table.seconds(of));
        Self { arch, valid_accuracy, shift, parameters, macs, seconds }
    }
}

/// What the search and ranking stages have measured, by method.
pub(crate) struct Outcome {
    pub(crate) grown: BTreeMap<Method, Grown>,
    pub(crate) found: BTreeMap<Method, Vec<Found>>,
    pub(crate) sample: Vec<Arch>,
    pub(crate) scores: BTreeMap<Method, Vec<Score>>,
    pub(crate) truth: Truth,
}

/// How many of the best architectures a search keeps.
const N_FOUND: usize = 10;

/// Runs all stages; those that are done are skipped.
pub(crate) fn run(plan: &Plan, options: &RunOptions) -> Result<()> {
    let config = &plan.config;
    let device = device::open(&options.device)?;
    let lab = plan.origin.locate(Lab::open(config, options.archives.as_deref(), &device))?;
    let mut truth = Truth::open(config, options.archives.as_deref())?;
    plan.origin.locate(check_limits(&lab, &config.search))?;
    plan.origin.locate(lab.check_statistics_batches())?;
    let manifest = manifest(plan, &lab, &truth, options);
    let dir = RunDir::open(&options.out, &plan.text, &manifest)?;
    log::also_to(&dir.path("log"))?;
    lab.recall_unreadable(&dir)?;
    let arm = |method| Arm { lab: &lab, config, dir: &dir, method };

    tracing::info!("data set {}; run directory {}", lab.dataset, options.out.display());
    plan.origin.locate(stage("train", || arm(Method::OneShot).train_parent()))?;
    let methods = || config.split.methods.iter().copied();
    let grown: BTreeMap<Method, Grown> =
        stage("split", || methods().map(|m| Ok((m, arm(m).grow()?))).collect())?;
    stage("fine-tune", || methods().try_for_each(|m| arm(m).fine_tune(&grown[&m])))?;
    let found = stage("search", || {
        methods().map(|m| Ok((m, search(&arm(m), &grown[&m])?))).collect::<Result<_>>()
    })?;
    let mut rng = lab.seed.child("ranking/sample").rng();
    let sample = stratified_sample(lab.space.as_ref(), config.ranking.archs, &mut rng);
    let scores: BTreeMap<Method, Vec<Score>> = stage("rank", || {
        methods().map(|m| Ok((m, rank(&arm(m), &grown[&m], &sample)?))).collect()
    })?;
    write_scores(&lab, &dir, &sample, &scores)?;
    stage("truth", || truth.train_alone(&lab, config, &dir, &sample))?;
    lab.keep_unreadable(&dir)?;
    let outcome = Outcome { grown, found, sample, scores, truth };
    let report = summary::report(&lab, config, &dir, &outcome)?;
    dir.write("report.json", report.to_json().as_bytes())?;
    dir.write("report.md", report.to_markdown().as_bytes())?;
    dir.write("report.html", report.to_html().as_bytes())?;
    crate::print(match options.format {
        Format::Text => report.to_markdown(),
        Format::Json => report.to_json(),
    })
}

/// What makes two runs the same.
pub(crate) fn manifest(plan: &Plan, lab: &Lab, truth: &Truth, options: &RunOptions) -> Manifest {
    Manifest {
        config_sha256: digest(plan.text.as_bytes()),
        data_sha256: lab.data_digest.clone(),
        inputs_sha256: lab.inputs_digest.clone(),
        truth_sha256: truth.sha256(),
        commit: env!("NASLID_COMMIT").into(),
        device: device::full_name(&options.device),
        command: command(),
    }
}

fn stage<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let clock = Instant::now();
    tracing::info!("stage {name}");
    let result = work().with_context(|| format!("stage {name}"));
    tracing::info!("stage {name} took {:.1} s", clock.elapsed().as_secs_f64());
    result
}

/// What a search is not to exceed.
pub(crate) fn constraints(options: &SearchConfig) -> Constraints {
    let limit = |value: u64| (0 < value).then_some(value);
    Constraints { max_parameters: limit(options.max_parameters), max_macs: limit(options.max_macs) }
}

fn is_no_arch(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(SearchError::NoArch))
}

/// Refuses limits that nothing keeps, before anything is trained.
pub(crate) fn check_limits(lab: &Lab, options: &SearchConfig) -> Result<()> {
    let space = lab.space.as_ref();
    let check = |key, limit: u64, of: fn(&Cost) -> u64| {
        let least = of(&space.cost(&cheapest(space, &space.full_mask(), of)));
        let fault = || format!("{limit}, but no architecture has fewer than {least}");
        ensure!(limit == 0 || least <= limit, Key(key).fault(fault()));
        Ok(())
    };
    check("search.max-parameters", options.max_parameters, |cost| cost.parameters)?;
    check("search.max-macs", options.max_macs, |cost| cost.macs)
}

/// Where the best that a search has found are kept.
fn found_file(method: Method) -> String {
    format!("search/{}.json", method.name())
}

/// The best that the search of a method has found, the best first and at least one; none before it is done.
pub(crate) fn found(
    dir: &RunDir,
    method: Method,
    space: &dyn SearchSpace,
) -> Result<Option<Vec<Found>>> {
    let (file, mask) = (found_file(method), space.full_mask());
    let path = dir.path(&file);
    if !path.exists() {
        return Ok(None);
    }
    let found: Vec<Found> = dir.read_json(&file)?;
    let is_sound = |one: &Found| {
        let is_accuracy = (0.0..=1.0).contains(&one.valid_accuracy);
        mask.contains(&one.arch) && is_accuracy && one.shift.is_finite()
    };
    let all_are = !found.is_empty() && found.iter().all(is_sound);
    ensure!(all_are, "{} is damaged: no architectures with accuracies", path.display());
    Ok(Some(found))
}

/// Evolution inside every leaf; the best architectures of all of them.
fn search(arm: &Arm<'_>, grown: &Grown) -> Result<Vec<Found>> {
    if let Some(found) = found(arm.dir, arm.method, arm.lab.space.as_ref())? {
        return Ok(found);
    }
    let options = &arm.config.search;
    let constraints = constraints(options);
    let prices = Prices { space: arm.lab.space.as_ref(), latency: arm.lab.latency.as_ref() };
    let mut book = ScoreBook::open(arm, grown)?;
    let mut history = Vec::new();
    for leaf in grown.tree.leaves() {
        let name = arm.job(&leaf.id, "search");
        let evolution = &options.evolution;
        let most = evolution.population * evolution.generations;
        let mut progress = Progress::new(&name, 0, most as u64);
        let evaluated = evolve(
            &prices,
            &leaf.mask,
            evolution,
            &constraints,
            arm.lab.seed.child(&name),
            &mut |arch| {
                progress.step();
                Ok::<_, anyhow::Error>(book.score(arch)?.measured.accuracy)
            },
        );
        match evaluated {
            Ok(evaluated) => history.extend(evaluated),
            Err(error) if is_no_arch(&error) => tracing::info!("{name}: {error}"),
            Err(error) => return Err(error.context(format!("{name} failed"))),
        }
    }
    book.write()?;
    let method = arm.method.name();
    ensure!(!history.is_empty(), "in no leaf of {method} an architecture within limits was found");
    // Within a leaf all are shifted alike; only here do leaves meet.
    let shifts = history.iter().map(|(arch, _)| Ok((arch, book.shift(arch)?.accuracy)));
    let shifts: BTreeMap<&Arch, f64> = shifts.collect::<Result<_>>()?;
    let shift = |arch: &Arch| shifts[arch];
    let found: Vec<Found> = search::best(&history, N_FOUND, &shift)
        .into_iter()
        .map(|(arch, accuracy)| Found {
            valid_accuracy: accuracy.fraction(),
            shift: shift(&arch),
            arch,
        })
        .collect();
    let front = search::front(&prices, options.evolution.selection, &history, &shift);
    let on_front = |found: &(Arch, _)| OnFront::new(arm.lab, found, shift(&found.0));
    let front: Vec<OnFront> = front.iter().map(on_front).collect();
    arm.dir.write_json(&format!("search/{}-front.json", arm.method.name()), &front)?;
    arm.dir.write_json(&found_file(arm.method), &found)?;
    Ok(found)
}

fn rank(arm: &Arm<'_>, grown: &Grown, sample: &[Arch]) -> Result<Vec<Score>> {
    let mut book = ScoreBook::open(arm, grown)?;
    let mut progress =
        Progress::new(&format!("{}/rank", arm.method.name()), 0, sample.len() as u64);
    let mut scores = Vec::with_capacity(sample.len());
    for arch in sample {
        scores.push(book.score(arch)?);
        progress.step();
    }
    book.write()?;
    Ok(scores)
}

/// Writes the scores of the ranking sample, method by method: as they were measured, and to be compared.
fn write_scores(
    lab: &Lab,
    dir: &RunDir,
    sample: &[Arch],
    scores: &BTreeMap<Method, Vec<Score>>,
) -> Result<()> {
    let mut text =
        String::from("method,arch,valid_accuracy,valid_loss,compared_accuracy,compared_loss\n");
    for (method, scores) in scores {
        for (arch, score) in sample.iter().zip(scores) {
            let (method, arch) = (method.name(), lab.space.format(arch));
            let Evaluation { accuracy, loss } = score.measured;
            let [accuracy, compared] = [accuracy.fraction(), score.accuracy()];
            text.push_str(&format!(
                "{method},{arch},{accuracy},{loss},{compared},{}\n",
                score.loss()
            ));
        }
    }
    dir.write("scores.csv", text.as_bytes())
}

/// Reads a run directory's configuration and runs what is left.
pub(crate) fn resume(out: &Path, options: &RunOptions) -> Result<()> {
    must_exist(out)?;
    let plan = Plan::read(&out.join("config.toml"), &[])?;
    run(&plan, options)
}
