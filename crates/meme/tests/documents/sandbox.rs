//! Folders in which the commands of pages run, and the programs that they find there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use meme::checkpoint::{TensorData, read_safetensors, write_safetensors};
use tempfile::TempDir;

use crate::root;
use crate::table::Table;

/// Weights of another hash under the name of the published ones.
const INCEPTION: &str = "pt_inception-2015-12-05-6726825d.pth";

/// Seconds, twenty times what the longest command needs: a training that is new in a document takes hours.
pub(crate) const LIMIT: &str = "1200";

/// `cargo` as far as documents use it: the program was built already, and so the chores. A chore takes
/// the folder for its checkout.
const CARGO: &str = r#"#!/usr/bin/env sh
case "$1 $2 $3" in
"run --release --") shift 3; exec meme "$@" ;;
"xtask reproduce "*) shift; exec meme "$@" ;;
"xtask "*) shift; CARGO="$REAL_CARGO" exec "$XTASK" "$@" ;;
esac
echo "this test knows no way to run: cargo $*" >&2
exit 1
"#;

/// What all pages share: programs, and what the pages presume.
pub(crate) struct Sandbox {
    place: TempDir,
    variables: BTreeMap<String, String>,
}

impl Sandbox {
    /// Makes the programs, and everything that is given.
    pub(crate) fn new(table: &Table, slow: bool) -> Self {
        let place = tempfile::tempdir().unwrap();
        let mut variables = table.variables.clone();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        variables.insert("GOLDEN".to_owned(), golden.display().to_string());
        let sandbox = Self { place, variables };
        if !xtask().is_file() {
            // Only this crate was built.
            let mut build = Command::new(cargo());
            build.args(["build", "--package", "xtask"]).current_dir(root());
            if xtask().parent().is_some_and(|folder| folder.ends_with("release")) {
                build.arg("--release");
            }
            assert!(build.status().unwrap().success());
        }
        let bin = sandbox.path("bin");
        fs::create_dir(&bin).unwrap();
        program(&bin.join("cargo"), CARGO);
        program(&bin.join("meme"), "#!/usr/bin/env sh\nexec \"$MEME\" \"$@\"\n");
        let given = sandbox.path("given");
        fs::create_dir(&given).unwrap();
        for it in table.given(slow) {
            match (it.name.as_str(), it.by.is_empty()) {
                ("pictures", true) => pictures(&given.join("pictures")),
                (INCEPTION, true) => inception(&given.join(INCEPTION)),
                (other, true) => panic!("nobody makes `{other}`"),
                (_, false) => {}
            }
            for command in &it.by {
                let output = sandbox.run(command, &given);
                assert!(output.status.success(), "{}: {command}\n{}", it.name, said(&output));
            }
            assert!(given.join(&it.name).exists(), "`{}` was not made", it.name);
        }
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// The folder in which a page's commands run, with what the page presumes. It is removed with the value: runs take
    /// gigabytes.
    pub(crate) fn page(&self, page: &str, table: &Table, slow: bool) -> TempDir {
        let folder = tempfile::tempdir_in(self.place.path()).unwrap();
        // Chores take it for a checkout.
        fs::write(folder.path().join("Cargo.toml"), "[workspace]\n").unwrap();
        let given = table.given(slow).filter(|given| given.pages.iter().any(|it| it == page));
        for given in given {
            let to = folder.path().join(&given.name);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            let mut copy = Command::new("cp");
            copy.arg("-r").arg(self.path("given").join(&given.name)).arg(to);
            assert!(copy.status().unwrap().success());
        }
        folder
    }

    /// Runs a line as a shell would; nothing is reached but this machine, and what takes longer than [`LIMIT`] is ended
    /// with code 124.
    pub(crate) fn run(&self, line: &str, folder: &Path) -> Output {
        let path = std::env::var("PATH").unwrap();
        let mut shell = Command::new("timeout");
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            shell.env(name, "http://127.0.0.1:9").env(name.to_lowercase(), "http://127.0.0.1:9");
        }
        shell
            .args(["--kill-after=30", LIMIT, "sh", "-e", "-c", line])
            .current_dir(folder)
            .stdin(Stdio::null())
            .envs(&self.variables)
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("MEME", env!("CARGO_BIN_EXE_meme"))
            .env("XTASK", xtask())
            .env("REAL_CARGO", cargo())
            .env("NO_COLOR", "1")
            // Pages run side by side: threads that wait for each other would hold up the others.
            .env("OMP_NUM_THREADS", "1")
            .env_remove("RUST_LOG");
        shell.output().unwrap()
    }
}

fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The program of the chores, which lies beside the other one.
fn xtask() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_meme")).with_file_name("xtask")
}

/// Everything that a command printed.
pub(crate) fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

fn program(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Built-in faces in two folders, as if they were of two kinds.
fn pictures(folder: &Path) {
    for (kind, first) in [("cats", 0), ("dogs", 24)] {
        let folder = folder.join(kind);
        fs::create_dir_all(&folder).unwrap();
        for number in first..first + 24 {
            let face = meme::data::faces::Faces::draw(1, number, 40);
            meme::data::write_png(&folder.join(format!("{number}.png")), &face).unwrap();
        }
    }
}

/// Weights of Inception-v3 that mean nothing: of the published shapes, and small.
fn inception(path: &Path) {
    let shapes = root().join("crates/meme-metrics/tests/golden/packages.safetensors");
    let shapes = &read_safetensors(shapes).unwrap().metadata["shapes"];
    let shapes: BTreeMap<String, Vec<usize>> = serde_json::from_str(shapes).unwrap();
    let tensor = |shape: &[usize]| {
        let count: usize = shape.iter().product();
        let size =
            if shape.len() == 1 { 1.0 } else { (6.0 * shape[0] as f32 / count as f32).sqrt() };
        let value = |at: usize| size * ((at * 7919 % 1009) as f32 / 1009.0 - 0.3);
        TensorData::from_f32(&(0..count).map(value).collect::<Vec<_>>(), shape).unwrap()
    };
    let weights = shapes.iter().map(|(name, shape)| {
        let data = if name.ends_with("running_var") {
            TensorData::from_f32(&vec![1.0; shape[0]], shape).unwrap()
        } else {
            tensor(shape)
        };
        (name.clone(), data)
    });
    let weights: BTreeMap<String, TensorData> = weights.collect();
    write_safetensors(path, &weights, &BTreeMap::new()).unwrap();
}
