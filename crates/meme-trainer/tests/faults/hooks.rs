//! Where a process can be made to kill itself, and how it tells what it is about.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use meme_checkpoint::storage::{Hold, Kind, StorageFile};
use meme_checkpoint::{RealStorage, Storage};
use meme_data::ArraySource;
use meme_trainer::{Observer, StepReport, Timing, Window};
use signal_hook::consts::SIGKILL;

/// A moment of a run; numbers count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// At this operation of the storage; halfway through, if it writes.
    Storage(u64),
    /// When this array is read.
    Data(u64),
    /// In this forward pass.
    Forward(u64),
    /// So many microseconds after this forward pass: in the backward pass, or in the update.
    After(u64, u64),
    /// After this update.
    Step(u64),
    /// After this line of statistics.
    Window(u64),
    /// After this checkpoint.
    Checkpoint(u64),
    /// When the run has been opened.
    Opened,
    /// Not at all.
    Never,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moment::Storage(n) => write!(f, "storage {n}"),
            Moment::Data(n) => write!(f, "data {n}"),
            Moment::Forward(n) => write!(f, "forward {n}"),
            Moment::After(n, micros) => write!(f, "after {n} {micros}"),
            Moment::Step(n) => write!(f, "step {n}"),
            Moment::Window(n) => write!(f, "window {n}"),
            Moment::Checkpoint(n) => write!(f, "checkpoint {n}"),
            Moment::Opened => write!(f, "opened"),
            Moment::Never => write!(f, "never"),
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Moment, String> {
        let mut words = text.split(' ');
        let name = words.next().unwrap_or_default();
        let mut number = || words.next().and_then(|word| word.parse().ok()).ok_or(text.to_owned());
        Ok(match name {
            "storage" => Moment::Storage(number()?),
            "data" => Moment::Data(number()?),
            "forward" => Moment::Forward(number()?),
            "after" => Moment::After(number()?, number()?),
            "step" => Moment::Step(number()?),
            "window" => Moment::Window(number()?),
            "checkpoint" => Moment::Checkpoint(number()?),
            "opened" => Moment::Opened,
            "never" => Moment::Never,
            _ => return Err(text.to_owned()),
        })
    }
}

/// Ends this process as a power switch would.
pub(crate) fn die() -> ! {
    signal_hook::low_level::raise(SIGKILL).unwrap();
    unreachable!("nothing survives SIGKILL")
}

/// Tells a child process where to train; unset in the process that runs the tests.
pub(crate) const FOLDER: &str = "MEME_FAULTS_FOLDER";

/// What a child process is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    StartUp = 1,
    Data,
    Forward,
    Update,
    Storage,
    End,
}

impl Phase {
    /// Reads one byte of a child's standard output; `None` for what its test harness says.
    pub(crate) fn of(byte: u8) -> Option<Phase> {
        use Phase::{Data, End, Forward, StartUp, Storage, Update};
        [StartUp, Data, Forward, Update, Storage, End].into_iter().find(|it| *it as u8 == byte)
    }
}

/// Tells what a child process is about now, as one byte on its standard output.
pub(crate) fn about(phase: Phase) {
    if std::env::var_os(FOLDER).is_none() {
        return;
    }
    let mut output = io::stdout().lock();
    // Whoever listened may have killed this process a moment ago.
    let _ = output.write_all(&[phase as u8]).and_then(|()| output.flush());
}

/// Dies at one moment, and tells what it is about.
pub(crate) struct Watch {
    moment: Moment,
    steps: u64,
    windows: u64,
    checkpoints: u64,
}

impl Watch {
    pub(crate) fn new(moment: Moment) -> Watch {
        Watch { moment, steps: 0, windows: 0, checkpoints: 0 }
    }

    fn die_at(&self, moment: Moment) {
        if self.moment == moment {
            die();
        }
    }
}

impl Observer for Watch {
    fn opened(&mut self, _images: u64, _damaged: &[String]) {
        about(Phase::Data);
        self.die_at(Moment::Opened);
    }

    fn step(&mut self, _report: &StepReport) {
        about(Phase::Data);
        self.steps += 1;
        self.die_at(Moment::Step(self.steps));
    }

