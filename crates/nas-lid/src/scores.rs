//! Validation scores of architectures with inherited weights, each measured once.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use space::{Accuracy, Arch, Mask, sample_connected};
use supernet::{Evaluation, Supernet};

use crate::checkpoint::Checkpoint;
use crate::config::AcrossLeaves;
use crate::exams;
use crate::lab::Lab;
use crate::method::{Arm, Grown};
use crate::run_dir::RunDir;
use crate::shift::{Score, Shift};

/// New scores between two writes of the file.
const WRITE_EVERY: usize = 50;

/// The leaves of one method, what makes their scores comparable, and every score measured so far.
///
/// A score is a function of the architecture, so a search that is interrupted is run again from its
/// start and finds its scores here.
pub(crate) struct ScoreBook<'a> {
    measured: MeasuredScores<'a>,
    /// Of every leaf.
    shifts: Vec<Shift>,
}

impl<'a> ScoreBook<'a> {
    /// Loads the late checkpoints of every leaf and the scores of an earlier start, and compares the leaves.
    pub(crate) fn open(arm: &Arm<'a>, grown: &Grown) -> Result<Self> {
        let mut leaves = Vec::new();
        for leaf in grown.tree.leaves() {
            let name = arm.job(&leaf.id, "fine-tune");
            let mut late = Vec::new();
            for epoch in arm.late_epochs() {
                let mut supernet = arm.lab.untrained();
                Checkpoint::kept(arm.dir, &name, &leaf.mask, epoch).load(supernet.as_mut())?;
                late.push(supernet);
            }
            leaves.push((leaf.mask.clone(), late));
        }
        let file = format!("scores/{}.csv", arm.method.name());
        let mut measured = MeasuredScores::open(arm, file, leaves)?;
        let shifts = match arm.config.evaluation.across_leaves {
            AcrossLeaves::AsInParent(n) if 1 < measured.leaves.len() => {
                measured.shifts(arm, grown, n)?
            }
            AcrossLeaves::AsInParent(_) | AcrossLeaves::AsTheyAre => {
                vec![Shift::NONE; measured.leaves.len()]
            }
        };
        Ok(Self { measured, shifts })
    }

    /// What an architecture is measured at in its leaf, and what compares it with those of others.
    pub(crate) fn score(&mut self, arch: &Arch) -> Result<Score> {
        Ok(Score { measured: self.measured.score(arch)?, shift: self.shift(arch)? })
    }

    /// The shift of the leaf that holds an architecture.
    pub(crate) fn shift(&self, arch: &Arch) -> Result<Shift> {
        Ok(self.shifts[self.measured.leaf_of(arch)?])
    }

    /// Writes all scores to their file.
    pub(crate) fn write(&mut self) -> Result<()> {
        self.measured.write()
    }
}

/// Scores as they were measured.
struct MeasuredScores<'a> {
    lab: &'a Lab,
    dir: &'a RunDir,
    file: String,
    leaves: Vec<(Mask, Vec<Box<dyn Supernet>>)>,
    scores: BTreeMap<Arch, Evaluation>,
    unwritten: usize,
}

impl<'a> MeasuredScores<'a> {
    fn open(
        arm: &Arm<'a>,
        file: String,
        leaves: Vec<(Mask, Vec<Box<dyn Supernet>>)>,
    ) -> Result<Self> {
        let scores = read(arm.lab, arm.dir, &file)?;
        Ok(Self { lab: arm.lab, dir: arm.dir, file, leaves, scores, unwritten: 0 })
    }

    /// What brings the mean score of `n` random architectures of each leaf to that which they had before
    /// any split.
    fn shifts(&mut self, arm: &Arm<'a>, grown: &Grown, n: usize) -> Result<Vec<Shift>> {
        let mut parent = Self::open(arm, "scores/warm-up.csv".into(), Vec::new())?;
        let mut shifts = Vec::new();
        for leaf in grown.tree.leaves() {
            let name = arm.job(&leaf.id, "shift");
            let mut rng = arm.lab.seed.child(&name).rng();
            let (mut before, mut after) = (Vec::new(), Vec::new());
            for _ in 0..n {
                let arch = sample_connected(arm.lab.space.as_ref(), &leaf.mask, &mut rng);
                // Weights are not needed where an earlier start has measured all of it.
                if parent.leaves.is_empty() && !parent.scores.contains_key(&arch) {
                    parent.leaves = vec![(arm.lab.space.full_mask(), arm.late_parents()?)];
                }
                let [old, new] = [parent.score(&arch)?, self.score(&arch)?];
                before.push(old);
                after.push(new);
            }
            let shift = Shift::between(&after, &before);
            tracing::info!("{name}: {shift}");
            shifts.push(shift);
        }
        parent.write()?;
        self.write()?;
        Ok(shifts)
    }

    /// The mean score of an architecture over the late checkpoints of its leaf.
    fn score(&mut self, arch: &Arch) -> Result<Evaluation> {
        if let Some(score) = self.scores.get(arch) {
            return Ok(*score);
        }
        let (_, late) = &self.leaves[self.leaf_of(arch)?];
        let late: Vec<&dyn Supernet> = late.iter().map(Box::as_ref).collect();
        let score = exams::mean(&self.lab.exams.of(&late, arch));
        exams::check_finite(score.loss, || self.lab.space.format(arch))?;
        self.scores.insert(arch.clone(), score);
        self.unwritten += 1;
        if WRITE_EVERY <= self.unwritten {
            self.write()?;
        }
        Ok(score)
    }

    fn leaf_of(&self, arch: &Arch) -> Result<usize> {
        let leaf = self.leaves.iter().position(|(mask, _)| mask.contains(arch));
        leaf.with_context(|| format!("no leaf holds architecture {arch}"))
    }

    fn write(&mut self) -> Result<()> {
        let mut text = String::from("arch,valid_accuracy,valid_loss\n");
        for (arch, score) in &self.scores {
            text.push_str(&line(self.lab, arch, *score));
        }
        self.dir.write(&self.file, text.as_bytes())?;
        self.unwritten = 0;
        Ok(())
    }
}

/// One line of a file of measured scores; the numbers read back exactly.
fn line(lab: &Lab, arch: &Arch, score: Evaluation) -> String {
    format!("{},{},{}\n", lab.space.format(arch), score.accuracy.fraction(), score.loss)
}

fn read(lab: &Lab, dir: &RunDir, file: &str) -> Result<BTreeMap<Arch, Evaluation>> {
    let path = dir.path(file);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let place = path.display();
    let text = std::fs::read_to_string(&path).with_context(|| place.to_string())?;
    ensure!(text.ends_with('\n'), "{place} is cut off; without it its scores are measured again");
    let parse = |row: &str| {
        let mut cells = row.split(',');
        let arch = lab.space.parse(cells.next()?).ok()?;
        let fraction: f64 = cells.next()?.parse().ok().filter(|f| (0.0..=1.0).contains(f))?;
        let loss = cells.next()?.parse().ok().filter(|loss: &f64| loss.is_finite())?;
        Some((arch, Evaluation { accuracy: Accuracy::from_fraction(fraction), loss }))
    };
    (2..)
        .zip(text.lines().skip(1))
        .map(|(number, row)| parse(row).with_context(|| format!("{place}:{number}: no score")))
        .collect()
}
