//! `Event` messages in the encoding of protocol buffers.

use super::Picture;

/// What stands in an event beside its time and step.
pub(super) struct Event {
    step: u64,
    rest: Vec<u8>,
}

impl Event {
    /// An empty event at a step.
    pub(super) fn at(step: u64) -> Self {
        Self { step, rest: Vec::new() }
    }

    /// Field 3, `file_version`: the first event of a file.
    pub(super) fn version(mut self) -> Self {
        bytes(&mut self.rest, 3, b"brain.Event:2");
        self
    }

    /// Field 7, `session_log`, with status `START`: older events from this step on do not count.
    pub(super) fn start(mut self) -> Self {
        let mut log = Vec::new();
        integer(&mut log, 1, 1);
        bytes(&mut self.rest, 7, &log);
        self
    }

    /// Field 5, `summary`, with one `simple_value`.
    pub(super) fn scalar(self, tag: &str, value: f32) -> Self {
        self.summary(tag, |summary| {
            key(summary, 2, FOUR_BYTES);
            summary.extend(value.to_le_bytes());
        })
    }

    /// Field 5, `summary`, with one `image`.
    pub(super) fn picture(self, tag: &str, picture: Picture<'_>) -> Self {
        /// `colorspace` of red, green and blue.
        const RGB: u64 = 3;
        let mut image = Vec::new();
        integer(&mut image, 1, u64::from(picture.height));
        integer(&mut image, 2, u64::from(picture.width));
        integer(&mut image, 3, RGB);
        bytes(&mut image, 4, picture.png);
        self.summary(tag, |summary| bytes(summary, 4, &image))
    }

    fn summary(mut self, tag: &str, fill: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut value = Vec::new();
        bytes(&mut value, 1, tag.as_bytes());
        fill(&mut value);
        let mut summary = Vec::new();
        bytes(&mut summary, 1, &value);
        bytes(&mut self.rest, 5, &summary);
        self
    }

    /// The whole event: field 1 is the wall time in seconds, field 2 the step.
    pub(super) fn encode(&self, seconds: f64) -> Vec<u8> {
        let mut event = Vec::new();
        key(&mut event, 1, EIGHT_BYTES);
        event.extend(seconds.to_le_bytes());
        integer(&mut event, 2, self.step);
        event.extend(&self.rest);
        event
    }
}

const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const LENGTH: u64 = 2;
const FOUR_BYTES: u64 = 5;

fn key(out: &mut Vec<u8>, field: u64, kind: u64) {
    varint(out, field << 3 | kind);
}

fn integer(out: &mut Vec<u8>, field: u64, value: u64) {
    key(out, field, VARINT);
    varint(out, value);
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    key(out, field, LENGTH);
    varint(out, value.len() as u64);
    out.extend(value);
}

/// Seven bits a byte, the lowest first.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
