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

/// Has the process keep freed memory for the next tensors instead of returning it to the kernel.
/// Belongs at the beginning of `main`, before other threads start; says whether it took effect.
/// Later calls repeat the answer.
///
/// glibc returns memory when large blocks are freed, and the kernel then hands the same pages out
/// again, zeroed, with one fault for each 4 KiB, at nearly every operation of a network. Its heap
/// for all threads together would keep them, but then threads wait for one another: a training step
/// of LDM-S in bfloat16 took 1.35 s with one heap and 0.99 s with several (two threads of an Intel
/// Xeon). So tensors come from mimalloc, which has a heap for every thread and here never gives
/// memory back, and what libraries take from glibc for a moment is neither trimmed nor mapped apart.
/// Huge pages are refused: the first touch of 2.5 GB in them took 6 s of the kernel's time on a
/// virtual machine, against 1 s in small ones, and made nothing faster.
pub fn keep_freed_memory() -> bool {
    static DONE: OnceLock<bool> = OnceLock::new();
    *DONE.get_or_init(set_allocator)
}

fn set_allocator() -> bool {
    use libmimalloc_sys::{mi_free, mi_malloc_aligned, mi_option_set};
    // `mi_option_purge_delay`, which the bindings do not name; -1: freed memory is never given back.
    const PURGE_DELAY: std::ffi::c_int = 15;
    // SAFETY: sets a number that the allocator reads.
    unsafe { mi_option_set(PURGE_DELAY, -1) };
    // SAFETY: functions that live as long as the program; tensors keep the deleter they have.
    let set = unsafe { ffi::meme_set_allocator(mi_malloc_aligned, mi_free) };
    ffi::check("set the allocator of tensors", set).is_ok() && keep_scratch()
}

/// What libraries take from the C library for a moment stays with it, too.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep_scratch() -> bool {
    use std::ffi::{c_int, c_ulong};
    unsafe extern "C" {
        fn mallopt(parameter: c_int, value: c_int) -> c_int;
        fn prctl(option: c_int, value: c_ulong, a: c_ulong, b: c_ulong, c: c_ulong) -> c_int;
    }
    // Of linux/prctl.h. A kernel that has no huge pages refuses, and needs nothing.
    const PR_SET_THP_DISABLE: c_int = 41;
    // SAFETY: numbers only; changes a flag of this process.
    unsafe { prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) };
    // The names and numbers of malloc.h.
    const M_TRIM_THRESHOLD: c_int = -1;
    const M_TOP_PAD: c_int = -2;
    const M_MMAP_MAX: c_int = -4;
    const TOP_PAD: c_int = 64 << 20;
    let settings = [(M_TRIM_THRESHOLD, c_int::MAX), (M_TOP_PAD, TOP_PAD), (M_MMAP_MAX, 0)];
    // SAFETY: changes settings of the allocator, which it checks and locks itself.
    settings.into_iter().all(|(parameter, value)| unsafe { mallopt(parameter, value) } == 1)
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep_scratch() -> bool {
    true
}
