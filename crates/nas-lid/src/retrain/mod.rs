//! One network, trained by itself to the end and tested.

mod config;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use data::{Augment, Batch, Batches, Mixed};
use serde::{Deserialize, Serialize};
use space::{Accuracy, Arch, Seed, Test, extremes};
use supernet::{Lesson, Statistics, StepOptions, StochasticDepth, Supernet, mean_loss};

pub(crate) use self::config::{RetrainConfig, Start};
use crate::checkpoint;
use crate::chosen::Chosen;
use crate::config::Key;
use crate::exams::{check_enough, take};
use crate::progress::Progress;
use crate::run_dir::{Claim, remove_unfinished, write_whole};

/// Classes among which the right one is to be.
const FIVE: usize = 5;

/// How well a network does that is trained to the end.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    /// As the space writes it.
    pub(crate) arch: String,
    pub(crate) dataset: String,
    pub(crate) epochs: u64,
    /// Test accuracy as a fraction.
    pub(crate) top_1: f64,
    /// Share of test images whose class is among the five most probable.
    pub(crate) top_5: f64,
    pub(crate) test_images: usize,
}

/// How a network did on the test images.
struct Tested {
    /// Share of the images whose class is the most probable.
    top_1: Accuracy<Test>,
    /// Share of those whose class is among the five most probable.
    top_5: Accuracy<Test>,
    n_images: usize,
}

/// What a checkpoint is of.
#[derive(Serialize, Deserialize)]
struct Note {
    /// Run, architecture, method, configuration, commit and device.
    of: String,
    epoch: u64,
}

/// A training to be done.
pub(crate) struct Retraining<'a> {
    chosen: &'a Chosen,
    config: &'a RetrainConfig,
    batches: Batches,
    plain: Batches,
    test: Batches,
    teacher: Option<(Box<dyn Supernet>, Arch)>,
    seed: Seed,
    folder: PathBuf,
}

impl<'a> Retraining<'a> {
    /// A training of the chosen network on all training images; its files lie in the folder `retrain/NAME` of the
    /// run.
    pub(crate) fn new(chosen: &'a Chosen, config: &'a RetrainConfig, name: &str) -> Result<Self> {
        let Chosen { lab, dataset, .. } = chosen;
        let resolution = chosen.plan.config.data.resolution();
        let images = Arc::new(dataset.train.at(resolution)?);
        let of = |augment| {
            let batches =
                Batches::new(images.clone(), &lab.normalization, augment, config.batch_size);
            batches.context(Key("batch-size"))
        };
        let (batches, plain) = (of(config.augment)?, of(Augment::NONE)?);
        check_enough(&plain, config.statistics_batches).context(Key("statistics-batches"))?;
        let Augment { crop_padding, cutout, .. } = config.augment;
        for (key, pixels) in [("augment.crop-padding", crop_padding), ("augment.cutout", cutout)] {
            let fault = || format!("{pixels}, but a side of the images has {resolution} pixels");
            ensure!(pixels < resolution, Key(key).fault(fault()));
        }
        let test = Arc::new(dataset.test.at(resolution)?);
        let teacher = (0.0 < config.distillation).then(|| {
            let arm = chosen.arm();
            let mask = arm.leaf_of(&chosen.arch)?.mask;
            let [_, costliest] = extremes(lab.space.as_ref(), &mask);
            anyhow::Ok((arm.fine_tuned(&costliest)?, costliest))
        });
        Ok(Self {
            chosen,
            config,
            batches,
            plain,
            test: Batches::for_evaluation(test, &lab.normalization, config.batch_size)?,
            teacher: teacher.transpose()?,
            seed: lab.seed.child("retrain"),
            folder: chosen.dir.path(&format!("retrain/{name}")),
        })
    }

    /// Trains from where it stopped before, tests the network and writes `result.json` and
    /// `weights.safetensors`.
    pub(crate) fn run(&self) -> Result<Outcome> {
        let place = || self.folder.display().to_string();
        std::fs::create_dir_all(&self.folder).with_context(place)?;
        let _claim = Claim::on(&self.folder)?;
        remove_unfinished(&self.folder, &[]).with_context(place)?;
        let arch = &self.chosen.arch;
        let trained = self.trained()?;
        let mut tested = if 0.0 < self.config.averaging { trained.averaged() } else { trained };
        let (n, seed) = (self.config.statistics_batches, self.seed.child("statistics"));
        let batches = take(&self.plain, n, seed)?;
        tested.store_statistics(arch, &batches);

        let Tested { top_1, top_5, n_images } = self.test(tested.as_ref())?;
        let outcome = Outcome {
            arch: self.chosen.lab.space.format(arch),
            dataset: self.chosen.lab.dataset.clone(),
            epochs: self.config.epochs,
            top_1: top_1.fraction(),
            top_5: top_5.fraction(),
            test_images: n_images,
        };
        let mut weights = tested.export();
        weights.metadata = self.chosen.metadata()?;
        weights.metadata.insert("top-1".to_owned(), outcome.top_1.to_string());
        weights.write(&self.folder.join("weights.safetensors"))?;
        let result = serde_json::to_vec_pretty(&outcome)?;
        write_whole(&self.folder.join("result.json"), |to| Ok(to.write_all(&result)?))?;
        Ok(outcome)
    }

