//! Which timesteps an expert is trained on, exactly and as drawn.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use meme_router::{Assignment, Error, Expert, Index, Intervals, Spread, paper};
use proptest::prelude::*;

const IMAGES: u64 = 200_000;

fn expert(number: u16) -> Expert {
    Expert::new(number).unwrap()
}

fn four() -> Intervals {
    Intervals::uniform(4, 1000).unwrap()
}

fn modes() -> [Assignment; 4] {
    let p = paper::SOFT_P.to_vec();
    [
        Assignment::Hard,
        Assignment::Constant { p: paper::CONSTANT_P },
        Assignment::Soft { p: p.clone() },
        Assignment::Complement { p },
    ]
}

fn batch(size: u64) -> std::num::NonZeroU64 {
    size.try_into().unwrap()
}

/// Chi-square of counts against probabilities, in standard deviations from its mean. Indices of
/// probability zero must not have been drawn.
fn deviation(counts: &[u64], probabilities: &[f64]) -> f64 {
    let total = counts.iter().sum::<u64>() as f64;
    let (mut statistic, mut freedom) = (0.0, -1.0);
    for (count, probability) in counts.iter().zip(probabilities) {
        if *probability == 0.0 {
            assert_eq!(*count, 0, "an impossible index was drawn");
        } else {
            let expected = total * probability;
            statistic += (*count as f64 - expected).powi(2) / expected;
            freedom += 1.0;
        }
    }
    (statistic - freedom) / (2.0_f64 * freedom).sqrt()
}

#[test]
fn the_histogram_of_drawn_timesteps_agrees_with_the_exact_probabilities() {
    let intervals = four();
    for assignment in modes() {
        for (expert, _) in intervals.iter() {
            let mut counts = vec![0; 1000];
            for image in 0..IMAGES {
                counts[assignment.draw(&intervals, 1, expert, image).unwrap().get()] += 1;
            }
            let probabilities = assignment.probabilities(&intervals, expert).unwrap();
            let z = deviation(&counts, &probabilities);
            assert!(z.abs() < 4.5, "{assignment:?} {expert}: {z:.1} standard deviations");
        }
    }
}

#[test]
fn effective_shares_of_the_own_interval_are_those_of_the_specification() {
    let (intervals, soft) = (four(), Assignment::soft(4).unwrap());
    for (number, share) in [(1, 0.85), (2, 0.55), (3, 0.40), (4, 0.325)] {
        let found = soft.own_share(&intervals, expert(number)).unwrap();
        assert!((found - share).abs() < 1e-15, "{number}: {found}");
        let range = intervals.indices(expert(number)).unwrap();
        let inside = (0..IMAGES)
            .filter(|image| {
                let index = soft.draw(&intervals, 3, expert(number), *image).unwrap();
                range.contains(&index.get())
            })
            .count() as f64;
        let noise = (share * (1.0 - share) * IMAGES as f64).sqrt();
        assert!((inside - share * IMAGES as f64).abs() < 5.0 * noise);
    }
}

#[test]
fn probabilities_are_what_the_definitions_say() {
    let intervals = four();
    let at = |assignment: &Assignment, index: usize| {
        assignment.probabilities(&intervals, expert(2)).unwrap()[index]
    };
    let [hard, constant, soft, complement] = modes();
    // Own interval 250..500; p = 0.4 for expert 2, 0.375 for everybody.
    for (assignment, outside, inside) in [
        (hard, 0.0, 1.0 / 250.0),
        (constant, 0.625 / 1000.0, 0.375 / 250.0 + 0.625 / 1000.0),
        (soft, 0.6 / 1000.0, 0.4 / 250.0 + 0.6 / 1000.0),
        (complement, 0.6 / 750.0, 0.4 / 250.0),
    ] {
        for index in [0, 249, 500, 999] {
            assert!((at(&assignment, index) - outside).abs() < 1e-18, "{assignment:?}");
        }
        for index in [250, 499] {
            assert!((at(&assignment, index) - inside).abs() < 1e-18, "{assignment:?}");
        }
    }
}

