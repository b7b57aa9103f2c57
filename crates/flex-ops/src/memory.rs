//! The allocator.

/// Keeps freed memory for the next step instead of giving it back to the kernel: for programs that train, to be called
/// at the start of `main`. Does nothing once there are other threads.
///
/// glibc maps large tensors anew on every training step otherwise, and the kernel clears their pages each time, which
/// can take as long as the step; other systems are left as they are.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if is_alone() {
        #[expect(unsafe_code, reason = "mallopt only sets numbers in the allocator")]
        // SAFETY: there is no other thread that reads them meanwhile.
        unsafe {
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
            libc::mallopt(libc::M_TOP_PAD, 64 << 20);
        }
    }
}

/// Whether this thread is the only one.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn is_alone() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_beside_others_knows() {
        std::thread::scope(|scope| {
            let other = scope.spawn(is_alone);
            assert!(!other.join().unwrap());
        });
    }
}
