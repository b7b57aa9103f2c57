//! The device by the name that the user gave.

use anyhow::{Result, bail};
use burn::tensor::Device;

use crate::misuse::Misuse;

/// The processor (`cpu`) or a card (`cuda:0`).
pub(crate) fn open(name: &str) -> Result<Device> {
    match name.strip_prefix("cuda") {
        None if name == "cpu" => Ok(Device::flex()),
        Some(rest) if rest.is_empty() || rest.starts_with(':') => {
            let index = rest.strip_prefix(':').unwrap_or("0");
            match index.parse() {
                Ok(index) => cuda(index),
                Err(_) => bail!(Misuse(format!("device `{name}`: `{index}` is no number"))),
            }
        }
        _ => bail!(Misuse(format!("unknown device `{name}`, expected cpu or cuda:N"))),
    }
}

/// The name that a device is remembered by: `cuda` is `cuda:0`.
pub(crate) fn full_name(name: &str) -> String {
    if name == "cuda" { "cuda:0".to_owned() } else { name.to_owned() }
}

/// Whether it is a card, which makes code for each size that it meets.
pub(crate) fn is_card(device: &Device) -> bool {
    *device != Device::flex()
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<Device> {
    use burn::tensor::DeviceType;
    configure();
    let n = Device::enumerate(DeviceType::Cuda).into_vec().len();
    if n <= index {
        bail!("no CUDA device {index}: this machine has {n}");
    }
    Ok(Device::cuda(index))
}

/// Keeps the code that is made for a card in the user's cache, unless a `cubecl.toml` says where, and weights apart
/// from other memory.
#[cfg(feature = "cuda")]
fn configure() {
    use burn::cubecl::config::memory::PersistentMemory;
    use burn::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig, cache::CacheConfig};
    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    config.compilation.cache = true;
    // Updates of weights are as large as the weights, and lie where those do; so do activations of such a size, and
    // that memory is kept for the next.
    config.memory.persistent_memory = PersistentMemory::SizeMatch;
    if matches!(config.environment.path, CacheConfig::Target) {
        config.environment.path = CacheConfig::Directory(crate::cache::folder().join("cubecl"));
    }
    // Not where a device was opened before.
    CubeClRuntimeConfig::try_set(config);
}

#[cfg(not(feature = "cuda"))]
fn cuda(index: usize) -> Result<Device> {
    bail!("no CUDA device {index}: this program was built without `--features cuda`")
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_checked() {
        assert!(super::open("cpu").is_ok());
        let refused = |name: &str| super::open(name).map(drop).unwrap_err().to_string();
        assert_eq!(refused("gpu"), "unknown device `gpu`, expected cpu or cuda:N");
        assert_eq!(refused("cuda:x"), "device `cuda:x`: `x` is no number");
        assert!(refused("cuda:99").starts_with("no CUDA device 99"));
    }
}
