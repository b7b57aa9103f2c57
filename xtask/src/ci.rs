//! `cargo xtask ci`: everything that must hold before a commit.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{gpu, process, tidy};

/// One thing to check.
struct Step {
    name: &'static str,
    work: Work,
}

enum Work {
    Tidy,
    Process(Command),
}

/// How a step ended, and after how long.
struct Outcome {
    name: &'static str,
    passed: bool,
    elapsed: Duration,
}

pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    let steps = steps(root)?;
    let n_steps = steps.len();
    let mut outcomes = Vec::new();
    for step in steps {
        println!("── {} [{}/{n_steps}]", step.name, outcomes.len() + 1);
        let started = Instant::now();
        let passed = take(root, step.work).with_context(|| format!("step `{}`", step.name))?;
        let outcome = Outcome { name: step.name, passed, elapsed: started.elapsed() };
        println!("   {}", line(&outcome));
        outcomes.push(outcome);
        if !passed {
            break;
        }
    }
    print!("\n{}", table(&outcomes, n_steps));
    let passed = outcomes.iter().all(|outcome| outcome.passed);
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn take(root: &Path, work: Work) -> Result<bool> {
    match work {
        Work::Tidy => Ok(tidy::run(root)? == ExitCode::SUCCESS),
        Work::Process(mut command) => {
            let status = command.status().with_context(|| {
                format!("failed to start {}", command.get_program().to_string_lossy())
            })?;
            Ok(status.success())
        }
    }
}

/// The steps, cheap ones first.
///
/// Lints and documents are of what is compiled with `cuda`, so that dependencies are checked once; the tests compile the
/// lines that stand in their place without it, and kernels of cards are tested by `cargo xtask gpu`.
fn steps(root: &Path) -> Result<Vec<Step>> {
    let cargo = |arguments: &str| {
        let mut command = process::cargo(root);
        command.args(arguments.split(' '));
        command
    };
    let process = |name, command| Step { name, work: Work::Process(command) };
    let mut docs = gpu::without_linking(cargo("doc --no-deps --workspace --features nas-lid/cuda"));
    docs.env("RUSTDOCFLAGS", "-D warnings");
    Ok(vec![
        process("format", cargo("fmt --all --check")),
        Step { name: "tidy", work: Work::Tidy },
        process("clippy", gpu::lint(root)),
        process("tests", cargo("test --workspace")),
        process("docs", docs),
        process("nb201", smoke(root, "nb201")?),
        process("proxyless", smoke(root, "proxyless")?),
        process("ofa", smoke(root, "ofa")?),
    ])
}

/// A whole run on the smallest config of a space, into a folder that holds no earlier run.
///
/// The program is the one that the tests have built: building it by itself would choose other
/// features for shared dependencies and build them again.
fn smoke(root: &Path, space: &str) -> Result<Command> {
    let target = process::target_directory(root)?;
    let out = target.join("smoke").join(space);
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("failed to remove {}", out.display()))?;
    }
    let mut command = Command::new(target.join("debug/nas-lid"));
    command.current_dir(root).env_remove("NASLID_DATA");
    command.args(["run", &format!("configs/{space}-smoke.toml"), "--out"]).arg(out);
    Ok(command)
}

fn line(outcome: &Outcome) -> String {
    let word = if outcome.passed { "ok" } else { "FAILED" };
    format!("{:<12} {word:<6} {:>8.1} s", outcome.name, outcome.elapsed.as_secs_f64())
}

fn table(outcomes: &[Outcome], n_steps: usize) -> String {
    let mut table: String = outcomes.iter().map(|outcome| line(outcome) + "\n").collect();
    let total: Duration = outcomes.iter().map(|outcome| outcome.elapsed).sum();
    let skipped = n_steps - outcomes.len();
    table += &format!("{:<12} {:<6} {:>8.1} s", "total", "", total.as_secs_f64());
    table += &if skipped == 0 { "\n".to_owned() } else { format!(", {skipped} not run\n") };
    table
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn table_tells_what_was_not_run() {
        let outcome = |name, passed, seconds| {
            let elapsed = Duration::from_secs_f64(seconds);
            Outcome { name, passed, elapsed }
        };
        let outcomes = [outcome("format", true, 0.5), outcome("tidy", false, 12.25)];
        expect![[r#"
            format       ok          0.5 s
            tidy         FAILED     12.2 s
            total                   12.8 s, 5 not run
        "#]]
        .assert_eq(&table(&outcomes, 7));
    }
}
