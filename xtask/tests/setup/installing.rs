//! What a successful setup leaves, and what the next one does about it.

use std::fs;

use crate::sandbox::Sandbox;

#[test]
fn a_first_setup_installs_and_links_and_leaves_nothing_else() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.setup(&["--cpu"]).succeeded();
    assert!(outcome.stderr.contains("libtorch 2.11.0 (cpu) is ready"), "{outcome:#?}");
    assert_eq!(outcome.stdout, "", "standard output belongs to what comes after setup");
    let installed = sandbox.installed("cpu");
    let link = fs::read_link(sandbox.path("checkout/.libtorch")).unwrap();
    assert_eq!(link, installed.join("torch"));
    assert!(sandbox.path("checkout/.libtorch/lib/libtorch_cpu.so").is_file());
    assert!(installed.join("nvidia/cu13/lib/libcudart.so.13").is_file());
    assert_eq!(sandbox.leftovers(), [""; 0]);
}

#[test]
fn the_wheels_are_asked_for_by_hash_without_dependencies_for_one_python() {
    let sandbox = Sandbox::new();
    // What pip would read is gone by the time setup ends, so the pretended pip keeps it.
    let keep = format!("cp \"$list\" \"$SANDBOX/kept\"\n{}", crate::sandbox::DOWNLOAD);
    sandbox.write("download", &keep);
    sandbox.setup(&["--cpu"]).succeeded();
    let list = fs::read_to_string(sandbox.path("kept")).unwrap();
    assert_eq!(list.lines().count(), 3, "{list}");
    for line in list.lines() {
        let (what, hash) = line.split_once(" --hash=sha256:").unwrap();
        assert!(what.contains("==") && hash.len() == 64, "{line}");
    }
    let call = fs::read_to_string(sandbox.path("calls")).unwrap();
    for part in ["--no-deps", "--only-binary=:all:", "--python-version 3.12", "--implementation cp"]
    {
        assert!(call.contains(part), "{part} is missing in {call}");
    }
    assert!(call.contains("--platform manylinux_2_28_x86_64"), "{call}");
    assert!(call.contains("--platform manylinux2014_x86_64"), "{call}");
}

#[test]
fn a_second_setup_downloads_nothing_and_another_checkout_only_links() {
    let sandbox = Sandbox::new();
    sandbox.setup(&["--cpu"]).succeeded();
    sandbox.remove_tool("python3"); // it is not even needed
    sandbox.setup(&[]).succeeded();
    fs::remove_file(sandbox.path("checkout/.libtorch")).unwrap();
    sandbox.setup(&["--cpu"]).succeeded();
    assert!(sandbox.path("checkout/.libtorch/version.py").is_file());
    assert_eq!(sandbox.downloads(), 1);
}

#[test]
fn what_was_installed_is_on_record() {
    let sandbox = Sandbox::new();
    sandbox.setup(&["--cpu"]).succeeded();
    let text = fs::read_to_string(sandbox.installed("cpu").join("installed.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(record["version"], "2.11.0");
    assert_eq!(record["set"], "cpu");
    let wheels = record["wheels"].as_array().unwrap();
    assert_eq!(wheels.len(), 3);
    assert_eq!(wheels[0]["wheel"], crate::wheels::TORCH);
    assert_eq!(wheels[0]["files"], 8);
    let wheel = fs::metadata(sandbox.path("wheels").join(crate::wheels::TORCH)).unwrap();
    assert_eq!(wheels[0]["bytes"], wheel.len());
}

#[test]
fn a_set_without_its_record_or_with_a_damaged_file_is_installed_again() {
    for (damaged, what) in [
        ("installed.json", None),
        ("installed.json", Some("{ half a rec")),
        ("torch/version.py", Some("__version__ = '2.10.0'\n")),
        ("torch/lib/libtorch_cpu.so", Some("short")),
        ("torch/lib/libc10.so", None),
        ("nvidia/cu13/lib/libcupti.so.13", None),
        ("torch/include/torch/csrc/api/include/torch/torch.h", None),
    ] {
        let sandbox = Sandbox::new();
        sandbox.setup(&["--cpu"]).succeeded();
        let path = sandbox.installed("cpu").join(damaged);
        match what {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let said = sandbox.setup(&[]).succeeded().stderr;
        assert!(said.contains("which was not whole"), "{damaged}: {said}");
        assert_eq!(sandbox.downloads(), 2, "{damaged}");
        assert_eq!(sandbox.leftovers(), [""; 0], "{damaged}");
        sandbox.setup(&[]).succeeded();
        assert_eq!(sandbox.downloads(), 2, "{damaged}: mended only once");
    }
}

#[test]
fn the_cuda_set_is_what_the_wheels_ask_for_without_triton() {
    let sandbox = Sandbox::new();
    sandbox.setup(&["--cuda"]).succeeded();
    let expected = [
        "torch==2.11.0",
        "cuda-toolkit==13.0.2",
        "nvidia-cublas==13.1.0.3.*",
        "nvidia-cuda-cupti==13.0.85.*",
        "nvidia-cuda-runtime==13.0.96.*",
        "nvidia-nccl-cu13==2.28.9",
    ];
    assert_eq!(sandbox.asked(), expected);
    let installed = sandbox.installed("cuda");
    assert!(installed.join("nvidia/nccl/lib/libnccl.so.2").is_file());
    let text = fs::read_to_string(installed.join("installed.json")).unwrap();
    assert!(text.contains("libnccl.so.2") && text.contains("libcublas.so.13"), "{text}");
}
