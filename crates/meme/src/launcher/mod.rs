//! Finds the program's library, loads it, runs it.
#![allow(clippy::print_stderr, reason = "what a launcher has to say goes to standard error")]

mod diagnosis;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use libloading::Library;

/// The program's library, beside the binary or in cargo's folder of intermediate results.
const LIBRARY: &str = "libmeme.so";

/// The C symbol that runs the program.
const ENTRY: &[u8] = b"meme_main";

/// The program's exit code.
pub(crate) fn main() -> i32 {
    let Some(path) = library() else {
        eprintln!(
            "error: {LIBRARY} is not beside this binary; the two belong together\n\
             mend it with: cargo build --release -p meme"
        );
        return 1;
    };
    // SAFETY: the library is this package's own; loading it runs libtorch's initialisers, as
    // linking to it would.
    let library = match unsafe { Library::new(&path) } {
        Ok(library) => library,
        Err(error) => return refused(&error),
    };
    // SAFETY: the symbol is exported by `lib.rs` with this signature.
    match unsafe { library.get::<unsafe extern "C" fn() -> i32>(ENTRY) } {
        // SAFETY: the function has no preconditions and does not unwind.
        Ok(entry) => unsafe { entry() },
        Err(error) => {
            eprintln!("error: {} is not this program: {error}", path.display());
            eprintln!("mend it with: cargo build --release -p meme");
            1
        }
    }
}

/// The newest library of this program near its binary: `cargo run` renews only one of the two.
fn library() -> Option<PathBuf> {
    let binary = std::env::current_exe().ok()?;
    let folder = binary.parent()?;
    let candidates = [folder.join(LIBRARY), folder.join("deps").join(LIBRARY)];
    candidates.into_iter().filter(|path| path.exists()).max_by_key(|path| modified(path))
}

fn modified(path: &Path) -> SystemTime {
    path.metadata().and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn refused(error: &libloading::Error) -> i32 {
    let sentence = std::error::Error::source(error).map_or(error.to_string(), ToString::to_string);
    let diagnosis = diagnosis::of(&sentence);
    if std::env::args().nth(1).as_deref() == Some("doctor") {
        eprintln!("program      {}", env!("CARGO_PKG_VERSION"));
        eprintln!("libtorch     {}", diagnosis::FOLDER);
    }
    eprintln!("error: libtorch cannot be loaded: {sentence}");
    eprintln!("{}", diagnosis.cause);
    eprintln!("mend it with: {}", diagnosis.mend);
    1
}
