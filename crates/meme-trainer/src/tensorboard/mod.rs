//! Event files that TensorBoard opens.
//!
//! An event file is a sequence of TFRecords (length, its checksum, bytes, their checksum), each of
//! them an `Event` of protocol buffers (`tensorboard/compat/proto/event.proto`). Both formats need
//! little where they are only written, so they are written here: no TensorFlow, no code generator.
//!
//! A killed run has written events that it then takes back. A file that is not the first of its
//! folder therefore begins by saying from which step on older ones no longer count (what PyTorch
//! calls `purge_step`), so that a run that went on shows one line and no step twice.

mod event;
mod record;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use event::Event;

use crate::statistics::{Timing, Validated, Window};
use crate::{Error, Observer};

/// How event files are called; what follows is sorted by TensorBoard as text.
const PREFIX: &str = "events.out.tfevents.";

/// A picture in an event file, as PNG.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    /// The bytes of the PNG file.
    pub png: &'a [u8],
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// Writes what an [`Observer`] sees into a folder for TensorBoard; steps are images.
///
/// A folder belongs to one network. The file is made when there is something to write. A disk that
/// refuses does not stop training: the first error is kept for [`TensorBoard::failure`] and nothing
/// more is written.
#[derive(Debug)]
pub struct TensorBoard {
    folder: PathBuf,
    from: u64,
    file: Option<File>,
    failure: Option<Error>,
}

impl TensorBoard {
    /// A writer into `folder`, for a run that begins.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, from: 0, file: None, failure: None }
    }

    /// Says that the run goes on after `images` images: what older files say of later ones no
    /// longer counts. Belongs before anything is written.
    pub fn go_on_from(&mut self, images: u64) {
        self.from = images;
    }

    /// Writes one number.
    pub fn scalar(&mut self, tag: &str, images: u64, value: f64) {
        self.write(&Event::at(images).scalar(tag, value as f32));
    }

    /// Writes one picture, a sheet of samples for instance.
    pub fn picture(&mut self, tag: &str, images: u64, picture: Picture<'_>) {
        self.write(&Event::at(images).picture(tag, picture));
    }

    /// Why nothing is written any more, if that is so.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    fn write(&mut self, event: &Event) {
        if self.failure.is_none()
            && let Err(error) = self.try_write(event)
        {
            self.failure = Some(error);
        }
    }

    fn try_write(&mut self, event: &Event) -> Result<(), Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let io = |source| Error::Io { path: self.folder.clone(), source };
        if self.file.is_none() {
            let (mut file, others) = begin(&self.folder, now.as_secs()).map_err(io)?;
            let mut head = vec![Event::at(0).version()];
            if others {
                head.push(Event::at(self.from + 1).start());
            }
            for event in head {
                file.write_all(&record::frame(&event.encode(now.as_secs_f64()))).map_err(io)?;
            }
            self.file = Some(file);
        }
        let bytes = record::frame(&event.encode(now.as_secs_f64()));
        // One call a record: a killed process leaves whole records, or a torn last one, which
        // TensorBoard passes over.
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(&bytes)).map_err(io)
    }
}

/// Makes the folder and a file in it whose name comes after all others there; says whether there are
/// others.
fn begin(folder: &Path, now: u64) -> std::io::Result<(File, bool)> {
    std::fs::create_dir_all(folder)?;
    let mut newest = 0;
    let mut files = 0;
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        files += 1;
        let seconds = rest.split('.').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
        newest = newest.max(seconds);
    }
    let name = format!("{PREFIX}{:010}.meme.{files:06}", now.max(newest));
    let file = File::options().write(true).create_new(true).open(folder.join(name))?;
    Ok((file, files > 0))
}

impl Observer for TensorBoard {
    fn opened(&mut self, images: u64, _damaged: &[String]) {
        self.go_on_from(images);
    }

    fn window(&mut self, window: &Window, timing: &Timing) {
        let images = window.images;
        let updates = window.updates.max(1) as f64;
        self.scalar("train/loss", images, window.mean_loss());
        self.scalar("train/gradient_norm", images, window.gradient_norm_sum / updates);
        self.scalar("train/gradient_norm_max", images, window.gradient_norm_max);
        self.scalar("train/learning_rate", images, window.learning_rate);
        for (position, bucket) in window.buckets.iter().enumerate() {
            if bucket.count > 0 {
                let tag = format!("loss_by_timestep/{position:02}");
                self.scalar(&tag, images, bucket.sum / bucket.count as f64);
            }
        }
        if timing.count > 0 && timing.seconds() > 0.0 {
            self.scalar("time/images_per_second", images, timing.images_per_second());
            let parts = [
                ("data", timing.data),
                ("forward", timing.forward),
                ("backward", timing.backward),
                ("update", timing.update),
                ("checkpoint", timing.checkpoint),
            ];
            for (part, seconds) in parts {
                self.scalar(&format!("time/share_of_{part}"), images, seconds / timing.seconds());
            }
        }
    }

    fn validated(&mut self, validated: &Validated) {
        self.scalar("validation/loss", validated.images, validated.mean_loss());
        for (timestep, loss) in validated.timesteps.iter().zip(&validated.losses) {
            self.scalar(&format!("validation/timestep_{timestep:04}"), validated.images, *loss);
        }
    }
}
