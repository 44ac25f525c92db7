//! Settings of the C library's allocator, in a process of their own and on its main thread, which
//! the usual harness does not offer.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // all of this is a test

use meme_torch::tch::{Device, Kind, Tensor};
use meme_torch::{keep_freed_memory, page_faults};

const NAME: &str = "kept_memory_is_used_again_without_page_faults_on_any_thread";
/// Pages of ten tensors of 48 MiB.
const PAGES: u64 = 10 * 48 * 256;

/// Page faults of ten tensors, one after the other.
fn faults() -> u64 {
    let make = || drop(Tensor::ones([12, 1 << 20], (Kind::Float, Device::Cpu)));
    make();
    let before = page_faults().unwrap();
    (0..10).for_each(|_| make());
    page_faults().unwrap() - before
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if has("--list") {
        if !has("--ignored") {
            println!("{NAME}: test");
        }
        return;
    }
    let before = faults();
    if !keep_freed_memory() {
        println!("{NAME}: skipped, this C library keeps memory in its own way");
        return;
    }
    let (main, other) = (faults(), std::thread::spawn(faults).join().unwrap());
    println!("{NAME}: {before} page faults before, {main} and {other} after");
    assert!(main < PAGES / 100, "{main} page faults for {PAGES} pages that were there");
    assert!(other < PAGES / 100, "{other} page faults for {PAGES} pages that were there");
}
