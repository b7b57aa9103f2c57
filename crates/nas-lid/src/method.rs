//! The split stage of one method, and the training of its leaves.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use search::{
    Criterion, Evidence, GradientCriterion, LidCriterion, RandomCriterion, SearchError, choose,
};
use serde::{Deserialize, Serialize};
use space::{Arch, NodeId, SplitTree};
use supernet::Supernet;

use crate::checkpoint::Checkpoint;
use crate::config::{AcrossLeaves, Method, RunConfig};
use crate::job::Job;
use crate::lab::Lab;
use crate::memory::Peak;
use crate::progress::Progress;
use crate::run_dir::RunDir;
use crate::shrinking::Shrinking;

/// The file of all split trees.
const TREES: &str = "split-tree.json";

/// The warm-up of the undivided supernet, which all methods share.
pub(crate) const PARENT: &str = "shared/0/warm-up";

/// A split tree and what its decisions took.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Grown {
    pub(crate) tree: SplitTree<Evidence>,
    /// Levels decided.
    pub(crate) levels: usize,
    /// Time of all decisions, trainings not counted.
    pub(crate) seconds: f64,
    /// Highest memory above rest during a decision, where the system tells.
    pub(crate) peak_bytes: Option<u64>,
}

/// All trees of a run, by the name of their method.
type Trees = BTreeMap<String, Grown>;

/// What the stages of a method need.
pub(crate) struct Arm<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) config: &'a RunConfig,
    pub(crate) dir: &'a RunDir,
    pub(crate) method: Method,
}

