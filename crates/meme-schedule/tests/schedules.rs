//! Noise schedules against other people's numbers.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{assert_near, diffusers, every_kind, floats, integers, read};
use meme_schedule::{Error, Schedule, ScheduleConfig, karras_sigmas};
use serde_json::Value;

#[test]
fn tables_are_those_of_latent_diffusion_to_1e_12() {
    let golden: Value = serde_json::from_str(include_str!("golden/noise_schedules.json")).unwrap();
    for (name, config) in [
        ("linear_ldm", ScheduleConfig::ldm()),
        ("linear_sd", ScheduleConfig::stable_diffusion()),
        ("sqrt_linear", ScheduleConfig::ddpm()),
        ("cosine", ScheduleConfig::cosine(1000)),
    ] {
        let schedule = Schedule::new(&config).unwrap();
        assert_eq!((schedule.steps(), config.steps()), (1000, 1000));
        let (betas, bars) = (floats(&golden[name]["beta"]), floats(&golden[name]["alpha_bar"]));
        for (k, index) in integers(&golden[name]["index"]).into_iter().enumerate() {
            assert_near(schedule.beta(index), betas[k], 1e-12, name);
            assert_near(schedule.alpha_bar(index), bars[k], 1e-12, name);
        }
    }
}

#[test]
fn tables_are_diffusers_float32_ones_to_1e_6() {
    let golden = diffusers();
    let tables = golden["tables"].as_object().unwrap();
    assert_eq!(tables.len(), 7);
    for (name, table) in tables {
        let schedule = match name.split_once('/') {
            None => read(&format!("kind = '{name}'")),
            Some((kind, zero)) => read(&format!("kind = '{zero}'\nof = {{ kind = '{kind}' }}")),
        };
        let (betas, bars) = (floats(&table["beta"]), floats(&table["alpha_bar"]));
        for (k, index) in integers(&golden["index"]).into_iter().enumerate() {
            assert_near(schedule.alpha_bar(index), bars[k], 1e-6, name);
            // float32's beta is the rounding error of 1 - x, magnified by dividing two alpha-bars.
            let tolerance = if name.contains('/') { 2e-4 } else { 1e-6 };
            assert_near(schedule.beta(index), betas[k], tolerance, &format!("{name} at {index}"));
        }
    }
}

#[test]
fn sigmoid_and_laplace_tables_agree_with_torch_and_scipy_in_float64() {
    let golden = diffusers();
    let at = integers(&golden["index"]);
    let sigmoid = read("kind = 'sigmoid'");
    for (index, expected) in at.iter().zip(floats(&golden["exact"]["sigmoid"])) {
        assert_near(sigmoid.alpha_bar(*index), expected, 1e-12, "sigmoid");
    }
    let laplace = read("kind = 'laplace'\nmu = 0.3");
    for (index, expected) in at.iter().zip(floats(&golden["exact"]["laplace"])) {
        assert_near(laplace.alpha_bar(*index), expected, 1e-12, "laplace");
    }
    assert_near(laplace.beta(999_usize), 0.999, 1e-15, "the last beta is cut");
}

/// Diffusers takes the square root of what the paper calls alpha-bar, and keeps the logarithm finite
/// with 1e-6: the same curve, given as a function, is its table.
#[test]
fn a_schedule_can_be_made_of_any_function_such_as_diffusers_laplace() {
    let golden = diffusers();
    let curve = |t: f64| {
        let side = if t == 0.5 { 0.0 } else { (0.5 - t).signum() };
        let snr = (-0.5 * side * (1.0 - 2.0 * (0.5 - t).abs() + 1e-6).ln()).exp();
        (snr / (1.0 + snr)).sqrt()
    };
    let schedule = Schedule::from_function(1000, 0.999, curve).unwrap();
    let expected = floats(&golden["laplace_square_root"]);
    for (index, expected) in integers(&golden["index"]).into_iter().zip(expected) {
        assert_near(schedule.alpha_bar(index), expected, 2e-6, "laplace");
    }
}

#[test]
fn karras_levels_are_those_of_edm_and_k_diffusion() {
    let golden = diffusers();
    let ours = karras_sigmas(18, 0.002, 80.0, 7.0).unwrap();
    for (found, expected) in ours.iter().zip(floats(&golden["karras_sigmas"])) {
        assert_near(*found, expected, 1e-12 * expected, "k-diffusion");
    }
    for (found, expected) in ours.iter().zip(floats(&golden["edm_sigmas"])) {
        assert_near(*found, expected, 1e-6 * expected, "diffusers");
    }
    let schedule = read("kind = 'karras'\nsteps = 18");
    for (found, expected) in schedule.sigmas().iter().rev().zip(&ours) {
        // alpha-bar is within 4e-6 of 1 at the lowest level, which costs five digits of sigma.
        assert_near(*found, *expected, 1e-10 * expected, "the same as a schedule");
    }
}

#[test]
fn alpha_bar_is_the_product_of_one_minus_beta_for_every_kind() {
    for schedule in every_kind() {
        let mut product = 1.0;
        for index in 0..schedule.steps() {
            let before = product;
            product *= 1.0 - schedule.beta(index);
            assert_near(schedule.alpha_bar(index), product, 1e-12, "alpha-bar");
            assert!(schedule.alpha_bar(index) < before);
        }
    }
}

