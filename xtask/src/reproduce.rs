//! `cargo xtask reproduce`: an experiment from nothing to its claims.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use crate::claims::{self, Verdict};
use crate::data::{self, CIFAR10_BINARY, CIFAR10_IMAGES, DataSet, FOLDER_VARIABLE, NB201_TABLE};
use crate::program::{self, Backends};
use crate::{memory, process};

/// ImageNet's class folders in the folder of data, `train/<class>` and `val/<class>`.
const IMAGENET: &str = "imagenet";

/// The run went well, but a claim was missed.
pub(crate) const MISSED: u8 = 3;

/// Arguments of `cargo xtask reproduce`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Which experiment.
    experiment: Experiment,
    /// How much of it.
    #[arg(long, default_value_t = Profile::Cpu)]
    profile: Profile,
    /// Folder of data; the default is `NASLID_DATA`, then `data` in the workspace.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Run directory, or the folder of those of several seeds; the default is `runs/<space>-<profile>` or
    /// `runs/<space>-<profile>-seeds` in the workspace.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Runs with seeds 1 to this number, and one table of their means.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: u64,
    /// More arguments for `nas-lid run`.
    #[arg(last = true)]
    extra: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Experiment {
    /// All stages on NAS-Bench-201.
    Nb201,
    /// All stages on ProxylessNAS; on CIFAR-10 and digits against networks trained alone.
    Proxyless,
    /// All stages on Once-for-All; on CIFAR-10 and digits against networks trained alone.
    Ofa,
    /// Memory and time of a split decision by LID and by gradients; has no profiles.
    Memory,
}

impl fmt::Display for Experiment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nb201 => "nb201",
            Self::Proxyless => "proxyless",
            Self::Ofa => "ofa",
            Self::Memory => "memory",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Profile {
    /// In a minute, on the embedded digits.
    Smoke,
    /// What a processor can do: in half an hour on nb201, in an hour on the others.
    Cpu,
    /// More of that on nb201, in an hour.
    Hour,
    /// The setting of the paper, for a GPU.
    Paper,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smoke => "smoke",
            Self::Cpu => "cpu",
            Self::Hour => "hour",
            Self::Paper => "paper",
        })
    }
}

/// Where the images come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Images {
    AsConfigured,
    Digits,
}

/// One run of `nas-lid`, all paths absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plan {
    /// `nb201-cpu`, say, or `nb201-digits` where there are no other images.
    name: String,
    config: PathBuf,
    out: PathBuf,
    data: Option<PathBuf>,
    extra: Vec<OsString>,
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let is_taken = |extra: &OsString| {
        extra == "--dry-run"
            || extra.to_string_lossy().trim_start_matches("--set=").starts_with("seed=")
    };
    ensure!(
        options.seeds == 1 || !options.extra.iter().any(is_taken),
        "`--seeds` chooses the seeds and makes whole runs: neither `seed=` nor `--dry-run` goes with it"
    );
    match options.experiment {
        Experiment::Memory => {
            let takes_none = options.seeds == 1 && (&options.data, &options.out) == (&None, &None);
            let device = match options.extra.as_slice() {
                [] => Some("cpu"),
                [flag, device] if flag == "--device" => device.to_str(),
                _ => None,
            };
            let device = device.filter(|_| takes_none);
            let device = device.context("memory takes no options but `-- --device cuda:0`")?;
            memory::run(root, &program::build(root, Backends::of(&options.extra))?, device)
        }
        Experiment::Nb201 | Experiment::Proxyless | Experiment::Ofa => {
            let plan = plan(root, options)?;
            let backends = Backends::of(&options.extra);
            if options.profile == Profile::Paper && backends == Backends::Cpu {
                eprintln!(
                    "note: a processor takes weeks for this; `-- --device cuda:0` uses a GPU"
                );
            }
            let program = program::build(root, backends)?;
            if options.seeds == 1 {
                one(root, &program, &plan)
            } else {
                seeds(root, &program, &plan, options.seeds)
            }
        }
    }
}

/// One run, with the seed of the configuration.
fn one(root: &Path, program: &Path, plan: &Plan) -> Result<ExitCode> {
    let is_dry = plan.extra.iter().any(|extra| extra == "--dry-run");
    match start(root, command(program, plan))? {
        ExitCode::SUCCESS if !is_dry => {
            check_claims(root, &plan.name, &plan.out.join("report.json"))
        }
        code => Ok(code),
    }
}

