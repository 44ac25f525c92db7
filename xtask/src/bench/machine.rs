//! The machine that numbers come from; without it they mean nothing.

use std::fs;

use serde::Serialize;

/// Facts about this machine, as `/proc` tells them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Machine {
    pub(super) processor: String,
    pub(super) cores: usize,
    pub(super) memory_bytes: u64,
    pub(super) kernel: String,
}

impl Machine {
    pub(super) fn look() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        let memory = read("/proc/meminfo");
        let kilobytes = field(&memory, "MemTotal").and_then(|value| {
            value.strip_suffix(" kB").and_then(|number| number.trim().parse::<u64>().ok())
        });
        Machine {
            processor: field(&processors, "model name").unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: kilobytes.unwrap_or(0) * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

/// Processes that wanted to compute, on average over the last minute.
pub(super) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

/// The value of the first line `key : value`.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::field;

    // Lines of /proc/cpuinfo and /proc/meminfo as Linux 6 prints them.
    #[test]
    fn the_kernels_tables_are_read() {
        let processors = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) Processor @ 2.70GHz\n";
        assert_eq!(field(processors, "model name"), Some("Intel(R) Xeon(R) Processor @ 2.70GHz"));
        assert_eq!(field("MemTotal:       24632148 kB\n", "MemTotal"), Some("24632148 kB"));
        assert_eq!(field("", "MemTotal"), None);
    }
}
