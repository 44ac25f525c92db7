//! Which libtorch is used: the user's own, the one this checkout is linked to, the one asked for.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::sandbox::{Outcome, Sandbox};
use crate::wheels::{self, LIBRARY};

/// A libtorch that setup did not make.
fn own(folder: &Path, version: &str) {
    let headers = folder.join("include/torch/csrc/api/include/torch");
    fs::create_dir_all(&headers).unwrap();
    fs::write(headers.join("torch.h"), "").unwrap();
    fs::create_dir_all(folder.join("lib")).unwrap();
    fs::write(folder.join("lib/libtorch_cpu.so"), LIBRARY).unwrap();
    fs::write(folder.join("build-version"), version).unwrap();
}

/// Runs setup with a variable set.
fn setup_with(sandbox: &Sandbox, variable: &str, value: impl AsRef<Path>) -> Outcome {
    let mut command = sandbox.xtask(&["setup"]);
    Outcome::of(&command.env(variable, value.as_ref()).output().unwrap())
}

#[test]
fn a_libtorch_of_the_users_own_is_used_and_nothing_is_downloaded() {
    let sandbox = Sandbox::new();
    own(&sandbox.path("mine"), "2.11.0+cpu\n");
    let said = setup_with(&sandbox, "LIBTORCH", sandbox.path("mine")).succeeded().stderr;
    assert!(said.contains("2.11.0+cpu of your own, named by LIBTORCH"), "{said}");
    assert_eq!(sandbox.downloads(), 0);
}

#[test]
fn a_libtorch_of_another_version_or_of_none_is_refused_with_both_versions() {
    let sandbox = Sandbox::new();
    own(&sandbox.path("mine"), "2.4.1\n");
    let refused = setup_with(&sandbox, "LIBTORCH", sandbox.path("mine"));
    refused.failed_saying(&["version 2.4.1", "needs 2.11.0", "unset it"]);
    let refused = setup_with(&sandbox, "LIBTORCH", sandbox.path("nothing"));
    refused.failed_saying(&["there is no", "libtorch_cpu.so"]);
}

#[test]
fn the_variable_that_cargo_itself_sets_is_not_taken_for_the_users_wish() {
    let sandbox = Sandbox::new();
    let ours = sandbox.path("checkout/.libtorch");
    let said = setup_with(&sandbox, "LIBTORCH", ours).succeeded().stderr;
    assert!(!said.contains("of your own"), "{said}");
    assert!(sandbox.downloads() > 0);
}

#[test]
fn a_folder_in_the_links_place_is_the_users_own() {
    let sandbox = Sandbox::new();
    own(&sandbox.path("checkout/.libtorch"), "2.11.0");
    let said = sandbox.setup(&[]).succeeded().stderr;
    assert!(said.contains("named by the folder .libtorch"), "{said}");
    fs::write(sandbox.path("checkout/.libtorch/build-version"), "2.9.0").unwrap();
    sandbox.setup(&[]).failed_saying(&["version 2.9.0", "Remove that folder"]);
}

#[test]
fn the_pytorch_of_the_active_python_is_used_when_that_is_asked_for() {
    let sandbox = Sandbox::new();
    let packages = sandbox.path("torch");
    fs::create_dir(&packages).unwrap();
    fs::write(packages.join("version.py"), "__version__ = '2.11.0+cu130'\n").unwrap();
    sandbox.write("pytorch", packages.to_str().unwrap());
    let said = setup_with(&sandbox, "LIBTORCH_USE_PYTORCH", "1").succeeded().stderr;
    assert!(said.contains("2.11.0+cu130 of your own"), "{said}");
    fs::write(packages.join("version.py"), "__version__ = '2.3.0'\n").unwrap();
    let refused = setup_with(&sandbox, "LIBTORCH_USE_PYTORCH", "1");
    refused.failed_saying(&["version 2.3.0", "Install torch==2.11.0"]);
    sandbox.write("pytorch", "\n");
    setup_with(&sandbox, "LIBTORCH_USE_PYTORCH", "1").failed_saying(&["it has no package torch"]);
}

