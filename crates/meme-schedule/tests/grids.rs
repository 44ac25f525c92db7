//! Which indices a sampler visits.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{diffusers, every_kind, floats, integers};
use meme_schedule::{Error, Grid, Schedule, ScheduleConfig};
use proptest::prelude::*;

const PLAIN: [Grid; 5] =
    [Grid::Ldm, Grid::Leading, Grid::Trailing, Grid::Linspace, Grid::Quadratic];

#[test]
fn the_ldm_grid_is_the_specified_one() {
    let grid = |total, steps| Grid::Ldm.indices(total, steps).unwrap();
    let fifty = grid(1000, 50);
    assert_eq!((fifty.len(), fifty[0], fifty[1], fifty[49]), (50, 1, 21, 981));
    let two_hundred = grid(1000, 200);
    assert_eq!((two_hundred.len(), two_hundred[0], two_hundred[199]), (200, 1, 996));
    assert_eq!(grid(1000, 7), [1, 143, 285, 427, 569, 711, 853, 995]);
    assert_eq!(grid(1000, 1000), (0..1000).collect::<Vec<_>>());
    assert_eq!(grid(1000, 1), [1]);
    assert_eq!(grid(1, 1), [0]);
    // c = 3 divides 999, so the last entry would be 1000.
    let three = grid(1000, 300);
    assert_eq!((three[0], three[1], three[three.len() - 1]), (0, 3, 999));
    // Each of four experts runs 50 of 200 steps.
    let of_expert = |n: usize| two_hundred.iter().filter(|index| *index / 250 == n).count();
    assert_eq!([0, 1, 2, 3].map(of_expert), [50; 4]);
}

#[test]
fn leading_trailing_and_linspace_are_those_of_diffusers() {
    let golden = diffusers();
    let cases = golden["timesteps"].as_object().unwrap();
    assert_eq!(cases.len(), 30);
    for (name, expected) in cases {
        let (spacing, steps) = name.split_once('/').unwrap();
        let grid: Grid = serde_json::from_value(spacing.into()).unwrap();
        let found = grid.indices(1000, steps.parse().unwrap()).unwrap();
        assert_eq!(found, integers(expected), "{name}");
    }
}

