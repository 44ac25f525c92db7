//! What a permutation promises.

use std::collections::{BTreeMap, HashSet};

use meme_random::{Permutation, Purpose};

fn order(epoch: u64, len: u64) -> Permutation {
    Permutation::new(11, Purpose::Shuffle, epoch, len)
}

#[test]
fn every_number_stands_at_exactly_one_position() {
    for len in (0..=70).chain([127, 128, 129, 1000, 4095, 4096, 4097]) {
        let seen: HashSet<u64> = order(2, len).iter().collect();
        assert_eq!(seen.len() as u64, len);
        assert!(seen.iter().all(|value| *value < len));
    }
}

#[test]
fn position_of_undoes_at_also_in_huge_domains() {
    for len in [1, 2, 3, 5, 70_000, (1 << 40) + 7, 1 << 63, u64::MAX] {
        for index in (0..50).map(|step| len / 50 * step).chain([len - 1]) {
            let value = order(1, len).at(index);
            assert!(value < len);
            assert_eq!(order(1, len).position_of(value), index);
        }
    }
}

#[test]
fn positions_repeat_after_the_end_and_the_empty_permutation_is_harmless() {
    assert_eq!(order(0, 10).at(13), order(0, 10).at(3));
    assert!(order(0, 0).is_empty());
    assert_eq!(order(0, 0).at(5), 0);
    assert_eq!(order(0, 0).iter().count(), 0);
}

#[test]
fn seed_purpose_and_epoch_each_give_another_order() {
    let orders = [
        Permutation::new(1, Purpose::Shuffle, 0, 1000),
        Permutation::new(2, Purpose::Shuffle, 0, 1000),
        Permutation::new(1, Purpose::Split, 0, 1000),
        Permutation::new(1, Purpose::Shuffle, 1, 1000),
        Permutation::new(1, Purpose::Shuffle, 1 << 32, 1000),
    ];
    for (place, one) in orders.iter().enumerate() {
        for other in &orders[..place] {
            let equal = one.iter().zip(other.iter()).filter(|(a, b)| a == b).count();
            assert!(equal < 12, "{equal} of 1000 positions agree; one is expected");
        }
    }
}

/// Chi-square of equally likely outcomes, in standard deviations from its mean.
fn unevenness(counts: &BTreeMap<Vec<u64>, u64>, outcomes: usize) -> f64 {
    assert_eq!(counts.len(), outcomes, "every outcome is possible");
    let expected = counts.values().sum::<u64>() as f64 / outcomes as f64;
    let statistic: f64 =
        counts.values().map(|count| (*count as f64 - expected).powi(2) / expected).sum();
    let freedom = (outcomes - 1) as f64;
    (statistic - freedom) / (2.0 * freedom).sqrt()
}

#[test]
fn all_orders_of_a_few_numbers_are_equally_likely() {
    for (len, orders) in [(2, 2), (3, 6), (4, 24), (5, 120)] {
        let mut counts = BTreeMap::new();
        for epoch in 0..24_000 {
            *counts.entry(order(epoch, len).iter().collect()).or_default() += 1;
        }
        let z = unevenness(&counts, orders);
        assert!(z.abs() < 5.0, "{len} numbers: {z:.1} standard deviations");
    }
}

#[test]
fn all_pairs_of_first_numbers_are_equally_likely() {
    for len in [7, 16, 17] {
        let mut counts = BTreeMap::new();
        for epoch in 0..40_000 {
            let order = order(epoch, len);
            *counts.entry(vec![order.at(0), order.at(1)]).or_default() += 1;
        }
        let z = unevenness(&counts, (len * (len - 1)) as usize);
        assert!(z.abs() < 5.0, "{len} numbers: {z:.1} standard deviations");
    }
}

#[test]
fn a_long_order_has_no_trend_and_as_many_fixed_points_as_chance_allows() {
    let (mut fixed, mut rising, mut moment) = (0, 0, 0.0);
    for epoch in 0..100 {
        let values: Vec<u64> = order(epoch, 1000).iter().collect();
        fixed += (0..).zip(&values).filter(|(place, value)| place == *value).count();
        rising += values.windows(2).filter(|pair| pair[0] < pair[1]).count();
        let centred = |value: u64| value as f64 - 499.5;
        moment +=
            (0..).zip(&values).map(|(place, value)| centred(place) * centred(*value)).sum::<f64>();
    }
    // Fixed points are Poisson with mean 1 an order; ascents have mean 999/2, variance 1001/12.
    assert!((50..=150).contains(&fixed), "{fixed} fixed points in 100 orders");
    assert!((rising as f64 - 49_950.0).abs() < 5.0 * (100.0 * 1001.0 / 12.0_f64).sqrt());
    // Rank correlation: variance 1/(n - 1) an order.
    let correlation = moment / (100.0 * 1000.0 * (1000.0 * 1000.0 - 1.0) / 12.0);
    assert!(correlation.abs() < 5.0 / (999.0 * 100.0_f64).sqrt(), "{correlation}");
}
