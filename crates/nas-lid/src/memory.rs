//! Memory of this process: a faster allocator setting, and the peak during a piece of work.

use std::fs;

/// Keeps freed memory for the next step instead of giving it back to the kernel.
///
/// glibc maps and unmaps large buffers on every training step otherwise; other systems are left
/// as they are.
pub(crate) fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "mallopt only sets numbers in the allocator")]
    // SAFETY: called once at the start of `main`, before other threads exist.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}

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
pub(crate) struct Peak {
    rest: Option<u64>,
}

impl Peak {
    /// Begins at what the process holds now, freed memory returned first.
    pub(crate) fn start() -> Self {
        release_freed_memory();
        let reset = fs::write("/proc/self/clear_refs", "5").is_ok();
        Self { rest: if reset { status("VmRSS") } else { None } }
    }

    /// Bytes above the beginning at the highest point, where the system tells.
    pub(crate) fn bytes_above_rest(self) -> Option<u64> {
        Some(status("VmHWM")?.saturating_sub(self.rest?))
    }
}

/// A size in `/proc/self/status`, in bytes.
fn status(key: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(1024 * line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?)
}
