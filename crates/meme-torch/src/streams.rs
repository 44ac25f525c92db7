//! Streams and events: work that a device does in order, beside other work.
//!
//! A GPU works through queues. Operations go to the queue that is current on the calling thread;
//! those of one queue follow one another, those of different queues may overlap, and an event makes
//! one queue wait for another. The CPU has one queue, on which everything is done when it returns:
//! there every stream is the same one, which is always idle, and events are refused.
//!
//! All of it goes through c10's interface for any device. What stands here about CUDA was compiled
//! and never run.

use crate::device::{device_name, load_cuda};
use crate::error::Error;
use crate::ffi;
use std::ffi::{c_char, c_int, c_void};
use std::marker::PhantomData;
use tch::Device;

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Handle {
    id: i64,
    kind: i32,
    index: i32,
}

const NOWHERE: Handle = Handle { id: 0, kind: 0, index: -1 };

unsafe extern "C" {
    fn meme_stream_current(kind: c_int, index: c_int, out: *mut Handle) -> *mut c_char;
    fn meme_stream_default(kind: c_int, index: c_int, out: *mut Handle) -> *mut c_char;
    fn meme_stream_new(kind: c_int, index: c_int, priority: c_int, out: *mut Handle)
    -> *mut c_char;
    fn meme_stream_exchange(to: *const Handle, before: *mut Handle) -> *mut c_char;
    fn meme_stream_query(of: *const Handle, idle: *mut c_int) -> *mut c_char;
    fn meme_stream_synchronize(of: *const Handle) -> *mut c_char;
    fn meme_device_synchronize(kind: c_int, index: c_int) -> *mut c_char;
    fn meme_event_new(kind: c_int, timed: c_int, out: *mut *mut c_void) -> *mut c_char;
    fn meme_event_free(event: *mut c_void);
    fn meme_event_record(event: *mut c_void, on: *const Handle) -> *mut c_char;
    fn meme_event_block(event: *const c_void, waiting: *const Handle) -> *mut c_char;
    fn meme_event_query(event: *const c_void, done: *mut c_int) -> *mut c_char;
    fn meme_event_synchronize(event: *const c_void) -> *mut c_char;
    fn meme_event_elapsed(
        from: *const c_void,
        to: *const c_void,
        milliseconds: *mut f64,
    ) -> *mut c_char;
}

/// `c10::DeviceType` and index; loads CUDA where it is asked for.
fn place(device: Device) -> Result<(c_int, c_int), Error> {
    let refused = |reason: String| Error::Device { name: device_name(device), reason };
    match device {
        Device::Cpu => Ok((0, -1)),
        Device::Cuda(number) => {
            load_cuda().map_err(refused)?;
            Ok((1, c_int::try_from(number).unwrap_or(c_int::MAX)))
        }
        _ => Err(refused("streams are there for the CPU and CUDA".to_owned())),
    }
}

/// Returns when a device has done all that was asked of it; on the CPU that is at once.
///
/// # Errors
/// [`Error::Device`] where the device is not there, [`Error::Torch`] for a failure of what it did.
pub fn synchronize(device: Device) -> Result<(), Error> {
    let (kind, index) = place(device)?;
    if device == Device::Cpu {
        return Ok(());
    }
    // SAFETY: plain numbers.
    ffi::check("wait for a device", unsafe { meme_device_synchronize(kind, index) })
}

/// A queue of one device. It is a name: copies mean the same queue, and nothing is freed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream(Handle);

impl Stream {
    /// The stream to which operations on `device` go that this thread calls.
    ///
    /// # Errors
    /// [`Error::Device`] where the device is not there.
    pub fn current(device: Device) -> Result<Self, Error> {
        let (kind, index) = place(device)?;
        let mut handle = NOWHERE;
        // SAFETY: the shim writes one handle.
        let answer = unsafe { meme_stream_current(kind, index, &raw mut handle) };
        ffi::check("current stream", answer).map(|()| Self(handle))
    }

    /// The stream to which operations on `device` go unless another was entered.
    ///
    /// # Errors
    /// As [`Stream::current`].
    pub fn standard(device: Device) -> Result<Self, Error> {
        if device == Device::Cpu {
            return Self::current(device);
        }
        let (kind, index) = place(device)?;
        let mut handle = NOWHERE;
        // SAFETY: the shim writes one handle.
        let answer = unsafe { meme_stream_default(kind, index, &raw mut handle) };
        ffi::check("standard stream", answer).map(|()| Self(handle))
    }

    /// Another stream, from the pool that libtorch keeps; with `urgent`, one whose work goes first.
    ///
    /// # Errors
    /// As [`Stream::current`]. On the CPU it is the one that there is.
    pub fn new(device: Device, urgent: bool) -> Result<Self, Error> {
        let (kind, index) = place(device)?;
        let mut handle = NOWHERE;
        // SAFETY: the shim writes one handle.
        let answer = unsafe { meme_stream_new(kind, index, -c_int::from(urgent), &raw mut handle) };
        ffi::check("new stream", answer).map(|()| Self(handle))
    }