impl Arm<'_> {
    /// Trains the supernet that all methods start from.
    pub(crate) fn train_parent(&self) -> Result<()> {
        let mask = self.lab.space.full_mask();
        let warm_up = &self.config.training.warm_up;
        let job = Job {
            name: PARENT.into(),
            mask: &mask,
            shrinking: &self.lab.shrinking,
            epochs: warm_up.epochs[0],
            first_lr: warm_up.first_lr,
            last_lr: warm_up.last_lr,
            keep: self.late_parent_epochs(),
        };
        job.run(self.lab, self.config, self.dir, self.lab.first()?.as_ref())
    }

    /// The parent as it was late in its training, to compare leaves by.
    pub(crate) fn late_parents(&self) -> Result<Vec<Box<dyn Supernet>>> {
        let mask = self.lab.space.full_mask();
        let earlier = self.late_parent_epochs().into_iter();
        let checkpoints = earlier.map(|epoch| Checkpoint::kept(self.dir, PARENT, &mask, epoch));
        let load = |checkpoint: Checkpoint| {
            let mut supernet = self.lab.untrained();
            checkpoint.load(supernet.as_mut())?;
            Ok(supernet)
        };
        checkpoints.chain([Checkpoint::latest(self.dir, PARENT, &mask)]).map(load).collect()
    }

    /// The epochs before the parent's last after which its weights are kept to compare leaves by: as far
    /// from its end as those of a leaf from that of its fine-tuning, but none that has trained a part
    /// of the space alone.
    fn late_parent_epochs(&self) -> Vec<u64> {
        let training = &self.config.training;
        let warm_up = training.warm_up.epochs[0];
        match self.config.evaluation.across_leaves {
            AcrossLeaves::AsTheyAre => Vec::new(),
            AcrossLeaves::AsInParent(_) => training
                .fine_tune
                .late_epochs_before_end(warm_up)
                .into_iter()
                .filter(|epoch| self.lab.shrinking.is_over(epoch - 1, warm_up))
                .collect(),
        }
    }

    /// Decides the splits level by level, warming up the new leaves in between.
    pub(crate) fn grow(&self) -> Result<Grown> {
        let mask = self.lab.space.full_mask();
        let start =
            Grown { tree: SplitTree::root(mask), levels: 0, seconds: 0.0, peak_bytes: None };
        let mut grown = self.trees()?.remove(self.method.name()).unwrap_or(start);
        while grown.levels < self.config.split.levels() {
            let Some(criterion) = self.criterion(grown.levels) else { break };
            if 0 < grown.levels {
                let is_new = |leaf: &&SplitTree<_>| depth(&leaf.id) == grown.levels;
                for leaf in grown.tree.leaves().into_iter().filter(is_new) {
                    self.warm_up(&grown.tree, leaf)?;
                }
            }
            self.split_leaves(&mut grown, criterion.as_ref())?;
            grown.levels += 1;
            let mut all = self.trees()?;
            all.insert(self.method.name().into(), grown.clone());
            self.dir.write_json(TREES, &all)?;
        }
        Ok(grown)
    }

    /// What divides the operations on a level; nothing does for the undivided supernet.
    fn criterion(&self, level: usize) -> Option<Box<dyn Criterion>> {
        let split = &self.config.split;
        let cut = split.cut(level);
        match self.method {
            Method::OneShot => None,
            Method::Random => Some(Box::new(RandomCriterion { cut })),
            Method::Gradient => {
                Some(Box::new(GradientCriterion { measure: split.gradient.measure, cut }))
            }
            Method::Lid => Some(Box::new(LidCriterion { options: split.lid, cut })),
        }
    }

    fn split_leaves(&self, grown: &mut Grown, criterion: &dyn Criterion) -> Result<()> {
        let tree = grown.tree.clone();
        for leaf in grown.tree.leaves_mut() {
            let (id, mask) = (leaf.id.clone(), leaf.mask.clone());
            if depth(&id) != grown.levels {
                continue;
            }
            let supernet = self.warmed_up(&tree, &id)?;
            let clock = Instant::now();
            let peak = Peak::start(&self.lab.device);
            let label = format!("{}/{id}/split", self.method.name());
            let mut progress: Option<Progress> = None;
            let evidence = criterion.evidence(
                supernet.as_ref(),
                self.lab.space.as_ref(),
                &mask,
                &self.lab.probes,
                self.lab.seed.child(&format!("split/{id}")),
                &mut |done, total| {
                    progress
                        .get_or_insert_with(|| Progress::new(&label, 0, total as u64))
                        .set(done);
                },
            );
            let evidence = match evidence {
                Err(error @ SearchError::Incomparable { .. }) => {
                    tracing::warn!("{label}: the leaf stays whole: {error}");
                    Vec::new()
                }
                evidence => evidence.map_err(|error| self.failure(&label, error))?,
            };
            grown.seconds += clock.elapsed().as_secs_f64();
            grown.peak_bytes = grown.peak_bytes.max(peak.bytes_above_rest());
            tracing::info!("{label}: {} edges compared", evidence.len());
            let edges = evidence.iter().map(|one| self.lab.space.edge_name(one.edge));
            tracing::debug!("{label}: {}", edges.collect::<Vec<_>>().join(", "));
            if let Some(best) = choose(&evidence) {
                let (edge, groups) = (best.edge, best.groups.clone());
                leaf.grow(edge, &groups, evidence)?;
            }
        }
        Ok(())
    }

    /// What went wrong with a decision, and on which edge.
    fn failure(&self, label: &str, error: SearchError) -> anyhow::Error {
        let edge = error.edge().map(|edge| self.lab.space.edge_name(edge));
        let place = edge.map_or(String::new(), |name| format!(" on edge {name}"));
        anyhow::Error::new(error).context(format!("{label} failed{place}"))
    }

    /// Trains a node below the root from the weights of its parent.
    fn warm_up(&self, tree: &SplitTree<Evidence>, node: &SplitTree<Evidence>) -> Result<()> {
        let warm_up = &self.config.training.warm_up;
        let job = Job {
            name: self.job(&node.id, "warm-up"),
            mask: &node.mask,
            shrinking: &Shrinking::NONE,
            epochs: warm_up.epochs[depth(&node.id)],
            first_lr: warm_up.first_lr,
            last_lr: warm_up.last_lr,
            keep: Vec::new(),
        };
        let parent = node.id.parent().context("a node below the root has a parent")?;
        job.run(self.lab, self.config, self.dir, self.warmed_up(tree, &parent)?.as_ref())
    }

    /// Trains every leaf for its share of the epochs.
    pub(crate) fn fine_tune(&self, grown: &Grown) -> Result<()> {
        let fine_tune = &self.config.training.fine_tune;
        for leaf in grown.tree.leaves() {
            let job = Job {
                name: self.job(&leaf.id, "fine-tune"),
                mask: &leaf.mask,
                shrinking: &Shrinking::NONE,
                epochs: self.fine_tune_epochs(),
                first_lr: fine_tune.first_lr,
                last_lr: fine_tune.last_lr,
                keep: self.late_epochs(),
            };
            // A leaf of the last level has no warm-up of its own.
            let own = depth(&leaf.id) < self.config.split.levels();
            let start = if own { Some(leaf.id.clone()) } else { leaf.id.parent() };
            let start = start.context("a leaf of the last level has a parent")?;
            let start = self.warmed_up(&grown.tree, &start)?;
            job.run(self.lab, self.config, self.dir, start.as_ref())?;
        }
        Ok(())
    }

    /// Epochs of each leaf; the undivided supernet gets those that the leaves have together.
    fn fine_tune_epochs(&self) -> u64 {
        let epochs = self.config.training.fine_tune.epochs;
        match self.method {
            Method::OneShot => planned_epochs_after_parent(self.config),
            Method::Random | Method::Gradient | Method::Lid => epochs,
        }
    }

    /// The epochs of the fine-tuning after which weights are kept to be scored.
    pub(crate) fn late_epochs(&self) -> Vec<u64> {
        self.config.training.fine_tune.late_epochs(self.fine_tune_epochs())
    }

    /// Epochs that this method has trained in all, the shared warm-up included.
    pub(crate) fn total_epochs(&self, grown: &Grown) -> u64 {
        let warm_up = &self.config.training.warm_up.epochs;
        fn nodes<'a>(tree: &'a SplitTree<Evidence>, found: &mut Vec<&'a SplitTree<Evidence>>) {
            found.push(tree);
            let children = tree.split.iter().flat_map(|split| &split.children);
            children.for_each(|child| nodes(child, found));
        }
        let mut all = Vec::new();
        nodes(&grown.tree, &mut all);
        let warm: u64 = all.iter().filter_map(|node| warm_up.get(depth(&node.id))).sum();
        warm + self.fine_tune_epochs() * grown.tree.leaves().len() as u64
    }

    /// The weights of the leaf that holds an architecture, as they are at the end of its training.
    pub(crate) fn fine_tuned(&self, arch: &Arch) -> Result<Box<dyn Supernet>> {
        let leaf = self.leaf_of(arch)?;
        let name = self.job(&leaf.id, "fine-tune");
        let mut supernet = self.lab.untrained();
        let last = self.fine_tune_epochs();
        Checkpoint::kept(self.dir, &name, &leaf.mask, last).load(supernet.as_mut())?;
        Ok(supernet)
    }

    /// The trees decided so far.
    fn trees(&self) -> Result<Trees> {
        let file = self.dir.path(TREES);
        if !file.exists() {
            return Ok(Trees::new());
        }
        let trees: Trees = self.dir.read_json(TREES)?;
        let (mask, levels) = (self.lab.space.full_mask(), self.config.split.levels());
        let is_sound = |Grown { tree, .. }: &Grown| {
            let is_low = tree.leaves().iter().all(|leaf| depth(&leaf.id) <= levels);
            tree.id == NodeId::root() && tree.divides(&mask) && is_low
        };
        let all_are = trees.values().all(is_sound);
        ensure!(all_are, "{} is damaged: a tree that no split makes", file.display());
        Ok(trees)
    }

    /// The leaf whose mask holds an architecture.
    pub(crate) fn leaf_of(&self, arch: &Arch) -> Result<SplitTree<Evidence>> {
        let name = self.method.name();
        let tree = match self.trees()?.remove(name) {
            Some(grown) => grown.tree,
            None if self.method == Method::OneShot => SplitTree::root(self.lab.space.full_mask()),
            None => bail!("the run has not split by {name}"),
        };
        let holds = |leaf: &&SplitTree<Evidence>| leaf.mask.contains(arch);
        let leaf = tree.leaves().into_iter().find(holds).cloned();
        leaf.with_context(|| format!("no leaf of {name} holds {arch}"))
    }

    /// The name of a training of this method.
    pub(crate) fn job(&self, node: &NodeId, phase: &str) -> String {
        format!("{}/{node}/{phase}", self.method.name())
    }

    /// The weights of a node after its warm-up, which is done again if they are gone; those of another mask or epoch
    /// are refused.
    fn warmed_up(&self, tree: &SplitTree<Evidence>, id: &NodeId) -> Result<Box<dyn Supernet>> {
        let node = tree.node(id).context("the node is in its tree")?;
        let name = self.warm_up_of(id);
        let mut supernet = self.lab.untrained();
        let epochs = self.config.training.warm_up.epochs[depth(id)];
        let checkpoint = Checkpoint::latest(self.dir, &name, &node.mask);
        if !checkpoint.exists() || checkpoint.load(supernet.as_mut())? != epochs {
            if *id != NodeId::root() {
                self.warm_up(tree, node)?;
            }
            let epoch = checkpoint.load(supernet.as_mut())?;
            ensure!(epoch == epochs, "{name} has come to epoch {epoch} of {epochs}");
        }
        Ok(supernet)
    }

    fn warm_up_of(&self, id: &NodeId) -> String {
        if *id == NodeId::root() { PARENT.into() } else { self.job(id, "warm-up") }
    }
}

/// Epochs that each method trains after the shared warm-up, if every leaf can be split.
pub(crate) fn planned_epochs_after_parent(config: &RunConfig) -> u64 {
    let warm_up = &config.training.warm_up.epochs;
    let warm = (1..warm_up.len()).map(|level| warm_up[level] * planned_nodes(config, level) as u64);
    let n_leaves = planned_nodes(config, config.split.levels()) as u64;
    warm.sum::<u64>() + config.training.fine_tune.epochs * n_leaves
}

/// Nodes of a tree on a level, if every leaf can be split; the root is on level 0.
fn planned_nodes(config: &RunConfig, level: usize) -> usize {
    config.split.groups[..level].iter().product()
}

/// Leaves of a method's tree, if every leaf can be split.
pub(crate) fn planned_leaves(config: &RunConfig, method: Method) -> usize {
    match method {
        Method::OneShot => 1,
        Method::Random | Method::Gradient | Method::Lid => {
            planned_nodes(config, config.split.levels())
        }
    }
}

/// The level of a node; the root is at 0.
fn depth(id: &NodeId) -> usize {
    std::iter::successors(id.parent(), NodeId::parent).count()
}