    fn window(&mut self, _window: &Window, _timing: &Timing) {
        self.windows += 1;
        self.die_at(Moment::Window(self.windows));
    }

    fn checkpoint(&mut self, _folder: &Path, _images: u64) {
        about(Phase::Data);
        self.checkpoints += 1;
        self.die_at(Moment::Checkpoint(self.checkpoints));
    }
}

/// Stands around every forward pass of a process that may have to die.
pub(crate) fn around(moment: Moment) -> Box<crate::subject::Forward<'static>> {
    Box::new(move |pass, forward| {
        about(Phase::Forward);
        let output = forward();
        if moment == Moment::Forward(pass) {
            die();
        }
        if let Moment::After(number, micros) = moment
            && number == pass
        {
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_micros(micros));
                die()
            });
        }
        about(Phase::Update);
        output
    })
}

/// Data whose n-th reading is the end.
pub(crate) struct DeadlyData {
    pub(crate) inner: Arc<dyn ArraySource>,
    pub(crate) moment: Moment,
    pub(crate) reads: AtomicU64,
}

impl ArraySource for DeadlyData {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn shape(&self) -> [usize; 3] {
        self.inner.shape()
    }

    fn read(&self, index: usize, out: &mut [f32]) -> meme_data::Result<()> {
        if self.moment == Moment::Data(self.reads.fetch_add(1, Ordering::SeqCst) + 1) {
            die();
        }
        self.inner.read(index, out)
    }
}

/// [`RealStorage`] that counts its operations, tells of each, and dies at one.
#[derive(Clone, Debug)]
pub(crate) struct DeadlyStorage {
    moment: Moment,
    operations: Arc<AtomicU64>,
    /// What the operations were, for whoever wants to choose among them.
    pub(crate) log: Arc<std::sync::Mutex<Vec<String>>>,
}

impl DeadlyStorage {
    pub(crate) fn new(moment: Moment) -> DeadlyStorage {
        DeadlyStorage { moment, operations: Arc::default(), log: Arc::default() }
    }

    fn is_last(&self, name: &str, path: &Path) -> bool {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.log.lock().unwrap().push(format!("{name} {file}"));
        about(Phase::Storage);
        self.moment == Moment::Storage(self.operations.fetch_add(1, Ordering::SeqCst) + 1)
    }

    fn step(&self, name: &str, path: &Path) {
        if self.is_last(name, path) {
            die();
        }
    }
}

impl Storage for DeadlyStorage {
    fn kind(&self, path: &Path) -> io::Result<Kind> {
        RealStorage.kind(path)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        self.step("list", folder);
        RealStorage.names(folder)
    }

    fn open(&self, path: &Path) -> io::Result<(Box<dyn Read + Send>, u64)> {
        self.step("open", path);
        RealStorage.open(path)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.step("create folder", path);
        RealStorage.create_folder(path)
    }

    fn create_file(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.step("create", path);
        let inner = RealStorage.create_file(path)?;
        Ok(Box::new(DeadlyFile { inner, name: path.to_path_buf(), storage: self.clone() }))
    }

    fn hold(&self, path: &Path) -> io::Result<Option<Hold>> {
        self.step("hold", path);
        RealStorage.hold(path)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.is_last("append", path) {
            RealStorage.append(path, &bytes[..bytes.len() / 2])?;
            die();
        }
        RealStorage.append(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("rename", to);
        RealStorage.rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step("sync", folder);
        RealStorage.sync_folder(folder)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step("remove", path);
        RealStorage.remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.step("remove folder", path);
        RealStorage.remove_folder(path)
    }
}

struct DeadlyFile {
    inner: Box<dyn StorageFile>,
    name: std::path::PathBuf,
    storage: DeadlyStorage,
}

impl Write for DeadlyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.storage.is_last("write", &self.name) {
            self.inner.write_all(&bytes[..bytes.len() / 2])?;
            die();
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl StorageFile for DeadlyFile {
    fn sync(&mut self) -> io::Result<()> {
        self.storage.step("sync", &self.name);
        self.inner.sync()
    }
}
