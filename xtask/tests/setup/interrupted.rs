//! Setups that are killed, that fail half-way, and that run at the same time.

use std::fs;
use std::process::Command;

use crate::sandbox::{DOWNLOAD, Sandbox, finish, found, wait_until};
use crate::wheels;

/// The staging folder of the setup that is running.
fn staging(sandbox: &Sandbox) -> Option<std::path::PathBuf> {
    let name = sandbox.leftovers().into_iter().find(|name| name.starts_with(".staging-"))?;
    Some(sandbox.path("cache/meme/libtorch").join(name))
}

#[test]
fn a_setup_killed_while_unpacking_leaves_no_set_and_the_next_one_cleans_up() {
    let sandbox = Sandbox::new();
    // Reading a pipe that nobody writes to holds setup after the first wheel is unpacked.
    let pipe = sandbox.path("wheels").join(wheels::CUPTI);
    let good = fs::read(&pipe).unwrap();
    fs::remove_file(&pipe).unwrap();
    let made = Command::new(found("mkfifo")).arg(&pipe).status().unwrap();
    assert!(made.success());
    sandbox.write("download", &DOWNLOAD.replace("cp -P", "cp -R"));
    let mut setup = sandbox.xtask(&["setup", "--cpu"]).spawn().unwrap();
    wait_until("torch is unpacked", || {
        staging(&sandbox).is_some_and(|folder| folder.join("tree/torch/lib/libtorch.so").is_file())
    });
    setup.kill().unwrap();
    assert_eq!(setup.wait().unwrap().code(), None, "it was killed, it did not end");
    assert!(!sandbox.installed("cpu").exists());
    assert!(fs::symlink_metadata(sandbox.path("checkout/.libtorch")).is_err());
    assert_eq!(sandbox.leftovers().len(), 1);

    fs::remove_file(&pipe).unwrap();
    fs::write(&pipe, good).unwrap();
    let said = sandbox.setup(&["--cpu"]).succeeded().stderr;
    assert!(said.contains("left by a setup that was interrupted"), "{said}");
    assert_eq!(sandbox.leftovers(), [""; 0]);
    assert!(sandbox.path("checkout/.libtorch/lib/libtorch_cpu.so").is_file());
}

#[test]
fn a_setup_killed_while_downloading_leaves_no_set_and_the_next_one_cleans_up() {
    let sandbox = Sandbox::new();
    sandbox.write("download", "echo half > \"$dest/torch-half.whl\"\nwhile :; do sleep 0.05; test ! -e \"$SANDBOX/stop\" || exit 1; done\n");
    let mut setup = sandbox.xtask(&["setup", "--cpu"]).spawn().unwrap();
    wait_until("a half wheel is there", || {
        staging(&sandbox).is_some_and(|folder| folder.join("wheels/torch-half.whl").is_file())
    });
    setup.kill().unwrap();
    setup.wait().unwrap();
    sandbox.write("stop", "");
    assert!(!sandbox.installed("cpu").exists());

    sandbox.write("download", DOWNLOAD);
    sandbox.setup(&["--cpu"]).succeeded();
    assert_eq!(sandbox.leftovers(), [""; 0]);
}

#[test]
fn a_setup_that_fails_half_way_keeps_the_set_that_was_there() {
    let sandbox = Sandbox::new();
    sandbox.setup(&["--cpu"]).succeeded();
    sandbox
        .write("download", "echo half > \"$dest/torch-half.whl\"; echo ERROR: broken >&2; exit 7");
    sandbox.setup(&["--cuda"]).failed_saying(&["exit status: 7", "ERROR: broken"]);
    assert_eq!(sandbox.leftovers(), [""; 0]);
    let said = sandbox.setup(&[]).succeeded().stderr;
    assert!(said.contains("(cpu) is ready"), "{said}");
}

#[test]
fn of_two_setups_at_once_one_installs_and_the_other_waits_for_it() {
    let sandbox = Sandbox::new();
    let held = format!("while ! test -e \"$SANDBOX/go\"; do sleep 0.02; done\n{DOWNLOAD}");
    sandbox.write("download", &held);
    let first = sandbox.xtask(&["setup", "--cpu"]).spawn().unwrap();
    wait_until("the first one downloads", || sandbox.downloads() == 1);
    let log = sandbox.path("second.log");
    let second =
        sandbox.xtask(&["setup", "--cpu"]).stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    wait_until("the second one waits", || {
        fs::read_to_string(&log).unwrap().contains("another setup is at work")
    });
    sandbox.write("go", "");
    finish(first).succeeded();
    finish(second).succeeded();
    assert_eq!(sandbox.downloads(), 1);
    assert_eq!(sandbox.leftovers(), [""; 0]);
    assert!(fs::read_to_string(&log).unwrap().contains("is ready"));
}
