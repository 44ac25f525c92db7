//! What a description may say, and how it is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

mod support;

use meme_blocks::{Architecture, Mixing, PoolKind, PoolKinds, count};
use support::{EXPERTS, class_conditional, conditional, elements, guided, inception, ldm};

fn refusal(change: impl Fn(&mut serde_json::Value)) -> String {
    refusal_of(&inception(EXPERTS[0]), change)
}

fn refusal_of(architecture: &Architecture, change: impl Fn(&mut serde_json::Value)) -> String {
    let mut value = serde_json::to_value(architecture).unwrap();
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
    let mut mixed = inception(EXPERTS[2]);
    let kinds = vec![PoolKind::Max, PoolKind::Average, PoolKind::Average, PoolKind::Max];
    let table = mixed.mixer.as_mut().unwrap();
    table.pool_kind = PoolKinds::Each(kinds);
    table.middle_pool_kind = Some(PoolKind::Average);
    let [classes, words] = conditional();
    for architecture in [
        ldm(224),
        inception(EXPERTS[2]),
        mixed,
        class_conditional(192),
        guided(128),
        classes,
        words,
    ] {
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

#[test]
fn heads_are_given_by_size_or_by_number_but_not_both() {
    let message = refusal(|root| root["heads"] = 4.into());
    assert!(
        message.contains("`heads`: 4 beside `head_dim` = 32; give one of the two"),
        "{message}"
    );
    let message = refusal(|root| root["head_dim"] = 0.into());
    assert!(message.contains("`head_dim`: needed, since level 0 has heads"), "{message}");
    let message = refusal_of(&class_conditional(192), |root| root["heads"] = 5.into());
    assert!(
        message.contains("`heads`: 5 does not divide the 384 channels of level 1"),
        "{message}"
    );
    let message = refusal_of(&conditional()[0], |root| root["heads"] = 5.into());
    assert!(message.contains("`heads`: 5 does not divide the 32 channels of level 1"), "{message}");
    let by_number = guided(128);
    assert_eq!((by_number.head_dim_of(512), by_number.head_dim_of(1024)), (128, 256));
}

#[test]
fn cross_attention_needs_its_table_and_the_width_of_its_context() {
    let network = class_conditional(96);
    let cases: [(&str, serde_json::Value, &str); 6] = [
        (
            "/transformer",
            serde_json::Value::Null,
            "`transformer`: needed, since level 1 has a trans",
        ),
        ("/transformer/context", 0.into(), "`transformer.context`: needed, since level 1 attends"),
        ("/transformer/context", 70_000.into(), "`transformer.context`: 70000 is not between"),
        ("/transformer/depth", 0.into(), "`transformer.depth`: 0 is not between 1 and"),
        ("/transformer/feed_forward", 0.into(), "`transformer.feed_forward`: 0 is not between 1"),
        ("/classes", 0.into(), "`class_conditioning`: `context` needs `classes`, which are 0"),
    ];
    for (field, value, expected) in cases {
        let message =
            refusal_of(&network, |root| *root.pointer_mut(field).unwrap() = value.clone());
        assert!(message.contains(expected), "{field} = {value}: {message}");
    }
    let message = refusal(|root| {
        root["classes"] = 10.into();
        root["class_conditioning"] = "context".into();
    });
    assert!(message.contains("`context` needs a transformer in `encoder`, `middle`"), "{message}");
}

#[test]
fn pooling_kinds_are_one_word_or_one_for_each_level() {
    let each = serde_json::json!(["max", "average", "max"]);
    let message = refusal(|root| root["mixer"]["pool_kind"] = each.clone());
    assert!(message.contains("`mixer.pool_kind`: needs one entry for each of the 4"), "{message}");
    let message = refusal(|root| root["mixer"]["pool_kind"] = "median".into());
    assert!(message.contains("unknown variant `median`, expected `average` or `max`"), "{message}");
    let message = refusal(|root| root["mixer"]["pool_kind"] = serde_json::json!(["max", "min"]));
    assert!(message.contains("unknown variant `min`, expected `average` or `max`"), "{message}");
}

#[test]
fn elements_are_one_word_for_each_branch_and_are_written_only_where_they_are_others() {
    let plain = serde_json::to_value(inception(EXPERTS[0])).unwrap();
    let table = plain["mixer"].as_object().unwrap();
    assert!(table.keys().all(|field| !field.ends_with("_element")), "{table:?}");
    for (name, network) in elements() {
        let written = serde_json::to_value(&network).unwrap();
        assert_eq!(serde_json::from_value::<Architecture>(written.clone()).unwrap(), network);
        let words = ["high_element", "low_element"]
            .map(|field| written["mixer"][field].as_str().unwrap_or("depthwise").to_owned());
        assert_eq!(words.join(" and "), name);
    }
    for (field, known) in [
        ("high_element", "`depthwise`, `dilated`, `large-kernel`, `fourier`"),
        ("low_element", "`attention`, `linear-attention`, `dilated`, `large-kernel`, `fourier`"),
    ] {
        let message = refusal(|root| root["mixer"][field] = "median".into());
        let expected = format!("unknown variant `median`, expected one of {known}");
        assert!(message.contains(&expected), "{message}");
    }
}

#[test]
fn a_level_smaller_than_its_pooling_window_is_refused_with_its_size() {
    let network = inception(EXPERTS[0]);
    network.fits(64, 64).unwrap();
    network.fits(3, 4).unwrap();
    let message = network.fits(2, 64).unwrap_err().to_string();
    assert!(
        message.contains(
            "`mixer.pool[1]`: a window of 2 pixels is larger than level 1, which has 1 x 32 pixels"
        ),
        "{message}"
    );
    let mut middle = network;
    middle.mixer.as_mut().unwrap().middle_pool = 9;
    middle.fits(72, 72).unwrap();
    let message = middle.fits(64, 64).unwrap_err().to_string();
    assert!(message.contains("`mixer.middle_pool`: a window of 9 pixels"), "{message}");
}