/// A run for each seed in a folder of its own, and the table of their means.
fn seeds(root: &Path, program: &Path, plan: &Plan, n: u64) -> Result<ExitCode> {
    let folders: Vec<PathBuf> = (1..=n).map(|seed| plan.out.join(format!("seed-{seed}"))).collect();
    for (seed, out) in (1..).zip(&folders) {
        let mut extra = plan.extra.clone();
        extra.extend(["--set".into(), format!("seed={seed}").into()]);
        let of_seed = Plan { out: out.clone(), extra, ..plan.clone() };
        match start(root, command(program, &of_seed))? {
            ExitCode::SUCCESS => {}
            code => return Ok(code),
        }
    }
    let report = || {
        let mut command = Command::new(program);
        command.arg("report").args(&folders);
        command
    };
    let mut as_json = report();
    let output = as_json.args(["--format", "json"]).output();
    let output = output.with_context(|| format!("failed to start {}", program.display()))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the seeds make no table: {complaint}");
    let means = plan.out.join("seeds.json");
    fs::write(&means, &output.stdout).with_context(|| means.display().to_string())?;
    match start(root, report())? {
        ExitCode::SUCCESS => check_claims(root, &format!("{}-seeds", plan.name), &means),
        code => Ok(code),
    }
}

/// Runs a command to its end.
fn start(root: &Path, mut command: Command) -> Result<ExitCode> {
    println!("running {command:?}");
    let status = command.current_dir(root).status();
    let status = status.with_context(|| format!("failed to start {command:?}"))?;
    if !status.success() {
        eprintln!("nas-lid failed: {status}");
    }
    Ok(process::exit_code(status))
}

fn plan(root: &Path, options: &Options) -> Result<Plan> {
    let base = format!("{}-{}", options.experiment, options.profile);
    // Before anything is downloaded or built.
    config_of(root, &base)?;

    let folder = data::folder(root, options.data.as_deref(), env::var_os(FOLDER_VARIABLE));
    let images = match (options.profile, options.experiment) {
        (Profile::Smoke, _) => Images::AsConfigured,
        (Profile::Paper, Experiment::Proxyless | Experiment::Ofa) => {
            // ImageNet is given to those who register, so it cannot be downloaded.
            let imagenet = folder.join(IMAGENET);
            ensure!(
                imagenet.is_dir(),
                "ImageNet is not here: there is no folder {}",
                imagenet.display()
            );
            Images::AsConfigured
        }
        (Profile::Cpu | Profile::Hour | Profile::Paper, _) => {
            if options.experiment == Experiment::Nb201 {
                note_missing_table(&folder);
            }
            provide(&folder)
        }
    };
    let name = match images {
        Images::AsConfigured => base,
        Images::Digits => format!("{}-digits", options.experiment),
    };
    let config = config_of(root, &name)?;
    let absolute = |path: &Path| {
        std::path::absolute(path).with_context(|| format!("failed to locate {}", path.display()))
    };
    let out = match &options.out {
        Some(out) => absolute(out)?,
        None if 1 < options.seeds => root.join("runs").join(format!("{name}-seeds")),
        None => root.join("runs").join(&name),
    };
    let data = if folder.is_dir() { Some(absolute(&folder)?) } else { None };
    Ok(Plan { name, config, out, data, extra: options.extra.clone() })
}

/// The configuration of an experiment, which must exist.
fn config_of(root: &Path, name: &str) -> Result<PathBuf> {
    let config = root.join("configs").join(format!("{name}.toml"));
    ensure!(config.exists(), "there is no {}", config.display());
    Ok(config)
}

/// Says that ranks will be missing.
fn note_missing_table(folder: &Path) {
    if !folder.join(NB201_TABLE).exists() {
        eprintln!(
            "note: {NB201_TABLE} is not in {}: ranks against it will be skipped \
             (`cargo xtask data nb201` says how to get it)",
            folder.display()
        );
    }
}

/// Sees to the images.
fn provide(folder: &Path) -> Images {
    if [CIFAR10_BINARY, CIFAR10_IMAGES].iter().any(|file| folder.join(file).exists()) {
        return Images::AsConfigured;
    }
    println!("CIFAR-10 is not in {}: downloading it", folder.display());
    match data::install(DataSet::Cifar10, None, folder) {
        Ok(_) => Images::AsConfigured,
        Err(error) => {
            eprintln!("{}", loud(&format!("{error:#}")));
            Images::Digits
        }
    }
}

