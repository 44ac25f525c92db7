//! Experts of one ensemble that differ in precision, in what they predict and in guidance.
#![allow(clippy::unwrap_used)]

mod common;

use common::{DOUBLE, no_noise, perfect, relative_error};
use meme_router::{Index, Intervals};
use meme_sampler::{
    Denoiser, Ensemble, Error, Guided, InKind, Plan, Reparametrised, Resident, Result, ddim,
    unwatched,
};
use meme_schedule::{Grid, Parametrisation, Schedule, ScheduleConfig};
use meme_torch::tch::{Kind, Tensor};

const EPSILON: Parametrisation = Parametrisation::Epsilon;
const ALL: [Parametrisation; 3] = [EPSILON, Parametrisation::Velocity, Parametrisation::Sample];

fn schedule() -> Schedule {
    Schedule::new(&ScheduleConfig::ldm()).unwrap()
}

/// Answers to (x, index) row by row, whatever the batch.
fn by_rows(mut network: impl Denoiser) -> impl Denoiser {
    move |x: &Tensor, indices: &[Index]| -> Result<Tensor> {
        let rows = indices
            .iter()
            .enumerate()
            .map(|(row, index)| network.denoise(&x.narrow(0, row as i64, 1), &[*index]));
        Ok(Tensor::cat(&rows.collect::<Result<Vec<_>>>()?, 0))
    }
}

#[test]
fn a_network_that_predicts_something_else_is_converted_row_by_row() {
    let schedule = schedule();
    let x = Tensor::linspace(-2.0, 2.0, 12, DOUBLE).view([3, 4]);
    for indices in [[3, 500, 999].map(Index::new), [70; 3].map(Index::new)] {
        for from in ALL {
            for to in ALL {
                let network = |of| by_rows(perfect(&schedule, of, Tensor::from(0.3), 0.5));
                let mut converted = Reparametrised::new(network(from), &schedule, from, to);
                let found = converted.denoise(&x, &indices).unwrap();
                let expected = network(to).denoise(&x, &indices).unwrap();
                let error = relative_error(&found, &expected);
                // An image from predicted noise at index 999 is magnified 80 times.
                assert!(error < 1e-11, "{from:?} as {to:?}: {error:e}");
            }
        }
    }
}

#[test]
fn noise_at_no_signal_cannot_be_converted() {
    let zero = schedule().zero_terminal_snr().unwrap();
    let network = |x: &Tensor, _: &[Index]| -> Result<Tensor> { Ok(x.shallow_clone()) };
    let mut converted = Reparametrised::new(network, &zero, EPSILON, Parametrisation::Velocity);
    let x = Tensor::ones([1, 2], DOUBLE);
    assert!(converted.denoise(&x, &[Index::new(998)]).is_ok());
    let answer = converted.denoise(&x, &[Index::new(999)]);
    assert!(matches!(answer, Err(Error::NoSignal { index: 999 })));
}

#[test]
fn a_network_in_half_precision_sees_and_says_bf16_while_the_samples_stay_f32() {
    let mut seen = Vec::new();
    let network = |x: &Tensor, _: &[Index]| -> Result<Tensor> {
        seen.push(x.kind());
        Ok(x * 3.0)
    };
    let x = Tensor::from_slice(&[1.0_f32, 0.337_129]).view([1, 2]);
    let answer = InKind::new(network, Kind::BFloat16).denoise(&x, &[Index::new(0)]).unwrap();
    assert_eq!((answer.kind(), seen), (Kind::Float, vec![Kind::BFloat16]));
    // bf16 keeps 8 bits: 0.337 becomes 0.3378906, times 3 is 1.0136719, which rounds to 1.015625.
    assert_eq!(answer, Tensor::from_slice(&[3.0_f32, 1.015_625]).view([1, 2]));
}

/// Four experts, each of its own kind, sample as four that are all alike and plain, because each
/// kind says the same in another form.
#[test]
fn one_ensemble_may_hold_experts_of_every_kind() {
    let schedule = schedule();
    let intervals = Intervals::uniform(4, 1000).unwrap();
    let indices = Grid::Ldm.indices(1000, 12).unwrap();
    let plan = Plan::new(&schedule, &indices, EPSILON).unwrap();
    let network = |of, mean: f64| perfect(&schedule, of, Tensor::from(mean), 0.4);
    let start = Tensor::linspace(-2.0, 2.0, 6, DOUBLE).view([2, 3]);
    let run = |experts: Vec<Box<dyn Denoiser + '_>>| {
        let mut ensemble = Ensemble::new(intervals.clone(), Resident::new(experts)).unwrap();
        let found = ddim(&mut ensemble, &start, &plan, 0.0, &mut no_noise, &mut unwatched);
        found.unwrap().finished().unwrap()
    };
    let guided = |scale| Guided::new(network(EPSILON, 0.8), network(EPSILON, -0.1), scale).unwrap();
    let as_noise = |of| Reparametrised::new(network(of, 0.8), &schedule, of, EPSILON);
    let expected = run(vec![
        Box::new(network(EPSILON, 0.8)),
        Box::new(network(EPSILON, 0.8)),
        Box::new(guided(3.0)),
        Box::new(guided(1.5)),
    ]);
    let velocity = Parametrisation::Velocity;
    let guided_velocity = Guided::new(network(velocity, 0.8), network(velocity, -0.1), 3.0);
    let found = run(vec![
        Box::new(as_noise(Parametrisation::Sample)),
        Box::new(as_noise(velocity)),
        Box::new(Reparametrised::new(guided_velocity.unwrap(), &schedule, velocity, EPSILON)),
        Box::new(InKind::new(guided(1.5), Kind::Double)),
    ]);
    assert!(relative_error(&found, &expected) < 1e-9);
    let unguided = run((0..4).map(|_| Box::new(network(EPSILON, 0.8)) as _).collect());
    assert!(relative_error(&unguided, &expected) > 0.01, "guidance of two experts must be seen");
}
