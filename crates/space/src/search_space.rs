//! What every search space tells about itself.

use rand_chacha::ChaCha8Rng;

use crate::{Arch, EdgeId, Mask, SpaceError};

/// What an architecture costs, batch size 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cost {
    /// Trainable numbers, batch-norm scale and shift included.
    pub parameters: u64,
    /// Multiply-adds of convolutions and linear layers.
    pub macs: u64,
}

/// A set of architectures: names, texts and costs, no network.
pub trait SearchSpace: Send + Sync {
    /// The name on the command line and in configurations.
    fn name(&self) -> &'static str;

    /// The mask that allows everything.
    fn full_mask(&self) -> Mask;

    /// The name of an edge, for people.
    fn edge_name(&self, edge: EdgeId) -> String;

    /// The key of an edge in published mask files: its name, unless they have another.
    fn mask_key(&self, edge: EdgeId) -> String {
        self.edge_name(edge)
    }

    /// The names of an edge's operations, in the order of their numbers.
    fn op_names(&self, edge: EdgeId) -> &[&'static str];

    /// The architecture that a text stands for.
    ///
    /// # Errors
    ///
    /// If the text has another form or names an unknown operation.
    fn parse(&self, text: &str) -> Result<Arch, SpaceError>;

    /// The text of an architecture; [`SearchSpace::parse`] reads it back.
    fn format(&self, arch: &Arch) -> String;

    /// Parameters and multiply-adds of the network that `arch` stands for.
    fn cost(&self, arch: &Arch) -> Cost;

    /// The same, of the edges that lie on a path from input to output alone; in a chain all do.
    fn live_cost(&self, arch: &Arch) -> Cost {
        self.cost(arch)
    }

    /// How deep the network is: one for every chosen convolution, and one for every pixel that it reaches to
    /// either side, on the way from input to output that has most of that; a k × k kernel counts (k + 1)/2.
    fn live_depth(&self, arch: &Arch) -> usize;

    /// Whether anything of the input reaches the output; in a chain it always does.
    fn is_connected(&self, arch: &Arch) -> bool {
        let _ = arch;
        true
    }

    /// Whether `arch` computes the same whatever is chosen on `edge`, as what is chosen for a layer that
    /// the architecture leaves out.
    fn is_inert(&self, arch: &Arch, edge: EdgeId) -> bool {
        let _ = (arch, edge);
        false
    }

    /// Channels, height and width at each tap.
    fn taps(&self, arch: &Arch) -> Vec<[usize; 3]>;
}

/// How often a connected architecture is sought before any is taken.
const CONNECTED_DRAWS: usize = 1000;

/// An architecture under the mask whose output depends on its input.
///
/// Drawn uniformly from those; a mask that seems to hold none gives any of its architectures.
pub fn sample_connected(space: &dyn SearchSpace, mask: &Mask, rng: &mut ChaCha8Rng) -> Arch {
    let mut arch = mask.sample(rng);
    for _ in 0..CONNECTED_DRAWS {
        if space.is_connected(&arch) {
            break;
        }
        arch = mask.sample(rng);
    }
    arch
}

/// Architectures that are compared one by one in search of the cheapest.
const MOST_COMPARED: u128 = 1 << 16;

/// How often every edge is reconsidered in search of extremes.
const SWEEPS: usize = 4;

/// The cheapest connected and the costliest architecture under a mask, in multiply-adds.
///
/// Edge by edge, which finds them where the cost of an edge does not depend on others but for whether
/// it counts. Of operations that cost the same, the cheapest has the first and the costliest the last.
pub fn extremes(space: &dyn SearchSpace, mask: &Mask) -> [Arch; 2] {
    [cheapest(space, mask, |cost| cost.macs), costliest(space, mask, |cost| cost.macs)]
}

/// The connected architecture under a mask with the least of something that it costs: of all where there are not too
/// many, else as [`extremes`] finds it. Edge by edge an operation that costs nothing may cut the way that another needs.
pub fn cheapest(space: &dyn SearchSpace, mask: &Mask, of: fn(&Cost) -> u64) -> Arch {
    if mask.n_archs() <= MOST_COMPARED {
        let connected = mask.archs().filter(|arch| space.is_connected(arch));
        let least = connected.min_by_key(|arch| (of(&space.cost(arch)), arch.clone()));
        if let Some(arch) = least {
            return arch;
        }
    }
    let value = |arch: &Arch| of(&space.cost(arch));
    let is_cheaper =
        |old: &Arch, new: &Arch| space.is_connected(new) && (value(new), new) < (value(old), old);
    improved(mask, costliest(space, mask, of), &is_cheaper)
}

fn costliest(space: &dyn SearchSpace, mask: &Mask, of: fn(&Cost) -> u64) -> Arch {
    let value = |arch: &Arch| of(&space.cost(arch));
    improved(mask, mask.first(), &|old, new| value(old) <= value(new))
}

/// Takes every operation of every edge in turn where it is better, until none is.
fn improved(mask: &Mask, mut arch: Arch, is_better: &dyn Fn(&Arch, &Arch) -> bool) -> Arch {
    for _ in 0..SWEEPS {
        let before = arch.clone();
        for edge in mask.edges() {
            for &op in mask.ops(edge) {
                let other = arch.with(edge, op);
                if is_better(&arch, &other) {
                    arch = other;
                }
            }
        }
        if arch == before {
            break;
        }
    }
    arch
}

/// `n` architectures of the whole space in equal shares of `n` strata of equal numbers by cost.
///
/// The strata are cut from `20 n` uniform draws sorted by parameters and multiply-adds; the sample
/// is therefore uniform in expectation and spread evenly over the costs. Where a stratum holds none that
/// is not taken, another is drawn uniformly.
pub fn stratified_sample(space: &dyn SearchSpace, n: usize, rng: &mut ChaCha8Rng) -> Vec<Arch> {
    use rand::RngExt;
    const DRAWS: usize = 20;
    let mask = space.full_mask();
    if mask.n_archs() <= n as u128 {
        return mask.archs().collect();
    }
    let mut pool: Vec<Arch> = (0..n * DRAWS).map(|_| mask.sample(rng)).collect();
    pool.sort_by_cached_key(|arch| (space.cost(arch), arch.clone()));
    let mut taken = std::collections::BTreeSet::new();
    for stratum in pool.chunks(DRAWS) {
        let start = rng.random_range(0..stratum.len());
        let fresh = (0..stratum.len()).map(|i| &stratum[(start + i) % stratum.len()]);
        if let Some(arch) = fresh.into_iter().find(|arch| !taken.contains(*arch)) {
            taken.insert(arch.clone());
        }
    }
    while taken.len() < n {
        taken.insert(mask.sample(rng));
    }
    taken.into_iter().collect()
}