#[test]
fn the_quadratic_grid_is_ddims_but_for_repeated_indices() {
    let golden = diffusers();
    for (steps, expected) in golden["quadratic"].as_object().unwrap() {
        let found = Grid::Quadratic.indices(1000, steps.parse().unwrap()).unwrap();
        let expected = integers(expected);
        let mut apart = expected.clone();
        for k in 1..apart.len() {
            apart[k] = apart[k].max(apart[k - 1] + 1);
        }
        assert_eq!(found, apart, "{steps}");
        if steps == "10" {
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn the_karras_grid_is_diffusers_karras_timesteps_rounded() {
    let (golden, config) = (diffusers(), ScheduleConfig::stable_diffusion());
    let schedule = Schedule::new(&config).unwrap();
    let mut expected: Vec<usize> = floats(&golden["euler_karras_timesteps"])
        .into_iter()
        .map(|timestep| timestep.round() as usize)
        .collect();
    expected.reverse();
    let found = Grid::Karras { rho: 7.0 }.on(&schedule, 20).unwrap();
    let mut apart = expected;
    for k in 1..apart.len() {
        apart[k] = apart[k].max(apart[k - 1] + 1);
    }
    assert_eq!(found, apart);
}

#[test]
fn the_log_snr_grid_takes_equal_steps_of_log_snr() {
    let schedule = Schedule::new(&ScheduleConfig::ldm()).unwrap();
    let found = Grid::LogSnr.on(&schedule, 11).unwrap();
    assert_eq!((found[0], found[10]), (0, 999));
    let log_snrs = schedule.log_snrs();
    let step = (log_snrs[999] - log_snrs[0]) / 10.0;
    for (k, &index) in found.iter().enumerate() {
        let wanted = log_snrs[0] + step * k as f64;
        let distance = |index: usize| (log_snrs[index] - wanted).abs();
        let neighbours = [index.saturating_sub(1), (index + 1).min(999)];
        assert!(neighbours.into_iter().all(|other| distance(index) <= distance(other)));
    }
}

#[test]
fn pure_noise_is_visited_besides_the_finite_levels() {
    let zero = Schedule::new(&ScheduleConfig::ldm()).unwrap().zero_terminal_snr().unwrap();
    for grid in [Grid::LogSnr, Grid::Karras { rho: 7.0 }] {
        let found = grid.on(&zero, 10).unwrap();
        assert_eq!((found.len(), found[0], found[8], found[9]), (10, 0, 998, 999));
        assert_eq!(grid.on(&zero, 1).unwrap(), [999]);
    }
}

#[test]
fn impossible_grids_are_refused() {
    for grid in PLAIN.into_iter().chain([Grid::LogSnr, Grid::Karras { rho: 7.0 }]) {
        let schedule = Schedule::new(&ScheduleConfig::cosine(10)).unwrap();
        for steps in [0, 11] {
            let expected = Err(Error::GridSteps { steps, total: 10 });
            assert_eq!(grid.indices(10, steps), expected);
            assert_eq!(grid.on(&schedule, steps), expected);
        }
        assert!(grid.indices(0, 0).is_err());
    }
    assert_eq!(Grid::LogSnr.indices(10, 5), Err(Error::NeedsSchedule { grid: "log-snr" }));
    let schedule = Schedule::new(&ScheduleConfig::cosine(10)).unwrap();
    assert!(Grid::Karras { rho: 0.0 }.on(&schedule, 5).unwrap_err().to_string().contains("`rho`"));
    let explicit = |indices: &[usize]| Grid::Explicit { indices: indices.to_vec() };
    assert_eq!(explicit(&[0, 4, 9]).on(&schedule, 3).unwrap(), [0, 4, 9]);
    let same = explicit(&[0, 4, 4]).indices(10, 3);
    assert_eq!(same, Err(Error::GridIndex { entry: 2, index: 4, total: 10 }));
    assert!(explicit(&[0, 10]).indices(10, 2).is_err());
    assert_eq!(explicit(&[0, 4]).indices(10, 3), Err(Error::GridLength { len: 2, steps: 3 }));
}

#[test]
fn files_name_the_grid_and_nothing_unknown_passes() {
    #[derive(serde::Deserialize)]
    struct File {
        grid: Grid,
    }
    let read = |text: &str| toml::from_str::<File>(text).map(|file| file.grid);
    assert_eq!(read("grid = 'ldm'").unwrap(), Grid::Ldm);
    assert_eq!(read("grid = 'log-snr'").unwrap(), Grid::LogSnr);
    assert_eq!(read("grid = { karras = { rho = 7 } }").unwrap(), Grid::Karras { rho: 7.0 });
    let explicit = read("grid = { explicit = { indices = [1, 2] } }").unwrap();
    assert_eq!(explicit, Grid::Explicit { indices: vec![1, 2] });
    assert!(read("grid = { karras = { rho = 7, sigma = 1 } }").is_err());
    assert!(read("grid = 'lmd'").is_err());
}

proptest! {
    #[test]
    fn every_grid_rises_within_the_schedule_and_has_the_promised_length(
        total in 1_usize..1200, share in 0.0_f64..1.0,
    ) {
        let steps = 1 + (share * (total - 1) as f64) as usize;
        for grid in PLAIN {
            let found = grid.indices(total, steps).unwrap();
            prop_assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{:?} {:?}", grid, found);
            prop_assert!(found.last().unwrap() < &total);
            let expected = if grid == Grid::Ldm { total.div_ceil(total / steps) } else { steps };
            prop_assert_eq!(found.len(), expected, "{:?}", grid);
        }
        for grid in PLAIN {
            prop_assert_eq!(grid.indices(total, total).unwrap(), (0..total).collect::<Vec<_>>());
        }
    }

    #[test]
    fn noise_level_grids_rise_and_reach_both_ends_on_every_kind_of_schedule(
        kind in 0_usize..14, steps in 2_usize..=1000, rho in 0.5_f64..10.0,
    ) {
        let schedule = &every_kind()[kind];
        for grid in [Grid::LogSnr, Grid::Karras { rho }] {
            let found = grid.on(schedule, steps).unwrap();
            prop_assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert_eq!(found.len(), steps);
            prop_assert_eq!(*found.last().unwrap(), 999);
            prop_assert!(steps == 2 || found[0] == 0, "{:?} starts at {}", grid, found[0]);
        }
    }
}