    fn trained(&self) -> Result<Box<dyn Supernet>> {
        let Chosen { arch, method, device, dir, .. } = self.chosen;
        let (run, commit) = (&dir.identity, env!("NASLID_COMMIT"));
        let of = serde_json::to_string(&(run, arch, method, self.config, commit, device))?;
        let file = self.folder.join("checkpoint.safetensors");
        let mut supernet = match self.config.start {
            Start::Drawn => self.chosen.lab.untrained(),
            Start::Inherited => self.chosen.arm().fine_tuned(arch)?.fork(),
        };
        let mut epoch = 0;
        if file.exists() {
            let note: Note = checkpoint::read(&file, supernet.as_mut())?;
            let folder = self.folder.display();
            ensure!(note.of == of, "{folder} is of another training; choose another --name");
            epoch = note.epoch;
        }
        let config = toml::to_string(self.config)?;
        write_whole(&self.folder.join("config.toml"), |to| Ok(to.write_all(config.as_bytes())?))?;
        let (epochs, n_steps) = (self.config.epochs, self.batches.n_steps() as u64);
        let mut progress = Progress::new("retrain", epoch * n_steps, epochs * n_steps);
        while epoch < epochs {
            let clock = Instant::now();
            let loss = self.epoch(supernet.as_mut(), epoch, &mut || progress.step())?;
            epoch += 1;
            let seconds = clock.elapsed().as_secs_f64();
            tracing::info!("epoch {epoch} of {epochs}: loss {loss:.4} in {seconds:.0} s");
            supernet.save(&file, &serde_json::to_string(&Note { of: of.clone(), epoch })?)?;
        }
        Ok(supernet)
    }

    /// The mean loss of the steps, in nats.
    fn epoch(
        &self,
        supernet: &mut dyn Supernet,
        epoch: u64,
        after_step: &mut dyn FnMut(),
    ) -> Result<f64> {
        let n_steps = self.batches.n_steps();
        mean_loss(&self.batches, self.seed.child("images"), epoch, |step, batch| {
            let moment = epoch as f64 + step as f64 / n_steps as f64;
            let seed = self.seed.child(&format!("epoch/{epoch}/step/{step}"));
            let loss = self.step(supernet, batch, moment, seed);
            after_step();
            loss.with_context(|| format!("epoch {}, step {}", epoch + 1, step + 1))
        })
    }

    fn step(
        &self,
        supernet: &mut dyn Supernet,
        batch: Batch,
        moment: f64,
        seed: Seed,
    ) -> Result<f64> {
        let c = self.config;
        let some = |value: f64| (0.0 < value).then_some(value);
        let Mixed { batch, others, share } = if 0.0 < c.mixup {
            batch.mixed(c.mixup, seed.child("mixup"))?
        } else {
            Mixed { batch, others: Vec::new(), share: 1.0 }
        };
        let answers = |(teacher, arch): &(Box<dyn Supernet>, Arch)| {
            teacher.answers(arch, &batch, Statistics::OfBatch)
        };
        let answers = self.teacher.as_ref().map(answers);
        let lesson = Lesson {
            mixed: (share < 1.0).then_some((&others, share)),
            teacher: answers.as_deref().map(|answers| (answers, c.distillation)),
            stochastic_depth: some(c.stochastic_depth)
                .map(|rate| StochasticDepth { rate, seed: seed.child("depth") }),
            ..Lesson::plain(&batch)
        };
        let options = StepOptions {
            lr: c.schedule.at(moment, c.epochs as f64),
            optimizer: c.optimizer.optimizer(),
            weight_decay: c.weight_decay,
            max_gradient_norm: some(c.max_gradient_norm),
            label_smoothing: c.label_smoothing,
            averaging: some(c.averaging),
        };
        let arch = std::slice::from_ref(&self.chosen.arch);
        Ok(supernet.train_together(&lesson, arch, &options)?)
    }

    fn test(&self, supernet: &dyn Supernet) -> Result<Tested> {
        let (mut right, mut n_images) = ([0; 2], 0);
        for batch in self.test.sequential(0..self.test.images().len()) {
            let batch = batch?;
            n_images += batch.labels.len();
            let answers = supernet.answers(&self.chosen.arch, &batch, Statistics::Stored);
            let are_numbers = answers.iter().all(|answer| answer.is_finite());
            ensure!(
                are_numbers,
                "the answers of the network are no numbers: its training has diverged"
            );
            let classes = answers.len() / batch.labels.len();
            for (answers, &label) in answers.chunks_exact(classes).zip(&batch.labels) {
                let place = place(answers, label as usize);
                for (right, k) in right.iter_mut().zip([1, FIVE]) {
                    *right += usize::from(place < k);
                }
            }
        }
        ensure!(0 < n_images, "no test image can be read");
        let [top_1, top_5] = right.map(|right| Accuracy::from_counts(right, n_images));
        Ok(Tested { top_1, top_5, n_images })
    }
}

/// How many classes are answered before the right one; of equals the first.
fn place(answers: &[f32], label: usize) -> usize {
    let comes_before = |(class, answer): (usize, &f32)| {
        answer.total_cmp(&answers[label]).then(label.cmp(&class)).is_gt()
    };
    answers.iter().enumerate().filter(|&answer| comes_before(answer)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_what_is_more_probable() {
        let answers = [0.25, 0.125, 0.25, 0.375];
        assert_eq!([0, 1, 2, 3].map(|label| place(&answers, label)), [1, 3, 2, 0]);
    }
}