#[test]
fn every_spread_draws_each_image_with_the_exact_probabilities() {
    let intervals = Intervals::explicit(&[10, 30, 45, 100]).unwrap();
    let soft = Assignment::soft(4).unwrap();
    let probabilities = soft.probabilities(&intervals, expert(2)).unwrap();
    for spread in [
        Spread::Independent,
        Spread::Antithetic,
        Spread::Stratified { batch: batch(8) },
        Spread::LowDiscrepancy { batch: batch(8) },
    ] {
        // The same place in the batch every time, under many seeds: no two draws share anything.
        for place in [0, 3, 7] {
            let mut counts = vec![0; 100];
            for seed in 0..30_000 {
                let index = soft.draw_spread(&intervals, spread, seed, expert(2), 80 + place);
                counts[index.unwrap().get()] += 1;
            }
            let z = deviation(&counts, &probabilities);
            assert!(z.abs() < 4.5, "{spread:?} at {place}: {z:.1} standard deviations");
        }
    }
}

#[test]
fn stratified_and_low_discrepancy_batches_hit_every_stratum_once() {
    for batch_size in [1, 2, 7, 128] {
        for spread in [
            Spread::Stratified { batch: batch(batch_size) },
            Spread::LowDiscrepancy { batch: batch(batch_size) },
        ] {
            for block in 0..20 {
                let mut strata: Vec<u64> = (0..batch_size)
                    .map(|place| spread.uniform(9, expert(1), block * batch_size + place))
                    .map(|uniform| (uniform * batch_size as f64) as u64)
                    .collect();
                strata.sort_unstable();
                assert!(strata.into_iter().eq(0..batch_size), "{spread:?}");
            }
        }
    }
}

#[test]
fn antithetic_pairs_mirror_each_other() {
    for image in (0..1000).step_by(2) {
        let uniform = |image| Spread::Antithetic.uniform(4, expert(3), image);
        let sum = uniform(image) + uniform(image + 1);
        assert!((sum - 1.0).abs() < 1e-15);
    }
}

#[test]
fn spreading_lowers_the_noise_of_a_batch_mean() {
    // The mean timestep of 16 images: variance over 2000 batches, against independent draws.
    let (intervals, soft) = (four(), Assignment::soft(4).unwrap());
    let variance = |spread| {
        let means: Vec<f64> = (0..2000)
            .map(|block| {
                let index = |image| soft.draw_spread(&intervals, spread, 0, expert(2), image);
                let sum: usize = (0..16).map(|k| index(16 * block + k).unwrap().get()).sum();
                sum as f64 / 16.0
            })
            .collect();
        let mean = means.iter().sum::<f64>() / 2000.0;
        means.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 1999.0
    };
    let independent = variance(Spread::Independent);
    assert!(variance(Spread::Antithetic) < independent / 3.0);
    assert!(variance(Spread::Stratified { batch: batch(16) }) < independent / 50.0);
    // Where a quantity is nearly linear in the uniform number, as here, a shared offset moves all
    // draws together: the gain is about the batch size, that of strata about its square.
    assert!(variance(Spread::LowDiscrepancy { batch: batch(16) }) < independent / 6.0);
}

#[test]
fn seed_expert_and_image_each_change_the_draw_and_nothing_else_does() {
    let (intervals, soft) = (four(), Assignment::soft(4).unwrap());
    let draws = |seed, number, first: u64| -> Vec<Index> {
        let one = |image| soft.draw(&intervals, seed, expert(number), image).unwrap();
        (first..first + 50).map(one).collect()
    };
    assert_eq!(draws(1, 2, 0), draws(1, 2, 0));
    assert_ne!(draws(1, 2, 0), draws(2, 2, 0));
    assert_ne!(draws(1, 2, 0), draws(1, 3, 0));
    assert_eq!(draws(1, 2, 0)[10..], draws(1, 2, 10)[..40]);
}

#[test]
fn default_p_is_the_specified_one() {
    assert_eq!(paper::default_p(1).unwrap(), [1.0]);
    assert_eq!(paper::default_p(2).unwrap(), [0.8, 0.1]);
    assert_eq!(paper::default_p(4).unwrap(), paper::SOFT_P);
    assert_eq!(paper::default_p(6).unwrap(), [0.8, 0.53, 0.35, 0.23, 0.15, 0.1]);
    assert_eq!(paper::default_p(0), Err(Error::NoExperts));
}

#[test]
fn one_expert_owns_everything_under_every_assignment_that_makes_sense() {
    let alone = Intervals::uniform(1, 10).unwrap();
    for assignment in
        [Assignment::Hard, Assignment::soft(1).unwrap(), Assignment::Complement { p: vec![1.0] }]
    {
        assert!(assignment.check(&alone).is_ok());
        let probabilities = assignment.probabilities(&alone, Expert::FIRST).unwrap();
        assert!(probabilities.iter().all(|value| (value - 0.1).abs() < 1e-15));
    }
    let error = Assignment::Complement { p: vec![0.5] }.check(&alone).unwrap_err();
    assert!(matches!(error, Error::NoComplement { .. }));
}

