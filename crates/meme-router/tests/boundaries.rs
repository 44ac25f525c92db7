//! Boundaries made from a table: see tests/golden/README.md.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use meme_router::{ClusterCost, Error, Intervals};
use proptest::prelude::*;
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/boundaries.json")).unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|entry| entry.as_f64().unwrap()).collect()
}

fn ends(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|entry| entry.as_u64().unwrap() as usize).collect()
}

/// log(alpha-bar / (1 - alpha-bar)) of LDM's schedule.
fn ldm_log_snr() -> Vec<f64> {
    let (first, last) = (0.0015_f64.sqrt(), 0.0195_f64.sqrt());
    let mut alpha_bar = 1.0;
    let betas = (0..1000).map(|i| (first + (last - first) * f64::from(i) / 999.0).powi(2));
    betas
        .map(|beta| {
            alpha_bar *= 1.0 - beta;
            (alpha_bar / (1.0 - alpha_bar)).ln()
        })
        .collect()
}

#[test]
fn small_clusterings_are_those_of_an_exhaustive_search() {
    let golden = golden();
    let (values, similarity) = (floats(&golden["values"]), floats(&golden["similarity"]));
    for case in golden["small"].as_array().unwrap() {
        let experts = case["experts"].as_u64().unwrap() as usize;
        for (cost, kind) in [
            (ClusterCost::Values(&values), "value"),
            (ClusterCost::Similarity(&similarity), "affinity"),
        ] {
            let found = Intervals::cluster(experts, cost).unwrap();
            assert_eq!(found.upper_ends(), ends(&case[format!("{kind}_ends")]), "{experts} {kind}");
            let expected = case[format!("{kind}_cost")].as_f64().unwrap();
            assert!((cost.of(&found).unwrap() - expected).abs() < 1e-9);
        }
    }
}

#[test]
fn the_ldm_schedule_is_cut_where_numpy_cuts_it() {
    let log_snr = ldm_log_snr();
    for case in golden()["ldm"].as_array().unwrap() {
        let experts = case["experts"].as_u64().unwrap() as usize;
        let equal = Intervals::equal_log_snr(experts, &log_snr).unwrap();
        assert_eq!(equal.upper_ends(), ends(&case["equal_log_snr_ends"]));
        let cost = ClusterCost::Values(&log_snr);
        let clustered = Intervals::cluster(experts, cost).unwrap();
        assert_eq!(clustered.upper_ends(), ends(&case["cluster_ends"]));
        let expected = case["cluster_cost"].as_f64().unwrap();
        assert!((cost.of(&clustered).unwrap() - expected).abs() < 1e-8);
    }
}

#[test]
fn timestep_cost_makes_equal_widths() {
    for experts in [1, 2, 3, 4, 6, 7] {
        let cost = ClusterCost::Timestep { steps: 1000 };
        let clustered = Intervals::cluster(experts, cost).unwrap();
        let uniform = Intervals::uniform(experts, 1000).unwrap();
        assert_eq!(cost.of(&clustered), cost.of(&uniform));
        for (a, b) in clustered.upper_ends().iter().zip(uniform.upper_ends()) {
            assert!(a.abs_diff(*b) <= experts, "{a} is not {b}");
        }
    }
}

#[test]
fn a_log_snr_that_reaches_pure_noise_leaves_its_end_to_the_last_expert() {
    let mut log_snr: Vec<f64> = (0..10).map(|i| 9.0 - f64::from(i)).collect();
    let before = Intervals::equal_log_snr(2, &log_snr).unwrap();
    assert_eq!(before.upper_ends(), [5, 10]);
    log_snr.push(f64::NEG_INFINITY);
    let after = Intervals::equal_log_snr(2, &log_snr).unwrap();
    assert_eq!(after.upper_ends(), [5, 11]);
}

#[test]
fn unusable_tables_are_refused_by_index() {
    let message =
        |experts, table: &[f64]| Intervals::equal_log_snr(experts, table).unwrap_err().to_string();
    assert_eq!(
        message(2, &[3.0, 2.0, 2.5]),
        "the log-SNR at index 2 is 2.5; it must not rise with the index"
    );
    assert!(message(2, &[3.0, f64::NAN]).contains("index 1 is NaN"));
    assert!(message(1, &[f64::NEG_INFINITY]).contains("finite"));
    assert!(message(3, &[9.0, 8.9, 0.0]).contains("of expert 2 is empty"));
    assert!(message(3, &[1.0, 0.0]).contains("3 experts cannot share 2 timesteps"));
    assert_eq!(
        Intervals::cluster(1, ClusterCost::Similarity(&[1.0, 0.0])),
        Err(Error::NotSquare { len: 2 })
    );
    let hole = Intervals::cluster(1, ClusterCost::Similarity(&[1.0, 0.0, f64::NAN, 1.0]));
    assert!(hole.unwrap_err().to_string().contains("row of the similarity matrix at index 1"));
    assert!(Intervals::cluster(1, ClusterCost::Values(&[f64::INFINITY])).is_err());
    assert_eq!(Intervals::cluster(1, ClusterCost::Values(&[])), Err(TOO_MANY));
}

const TOO_MANY: Error = Error::TooManyExperts { experts: 1, steps: 0, most: 0 };

proptest! {
    #[test]
    fn no_other_boundaries_are_cheaper(
        values in prop::collection::vec(-5.0_f64..5.0, 8..40),
        cuts in prop::collection::btree_set(1_usize..8, 1..4),
    ) {
        let other: Vec<usize> = cuts.into_iter().chain([values.len()]).collect();
        let other = Intervals::explicit(&other).unwrap();
        let cost = ClusterCost::Values(&values);
        let best = Intervals::cluster(other.experts(), cost).unwrap();
        prop_assert!(cost.of(&best).unwrap() <= cost.of(&other).unwrap() + 1e-9);
    }
}
