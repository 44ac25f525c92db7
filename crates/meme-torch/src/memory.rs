//! Memory of this process, and how the C library hands it out.

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
