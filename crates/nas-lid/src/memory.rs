//! Memory of this process: the peak during a piece of work.

use std::fs;

use burn::tensor::Device;

/// Gives freed memory back to the kernel, so that what is resident is what is in use.
fn release_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "malloc_trim only returns free pages")]
    // SAFETY: the function may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// A measurement that has begun.
pub(crate) enum Peak {
    /// Of what the process holds; none where the system does not tell.
    Process { rest: Option<u64> },
    /// Of what the pool of a card holds, in whole pages: of those that work took it gives back but such as became too
    /// small for what came later.
    Pool { device: Device, rest: u64 },
}

impl Peak {
    /// Begins at what is held now, freed memory returned first: on a card by its pool, else by the process.
    pub(crate) fn start(device: &Device) -> Self {
        if reserved(device).is_some() {
            device.memory_cleanup();
        }
        if let Some(rest) = reserved(device) {
            return Self::Pool { device: device.clone(), rest };
        }
        release_freed_memory();
        let reset = fs::write("/proc/self/clear_refs", "5").is_ok();
        Self::Process { rest: if reset { status("VmRSS") } else { None } }
    }

    /// Bytes above the beginning at the highest point, where it can be known.
    pub(crate) fn bytes_above_rest(self) -> Option<u64> {
        match self {
            Self::Process { rest } => Some(status("VmHWM")?.saturating_sub(rest?)),
            Self::Pool { device, rest } => Some(reserved(&device)?.saturating_sub(rest)),
        }
    }
}

/// Bytes that the pool of a card holds once all work is done; none for the processor.
fn reserved(device: &Device) -> Option<u64> {
    device.sync().ok()?;
    Some(device.memory_pool_usage()?.bytes_reserved)
}

/// A size in `/proc/self/status`, in bytes.
fn status(key: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(1024 * line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?)
}
