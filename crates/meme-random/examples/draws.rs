//! The noise of four images, drawn in order and by four threads at once; an epoch's order without a
//! table; and pi from a thousand addresses.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use meme_random::{Permutation, Purpose, Stream};

/// The noise that training image `image` of expert 2 gets under seed 7.
fn noise(image: u64) -> [f32; 3] {
    let mut noise = [0.0; 3];
    Stream::new(7, Purpose::Noise, 2, image).fill_normal(&mut noise);
    noise
}

fn main() {
    let in_order: Vec<[f32; 3]> = (0..4).map(noise).collect();
    let by_threads: Vec<[f32; 3]> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|image| scope.spawn(move || noise(image))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    println!("image 0: {:?}", in_order[0]);
    println!("the same by four threads at once: {}", in_order == by_threads);

    let order = Permutation::new(7, Purpose::Shuffle, 3, 1_000_000);
    let first: Vec<u64> = order.iter().take(5).collect();
    println!("epoch 3 of a million images begins with {first:?}");
    println!("image {} comes at position {}", first[4], order.position_of(first[4]));

    // A point is an address too: its coordinates are draws 0 and 1 of its own stream.
    let inside = (0..1000)
        .filter(|point| {
            let stream = Stream::new(7, Purpose::Test, 0, *point);
            stream.uniform(0).hypot(stream.uniform(1)) < 1.0
        })
        .count();
    println!("pi is about {:.2}", 4.0 * inside as f64 / 1000.0);
}
