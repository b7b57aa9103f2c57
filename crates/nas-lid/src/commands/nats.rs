//! `nas-lid nats`: the trainings of NATS-Bench as tables, with every seed and epoch.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use nb201::{Nb201, Record, Table};
use rayon::prelude::*;
use serde_json::json;
use space::SearchSpace;

use crate::Format;
use crate::progress::Progress;
use crate::run_dir::write_whole;

/// What to import.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The directory `NATS-tss-v1_0-3ffb9-simple`, or one with some of its files
    dir: PathBuf,
    /// Where the tables are written
    #[arg(long, default_value = ".")]
    out: PathBuf,
}

/// Every measurement: a line for each seed, set of images and epoch.
const CURVES: &str = "nats-trainings.csv";

/// Files that are decompressed before their lines are written.
const N_AT_ONCE: usize = 64;

pub(crate) fn run(options: &Options, format: Format) -> Result<()> {
    let files = files(&options.dir)?;
    let space = Table::space();
    let curves = options.out.join(CURVES);
    let mut means = BTreeMap::new();
    let mut n_measurements = 0_usize;
    write_whole(&curves, |to| {
        writeln!(to, "arch,epochs,dataset,seed,set,epoch,accuracy,loss")?;
        let mut progress = Progress::new("nats", 0, files.len() as u64);
        for files in files.chunks(N_AT_ONCE) {
            let records: Vec<Record> =
                files.par_iter().map(|file| read(file)).collect::<Result<_>>()?;
            for (record, file) in records.into_iter().zip(files) {
                n_measurements += write_lines(to, &space, &record)?;
                let accuracies = record.test_accuracies();
                if means.insert(record.arch, accuracies).is_some() {
                    bail!("{}: the architecture of another file", file.display());
                }
                progress.step();
            }
        }
        Ok(())
    })?;
    let rows = means.iter().filter_map(|(arch, accuracies)| match *accuracies {
        [Some(cifar10), Some(cifar100), Some(imagenet16)] => {
            Some((arch, [cifar10, cifar100, imagenet16]))
        }
        _ => None,
    });
    let rows: Vec<_> = rows.collect();
    let (n_rows, n_all) = (rows.len(), space.full_mask().n_archs());
    let table = (n_rows as u128 == n_all).then(|| options.out.join(Table::FILE));
    if let Some(table) = &table {
        write_whole(table, |to| Ok(to.write_all(Table::text(rows).as_bytes())?))?;
    }
    crate::print(match format {
        Format::Json => {
            let json = json!({
                "archs": means.len(),
                "measurements": n_measurements,
                "trainings_file": curves,
                "table_file": table,
            });
            format!("{json}\n")
        }
        Format::Text => {
            let table = match &table {
                Some(table) => table.display().to_string(),
                None => format!("not written: accuracies of {n_rows} of {n_all} architectures"),
            };
            format!(
                "architectures  {}\nmeasurements   {n_measurements} in {}\ntable          {table}\n",
                means.len(),
                curves.display(),
            )
        }
    })
}

/// The files of architectures, in the order of their names.
fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    let is_arch = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.and_then(|name| name.strip_suffix(".pickle.pbz2"))
            .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut files: Vec<PathBuf> = paths.into_iter().filter(is_arch).collect();
    files.sort_unstable();
    ensure!(!files.is_empty(), "{}: no files such as 000000.pickle.pbz2", dir.display());
    Ok(files)
}

fn read(file: &Path) -> Result<Record> {
    let record = || -> Result<Record> { Ok(Record::read(BufReader::new(File::open(file)?))?) };
    record().with_context(|| file.display().to_string())
}

/// Writes all measurements of an architecture; how many there are.
fn write_lines(to: &mut dyn Write, space: &Nb201, record: &Record) -> Result<usize> {
    let arch = space.format(&record.arch);
    let mut n = 0;
    for training in &record.trainings {
        for m in &training.measurements {
            let (epochs, dataset, seed) = (training.epochs, &training.dataset, training.seed);
            let (set, epoch, accuracy, loss) = (&m.set, m.epoch, m.accuracy, m.loss);
            writeln!(to, "{arch},{epochs},{dataset},{seed},{set},{epoch},{accuracy},{loss}")?;
            n += 1;
        }
    }
    Ok(n)
}
