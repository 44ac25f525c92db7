//! PyTorch's files: read alike, nothing executed, nothing exhausted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod common;

use common::Lcg;
use meme_checkpoint::pickle::{ItemKind, PickleProblem, TorchFile, read_torch};
use meme_checkpoint::{Error, Tensors, read_safetensors};
use std::io::Write;
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A file as PyTorch makes them, around this pickle and these storages.
fn archive(folder: &Path, pickle: &[u8], storages: &[(&str, &[u8])]) -> PathBuf {
    archive_with(folder, pickle, storages, CompressionMethod::Stored)
}

fn archive_with(
    folder: &Path,
    pickle: &[u8],
    storages: &[(&str, &[u8])],
    method: CompressionMethod,
) -> PathBuf {
    let path = folder.join("made.pt");
    let mut zip = ZipWriter::new(std::fs::File::create(&path).unwrap());
    let options = SimpleFileOptions::default().compression_method(method);
    zip.start_file("made/data.pkl", options).unwrap();
    zip.write_all(pickle).unwrap();
    for (key, bytes) in storages {
        zip.start_file(format!("made/data/{key}"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    path
}

fn refused(path: &Path) -> PickleProblem {
    match read_torch(path) {
        Err(Error::Pickle { problem, file }) => {
            assert_eq!(file, path.display().to_string());
            problem
        }
        other => panic!("{other:?}"),
    }
}

/// The pickle of `{"w": tensor}` with a tensor of 4 floats in storage 0, seen in this way.
fn one_tensor(offset: u8, shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let mut pickle = b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(".to_vec();
    pickle.extend(b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ");
    pickle.extend([b'K', offset]);
    for numbers in [shape, strides] {
        pickle.push(b'(');
        numbers.iter().for_each(|&number| pickle.extend([b'K', number]));
        pickle.push(b't');
    }
    pickle.extend(b"\x89ccollections\nOrderedDict\n)RtRs.");
    pickle
}

fn four_floats() -> Vec<u8> {
    [1.0f32, 2.0, 3.0, 4.0].iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn every_tensor_is_what_pytorch_saved_in_both_formats() {
    let Tensors { tensors, .. } = read_safetensors(golden("torch_expected.safetensors")).unwrap();
    for name in ["torch_zip.pt", "torch_legacy.pt"] {
        let mut file = TorchFile::open(golden(name)).unwrap();
        assert_eq!(file.tensors().unwrap().tensors, tensors, "{name}");
        let weights = read_torch(golden(name)).unwrap();
        assert_eq!(weights.len(), 16);
        assert_eq!(
            weights.get("model.slice").unwrap().to_f32().unwrap(),
            [6., 8., 10., 12., 14., 16.]
        );
        assert_eq!(weights.get("model.tied").unwrap(), weights.get("model.base").unwrap());
    }
}

#[test]
fn values_beside_the_tensors_are_plain_data() {
    for name in ["torch_zip.pt", "torch_legacy.pt"] {
        let file = TorchFile::open(golden(name)).unwrap();
        let root = file.root();
        let get = |key: &str| root.get(key).unwrap();
        assert_eq!(root.entries().len(), 12);
        assert_eq!(get("epoch").as_i64(), Some(3));
        assert_eq!(get("global_step").as_i64(), Some(1 << 40));
        assert_eq!(get("loss").as_f64(), Some(0.1));
        assert_eq!(get("name").as_str(), Some("caf\u{e9}"));
        assert_eq!(get("done").as_bool(), Some(false));
        assert_eq!(get("nothing").kind(), ItemKind::Nothing);
        assert_eq!(get("raw").as_bytes(), Some(&b"\0\xff"[..]));
        let sizes: Vec<_> = get("size").elements().iter().map(|it| it.as_i64().unwrap()).collect();
        assert_eq!(sizes, [2, 3]);
        assert_eq!(get("tags").elements()[0].as_str(), Some("a"));
        let (dtype, shape) = get("state_dict").get("model.brain").unwrap().tensor().unwrap();
        assert_eq!((dtype.name(), shape), ("BF16", &[3][..]));
        assert!(root.get("absent").is_none());
    }
}

#[test]
fn foreign_classes_become_inert_objects_and_are_listed() {
    let file = TorchFile::open(golden("torch_zip.pt")).unwrap();
    assert_eq!(file.foreign_classes().iter().collect::<Vec<_>>(), ["__main__.Callback"]);
    let callbacks = file.root().get("callbacks").unwrap();
    let object = callbacks.get("object").unwrap();
    assert_eq!((object.kind(), object.class()), (ItemKind::Object, Some("__main__.Callback")));
    assert_eq!(object.state().unwrap().get("best").unwrap().as_f64(), Some(0.25));
    assert_eq!(callbacks.entries()[0].0.kind(), ItemKind::Class);
}

#[test]
fn weights_of_torchscript_and_states_of_optimizers_are_found_by_their_paths() {
    let weights = read_torch(golden("torch_script.pt")).unwrap();
    let names: Vec<_> = weights.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["inner.bias", "inner.weight", "mean"]);
    assert_eq!(weights.get("inner.weight").unwrap().to_f32().unwrap(), [1.0, 2.0]);
    assert_eq!(weights.get("mean").unwrap().to_f32().unwrap(), [0.5, -0.5]);
    let mut optimizer = TorchFile::open(golden("torch_optimizer.pt")).unwrap();
    let states = optimizer.tensors().unwrap();
    // With both decay rates 0 the moments are the gradient and its square.
    assert_eq!(states.get("state.0.exp_avg").unwrap().to_f32().unwrap(), [3.0, -4.0]);
    assert_eq!(states.get("state.0.exp_avg_sq").unwrap().to_f32().unwrap(), [9.0, 16.0]);
    let group = optimizer.root().get("param_groups").unwrap().elements()[0];
    assert_eq!(group.get("lr").unwrap().as_f64(), Some(0.5));
}

#[test]
fn nothing_that_a_pickle_asks_for_is_done() {
    let scratch = common::scratch();
    let witness = scratch.path().join("witness");
    let command = format!("touch {}", witness.display());
    for (module, name) in [("posix", "system"), ("os", "system"), ("builtins", "eval")] {
        let mut pickle = format!("\u{2}c{module}\n{name}\nX").into_bytes();
        pickle.insert(0, 0x80);
        pickle.extend((command.len() as u32).to_le_bytes());
        pickle.extend(command.as_bytes());
        pickle.extend(b"\x85R.");
        let file = TorchFile::open(archive(scratch.path(), &pickle, &[])).unwrap();
        assert_eq!(file.root().kind(), ItemKind::Object);
        assert_eq!(file.root().arguments()[0].as_str(), Some(command.as_str()));
        let called = format!("{module}.{name}");
        assert!(file.foreign_classes().contains(&called));
        assert!(!witness.exists());
    }
}

#[test]
fn tensors_must_lie_within_their_storage() {
    let scratch = common::scratch();
    let data = four_floats();
    let read = |pickle: &[u8]| {
        read_torch(archive(scratch.path(), pickle, &[("0", &data)]))
            .map(|it| it.get("w").unwrap().to_f32().unwrap())
    };
    assert_eq!(read(&one_tensor(0, &[2, 2], &[2, 1])).unwrap(), [1., 2., 3., 4.]);
    assert_eq!(read(&one_tensor(0, &[2, 2], &[1, 2])).unwrap(), [1., 3., 2., 4.]);
    assert_eq!(read(&one_tensor(1, &[2], &[2])).unwrap(), [2., 4.]);
    assert_eq!(read(&one_tensor(3, &[], &[])).unwrap(), [4.]);
    assert_eq!(read(&one_tensor(9, &[0, 7], &[7, 1])).unwrap(), [0f32; 0]);
    for (offset, shape, strides) in [
        (1, &[2, 2][..], &[2, 1][..]),
        (4, &[], &[]),
        (0, &[2], &[4]),
        (0, &[2, 2], &[1]),
        (0, &[200, 200], &[0, 0]),
        (0, &[5], &[0]),
    ] {
        let error = read(&one_tensor(offset, shape, strides)).unwrap_err().to_string();
        assert!(error.contains("made.pt: cannot be read as a PyTorch file"), "{error}");
    }
    let short = archive(scratch.path(), &one_tensor(0, &[4], &[1]), &[("0", &data[..12])]);
    let problem = PickleProblem::Storage { key: "0".to_owned(), expected: 16, found: 12 };
    assert_eq!(refused(&short), problem);
    let none = archive(scratch.path(), &one_tensor(0, &[4], &[1]), &[]);
    assert!(matches!(refused(&none), PickleProblem::Storage { found: 0, .. }));
}

#[test]
fn small_files_cannot_ask_for_much_memory_or_time() {
    let scratch = common::scratch();
    // A container that holds the one before it twice, forty times over: a trillion paths.
    let mut laughs = b"\x80\x02]q\0".to_vec();
    for level in 0..40u8 {
        laughs.extend([b']', b'(', b'h', level, b'h', level, b'e', b'q', level + 1]);
    }
    laughs.push(b'.');
    let path = archive(scratch.path(), &laughs, &[]);
    assert!(matches!(refused(&path), PickleProblem::TooDeep { .. }));

    // Nested a million deep, and a list that holds itself.
    let deep = [&b"\x80\x02"[..], &b"(".repeat(1_000_000), &b"l".repeat(1_000_000), b"."].concat();
    assert!(matches!(refused(&archive(scratch.path(), &deep, &[])), PickleProblem::TooDeep { .. }));
    let itself = archive(scratch.path(), b"\x80\x02]q\0h\0a.", &[]);
    assert!(matches!(refused(&itself), PickleProblem::TooDeep { .. }));

    // A list of a hundred thousand values that is copied a hundred thousand times.
    let mut copies = b"\x80\x02(".to_vec();
    copies.extend(b"N".repeat(100_000));
    copies.extend(b"lq\0cbuiltins\nset\nq\x01");
    copies.extend(b"h\x01h\0\x85R0".repeat(100_000));
    copies.extend(b".");
    assert!(matches!(
        refused(&archive(scratch.path(), &copies, &[])),
        PickleProblem::Nonsense { reason: "it makes more values than any checkpoint has", .. }
    ));

    // One storage under ten thousand names.
    let tensor = one_tensor(0, &[4], &[1]);
    let inner = &tensor[9..tensor.len() - 2];
    let mut many = b"\x80\x02(".to_vec();
    many.extend(inner);
    many.extend(b"q\xff");
    many.extend(b"h\xff".repeat(60_000));
    many.extend(b"l.");
    let path = archive(scratch.path(), &many, &[("0", &four_floats())]);
    assert!(read_torch(&path).is_ok(), "sharing within the file's size is fine");
    let data = vec![0; 4000];
    let wide: Vec<u8> = [
        &b"\x80\x02(ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01"[..],
        b"\0\0\x000X\x03\0\0\0cpuM\xe8\x03tQK\0M\xe8\x03\x85K\x01\x85\x89NtRq\xff",
        &b"h\xff".repeat(60_000),
        b"l.",
    ]
    .concat();
    let path = archive(scratch.path(), &wide, &[("0", &data)]);
    assert!(matches!(refused(&path), PickleProblem::TooLarge { .. }), "{}", refused(&path));

    let packed = archive_with(
        scratch.path(),
        &one_tensor(0, &[4], &[1]),
        &[("0", &four_floats())],
        CompressionMethod::Deflated,
    );
    assert!(matches!(refused(&packed), PickleProblem::Compressed { .. }));
}

#[test]
fn tensors_of_other_kinds_are_refused_and_not_left_out() {
    let scratch = common::scratch();
    let pickle = b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_sparse_tensor\n)Rs.";
    let problem = refused(&archive(scratch.path(), pickle, &[]));
    assert!(matches!(problem, PickleProblem::Tensor { tensor, .. } if tensor == "w"));
}

#[test]
fn nonsense_is_refused_with_its_position() {
    let scratch = common::scratch();
    for pickle in [
        &b"\x80\x02."[..],
        b"\x80\x020.",
        b"\x80\x02t.",
        b"\x80\x02h\x05.",
        b"\x80\x02NQ.",
        b"\x80\x02N)R.",
        b"\x80\x02](Nu.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02NNa.",
        b"\x80\x02X\xff\xff\xff\xffabc",
        b"\x80\x02X\x02\0\0\0\xff\xfe.",
        b"\x80\x02(N0.",
        b"\x80\x01N.",
        b"\x80\x02ccollections\nOrderedDict\nN\x85R.",
        b"\x80\x02ctorch\nSize\nN\x85R.",
        b"\x80\x02N",
    ] {
        let path = archive(scratch.path(), pickle, &[]);
        let problem = refused(&path);
        let position = match problem {
            PickleProblem::Nonsense { position, .. } | PickleProblem::Truncated { position } => {
                position
            }
            other => panic!("{other}"),
        };
        assert!(position as usize <= pickle.len());
    }
    let unknown = archive(scratch.path(), b"\x80\x02I1\n.", &[]);
    assert_eq!(refused(&unknown), PickleProblem::Opcode { opcode: b'I', position: 2 });
    let text = scratch.path().join("text.pt");
    std::fs::write(&text, "hello").unwrap();
    assert_eq!(refused(&text), PickleProblem::NotTorch);
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    let scratch = common::scratch();
    let path = scratch.path().join("cut.pt");
    for name in ["torch_zip.pt", "torch_legacy.pt"] {
        let whole = std::fs::read(golden(name)).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = read_torch(&path).expect_err(name).to_string();
            assert!(error.contains("cut.pt"), "{error}");
        }
    }
}

#[test]
fn a_bit_flipped_in_the_numbers_of_an_archive_is_noticed() {
    let scratch = common::scratch();
    let path = scratch.path().join("flipped.pt");
    let whole = std::fs::read(golden("torch_zip.pt")).unwrap();
    let expected = read_torch(golden("torch_zip.pt")).unwrap();
    let mut random = Lcg(1);
    let mut harmless = 0;
    for _ in 0..5000 {
        let mut bytes = whole.clone();
        bytes[random.below(whole.len() as u64) as usize] ^= 1 << random.below(8);
        std::fs::write(&path, &bytes).unwrap();
        // Padding, dates and entries that nobody reads may change; the numbers may not.
        if let Ok(read) = read_torch(&path) {
            assert_eq!(read, expected);
            harmless += 1;
        }
    }
    eprintln!("of 5000 flipped bits {harmless} were in parts that hold nothing");
    assert!(harmless < 4500);
}

#[test]
fn a_damaged_pickle_never_does_harm() {
    let scratch = common::scratch();
    let path = scratch.path().join("damaged.pt");
    let whole = std::fs::read(golden("torch_legacy.pt")).unwrap();
    let mut random = Lcg(2);
    for _ in 0..10_000 {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(4) {
            let position = random.below(whole.len() as u64) as usize;
            bytes[position] = match random.below(2) {
                0 => random.below(256) as u8,
                _ => whole[random.below(whole.len() as u64) as usize],
            };
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(read) = read_torch(&path) {
            assert!(read.byte_count() < 20 * whole.len());
        }
    }
}
