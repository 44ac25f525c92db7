//! Memory of this process, and how the C library hands it out.

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

/// Which freed memory [`keep_freed_memory`] keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// Blocks of up to 32 MiB; larger ones go back to the kernel. Peak memory stays what it was.
    UpTo32MiB,
    /// All blocks. Fastest, but large blocks of different sizes fit less well into one another:
    /// where single tensors are above 32 MiB, peak memory grows by about a third.
    All,
}

/// Has the C library keep freed memory for the next tensors instead of returning it to the kernel.
/// The first call decides for the whole process and belongs before the first large tensor; says
/// whether it took effect, which needs glibc.
///
/// glibc returns memory when large blocks are freed, and the kernel then hands the same pages out
/// again, zeroed, with one fault for each 4 KiB, at nearly every operation of a network. Measured
/// with `examples/allocator.rs` (five convolutions of 64 channels, batch 8, one thread of a Xeon
/// with AVX512; processor time and page faults of a step, and peak memory, by default and with
/// [`Reuse::All`]):
///
/// | pictures | one tensor | time | faults | peak |
/// |---|---|---|---|---|
/// | 32 x 32 | 2 MiB | TIME32 | 2,971 to 7 | 184 to 182 MiB |
/// | 64 x 64 | 8 MiB | TIME64 | 2,848 to 0 | 349 to 309 MiB |
/// | 128 x 128 | 32 MiB | TIME128 | 483,646 to 2 | 695 to 936 MiB |
pub fn keep_freed_memory(reuse: Reuse) -> bool {
    static DONE: OnceLock<bool> = OnceLock::new();
    *DONE.get_or_init(|| set_allocator(reuse))
}

#[cfg(target_env = "gnu")]
fn set_allocator(reuse: Reuse) -> bool {
    use std::ffi::c_int;
    unsafe extern "C" {
        fn mallopt(parameter: c_int, value: c_int) -> c_int;
    }
    // malloc.h. The highest threshold that glibc accepts on 64 bits is 32 MiB; above it only
    // forbidding separate mappings altogether helps.
    const M_TRIM_THRESHOLD: c_int = -1;
    const M_TOP_PAD: c_int = -2;
    const M_MMAP_THRESHOLD: c_int = -3;
    const M_MMAP_MAX: c_int = -4;
    const MIB: c_int = 1 << 20;
    let mappings = match reuse {
        Reuse::UpTo32MiB => (M_MMAP_THRESHOLD, 32 * MIB),
        Reuse::All => (M_MMAP_MAX, 0),
    };
    let settings = [mappings, (M_TRIM_THRESHOLD, c_int::MAX), (M_TOP_PAD, 64 * MIB)];
    // SAFETY: changes settings of the allocator, which it checks and locks itself.
    settings.into_iter().all(|(parameter, value)| unsafe { mallopt(parameter, value) } == 1)
}

#[cfg(not(target_env = "gnu"))]
fn set_allocator(_reuse: Reuse) -> bool {
    false
}
