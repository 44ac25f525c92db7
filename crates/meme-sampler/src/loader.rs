//! Loading experts in another thread.

use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use meme_router::Expert;
use meme_torch::tch::no_grad;

use crate::{Denoiser, Error, Result};

/// Makes experts from wherever their weights are. It is called in a thread of its own, one expert
/// at a time.
pub trait Loader: Send + 'static {
    /// How many experts there are.
    fn experts(&self) -> usize;

    /// Bytes that an expert will take in memory, known without loading it, such as from the header
    /// of its file.
    ///
    /// # Errors
    /// Whatever the loader meets; wrap foreign errors with [`Error::denoiser`].
    fn bytes(&self, expert: Expert) -> Result<u64>;

    /// Reads an expert, checks it and builds its network, or leaves building to [`Loaded::to_build`].
    ///
    /// # Errors
    /// Whatever the loader meets; wrap foreign errors with [`Error::denoiser`].
    fn load(&self, expert: Expert) -> Result<Loaded>;
}

type Build = Box<dyn FnOnce() -> Result<Box<dyn Denoiser + Send>> + Send>;

/// What a [`Loader`] has made: a network, or all that one is built from.
pub struct Loaded(Build);

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").finish_non_exhaustive()
    }
}

impl Loaded {
    /// A network that can be asked at once.
    #[must_use]
    pub fn new(network: impl Denoiser + Send + 'static) -> Self {
        Self(Box::new(|| Ok(Box::new(network))))
    }

    /// Has the sampling thread build the network when its turn comes, from what was read for it. On the
    /// CPU that is better than building it beside: a thread that takes one of the processors from a
    /// network holds up the others, too, so that it costs the run all its time and not a share of it.
    /// It is also the place for letting the current stream of a GPU wait for copies on another one.
    #[must_use]
    pub fn to_build<N: Denoiser + Send + 'static>(
        build: impl FnOnce() -> Result<N> + Send + 'static,
    ) -> Self {
        Self(Box::new(|| Ok(Box::new(build()?))))
    }

    pub(crate) fn into_network(self) -> Result<Box<dyn Denoiser + Send>> {
        self.0()
    }
}

/// The thread, with at most one expert on its way.
pub(crate) struct Worker {
    /// Taken when the worker ends.
    requests: Option<Sender<Expert>>,
    answers: Receiver<Result<Loaded>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn start(loader: impl Loader) -> Result<Self> {
        let (requests, asked) = channel::<Expert>();
        let (answer, answers) = channel();
        let (started, begun) = channel();
        // libtorch hands the number of threads that was set last to whoever computes first. The
        // loading thread keeps to one, so the number of this thread is said again afterwards.
        let threads = meme_torch::threads()?;
        let work = move || {
            let alone = meme_torch::init_thread(1);
            let _ = started.send(alone);
            for expert in asked {
                let loaded = no_grad(|| loader.load(expert));
                if answer.send(loaded).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("meme-experts".to_owned())
            .spawn(work)
            .map_err(Error::NoThread)?;
        if let Ok(alone) = begun.recv() {
            alone?;
        }
        meme_torch::init_thread(threads)?;
        Ok(Self { requests: Some(requests), answers, thread: Some(thread) })
    }

    pub(crate) fn request(&self, expert: Expert) -> Result<()> {
        let sent = self.requests.as_ref().map(|requests| requests.send(expert));
        if matches!(sent, Some(Ok(()))) { Ok(()) } else { Err(Error::LoaderGone { expert }) }
    }

    /// Waits for the expert that was requested.
    pub(crate) fn wait(&self, expert: Expert) -> Result<Loaded> {
        self.answers.recv().unwrap_or(Err(Error::LoaderGone { expert }))
    }

    /// The expert that was requested, if it is there.
    pub(crate) fn poll(&self, expert: Expert) -> Option<Result<Loaded>> {
        match self.answers.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(Error::LoaderGone { expert })),
        }
    }
}

impl Drop for Worker {
    /// Waits for the thread, so that nothing is loaded any more afterwards.
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the loader has been reported as an error already.
            let _ = thread.join();
        }
    }
}
