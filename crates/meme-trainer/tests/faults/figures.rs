//! What a test has to show for itself.

use std::fs::File;
use std::io::Write as _;

/// Says how many faults were put in: on standard error and, where the variable `MEME_FIGURES` names
/// a file, as a line in it, `count<TAB>what`, which `cargo xtask test` adds up and shows at its end.
#[allow(clippy::print_stderr, reason = "a figure of a test")]
pub(crate) fn tell(what: &str, count: u64) {
    eprintln!("{count} {what}");
    if let Some(path) = std::env::var_os("MEME_FIGURES") {
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        file.write_all(format!("{count}\t{what}\n").as_bytes()).unwrap();
    }
}