/// That digits are no CIFAR-10 must not be overlooked.
fn loud(reason: &str) -> String {
    let bar = "!".repeat(80);
    format!(
        "{bar}\n\
         !! CIFAR-10 IS NOT HERE: {reason}\n\
         !! THE EMBEDDED 8 × 8 DIGITS ARE USED INSTEAD.\n\
         !! The figures of this run say nothing of CIFAR-10.\n\
         {bar}"
    )
}

fn command(program: &Path, plan: &Plan) -> Command {
    let mut command = Command::new(program);
    command.arg("run").arg(&plan.config).arg("--out").arg(&plan.out);
    if let Some(data) = &plan.data {
        command.arg("--data").arg(data);
    }
    command.args(&plan.extra);
    command
}

fn check_claims(root: &Path, name: &str, report: &Path) -> Result<ExitCode> {
    let expectations = root.join("configs/expect").join(format!("{name}.toml"));
    if !expectations.exists() {
        println!("no claims to check: there is no {}", expectations.display());
        return Ok(ExitCode::SUCCESS);
    }
    let verdicts = claims::compare(&expectations, report)?;
    for verdict in &verdicts {
        println!("{verdict}");
    }
    let held = verdicts.iter().all(Verdict::holds);
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::from(MISSED) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_are_there_are_used() {
        for file in [CIFAR10_BINARY, CIFAR10_IMAGES] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(file), "").unwrap();
            assert_eq!(provide(folder.path()), Images::AsConfigured);
        }
    }

    #[test]
    fn seeds_go_neither_with_a_seed_nor_with_a_dry_run() {
        let root = tempfile::tempdir().unwrap();
        let refused = |experiment, extra: &[&str]| {
            let (data, out) = (Some(root.path().join("none")), None);
            let extra = extra.iter().map(OsString::from).collect();
            let options =
                Options { experiment, profile: Profile::Smoke, data, out, seeds: 2, extra };
            run(root.path(), &options).unwrap_err().to_string()
        };
        for extra in [&["--dry-run"][..], &["--set", "seed=7"], &["--set=seed=7"]] {
            assert!(refused(Experiment::Nb201, extra).starts_with("`--seeds` chooses the seeds"));
        }
        // What else is there goes on, to the configuration that this folder lacks.
        let missing = refused(Experiment::Nb201, &["--set", "split.groups=[2, 2]"]);
        assert!(missing.ends_with("nb201-smoke.toml"), "{missing}");
        let of_memory = "memory takes no options but `-- --device cuda:0`";
        assert_eq!(refused(Experiment::Memory, &[]), of_memory);
        assert_eq!(refused(Experiment::Memory, &["--device"]), of_memory);
    }

    fn options(experiment: Experiment, profile: Profile, data: &Path) -> Options {
        let (data, out, extra) = (Some(data.to_path_buf()), None, Vec::new());
        Options { experiment, profile, data, out, seeds: 1, extra }
    }

    #[test]
    fn paper_profiles_of_the_chains_need_imagenet() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("configs")).unwrap();
        fs::write(root.path().join("configs/ofa-paper.toml"), "").unwrap();
        let options = options(Experiment::Ofa, Profile::Paper, &root.path().join("data"));
        let missing = plan(root.path(), &options).unwrap_err().to_string();
        assert!(missing.starts_with("ImageNet is not here: there is no folder "), "{missing}");
        fs::create_dir_all(root.path().join("data/imagenet")).unwrap();
        assert_eq!(plan(root.path(), &options).unwrap().name, "ofa-paper");
    }

    #[test]
    fn smoke_needs_no_data() {
        let root = tempfile::tempdir().unwrap();
        let options = options(Experiment::Nb201, Profile::Smoke, &root.path().join("none"));
        let missing = plan(root.path(), &options).unwrap_err().to_string();
        assert!(missing.ends_with("nb201-smoke.toml"), "{missing}");

        fs::create_dir(root.path().join("configs")).unwrap();
        fs::write(root.path().join("configs/nb201-smoke.toml"), "").unwrap();
        let of_seeds = self::plan(root.path(), &Options { seeds: 2, ..options.clone() }).unwrap();
        assert_eq!(of_seeds.out, root.path().join("runs/nb201-smoke-seeds"));
        let plan = plan(root.path(), &options).unwrap();
        assert_eq!(plan.out, root.path().join("runs/nb201-smoke"));
        assert_eq!((plan.data, plan.config), (None, root.path().join("configs/nb201-smoke.toml")));
    }
}