#[test]
fn what_does_not_fit_is_refused() {
    let intervals = four();
    let message = |assignment: Assignment| assignment.check(&intervals).unwrap_err().to_string();
    assert_eq!(
        message(Assignment::Soft { p: vec![0.8, 0.4] }),
        "2 values of p were given for 4 experts; give one for each"
    );
    assert_eq!(
        message(Assignment::Soft { p: vec![0.8, 1.5, 0.2, 0.1] }),
        "p of expert 2 is 1.5; a probability lies between 0 and 1"
    );
    assert!(message(Assignment::Constant { p: f64::NAN }).contains("p of expert 1 is NaN"));
    assert!(Assignment::Hard.draw(&intervals, 0, expert(5), 0).is_err());
}

#[test]
fn files_say_the_kind_and_nothing_unknown_passes() {
    let read = |text: &str| toml::from_str::<Assignment>(text).map_err(|error| error.to_string());
    assert_eq!(read("kind = 'hard'"), Ok(Assignment::Hard));
    assert_eq!(read("kind = 'constant'\np = 0.375"), Ok(Assignment::Constant { p: 0.375 }));
    assert_eq!(read("kind = 'soft'\np = [0.5, 1]"), Ok(Assignment::Soft { p: vec![0.5, 1.0] }));
    assert_eq!(read("kind = 'complement'\np = [0]"), Ok(Assignment::Complement { p: vec![0.0] }));
    for bad in [
        "kind = 'hard'\np = 1",
        "kind = 'soft'\np = [0.5]\nq = 1",
        "kind = 'soft'",
        "kind = 'mild'",
        "kind = 'soft'\np = [0.5, -0.1]",
        "kind = 'constant'\np = 2",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
    for assignment in modes() {
        let text = toml::to_string(&assignment).unwrap();
        assert_eq!(read(&text), Ok(assignment));
    }
    let spread = |text: &str| toml::from_str::<Spread>(text);
    let sixteen = Spread::Stratified { batch: batch(16) };
    assert_eq!(spread("kind = 'stratified'\nbatch = 16").unwrap(), sixteen);
    assert_eq!(spread("kind = 'antithetic'").unwrap(), Spread::Antithetic);
    assert!(spread("kind = 'stratified'\nbatch = 0").is_err());
    assert!(spread("kind = 'independent'\nbatch = 4").is_err());
}

fn any_assignment(experts: usize) -> impl Strategy<Value = Assignment> {
    let p = || prop::collection::vec(0.0..=1.0, experts);
    prop_oneof![
        Just(Assignment::Hard),
        (0.0..=1.0).prop_map(|p| Assignment::Constant { p }),
        p().prop_map(|p| Assignment::Soft { p }),
        p().prop_map(|p| Assignment::Complement { p }),
    ]
}

proptest! {
    #[test]
    fn probabilities_add_up_and_the_quantile_inverts_their_sum(
        assignment in any_assignment(3),
        widths in prop::array::uniform3(1_usize..40),
        number in 1_u16..=3,
        uniform in 0.0_f64..1.0,
    ) {
        let [a, b, c] = widths;
        let intervals = Intervals::explicit(&[a, a + b, a + b + c]).unwrap();
        let probabilities = assignment.probabilities(&intervals, expert(number)).unwrap();
        prop_assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let index = assignment.quantile(&intervals, expert(number), uniform).unwrap().get();
        prop_assert!(probabilities[index] > 0.0);
        let below: f64 = probabilities[..index].iter().sum();
        prop_assert!(below <= uniform + 1e-12);
        prop_assert!(uniform <= below + probabilities[index] + 1e-12);
    }
}

#[test]
fn the_ends_of_the_unit_interval_give_the_first_and_last_possible_index() {
    let intervals = four();
    for (assignment, first, last) in
        [(Assignment::Hard, 250, 499), (Assignment::Constant { p: 0.3 }, 0, 999)]
    {
        let at = |u| assignment.quantile(&intervals, expert(2), u).unwrap().get();
        assert_eq!((at(0.0), at(-1.0)), (first, first));
        assert_eq!((at(1.0 - f64::EPSILON / 2.0), at(1.0), at(7.0)), (last, last, last));
    }
}
