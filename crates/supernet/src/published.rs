//! The weights of published PyTorch networks, by the names that their tensors have there.

use std::collections::BTreeMap;
use std::fmt;

use weights::Weights;

use crate::checkpoint::{Tensors, replace, tensors};
use crate::{Network, SupernetError};

/// What became of the tensors of a published network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Tensors that were taken over.
    pub n_taken: usize,
    /// Those that the network has no place for.
    pub unused: Vec<String>,
    /// Those of the network that keep what they had: of a classifier for other classes.
    pub kept: Vec<String>,
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |names: &[String]| match names {
            [] => "0".to_owned(),
            _ => format!("{} ({})", names.len(), names.join(" ")),
        };
        let (unused, kept) = (listed(&self.unused), listed(&self.kept));
        write!(f, "{} tensors taken, unused {unused}, kept {kept}", self.n_taken)
    }
}

/// Where the last layer stands in published networks.
const CLASSIFIER: &str = "classifier.";

/// The end of the name of a number that only PyTorch keeps.
const STEPS_OF_A_NORM: &str = ".num_batches_tracked";

/// What may stand before all names: of dictionaries, and of copies on several devices.
const WRAPPERS: [&str; 3] = ["state_dict.", "module.", "model."];

/// Names that have changed between versions of the published code, and what they became.
const RENAMED: [(&str, &str); 4] = [
    (".mobile_inverted_conv.", ".conv."),
    (".conv.conv.", ".conv."),
    (".bn.bn.", ".bn."),
    (".linear.linear.", ".linear."),
];

/// The network with published weights in it.
pub(crate) fn import<N: Network>(
    network: N,
    published: &Weights,
) -> Result<(N, Imported), SupernetError> {
    let mut imported = Imported { n_taken: 0, unused: Vec::new(), kept: Vec::new() };
    let mut found: BTreeMap<String, &str> = BTreeMap::new();
    for name in published.tensors.keys().filter(|name| !name.ends_with(STEPS_OF_A_NORM)) {
        let same = found.insert(canonical(name), name);
        imported.unused.extend(same.map(str::to_owned));
    }
    let (mut taken, mut unfit) = (Tensors::new(), Vec::new());
    for (ours, place) in tensors(&network) {
        let theirs = N::published_name(&ours);
        let tensor = found.remove(&canonical(&theirs)).map(|name| &published.tensors[name]);
        match tensor {
            Some(tensor) if sides(&tensor.shape) == sides(&place.shape) => {
                taken.insert(ours, tensor.clone());
            }
            Some(tensor) if theirs.starts_with(CLASSIFIER) && is_other_classes(tensor, &place) => {
                imported.kept.push(theirs);
            }
            Some(tensor) => {
                unfit.push(format!("{theirs} is {:?}, not {:?}", tensor.shape, place.shape));
            }
            None => unfit.push(format!("{theirs} is missing")),
        }
    }
    if !unfit.is_empty() {
        return Err(SupernetError::Unfit { tensors: unfit });
    }
    imported.unused.extend(found.into_values().map(str::to_owned));
    imported.unused.sort();
    imported.n_taken = taken.len();
    Ok((replace(network, taken), imported))
}

/// All tensors of a network under their published names, in published shapes.
pub(crate) fn export<N: Network>(network: &N) -> Weights {
    let rename = |(ours, mut tensor): (String, weights::Tensor)| {
        let name = N::published_name(&ours);
        // What is linear here is a 1 × 1 convolution there.
        if name.contains(".se.") && tensor.shape.len() == 2 {
            tensor.shape.extend([1, 1]);
        }
        (name, tensor)
    };
    let tensors = tensors(network).into_iter().map(rename).collect();
    Weights { tensors, ..Weights::default() }
}

/// One name for the same tensor in all versions of the published code.
fn canonical(name: &str) -> String {
    let unwrapped =
        |name: &str| WRAPPERS.iter().find_map(|w| name.strip_prefix(w).map(str::to_owned));
    let mut name = name.to_owned();
    while let Some(inner) = unwrapped(&name) {
        name = inner;
    }
    RENAMED.iter().fold(name, |name, (old, new)| name.replace(old, new))
}

