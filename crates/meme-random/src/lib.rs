//! Counter-based random numbers: every draw is a value, not an event.
//!
//! An ordinary generator is a state that every draw moves on. Whoever draws first changes what
//! everybody after them sees: another batch size, another number of loader threads or a resumed run
//! then gives other numbers. Here nothing moves. A draw is a pure function of its *address*,
//!
//! ```text
//! value = f(seed, purpose, expert, image, draw)
//! ```
//!
//! so the noise of image 31 415 of expert 2 is the same whichever batch, rank, thread or restart
//! asks for it, and there is no generator to save in a checkpoint.
//!
//! ```
//! use meme_random::{Permutation, Purpose, Stream};
//!
//! // The noise that training image 31 415 of expert 2 gets, under seed 7.
//! let stream = Stream::new(7, Purpose::Noise, 2, 31_415);
//! let mut noise = vec![0.0_f32; 3 * 16 * 16];
//! stream.fill_normal(&mut noise);
//! // Any element can be had alone.
//! assert_eq!(noise[100], stream.normal(100) as f32);
//!
//! // Drawing things one after another (a face, a crop): a cursor walks along a stream.
//! let mut cursor = Stream::new(7, Purpose::Faces, 0, 0).cursor();
//! let (radius, colour) = (cursor.range(0.3, 0.5), *cursor.pick(&["red", "green"]));
//! assert!((0.3..0.5).contains(&radius) && ["red", "green"].contains(&colour));
//!
//! // The order of epoch 3 of a data set, with random access and no table.
//! let order = Permutation::new(7, Purpose::Shuffle, 3, 1_000_000);
//! assert!(order.at(999_999) < 1_000_000);
//! ```
//!
//! # The generator
//! Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3"
//! (SC 2011): a keyed bijection of 128-bit counters. It passes the published known answers, see
//! [`philox4x32_10`]. Because it is a bijection, two different counters under one key never give
//! the same block of 128 bits.
//!
//! # The layout of the counter
//! | word | bits | a [`Stream`] | a [`Permutation`] |
//! |---|---|---|---|
//! | key 0, 1 | 64 | seed, low and high half | the same |
//! | counter 0 | 32 | block within the stream | half of the index being permuted |
//! | counter 1 | 15 | purpose, see [`Purpose`] | the same |
//! | counter 1 | 1 | 0 | 1 |
//! | counter 1 | 16 (high) | expert | Feistel round |
//! | counter 2, 3 | 64 | image, low and high half | epoch, low and high half |
//!
//! Every field has bits of its own, so two addresses that differ anywhere differ in their counter
//! or key. A block holds two draws of 64 bits, which makes 2^33 draws a stream; draw 2^33 is draw 0
//! again.
//!
//! # The same bits everywhere
//! Integers and correctly rounded float64 operations are the same on every machine; logarithm, sine
//! and cosine are not, so those come from the `libm` crate and never from the platform.
//!
//! Nothing here can fail: there is no error type. Nothing here is for secrets.
#![deny(missing_docs)]

mod cursor;
mod normal;
mod permutation;
mod philox;
mod purpose;
mod stream;

pub use cursor::Cursor;
pub use permutation::Permutation;
pub use philox::philox4x32_10;
pub use purpose::Purpose;
pub use stream::Stream;
