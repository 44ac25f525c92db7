//! Who owns which timestep.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use meme_router::{Error, Expert, Index, Intervals, Timestep};
use proptest::prelude::*;

fn expert(number: u16) -> Expert {
    Expert::new(number).unwrap()
}

#[test]
fn uniform_intervals_end_where_the_specification_says() {
    let ends = |experts| Intervals::uniform(experts, 1000).unwrap().upper_ends().to_vec();
    assert_eq!(ends(1), [1000]);
    assert_eq!(ends(2), [500, 1000]);
    assert_eq!(ends(4), [250, 500, 750, 1000]);
    assert_eq!(ends(6), [166, 333, 500, 666, 833, 1000]);
}

#[test]
fn index_249_is_expert_1s_and_250_expert_2s() {
    let intervals = Intervals::uniform(4, 1000).unwrap();
    let owner = |index| intervals.expert_of(Index::new(index)).unwrap().number();
    assert_eq!([0, 249, 250, 499, 500, 749, 750, 999].map(owner), [1, 1, 2, 2, 3, 3, 4, 4]);
    assert_eq!(intervals.indices(expert(2)), Ok(250..500));
    let timesteps = intervals.timesteps(expert(2)).unwrap();
    assert_eq!((timesteps.start().get(), timesteps.end().get()), (251, 500));
}

#[test]
fn index_and_timestep_differ_by_one_and_timestep_zero_does_not_exist() {
    assert_eq!(Index::new(0).timestep(), Timestep::new(1).unwrap());
    assert_eq!(Timestep::new(1000).unwrap().index(), Index::new(999));
    assert_eq!(usize::from(Index::new(7)), 7);
    assert_eq!(Timestep::new(0), Err(Error::TimestepZero));
    assert_eq!(Expert::new(0), Err(Error::ExpertZero));
    assert_eq!((expert(3).number(), expert(3).position()), (3, 2));
}

#[test]
fn what_is_outside_is_refused_by_name() {
    let intervals = Intervals::uniform(4, 1000).unwrap();
    let outside = intervals.expert_of(Index::new(1000)).unwrap_err();
    assert_eq!(outside.to_string(), "index 1000 is outside 0..1000");
    let unknown = intervals.indices(expert(5)).unwrap_err();
    assert_eq!(unknown.to_string(), "there is no expert 5: there are 4, counted from 1");
    assert_eq!(
        intervals.check_steps(500).unwrap_err().to_string(),
        "the interval of expert 4, the last, ends at timestep 1000, but there are 500 timesteps"
    );
}

#[test]
fn broken_lists_name_the_interval() {
    let message = |ends: &[usize]| Intervals::explicit(ends).unwrap_err().to_string();
    assert_eq!(message(&[]), "there must be at least one expert");
    assert!(message(&[0, 10]).starts_with("the interval of expert 1 is empty: "));
    assert!(message(&[5, 5, 10]).starts_with("the interval of expert 2 is empty: "));
    assert!(
        message(&[5, 10, 7])
            .contains("expert 3 is empty: it would hold the timesteps from 11 to 7")
    );
    assert!(Intervals::uniform(0, 10).is_err());
    let crowded = Intervals::uniform(11, 10).unwrap_err().to_string();
    assert_eq!(crowded, "11 experts cannot share 10 timesteps; there can be at most 10");
    assert!(Intervals::uniform(70_000, 100_000).is_err());
}

#[test]
fn ranges_must_cover_everything_exactly_once() {
    let good = Intervals::from_ranges(&[1..=442, 443..=631, 632..=1000], 1000).unwrap();
    assert_eq!(good.upper_ends(), [442, 631, 1000]);
    let message =
        |ranges: &[_], steps| Intervals::from_ranges(ranges, steps).unwrap_err().to_string();
    assert_eq!(
        message(&[1..=400, 402..=1000], 1000),
        "timesteps 401 to 401, before the interval of expert 2, belong to nobody"
    );
    assert!(message(&[0..=400, 401..=1000], 1000).contains("of expert 1 starts at timestep 0"));
    assert!(
        message(&[2..=1000], 1000).contains("timesteps 1 to 1, before the interval of expert 1")
    );
    assert!(message(&[1..=400, 400..=1000], 1000).contains("of expert 2 starts at timestep 400"));
    assert!(message(&[501..=1000, 1..=500], 1000).contains("before the interval of expert 1"));
    assert!(message(&[1..=400, 401..=999], 1000).contains("ends at timestep 999"));
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    let empty = message(&[1..=400, 500..=401], 1000);
    assert!(empty.contains("of expert 2 is empty"));
    assert_eq!(message(&[], 10), "there must be at least one expert");
}

#[test]
fn files_hold_upper_ends_and_broken_ones_are_refused_when_read() {
    let intervals = Intervals::uniform(4, 1000).unwrap();
    assert_eq!(serde_json::to_string(&intervals).unwrap(), "[250,500,750,1000]");
    assert_eq!(serde_json::from_str::<Intervals>("[250,500,750,1000]").unwrap(), intervals);
    let error = serde_json::from_str::<Intervals>("[250,250,1000]").unwrap_err().to_string();
    assert!(error.contains("the interval of expert 2 is empty"), "{error}");
    assert!(serde_json::from_str::<Intervals>("[]").is_err());
    assert!(serde_json::from_str::<Expert>("0").is_err());
    assert!(serde_json::from_str::<Timestep>("0").is_err());
    assert_eq!(serde_json::from_str::<Index>("0").unwrap(), Index::new(0));
}

proptest! {
    #[test]
    fn every_index_has_exactly_one_owner(mut ends in prop::collection::btree_set(1_usize..500, 1..20)) {
        let ends: Vec<usize> = std::mem::take(&mut ends).into_iter().collect();
        let intervals = Intervals::explicit(&ends).unwrap();
        let mut owned = 0;
        for (expert, range) in intervals.iter() {
            prop_assert_eq!(range.start, owned);
            prop_assert!(!range.is_empty());
            prop_assert_eq!(intervals.indices(expert).unwrap(), range.clone());
            for index in range.clone() {
                prop_assert_eq!(intervals.expert_of(Index::new(index)).unwrap(), expert);
            }
            owned = range.end;
        }
        prop_assert_eq!(owned, intervals.steps());
        prop_assert!(intervals.expert_of(Index::new(owned)).is_err());
    }

    #[test]
    fn uniform_widths_differ_by_at_most_one(experts in 1_usize..40, extra in 0_usize..1000) {
        let intervals = Intervals::uniform(experts, experts + extra).unwrap();
        let widths: Vec<usize> = intervals.iter().map(|(_, range)| range.len()).collect();
        prop_assert!(widths.iter().max().unwrap() - widths.iter().min().unwrap() <= 1);
    }
}
