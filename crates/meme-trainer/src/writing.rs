//! Writing to disk beside the loop: one thread, one thing at a time.

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Instant;

use crate::Error;

/// Something that stands whole on disk now.
#[derive(Debug)]
pub(crate) struct Written {
    /// The folder.
    pub(crate) path: PathBuf,
    /// Images seen when its contents were copied.
    pub(crate) images: u64,
    /// Whether it is a checkpoint rather than a snapshot of averages.
    pub(crate) checkpoint: bool,
    /// Wall time of the writing.
    pub(crate) seconds: f64,
}

/// At most one folder that is being written.
///
/// Dropping it waits: a process that goes on or ends in good order leaves nothing half-done.
#[derive(Debug, Default)]
pub(crate) struct Writing(Option<JoinHandle<Result<Written, Error>>>);

impl Writing {
    /// Begins to write; whoever calls has taken what was written before.
    pub(crate) fn begin(
        &mut self,
        images: u64,
        checkpoint: bool,
        write: impl FnOnce() -> Result<PathBuf, Error> + Send + 'static,
    ) -> Result<(), Error> {
        let job = move || {
            let clock = Instant::now();
            let path = write()?;
            let seconds = clock.elapsed().as_secs_f64();
            Ok(Written { path, images, checkpoint, seconds })
        };
        let thread = std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(job)
            .map_err(|source| Error::Io { path: PathBuf::from("checkpoint thread"), source })?;
        self.0 = Some(thread);
        Ok(())
    }

    /// What was written since the last call, once it is done; waits for it where `wait` says so.
    pub(crate) fn take(&mut self, wait: bool) -> Result<Option<Written>, Error> {
        if !wait && self.0.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return Ok(None);
        }
        let Some(thread) = self.0.take() else { return Ok(None) };
        thread.join().map_err(|_| Error::WriterGone)?.map(Some)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        // Who drops a trainer in the middle has an error of their own to tell.
        let _ = self.take(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_is_done_when_it_is_waited_for_and_a_panic_is_an_error() {
        let mut writing = Writing::default();
        assert!(writing.take(true).unwrap().is_none());
        writing.begin(7, true, || Ok(PathBuf::from("there"))).unwrap();
        let written = writing.take(true).unwrap().unwrap();
        assert_eq!((written.images, written.path), (7, PathBuf::from("there")));
        writing.begin(8, true, || panic!("on purpose")).unwrap();
        assert!(matches!(writing.take(true), Err(Error::WriterGone)));
        writing.begin(9, true, || Err(Error::WriterGone)).unwrap();
        assert!(writing.take(true).is_err());
        assert!(writing.take(true).unwrap().is_none());
    }
}
