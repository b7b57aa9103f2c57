//! The allocator.

/// Keeps freed memory for the next step instead of giving it back to the kernel: for programs that train, best called
/// at the start of `main`.
///
/// glibc maps large tensors anew on every training step otherwise, and the kernel clears their pages each time, which
/// can take as long as the step; other systems are left as they are.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "mallopt only sets numbers in the allocator")]
    // SAFETY: threads that allocate at the same time see a number as it was or as it is.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}
