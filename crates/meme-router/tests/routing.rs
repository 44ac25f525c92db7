//! A mixed batch, taken apart and put back.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use meme_router::{Error, Expert, Index, Intervals, Stitch, positions, put_back, rows, split};
use proptest::prelude::*;

fn expert(number: u16) -> Expert {
    Expert::new(number).unwrap()
}

#[test]
fn each_row_goes_to_the_owner_of_its_own_index() {
    let intervals = Intervals::uniform(4, 1000).unwrap();
    let batch = [999, 0, 250, 1, 249, 998].map(Index::new);
    let groups = split(&batch, &intervals).unwrap();
    assert_eq!(groups, [(expert(1), vec![1, 3, 4]), (expert(2), vec![2]), (expert(4), vec![0, 5])]);
    assert_eq!(rows(&groups), [1, 3, 4, 2, 0, 5]);
    assert_eq!(positions(&groups).unwrap(), [4, 0, 3, 1, 2, 5]);
    assert_eq!(split(&[], &intervals), Ok(vec![]));
    assert!(split(&[Index::new(1000)], &intervals).is_err());
}

#[test]
fn answers_that_do_not_match_their_rows_are_refused() {
    let groups = vec![(expert(1), vec![0, 2]), (expert(3), vec![1])];
    assert_eq!(put_back(&groups, vec![vec!['a', 'c'], vec!['b']]).unwrap(), ['a', 'b', 'c']);
    let short = put_back(&groups, vec![vec!['a'], vec!['b']]).unwrap_err();
    assert_eq!(short.to_string(), "expert 1 was given 2 rows and gave back 1 answers");
    assert!(matches!(put_back(&groups, vec![vec!['a', 'c']]), Err(Error::GroupCount { .. })));
    for broken in [vec![0, 0], vec![1, 2]] {
        let groups = [(expert(1), broken)];
        assert!(matches!(positions(&groups), Err(Error::NotAPartition { .. })));
        assert!(put_back(&groups, vec![vec![1, 2]]).is_err());
    }
}

#[test]
fn networks_can_be_stitched_to_any_intervals_and_serve_more_than_one() {
    let stitch = Stitch::new([(1..=2, "a"), (3..=5, "b"), (6..=9, "a")], 9).unwrap();
    let of = |index| *stitch.network_of(Index::new(index)).unwrap();
    assert_eq!((0..9).map(of).collect::<String>(), "aabbbaaaa");
    assert_eq!(stitch.intervals().upper_ends(), [2, 5, 9]);
    assert_eq!(stitch.network(expert(2)), Ok(&"b"));
    assert!(stitch.network(expert(4)).is_err());
    assert!(Stitch::new([(1..=2, "a"), (4..=5, "b")], 5).is_err());
    let intervals = Intervals::uniform(2, 10).unwrap();
    assert_eq!(Stitch::over(intervals.clone(), vec![1, 2]).unwrap().networks(), [1, 2]);
    let error = Stitch::over(intervals, vec![1]).unwrap_err();
    assert_eq!(error, Error::NetworkCount { networks: 1, experts: 2 });
}

proptest! {
    #[test]
    fn splitting_and_putting_back_is_the_identity(
        batch in prop::collection::vec(0_usize..100, 0..60),
        experts in 1_usize..10,
    ) {
        let intervals = Intervals::uniform(experts, 100).unwrap();
        let indices: Vec<Index> = batch.iter().copied().map(Index::new).collect();
        let groups = split(&indices, &intervals).unwrap();
        for pair in groups.windows(2) {
            prop_assert!(pair[0].0 < pair[1].0);
        }
        for (expert, rows) in &groups {
            prop_assert!(rows.windows(2).all(|pair| pair[0] < pair[1]));
            for row in rows {
                prop_assert_eq!(intervals.expert_of(indices[*row]).unwrap(), *expert);
            }
        }
        let answers: Vec<Vec<usize>> =
            groups.iter().map(|(_, rows)| rows.iter().map(|row| batch[*row]).collect()).collect();
        let concatenated: Vec<usize> = answers.iter().flatten().copied().collect();
        let gathered: Vec<usize> =
            positions(&groups).unwrap().into_iter().map(|position| concatenated[position]).collect();
        prop_assert_eq!(&gathered, &batch);
        let mut scattered = vec![0; batch.len()];
        for (answer, row) in concatenated.iter().zip(rows(&groups)) {
            scattered[row] = *answer;
        }
        prop_assert_eq!(&scattered, &batch);
        prop_assert_eq!(put_back(&groups, answers).unwrap(), batch);
    }
}
