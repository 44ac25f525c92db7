//! Numbers that come from elsewhere: see tests/golden/README.md.

use meme_random::{Purpose, Stream, philox4x32_10};

#[test]
fn philox_gives_the_published_known_answers() {
    let vectors = [
        ([0; 4], [0; 2], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]),
        ([u32::MAX; 4], [u32::MAX; 2], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]),
        (
            [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
            [0xa4093822, 0x299f31d0],
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
        ),
    ];
    for (counter, key, expected) in vectors {
        assert_eq!(philox4x32_10(counter, key), expected);
    }
}

#[test]
fn draws_and_normals_agree_with_an_independent_implementation_of_the_layout() {
    let mut rows = 0;
    for line in include_str!("golden/normals.txt").lines().filter(|line| !line.starts_with('#')) {
        let field: Vec<&str> = line.split(' ').collect();
        let stream = Stream::new(
            field[0].parse().unwrap(),
            Purpose::ALL[field[1].parse::<usize>().unwrap() - 1],
            field[2].parse().unwrap(),
            field[3].parse().unwrap(),
        );
        let block: u64 = field[4].parse().unwrap();
        for lane in 0..2 {
            let draw = 2 * block + lane;
            assert_eq!(stream.bits(draw).to_string(), field[5 + lane as usize], "{line}");
            let expected: f64 = field[7 + lane as usize].parse().unwrap();
            assert!((stream.normal(draw) - expected).abs() < 1e-15 * expected.abs().max(1.0));
        }
        rows += 1;
    }
    assert_eq!(rows, 24);
}

/// The hash is the independent implementation's too: whatever the machine, compiler or profile.
#[test]
fn ten_thousand_normals_have_the_same_bits_on_every_machine() {
    let mut normals = vec![0.0_f32; 10_000];
    Stream::new(42, Purpose::Test, 1, 2).fill_normal(&mut normals);
    let hash = normals
        .iter()
        .flat_map(|value| value.to_bits().to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    assert_eq!(hash, 8_065_466_878_091_497_729);
}

#[test]
fn purposes_keep_their_numbers_and_leave_the_top_bit_free() {
    for (number, purpose) in (1..).zip(Purpose::ALL) {
        assert_eq!(purpose.number(), number);
        assert!(purpose.number() < 1 << 15);
    }
}