/// Sides but for the last of length 1.
fn sides(shape: &[usize]) -> &[usize] {
    let n = shape.iter().rposition(|&side| side != 1).map_or(0, |last| last + 1);
    &shape[..n]
}

/// Whether shapes agree in all but the number of classes.
fn is_other_classes(a: &weights::Tensor, b: &weights::Tensor) -> bool {
    a.shape.get(1..) == b.shape.get(1..)
}

/// The published name of a tensor of a convolution with its norm; in layers that are sliced tensors lie
/// one name deeper.
fn of_layer(part: &str, is_sliced: bool) -> String {
    let (layer, tensor) = part.split_once('.').unwrap_or((part, ""));
    let (layer, tensor) = match (layer, tensor) {
        ("norm", "scale") => ("bn", "weight"),
        ("norm", "shift") => ("bn", "bias"),
        ("norm", "mean") => ("bn", "running_mean"),
        ("norm", "variance") => ("bn", "running_var"),
        other => other,
    };
    if is_sliced { format!("{layer}.{layer}.{tensor}") } else { format!("{layer}.{tensor}") }
}

/// The published name of a tensor of [`ConvNorm`](crate::ConvNorm), such as `bn.running_mean` for
/// `norm.mean`.
pub fn published_conv_norm(part: &str) -> String {
    of_layer(part, false)
}

/// The published name of a tensor of [`Bottleneck`](crate::Bottleneck), such as
/// `depth_conv.conv.weight` for `depthwise.conv.weight`; of one whose layers are sliced,
/// `depth_conv.conv.conv.weight`.
pub fn published_bottleneck(part: &str, is_sliced: bool) -> String {
    let (layer, tensor) = part.split_once('.').unwrap_or((part, ""));
    let layer = match layer {
        "expand" => "inverted_bottleneck",
        "depthwise" => "depth_conv",
        "project" => "point_linear",
        other => other,
    };
    format!("{layer}.{}", of_layer(tensor, is_sliced))
}

/// The published name of a tensor in a block; the first block is fixed.
pub fn published_block(number: usize, part: &str) -> String {
    format!("blocks.{number}.mobile_inverted_conv.{part}")
}

/// The published name of a tensor of the layers that mobile networks share: `stem`, the fixed block
/// `first`, and `classifier`; none of any other.
pub fn published_frame(tensor: &str) -> Option<String> {
    let (module, part) = tensor.split_once('.')?;
    match module {
        "stem" => Some(format!("first_conv.{}", published_conv_norm(part))),
        "first" => Some(published_block(0, &published_bottleneck(part, false))),
        "classifier" => Some(format!("classifier.linear.{part}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_a_name_are_one() {
        let names = [
            "blocks.3.conv.depth_conv.bn.running_mean",
            "blocks.3.mobile_inverted_conv.depth_conv.bn.bn.running_mean",
            "state_dict.module.blocks.3.mobile_inverted_conv.depth_conv.bn.running_mean",
        ];
        assert!(names.iter().all(|name| canonical(name) == names[0]));
        assert_eq!(
            canonical("model.state_dict.classifier.linear.linear.bias"),
            "classifier.linear.bias"
        );
    }

    #[test]
    fn sides_of_length_one_at_the_end_do_not_count() {
        assert_eq!(sides(&[8, 1, 3, 3]), [8, 1, 3, 3]);
        assert_eq!(sides(&[8, 4, 1, 1]), [8, 4]);
        assert_eq!(sides(&[1, 1]), [0; 0]);
    }

    #[test]
    fn layers_have_published_names() {
        assert_eq!(
            published_bottleneck("expand.norm.shift", true),
            "inverted_bottleneck.bn.bn.bias"
        );
        assert_eq!(published_bottleneck("project.conv.weight", false), "point_linear.conv.weight");
        assert_eq!(published_conv_norm("norm.variance"), "bn.running_var");
    }
}
