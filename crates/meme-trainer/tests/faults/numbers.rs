//! NaN and infinity in data, loss and gradient.

use std::path::Path;
use std::sync::Arc;

use meme_data::{ArraySource, InMemory};
use meme_torch::tch::Tensor;
use meme_trainer::{Error, Stop, newest_checkpoint};

use crate::figures::tell;
use crate::subject::{
    BATCH, Forward, IMAGES, SEED, SHAPE, State, Subject, diffusion, scratch, undisturbed, values,
};

/// Values that no number of a run may have.
const SPOILT: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];

/// The data with one value spoilt.
fn spoilt_data(index: usize, position: usize, value: f32) -> Arc<dyn ArraySource> {
    let mut values = values();
    values[index * SHAPE.iter().product::<usize>() + position] = value;
    Arc::new(InMemory::new(SHAPE, values).unwrap())
}

/// What a spoilt run leaves: a good checkpoint at `images`, from which a sound one ends as if
/// nothing had been.
fn assert_recovers(run: &Path, images: u64, expected: &State, what: &str) {
    let saved = newest_checkpoint(run).unwrap().map_or(0, |(_, images)| images);
    assert_eq!(saved, images, "{what}");
    Subject::plain(&mut ()).train(run, &Stop::new()).unwrap();
    State::of(run).assert_is(expected, what);
}

#[test]
fn a_spoilt_value_of_the_data_is_refused_with_its_place() {
    let expected = undisturbed();
    let order = diffusion(spoilt_data(0, 0, 0.0)).order().unwrap();
    let mut refused = 0;
    for value in SPOILT {
        for (index, position) in [(0, 0), (7, 35), (18, 71)] {
            let run = scratch();
            let data = spoilt_data(index, position, value);
            let error = Subject { data, ..Subject::plain(&mut ()) }
                .train(run.path(), &Stop::new())
                .unwrap_err();
            // The first image that is made of this array, and the update that it belongs to.
            let image = (0..IMAGES).find(|&image| order.at(image).index == index).unwrap();
            let text = error.to_string();
            assert!(
                matches!(error, Error::DataNotFinite { index: i, position: p, image: m, .. }
                    if (i, p, m) == (index, position, image)),
                "{text}"
            );
            assert!(
                text.starts_with(&format!("array {index} of the data holds {value}")),
                "{text}"
            );
            assert_recovers(run.path(), image / BATCH * BATCH, &expected, &text);
            refused += 1;
        }
    }
    tell("spoilt values of the data refused", refused);
}

/// Trains with something in the way of the forward passes; what it was refused with.
fn refusal(run: &Path, forward: Box<Forward<'_>>) -> Error {
    Subject { forward, ..Subject::plain(&mut ()) }.train(run, &Stop::new()).unwrap_err()
}

#[test]
fn a_spoilt_loss_stops_before_the_update_and_names_the_image() {
    let expected = undisturbed();
    let mut refused = 0;
    for value in SPOILT {
        // Micro-batches of 5 and 3 images, two an update: the sixth belongs to images 21..24.
        for (pass, row, image) in [(1, 4, 4), (6, 1, 22), (20, 2, 79)] {
            let run = scratch();
            let forward = Box::new(move |number, pass_through: &dyn Fn() -> Tensor| {
                let output = pass_through();
                if number == pass {
                    let _ = output.detach().get(row).get(1).get(2).get(3).fill_(f64::from(value));
                }
                output
            });
            let error = refusal(run.path(), forward);
            let text = error.to_string();
            let first = image / BATCH * BATCH;
            assert!(
                matches!(&error, Error::NotFinite { what: "loss", place, first: f, end, seed, .. }
                if *place == format!("image {image}") && (*f, *end, *seed) == (first, first + BATCH, SEED)),
                "{text}"
            );
            assert_recovers(run.path(), first, &expected, &text);
            refused += 1;
        }
    }
    tell("spoilt losses refused", refused);
}

#[test]
fn a_spoilt_gradient_stops_before_the_update_and_names_the_parameters() {
    let expected = undisturbed();
    let mut refused = 0;
    for pass in [1, 7, 20] {
        let run = scratch();
        let forward = Box::new(move |number, pass_through: &dyn Fn() -> Tensor| {
            let output = pass_through();
            if number != pass {
                return output;
            }
            // The root of zero is zero, and its slope times zero is no number.
            let zero = &output - output.detach();
            output + zero.sqrt() * 0.0
        });
        let error = refusal(run.path(), forward);
        let text = error.to_string();
        let first = (pass - 1) / 2 * BATCH;
        assert!(
            matches!(&error, Error::NotFinite { what: "gradient norm", place, first: f, .. }
                if place.contains("first.weight") && *f == first),
            "{text}"
        );
        assert_recovers(run.path(), first, &expected, &text);
        refused += 1;
    }
    tell("spoilt gradients refused", refused);
}
