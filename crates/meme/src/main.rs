//! The `meme` program: loads the library that holds it, and explains itself where that fails.
//!
//! This file must not mention the `meme` library: a binary linked to libtorch cannot start where
//! libtorch is missing, and then nobody could ask `meme doctor` why.

mod launcher;

fn main() {
    std::process::exit(launcher::main());
}
