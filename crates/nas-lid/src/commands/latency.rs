//! `nas-lid latency`: how long the parts of a space's networks take on this machine.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;
use data::Batch;
use serde_json::json;
use space::{Arch, Seed};
use whole_file::WholeFile;

use super::MOST_IMAGES;
use crate::Format;
use crate::latency_table::{Measured, Subject};
use crate::run_dir::write_whole;
use crate::space_options::SpaceOptions;
use crate::spaces::{self, Compute, Opened, Task};
use crate::{device, progress::Progress};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    space: SpaceOptions,
    /// Where the table is written, for `search.latency`
    #[arg(long)]
    out: PathBuf,
    /// Images at once
    #[arg(long, default_value_t = 1, value_parser = super::within(1..=MOST_IMAGES))]
    images: usize,
    /// Runs of each part, of which the fastest counts
    #[arg(long, default_value_t = 20, value_parser = super::some())]
    repeats: usize,
    /// Those of the runs that shall use the table
    #[arg(long, value_enum, default_value = "fused")]
    kernels: Kernels,
    /// cpu or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Whose operations are measured.
#[derive(Clone, Copy, ValueEnum)]
enum Kernels {
    /// This program's
    Fused,
    /// Those of burn
    Stock,
}

/// Random networks that are measured whole, to see how well the parts add up.
const N_WHOLE: usize = 16;

pub(crate) fn run(options: &Options, format: Format) -> Result<()> {
    let n = options.images;
    let (config, task) = options.space.checked()?;
    let device = device::open(&options.device)?;
    // Measuring takes minutes, for nothing if they cannot be kept. A pipe would take this for its end.
    if !options.out.exists() || options.out.is_file() {
        let cannot = || format!("cannot write {}", options.out.display());
        WholeFile::create(&options.out).map(drop).with_context(cannot)?;
    }
    let kernels = match options.kernels {
        Kernels::Fused => supernet::Kernels::Fused,
        Kernels::Stock => supernet::Kernels::Stock,
    };
    let compute = Compute { kernels, ..Compute::fast(&device) };
    let Opened { space, untrained } = spaces::open(&config, task, &compute, Seed::new(1))?;
    let (supernet, mask, batch) = (untrained(), space.full_mask(), blank(n, task));
    let table = supernet.measure_parts(&mask, &batch, options.repeats)?;
    let of = Subject { space: config, resolution: task.resolution, kernels: compute.kernels };
    let measured = Measured { of, images: n, table };
    write_whole(&options.out, |to| {
        serde_json::to_writer_pretty(&mut *to, &measured)?;
        Ok(writeln!(to)?)
    })?;
    let table = measured.table;

    let mut rng = Seed::new(1).child("latency").rng();
    let mut progress = Progress::new("whole networks", 0, N_WHOLE as u64);
    let mut ratio = |arch: Arch| {
        progress.step();
        supernet.measure(&arch, &batch, options.repeats) / table.seconds(&arch)
    };
    let mut ratios: Vec<f64> = (0..N_WHOLE).map(|_| ratio(mask.sample(&mut rng))).collect();
    ratios.sort_by(f64::total_cmp);
    let [least, median, most] = [ratios[0], ratios[N_WHOLE / 2], ratios[N_WHOLE - 1]];
    let (parts, file) = (table.parts.len(), options.out.display().to_string());
    crate::print(match format {
        Format::Json => format!(
            "{}\n",
            json!({ "parts": parts, "file": file, "whole_by_sum": [least, median, most] })
        ),
        Format::Text => format!(
            "parts         {parts}\nfile          {file}\n\
             whole by sum  {median:.3} ({least:.3} to {most:.3}) of {N_WHOLE} random networks\n"
        ),
    })
}

/// Images without content: times do not depend on it.
fn blank(n: usize, task: Task) -> Batch {
    let Task { image_channels, resolution, .. } = task;
    let shape = [n, image_channels, resolution, resolution];
    Batch { images: vec![0.0; shape.iter().product()], labels: vec![0; n], shape }
}
