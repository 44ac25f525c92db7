//! CUDA graphs: a sequence of kernels that is launched as one.
//!
//! Small networks on a fast GPU spend their time on launching kernels. A graph keeps the kernels of
//! one pass, with the memory that they read and wrote, and launches all of them at once. It was
//! compiled against CUDA's headers and never run.

use crate::device::{device_name, load_cuda};
use crate::error::Error;
use crate::ffi;
use crate::streams::Stream;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};
use std::ffi::{c_char, c_void};
use std::sync::OnceLock;
use tch::Device;

/// The library that the build made of `shim/graphs.cpp`; none where it found no CUDA headers.
const LIBRARY: Option<&str> = option_env!("MEME_TORCH_GRAPHS");

type Call = unsafe extern "C" fn(*mut c_void) -> *mut c_char;

struct Functions {
    new: Symbol<unsafe extern "C" fn(*mut *mut c_void) -> *mut c_char>,
    free: Symbol<unsafe extern "C" fn(*mut c_void)>,
    begin: Symbol<Call>,
    end: Symbol<Call>,
    replay: Symbol<Call>,
}

fn functions(device: Device) -> Result<&'static Functions, Error> {
    static LOADED: OnceLock<Result<Functions, String>> = OnceLock::new();
    let refused = |reason: &str| Error::Device {
        name: device_name(device),
        reason: format!("no CUDA graphs: {reason}"),
    };
    if !device.is_cuda() {
        return Err(refused("they are for CUDA devices"));
    }
    LOADED.get_or_init(load).as_ref().map_err(|reason| refused(reason))
}

fn load() -> Result<Functions, String> {
    load_cuda()?;
    let path = LIBRARY.ok_or("meme-torch was built without CUDA's headers")?;
    let text = |error: libloading::Error| error.to_string();
    // SAFETY: the library has no initialisers of its own; libtorch's CUDA half is there already.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map_err(text)?;
    // SAFETY: the types are those of shim/graphs.cpp.
    let functions = unsafe {
        Functions {
            new: library.get(b"meme_graph_new\0").map_err(text)?,
            free: library.get(b"meme_graph_free\0").map_err(text)?,
            begin: library.get(b"meme_graph_begin\0").map_err(text)?,
            end: library.get(b"meme_graph_end\0").map_err(text)?,
            replay: library.get(b"meme_graph_replay\0").map_err(text)?,
        }
    };
    // The functions stay in use, so the library stays loaded.
    std::mem::forget(library);
    Ok(functions)
}

/// The kernels of one pass over fixed tensors.
///
/// Replaying repeats the pass on the tensors that the capture used: write new inputs into the same
/// tensors (`copy_`), replay, and read the same outputs.
pub struct Graph {
    raw: *mut c_void,
    functions: &'static Functions,
    stream: Stream,
}

impl Graph {
    /// Captures what `work` puts on `device`, on a stream of its own, and returns what it returned.
    /// Nothing is computed: outputs hold numbers after the first [`Graph::replay`].
    ///
    /// Run the same work once before, so that libraries and memory are set up; in it nothing may
    /// wait for the device, as reading a number does.
    ///
    /// # Errors
    /// [`Error::Device`] for the CPU and where CUDA cannot be loaded; [`Error::Torch`] where CUDA
    /// refuses an operation in a capture; what `work` returns.
    pub fn capture<T, E: From<Error>>(
        device: Device,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<(Self, T), E> {
        let functions = functions(device)?;
        crate::streams::synchronize(device)?;
        let stream = Stream::new(device, false)?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: the library writes one pointer.
        ffi::check("new graph", unsafe { (functions.new)(&raw mut raw) })?;
        let graph = Self { raw, functions, stream };
        let inside = stream.enter()?;
        // SAFETY: a live graph, on the stream that is captured.
        ffi::check("begin a graph", unsafe { (functions.begin)(graph.raw) })?;
        let result = work();
        // SAFETY: as above; a capture is ended whatever happened in it.
        let ended = ffi::check("end a graph", unsafe { (functions.end)(graph.raw) });
        drop(inside);
        let result = result?;
        ended?;
        Ok((graph, result))
    }

    /// Runs the captured kernels on the stream of the capture, and has the current stream wait for
    /// them.
    ///
    /// # Errors
    /// [`Error::Torch`] for CUDA's own.
    pub fn replay(&self, device: Device) -> Result<(), Error> {
        use crate::streams::Event;
        let current = Stream::current(device)?;
        let mut before = Event::new(device, false)?;
        before.record(&current)?;
        self.stream.wait_for(&before)?;
        let inside = self.stream.enter()?;
        // SAFETY: a live graph whose capture has ended.
        let replayed = ffi::check("replay a graph", unsafe { (self.functions.replay)(self.raw) });
        drop(inside);
        replayed?;
        let mut after = Event::new(device, false)?;
        after.record(&self.stream)?;
        current.wait_for(&after)
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: the library made it for us, and it is freed once.
        unsafe { (self.functions.free)(self.raw) };
    }
}
