//! What a stream promises about its draws, and a cursor about its order.

use std::collections::HashSet;

use meme_random::{Purpose, Stream};

const STREAM: fn(u64) -> Stream = |image| Stream::new(3, Purpose::Test, 1, image);

#[test]
fn every_field_of_the_address_makes_another_stream() {
    let mut seen = HashSet::new();
    let edges = [0, 1, 2, u64::from(u32::MAX), 1 << 32, (1 << 32) + 1, u64::MAX];
    for seed in edges {
        for image in edges {
            for expert in [0, 1, 2, 255, 256, u16::MAX] {
                for purpose in Purpose::ALL {
                    let stream = Stream::new(seed, purpose, expert, image);
                    for draw in [0, 1, 2, 3, 1 << 20, (1 << 33) - 1] {
                        assert!(seen.insert(stream.bits(draw)), "{stream:?} draw {draw}");
                    }
                }
            }
        }
    }
    assert_eq!(seen.len(), 7 * 7 * 6 * 15 * 6);
}

#[test]
fn filling_gives_each_element_its_own_draw_whatever_the_length() {
    for length in [0, 1, 2, 3, 127, 128, 129, 301] {
        let (mut normals, mut uniforms) = (vec![0.0; length], vec![0.0; length]);
        STREAM(9).fill_normal(&mut normals);
        STREAM(9).fill_uniform(&mut uniforms);
        for (draw, (normal, uniform)) in (0..).zip(normals.iter().zip(&uniforms)) {
            assert_eq!(*normal, STREAM(9).normal(draw) as f32);
            let exact = STREAM(9).uniform(draw);
            assert_eq!(f64::from(*uniform), (exact * 16_777_216.0).floor() / 16_777_216.0);
        }
    }
}

#[test]
fn integers_stay_below_their_bound_and_reach_every_value() {
    for bound in [1, 2, 3, 7, 1000] {
        let seen: HashSet<u64> = (0..20 * bound).map(|draw| STREAM(0).below(draw, bound)).collect();
        assert_eq!(seen.len() as u64, bound);
        assert!(seen.iter().all(|value| *value < bound));
    }
    assert_eq!(STREAM(0).below(0, 0), 0);
}

#[test]
fn a_cursor_that_draws_one_kind_sees_the_stream_in_order() {
    let (mut uniforms, mut integers, mut words, mut normals) =
        (STREAM(5).cursor(), STREAM(5).cursor(), STREAM(5).cursor(), STREAM(5).cursor());
    for draw in 0..50 {
        assert_eq!(uniforms.uniform(), STREAM(5).uniform(draw));
        assert_eq!(integers.below(77), STREAM(5).below(draw, 77));
        assert_eq!(u64::from(words.next_u32()), STREAM(5).bits(draw) >> 32);
        assert_eq!(normals.normal(), STREAM(5).normal(draw));
    }
}

#[test]
fn a_cursor_never_uses_the_bits_of_a_normal_for_anything_else() {
    // uniform, normal, uniform, normal, uniform: blocks 0, 1, 0, 1, 2.
    let mut cursor = STREAM(6).cursor();
    assert_eq!(cursor.uniform(), STREAM(6).uniform(0));
    assert_eq!(cursor.normal(), STREAM(6).normal(2));
    assert_eq!(cursor.uniform(), STREAM(6).uniform(1));
    assert_eq!(cursor.normal(), STREAM(6).normal(3));
    assert_eq!(cursor.uniform(), STREAM(6).uniform(4));
}

#[test]
fn picks_ranges_and_chances_stay_within_what_was_asked() {
    let mut cursor = STREAM(7).cursor();
    let mut counts = [0; 3];
    for _ in 0..3000 {
        counts[usize::from(*cursor.pick(&[0_u8, 1, 2]))] += 1;
        assert!((-2.0..5.0).contains(&cursor.range(-2.0, 5.0)));
        assert!(!cursor.chance(0.0) && cursor.chance(1.0));
    }
    assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
    assert_eq!(cursor.choose::<u8>(&[]), None);
    assert_eq!(cursor.choose(&[8]), Some(&8));
}
