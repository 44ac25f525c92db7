//! What a description may say, and how it is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

mod support;

use meme_blocks::{Architecture, Mixing, count};
use support::{EXPERTS, inception, ldm};

fn refusal(change: impl Fn(&mut serde_json::Value)) -> String {
    let mut value = serde_json::to_value(inception(EXPERTS[0])).unwrap();
    change(&mut value);
    serde_json::from_value::<Architecture>(value).unwrap_err().to_string()
}

#[test]
fn every_impossible_combination_names_its_field_and_its_rule() {
    let cases: [(&str, serde_json::Value, &str); 20] = [
        ("/in_channels", 0.into(), "`in_channels`: 0 is not between 1 and"),
        ("/width", 127.into(), "`width`: 127 is odd"),
        ("/width", 144.into(), "`norm_groups`: 32 does not divide the 144 channels of level 0"),
        ("/width", 100_000.into(), "`width`: 100000 is not between"),
        ("/channel_mult", serde_json::json!([]), "`channel_mult`: needs between 1 and 17 levels"),
        ("/channel_mult/2", 0.into(), "`channel_mult[2]`: 0 is not between"),
        ("/channel_mult/2", 60_000.into(), "`channel_mult[2] * width`: 7680000 is not between"),
        ("/res_blocks", 0.into(), "`res_blocks`: 0 is not between"),
        ("/head_dim", 48.into(), "`head_dim`: 48 does not divide the 128 channels of level 0"),
        ("/norm_groups", 24.into(), "`norm_groups`: 24 does not divide the 128 channels"),
        ("/encoder", serde_json::json!(["none"]), "`encoder`: needs one entry for each of the 4"),
        ("/decoder", serde_json::json!([]), "`decoder`: needs one entry for each of the 4 levels"),
        ("/mixer", serde_json::Value::Null, "`mixer`: needed, since level 0 has a mixer"),
        ("/mixer/high_heads", serde_json::json!([1]), "`mixer.high_heads`: needs one entry"),
        ("/mixer/high_heads/1", 9.into(), "`mixer.high_heads[1]`: 9 is more than the 8 heads of"),
        ("/mixer/middle_high_heads", 17.into(), "`mixer.middle_high_heads`: 17 is more than the"),
        ("/mixer/pool", serde_json::json!([1, 1]), "`mixer.pool`: needs one entry for each of"),
        ("/mixer/pool/3", 0.into(), "`mixer.pool[3]`: 0 is not between 1 and"),
        ("/dropout", 1.0.into(), "`dropout`: 1 is not in [0, 1)"),
        ("/mixer/feed_forward", 1000.into(), "`mixer.feed_forward`: 1000 is not between"),
    ];
    for (field, value, expected) in cases {
        let message = refusal(|root| *root.pointer_mut(field).unwrap() = value.clone());
        assert!(message.contains(expected), "{field} = {value}: {message}");
    }
}

#[test]
fn odd_halves_are_refused() {
    let message = refusal(|root| root["head_dim"] = 1.into());
    assert!(
        message.contains("`mixer.high_heads[0]`: 3 heads of 1 channels are an odd"),
        "{message}"
    );
}

#[test]
fn unknown_fields_and_kinds_are_refused_by_name() {
    let message = refusal(|root| root["widht"] = 1.into());
    assert!(message.contains("unknown field `widht`"), "{message}");
    let message = refusal(|root| root["mixer"]["pooling"] = 1.into());
    assert!(message.contains("unknown field `pooling`"), "{message}");
    let message = refusal(|root| root["middle"] = "convolution".into());
    assert!(message.contains("unknown variant `convolution`"), "{message}");
}

#[test]
fn a_description_survives_being_written_and_read() {
    for architecture in [ldm(224), inception(EXPERTS[2])] {
        let text = toml::to_string(&architecture).unwrap();
        assert_eq!(toml::from_str::<Architecture>(&text).unwrap(), architecture);
    }
}

#[test]
fn a_description_built_by_hand_is_checked_where_it_is_used() {
    let mut architecture = ldm(128);
    architecture.head_dim = 48;
    assert!(count(&architecture, 64, 64).is_err());
    architecture.middle = Mixing::None;
    architecture.encoder = vec![Mixing::None; 4];
    architecture.decoder = vec![Mixing::None; 4];
    assert!(count(&architecture, 64, 64).is_ok(), "nothing has heads any more");
}
