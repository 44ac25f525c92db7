//! Memory of this process, and how the C library hands it out.

use crate::ffi;
use std::sync::OnceLock;

/// Highest resident memory of this process so far in bytes, as `VmHWM` of `/proc/self/status`
/// counts it; `None` where there is no such file.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    status("VmHWM:")
}

/// Resident memory of this process now, in bytes (`VmRSS`).
#[must_use]
pub fn resident_memory() -> Option<u64> {
    status("VmRSS:")
}

fn status(key: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Pages that the kernel has had to hand to this process so far without reading a file (`minflt` of
/// `/proc/self/stat`); `None` where there is no such file.
#[must_use]
pub fn page_faults() -> Option<u64> {
    const AFTER_NAME: usize = 7;
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name stands in brackets and may contain anything.
    let (_, fields) = text.rsplit_once(')')?;
    fields.split_whitespace().nth(AFTER_NAME)?.parse().ok()
}

/// Has the C library keep freed memory for the next tensors instead of returning it to the kernel.
/// Belongs at the beginning of `main`, before other threads start; says whether it took effect,
/// which needs glibc. Later calls repeat the answer.
///
/// glibc returns memory when large blocks are freed, and the kernel then hands the same pages out
/// again, zeroed, with one fault for each 4 KiB, at nearly every operation of a network. This
/// forbids both trimming and separate mappings, has all threads share one heap (the heaps of other
/// threads go back whenever they are empty), and takes tensors from `malloc` instead of
/// `posix_memalign`, whose blocks glibc before 2.38 can't reuse for tensors of the same size; that
/// alone would cost a third more memory.
///
/// Measured with `examples/allocator.rs` on an Intel Xeon with AVX512 and glibc 2.36, six
/// convolutions of 64 channels at batch 8 on one thread: processor time of the whole run, page
/// faults of a step and peak memory, by default and with this.
///
/// | pictures | one tensor | processor time | page faults | peak |
/// |---|---|---|---|---|
/// | 32 x 32 | 2 MiB | 1.97 s, 1.79 s | 2,545, 19 | 172 MiB, 158 MiB |
/// | 64 x 64 | 8 MiB | 2.77 s, 2.56 s | 23,246, 0 | 287 MiB, 233 MiB |
/// | 128 x 128 | 32 MiB | 13.6 s, 8.8 s | 401,533, 43 | 539 MiB, 533 MiB |
pub fn keep_freed_memory() -> bool {
    static DONE: OnceLock<bool> = OnceLock::new();
    *DONE.get_or_init(set_allocator)
}

#[cfg(target_env = "gnu")]
fn set_allocator() -> bool {
    use std::ffi::c_int;
    unsafe extern "C" {
        fn mallopt(parameter: c_int, value: c_int) -> c_int;
    }
    // The names and numbers of malloc.h.
    const M_TRIM_THRESHOLD: c_int = -1;
    const M_TOP_PAD: c_int = -2;
    const M_MMAP_MAX: c_int = -4;
    const M_ARENA_MAX: c_int = -8;
    const TOP_PAD: c_int = 64 << 20;
    let settings =
        [(M_TRIM_THRESHOLD, c_int::MAX), (M_TOP_PAD, TOP_PAD), (M_MMAP_MAX, 0), (M_ARENA_MAX, 1)];
    // SAFETY: changes settings of the allocator, which it checks and locks itself.
    let taken = |(parameter, value)| unsafe { mallopt(parameter, value) } == 1;
    // SAFETY: swaps libtorch's pointer to its allocator; tensors keep the deleter they have.
    let plain = || ffi::check("use plain malloc", unsafe { ffi::meme_use_plain_malloc() });
    settings.into_iter().all(taken) && plain().is_ok()
}

#[cfg(not(target_env = "gnu"))]
fn set_allocator() -> bool {
    false
}
