//! The safetensors format against its reference implementation and against damage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod common;

use common::Lcg;
use meme_checkpoint::safetensors::Problem;
use meme_checkpoint::{
    Dtype, Error, SafetensorsFile, TensorData, Tensors, parse, read_safetensors, safetensors_bytes,
    write_safetensors,
};
use std::collections::BTreeMap;
use std::path::PathBuf;

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/reference.safetensors")
}

/// A file with this header, as it stands, and these bytes of data.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn refused(header: &str, data: &[u8]) -> Problem {
    match parse(&file(header, data)) {
        Err(Error::Safetensors { problem, .. }) => problem,
        other => panic!("{header} gave {other:?}"),
    }
}

#[test]
fn reads_what_the_reference_implementation_wrote() {
    let read = read_safetensors(golden()).unwrap();
    assert_eq!(read.metadata["source"], "safetensors for Python");
    assert_eq!(read.len(), 13);
    let single = [-2.5, 0.0, f64::from(0.1f32), 1.0, 65504.0, 3.0];
    assert_eq!(read.get("f64").unwrap().to_f64().unwrap(), single);
    assert_eq!(read.get("f64").unwrap().shape, [2, 3]);
    assert_eq!(read.get("f32").unwrap().to_f64().unwrap(), single);
    // Printed by PyTorch: 0x1.998p-4 and 0x1.9ap-4 are 0.1 as half and brain float.
    let half = [-2.5, 0.0, 0x1998 as f64 / 65536.0, 1.0, 65504.0, 3.0];
    assert_eq!(read.get("f16").unwrap().to_f64().unwrap(), half);
    let brain = [-2.5, 0.0, 0x19a as f64 / 4096.0, 1.0, 65536.0, 3.0];
    assert_eq!(read.get("bf16").unwrap().to_f64().unwrap(), brain);
    assert_eq!(read.get("bf16").unwrap().to_f32().unwrap(), brain.map(|value| value as f32));
    assert_eq!(read.get("i64").unwrap().to_i64().unwrap(), [i64::MIN, i64::MAX]);
    assert_eq!(
        read.get("i32").unwrap().to_i64().unwrap(),
        [i64::from(i32::MIN), i64::from(i32::MAX), 7]
    );
    assert_eq!(read.get("i16").unwrap().to_i64().unwrap(), [-32768, 32767, 7]);
    assert_eq!(read.get("i8").unwrap().to_i64().unwrap(), [-128, 127, 7]);
    assert_eq!(read.get("u8").unwrap().to_i64().unwrap(), [0, 255, 7]);
    assert_eq!(read.get("bool").unwrap().to_i64().unwrap(), [1, 0, 1]);
    assert_eq!(read.get("scalar").unwrap().shape, [0usize; 0]);
    assert_eq!(read.get("scalar").unwrap().to_f32().unwrap(), [0.5]);
    assert_eq!(read.get("empty").unwrap().shape, [0, 4]);
    assert_eq!(read.get("quoted \" \\ \u{e9}\n").unwrap().to_f32().unwrap(), [1.0, 2.0]);
}

#[test]
fn writes_byte_for_byte_what_the_reference_implementation_writes() {
    let bytes = std::fs::read(golden()).unwrap();
    let Tensors { tensors, metadata } = parse(&bytes).unwrap();
    assert_eq!(safetensors_bytes(&tensors, &metadata).unwrap(), bytes);
    let reversed = tensors.iter().rev();
    assert_eq!(safetensors_bytes(reversed, &metadata).unwrap(), bytes);
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("again.safetensors");
    write_safetensors(&path, &tensors, &metadata).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert_eq!(common::names(scratch.path()), ["again.safetensors"]);
}

#[test]
fn the_reference_implementation_reads_what_was_written() {
    let tensors = common::tensors(3, 1000);
    let metadata = BTreeMap::from([("key".to_owned(), "value".to_owned())]);
    let bytes = safetensors_bytes(&tensors, &metadata).unwrap();
    let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(read.len(), 2);
    let weight = read.tensor("stem.weight").unwrap();
    assert_eq!((weight.shape(), weight.data()), (&[1000][..], &*tensors["stem.weight"].bytes));
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap()["key"], "value");
}