#[test]
fn zero_terminal_snr_ends_in_pure_noise_and_leaves_the_start_alone() {
    for schedule in every_kind() {
        let zero = schedule.zero_terminal_snr().unwrap();
        assert!(zero.ends_in_pure_noise());
        assert_eq!((zero.alpha_bar(999_usize), zero.beta(999_usize)), (0.0, 1.0));
        assert_eq!(zero.snr(999_usize), 0.0);
        assert_eq!(zero.log_snr(999_usize), f64::NEG_INFINITY);
        assert_eq!(zero.sigma(999_usize), f64::INFINITY);
        assert_near(zero.alpha_bar(0_usize), schedule.alpha_bar(0_usize), 1e-15, "start");
    }
    assert!(!Schedule::new(&ScheduleConfig::ldm()).unwrap().ends_in_pure_noise());
    let single = Schedule::from_alpha_bars(vec![0.5]).unwrap();
    assert_eq!(single.zero_terminal_snr(), Err(Error::OneStep));
}

#[test]
fn outside_the_table_everything_is_nan() {
    let schedule = Schedule::new(&ScheduleConfig::ldm()).unwrap();
    let outside = 1000_usize;
    for value in [
        schedule.alpha_bar(outside),
        schedule.beta(outside),
        schedule.snr(outside),
        schedule.log_snr(outside),
        schedule.sigma(outside),
    ] {
        assert!(value.is_nan());
    }
}

#[test]
fn broken_descriptions_name_what_is_wrong() {
    let message = |text: &str| {
        let config: ScheduleConfig = toml::from_str(text).unwrap();
        Schedule::new(&config).unwrap_err().to_string()
    };
    assert_eq!(
        message("kind = 'linear'\nbeta_end = 1.5"),
        "`beta_end` of the linear schedule is 1.5; it must lie between 0 and 1"
    );
    assert!(message("kind = 'cosine'\nsteps = 0").contains("at least one step"));
    assert!(message("kind = 'cosine'\noffset = -1").contains("`offset` of the cosine schedule"));
    assert!(message("kind = 'cosine'\nmax_beta = nan").contains("`max_beta`"));
    assert!(message("kind = 'sigmoid'\nend = -4").contains("`end` of the sigmoid schedule"));
    assert!(message("kind = 'sigmoid'\ntau = 0").contains("`tau`"));
    assert!(message("kind = 'laplace'\nb = -0.5").contains("`b` of the Laplace schedule"));
    assert!(message("kind = 'karras'\nsigma_min = 90").contains("`sigma_max`"));
    assert!(message("kind = 'karras'\nrho = inf").contains("`rho`"));
    assert!(message("kind = 'karras'\nsteps = 0").contains("at least one step"));
    assert!(message("kind = 'scaled-linear'\nbeta_start = 0").contains("`beta_start`"));
    let table = message("kind = 'explicit'\nalpha_bar = [0.9, 0.5, 0.5]");
    assert!(table.starts_with("alpha-bar at index 2 is 0.5; "), "{table}");
    assert!(message("kind = 'explicit'\nalpha_bar = [1.0]").contains("index 0"));
    assert!(message("kind = 'explicit'\nalpha_bar = [0.5, 0.0, 0.0]").contains("index 1"));
    assert!(message("kind = 'explicit'\nalpha_bar = [0.5, nan]").contains("index 1"));
    assert!(message("kind = 'explicit'\nalpha_bar = []").contains("at least one step"));
    let early = Schedule::from_betas(vec![0.1, 1.0, 0.1]).unwrap_err();
    assert_eq!(early, Error::Beta { index: 1, value: 1.0 });
    assert!(Schedule::from_betas(vec![0.1, f64::NAN]).is_err());
    assert!(matches!(
        Schedule::from_function(10, 0.999, |_| f64::NAN).unwrap_err(),
        Error::Beta { index: 0, .. }
    ));
}

#[test]
fn files_name_the_kind_and_nothing_unknown_passes() {
    let read = |text: &str| toml::from_str::<ScheduleConfig>(text);
    assert_eq!(read("kind = 'scaled-linear'").unwrap(), ScheduleConfig::ldm());
    assert_eq!(read("kind = 'scaled-linear'").unwrap(), ScheduleConfig::default());
    assert_eq!(read("kind = 'linear'").unwrap(), ScheduleConfig::ddpm());
    assert_eq!(read("kind = 'cosine'\nsteps = 50").unwrap(), ScheduleConfig::cosine(50));
    for bad in ["kind = 'linear'\nbeta = 0.1", "kind = 'lineal'", "steps = 10", "kind = 'explicit'"]
    {
        assert!(read(bad).is_err(), "{bad}");
    }
    let nested = ScheduleConfig::ZeroTerminalSnr { of: Box::new(ScheduleConfig::cosine(7)) };
    assert_eq!(nested.steps(), 7);
    assert_eq!(read(&toml::to_string(&nested).unwrap()).unwrap(), nested);
    assert!(read("kind = 'zero-terminal-snr'\nof = { kind = 'linear', bate = 1 }").is_err());
}
