//! How the process takes memory from the system.
//!
//! glibc maps every large block anew and gives it back when it is freed, so that a training step on the CPU, which frees
//! and takes the same activations again and again, spends a third of its time on page faults. Here freed memory stays
//! with the process until a job has ended.

/// Keeps freed memory for the next allocation, in one arena for all threads. Call before the first large tensor.
///
/// Of an EfficientNet-Lite0 at 96 px, batch 64, on two cores a step took 0.65 s before and 0.40 s after. Another libc
/// than glibc is left as it is.
pub(crate) fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes any numbers; it refuses those that it does not know.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives the system what no tensor holds any more.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes its own lock, and moves nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