#[test]
fn without_a_flag_a_checkout_stays_with_its_set() {
    for set in ["cpu", "cuda"] {
        let sandbox = Sandbox::new();
        sandbox.setup(&[&format!("--{set}")]).succeeded();
        let downloads = sandbox.downloads();
        let said = sandbox.setup(&[]).succeeded().stderr;
        assert!(said.contains(&format!("({set}) is ready")), "{said}");
        assert_eq!(sandbox.downloads(), downloads);
    }
}

#[test]
fn a_flag_moves_the_link_and_keeps_both_sets() {
    let sandbox = Sandbox::new();
    sandbox.setup(&["--cpu"]).succeeded();
    sandbox.setup(&["--cuda"]).succeeded();
    let link = || fs::read_link(sandbox.path("checkout/.libtorch")).unwrap();
    assert_eq!(link(), sandbox.installed("cuda").join("torch"));
    let downloads = sandbox.downloads();
    sandbox.setup(&["--cpu"]).succeeded();
    assert_eq!(link(), sandbox.installed("cpu").join("torch"));
    assert_eq!(sandbox.downloads(), downloads);
}

#[test]
fn a_link_to_another_version_or_to_nothing_is_replaced() {
    let sandbox = Sandbox::new();
    let link = sandbox.path("checkout/.libtorch");
    for target in ["cache/meme/libtorch/2.10.0-cpu/torch", "gone"] {
        symlink(sandbox.path(target), &link).unwrap();
        sandbox.setup(&["--cpu"]).succeeded();
        assert_eq!(fs::read_link(&link).unwrap(), sandbox.installed("cpu").join("torch"));
        fs::remove_file(&link).unwrap();
    }
}

#[test]
fn the_library_files_of_a_wheel_keep_their_names() {
    // A requirement's dashes are underscores in its wheel: cuda-toolkit must not be taken for another.
    let sandbox = Sandbox::new();
    wheels::write(&sandbox.path("wheels"), "torch_extra-1.0-py3-none-any.whl", &[]);
    sandbox.setup(&["--cpu"]).succeeded();
    assert!(sandbox.installed("cpu").join("torch/lib/libtorch.so").is_file());
}

#[test]
fn a_test_step_that_needs_no_libtorch_installs_none() {
    let sandbox = Sandbox::new();
    let plan = |steps: &str| {
        let output = sandbox.xtask(&["test", "--dry-run", "--only", steps]).output().unwrap();
        Outcome::of(&output).succeeded().stdout
    };
    assert!(!plan("fmt").contains("setup"), "{}", plan("fmt"));
    assert!(plan("fmt,clippy").starts_with("cargo xtask setup\n"), "{}", plan("fmt,clippy"));
    // Really run, where cargo is out of reach: the step fails, and nothing was installed for it.
    let output = sandbox.xtask(&["test", "--only", "fmt"]).output().unwrap();
    Outcome::of(&output).failed_saying(&["step `fmt` failed"]);
    assert_eq!(sandbox.downloads(), 0);
    assert!(fs::symlink_metadata(sandbox.path("checkout/.libtorch")).is_err());
}

#[test]
fn unknown_words_end_with_a_suggestion_and_exit_code_2() {
    let sandbox = Sandbox::new();
    for (words, suggestion) in [
        (&["setpu"][..], "did you mean `setup`?"),
        (&["setup", "--gpu"], "did you mean `--cuda`?"),
        (&["test", "--only", "fmtt"], "did you mean `fmt`?"),
        (&[], "which chore?"),
        (&["reproduce"], "which suite?"),
    ] {
        let outcome = Outcome::of(&sandbox.xtask(words).output().unwrap());
        assert_eq!(outcome.code, Some(2), "{outcome:#?}");
        assert!(outcome.stderr.contains(suggestion), "{outcome:#?}");
    }
}