#[test]
fn single_tensors_are_read_from_an_open_file() {
    let mut file = SafetensorsFile::open(golden()).unwrap();
    let all = read_safetensors(golden()).unwrap();
    assert_eq!(file.tensors()["f64"].shape, [2, 3]);
    for name in ["bool", "f64", "empty", "i8"] {
        assert_eq!(&file.read(name).unwrap(), all.get(name).unwrap());
    }
    assert_eq!(file.read_all().unwrap(), all);
    let missing = file.read("f65").unwrap_err().to_string();
    assert!(missing.starts_with("no tensor `f65`; there are 13: `bf16`, `bool`,"), "{missing}");
}

#[test]
fn every_rule_of_the_format_is_enforced_by_name() {
    let one = |body: &str| format!(r#"{{"w":{{{body}}}}}"#);
    let four = [0; 4];
    assert!(matches!(
        refused(&one(r#""dtype":"F8_E5M2","shape":[4],"data_offsets":[0,4]"#), &four),
        Problem::UnknownDtype { tensor, dtype } if tensor == "w" && dtype == "F8_E5M2"
    ));
    assert!(matches!(
        refused(&one(r#""dtype":"U8","shape":[4],"data_offsets":[4,0]"#), &four),
        Problem::Offsets { start: 4, end: 0, .. }
    ));
    assert!(matches!(
        refused(&one(r#""dtype":"F32","shape":[2],"data_offsets":[0,4]"#), &four),
        Problem::ByteCount { needed: 8, found: 4, .. }
    ));
    assert!(matches!(
        refused(
            &one(r#""dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,4]"#),
            &four
        ),
        Problem::Shape { .. }
    ));
    assert!(matches!(
        refused(&one(r#""dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]"#), &[]),
        Problem::Shape { .. }
    ));
    assert!(matches!(
        refused(&one(r#""dtype":"U8","shape":[4],"data_offsets":[0,4]"#), &four[..3]),
        Problem::Truncated { end: 4, available: 3, .. }
    ));
    assert!(matches!(
        refused(&one(r#""dtype":"U8","shape":[3],"data_offsets":[0,3]"#), &four),
        Problem::Trailing { count: 1 }
    ));
    assert!(matches!(
        refused(&one(r#""dtype":"U8","shape":[3],"data_offsets":[1,4]"#), &four),
        Problem::Gap { start: 1, expected: 0, .. }
    ));
    assert!(matches!(
        refused(&one(r#""dtype":"BOOL","shape":[4],"data_offsets":[0,4]"#), &[0, 1, 2, 1]),
        Problem::Boolean { position: 2, value: 2, .. }
    ));
    let two = |a: &str, b: &str| {
        format!(
            r#"{{"a":{{"dtype":"U8","shape":[{}],"data_offsets":[{a}]}},"b":{{"dtype":"U8","shape":[2],"data_offsets":[{b}]}}}}"#,
            if a == "0,3" { 3 } else { 2 }
        )
    };
    assert!(parse(&file(&two("0,2", "2,4"), &four)).is_ok());
    assert!(
        matches!(refused(&two("0,3", "2,4"), &four), Problem::Overlap { tensor, .. } if tensor == "b")
    );
    assert!(matches!(refused(&two("0,2", "0,2"), &four[..2]), Problem::Overlap { .. }));
}

#[test]
fn a_header_must_be_exactly_the_json_it_should_be() {
    let entry = r#""w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#;
    assert!(parse(&file(&format!("{{{entry}}}   "), &[7])).is_ok());
    assert!(matches!(
        refused(&format!("{{{entry},{entry}}}"), &[7]),
        Problem::DuplicateTensor { tensor } if tensor == "w"
    ));
    assert!(matches!(
        refused(&format!(r#"{{"__metadata__":{{"a":"1","a":"2"}},{entry}}}"#), &[7]),
        Problem::DuplicateMetadata { key } if key == "a"
    ));
    assert!(matches!(
        refused(&format!(r#"{{"__metadata__":{{}},"__metadata__":{{}},{entry}}}"#), &[7]),
        Problem::DuplicateMetadata { .. }
    ));
    for broken in [
        format!(" {{{entry}}}"),
        format!("{{{entry}}}\n"),
        format!("{{{entry}}}\0"),
        format!("{{{entry}}} x"),
        format!("[{{{entry}}}]"),
        "{}}".to_owned(),
        format!(r#"{{"__metadata__":{{"a":1}},{entry}}}"#),
        format!(r#"{{"__metadata__":null,{entry}}}"#),
        r#"{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"more":0}}"#.to_owned(),
        r#"{"w":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#.to_owned(),
        r#"{"w":{"dtype":"U8","shape":[1]}}"#.to_owned(),
        r#"{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}}"#.to_owned(),
        r#"{"w":{"dtype":"U8","shape":[1],"data_offsets":[-0.0,1]}}"#.to_owned(),
        r#"{"w":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}"#.to_owned(),
        r#"{"w":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}"#.to_owned(),
    ] {
        let problem = refused(&broken, &[7]);
        assert!(matches!(problem, Problem::Header { .. }), "{broken}: {problem}");
    }
    let message = refused(r#"{"stem.weight":{"dtype":"U8"}}"#, &[]).to_string();
    assert!(message.contains("tensor `stem.weight`: missing field `shape`"), "{message}");
    assert!(matches!(
        parse(&[]),
        Err(Error::Safetensors { problem: Problem::TooShort { .. }, .. })
    ));
    let mut huge = file("{}", &[]);
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let problem = parse(&huge).unwrap_err().to_string();
    assert!(problem.contains("claims 18446744073709551615 bytes"), "{problem}");
}

#[test]
fn a_file_truncated_at_any_length_is_refused_and_named() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("cut.safetensors");
    let whole = std::fs::read(golden()).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = read_safetensors(&path).unwrap_err();
        assert!(matches!(error, Error::Safetensors { .. }), "{length}: {error}");
        assert!(error.to_string().contains("cut.safetensors"), "{error}");
        assert!(SafetensorsFile::open(&path).is_err());
    }
    std::fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
    assert!(read_safetensors(&path).is_err());
}

#[test]
fn whatever_is_accepted_the_reference_reads_alike() {
    let whole = std::fs::read(golden()).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap());
    let mut random = Lcg(1);
    let (mut accepted, rounds) = (0, 20_000);
    for _ in 0..rounds {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(3) {
            let position = random.below(header) as usize;
            // Half of the changes stay within the alphabet of headers, to get past the JSON parser.
            bytes[position] = match random.below(2) {
                0 => random.below(256) as u8,
                _ => whole[random.below(header) as usize],
            };
        }
        let Ok(ours) = parse(&bytes) else { continue };
        accepted += 1;
        let reference = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(reference.len(), ours.len());
        for (name, tensor) in ours.iter() {
            let theirs = reference.tensor(name).unwrap();
            assert_eq!(theirs.data(), tensor.bytes);
            assert_eq!(theirs.shape(), tensor.shape);
            assert_eq!(format!("{:?}", theirs.dtype()), tensor.dtype.name());
        }
    }
    assert!((100..rounds).contains(&accepted), "{accepted} of {rounds} accepted");
}

#[test]
fn nothing_is_written_that_could_not_be_read() {
    let write = |name: &str, tensor: &TensorData| {
        safetensors_bytes([(name, tensor)], &BTreeMap::new()).unwrap_err().to_string()
    };
    let good = TensorData::from_f32(&[1.0], &[1]).unwrap();
    assert!(write("__metadata__", &good).contains("reserved"));
    let wrong = TensorData { dtype: Dtype::F32, shape: vec![2], bytes: vec![0; 4] };
    assert!(write("w", &wrong).contains("tensor `w` (F32, shape [2]) needs 8 bytes and has 4"));
    let boolean = TensorData { dtype: Dtype::Bool, shape: vec![2], bytes: vec![0, 3] };
    assert!(write("w", &boolean).contains("element 1 of the boolean tensor `w` is 3"));
    let twice = safetensors_bytes([("w", &good), ("w", &good)], &BTreeMap::new()).unwrap_err();
    assert!(twice.to_string().contains("tensor `w` stands twice"));
    assert!(TensorData::from_f32(&[1.0], &[2]).is_err());
    assert!(TensorData::new(Dtype::U8, vec![usize::MAX, 2], vec![]).is_err());
}

#[test]
fn numbers_are_never_read_as_a_type_that_cannot_hold_them() {
    let integers = TensorData::from_i64(&[1 << 60], &[1]).unwrap();
    assert_eq!(integers.to_f32().unwrap_err().to_string(), "a tensor of I64 cannot be read as f32");
    assert!(integers.to_f64().is_err());
    assert!(TensorData::from_f32(&[1.0], &[1]).unwrap().to_i64().is_err());
}

#[test]
fn what_is_no_file_is_refused_in_words() {
    let scratch = tempfile::tempdir().unwrap();
    let missing = read_safetensors(scratch.path().join("none")).unwrap_err().to_string();
    assert!(missing.contains("none") && missing.contains("check the path"), "{missing}");
    let folder = read_safetensors(scratch.path()).unwrap_err().to_string();
    assert!(folder.contains("not a regular file"), "{folder}");
}