    /// Whether all that was put on it is done.
    ///
    /// # Errors
    /// [`Error::Torch`] for a failure of what it did.
    pub fn is_idle(&self) -> Result<bool, Error> {
        if self.0.kind == 0 {
            return Ok(true);
        }
        let mut idle = 0;
        // SAFETY: a handle that libtorch made; the shim writes one number.
        ffi::check("ask a stream", unsafe { meme_stream_query(&raw const self.0, &raw mut idle) })?;
        Ok(idle != 0)
    }

    /// Returns when all that was put on it is done.
    ///
    /// # Errors
    /// As [`Stream::is_idle`].
    pub fn synchronize(&self) -> Result<(), Error> {
        if self.0.kind == 0 {
            return Ok(());
        }
        // SAFETY: a handle that libtorch made.
        ffi::check("wait for a stream", unsafe { meme_stream_synchronize(&raw const self.0) })
    }

    /// What is put on this stream from now on begins when `event` has happened; the calling thread
    /// does not wait.
    ///
    /// # Errors
    /// [`Error::Torch`] where event and stream belong to different kinds of device.
    pub fn wait_for(&self, event: &Event) -> Result<(), Error> {
        // SAFETY: a live event and a handle that libtorch made.
        ffi::check("have a stream wait", unsafe { meme_event_block(event.raw, &raw const self.0) })
    }

    /// Makes it current on this thread until the guard is dropped.
    ///
    /// # Errors
    /// [`Error::Torch`], which libtorch has no reason for today.
    pub fn enter(&self) -> Result<StreamGuard, Error> {
        let mut before = NOWHERE;
        // SAFETY: a handle that libtorch made; the shim writes another.
        let answer = unsafe { meme_stream_exchange(&raw const self.0, &raw mut before) };
        ffi::check("enter a stream", answer)?;
        Ok(StreamGuard { before, _of_this_thread: PhantomData })
    }
}

/// Restores the stream that was current before.
#[derive(Debug)]
#[must_use = "the stream is left where the guard is dropped"]
pub struct StreamGuard {
    before: Handle,
    _of_this_thread: PhantomData<*const ()>,
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        let mut left = NOWHERE;
        // SAFETY: as in `enter`.
        let answer = unsafe { meme_stream_exchange(&raw const self.before, &raw mut left) };
        if let Err(error) = ffi::check("leave a stream", answer) {
            tracing::error!(%error, "a stream could not be left");
        }
    }
}

/// A mark in a stream, which happens when all that was put there before it is done.
#[derive(Debug)]
pub struct Event {
    raw: *mut c_void,
}

// SAFETY: c10's events may be used from any thread, one at a time.
unsafe impl Send for Event {}

impl Event {
    /// A mark that is nowhere yet. With `timed` it keeps the time at which it happens, which costs
    /// the device a little.
    ///
    /// # Errors
    /// [`Error::Device`] where the device is not there.
    pub fn new(device: Device, timed: bool) -> Result<Self, Error> {
        let (kind, _) = place(device)?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: the shim writes one pointer.
        let answer = unsafe { meme_event_new(kind, c_int::from(timed), &raw mut raw) };
        ffi::check("new event", answer).map(|()| Self { raw })
    }

    /// Puts the mark at the end of `stream`; one that was put somewhere before leaves it.
    ///
    /// # Errors
    /// [`Error::Torch`] on the CPU, which has no events.
    pub fn record(&mut self, stream: &Stream) -> Result<(), Error> {
        // SAFETY: a live event and a handle that libtorch made.
        ffi::check("record an event", unsafe { meme_event_record(self.raw, &raw const stream.0) })
    }

    /// Whether it has happened; so it has where it was never recorded.
    ///
    /// # Errors
    /// [`Error::Torch`] for a failure of the work before it.
    pub fn has_happened(&self) -> Result<bool, Error> {
        let mut done = 0;
        // SAFETY: a live event; the shim writes one number.
        ffi::check("ask an event", unsafe { meme_event_query(self.raw, &raw mut done) })?;
        Ok(done != 0)
    }

    /// Returns when it has happened.
    ///
    /// # Errors
    /// As [`Event::has_happened`].
    pub fn synchronize(&self) -> Result<(), Error> {
        // SAFETY: a live event.
        ffi::check("wait for an event", unsafe { meme_event_synchronize(self.raw) })
    }

    /// Seconds from `earlier` to this one; both must be timed and must have happened.
    ///
    /// # Errors
    /// [`Error::Torch`] where that is not so.
    pub fn seconds_since(&self, earlier: &Event) -> Result<f64, Error> {
        let mut milliseconds = 0.0;
        // SAFETY: live events; the shim writes one number.
        let answer = unsafe { meme_event_elapsed(earlier.raw, self.raw, &raw mut milliseconds) };
        ffi::check("time between events", answer).map(|()| milliseconds / 1000.0)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the shim made it for us, and it is freed once.
        unsafe { meme_event_free(self.raw) };
    }
}
