//! Looks through the pages of a column before the Parquet library unpacks them.
//!
//! The library sets aside as much memory as a page's header claims. Here the headers are read first, and a page that
//! claims more than its bytes can become is refused. A header is a struct of Thrift's compact protocol (`PageHeader` in
//! the Parquet project's `parquet.thrift`): field 2 is the size unpacked, field 3 the size in the file.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Bytes that are read for a header at first, and where that was too little: statistics may hold long values.
const WINDOWS: [u64; 2] = [16 << 10, 4 << 20];
/// Nothing is nested deeper in a header.
const DEEPEST: u32 = 8;
/// Snappy makes at most 64 bytes of 3.
const EXPANSION: u64 = 22;
/// What an empty page may claim.
const LEEWAY: u64 = 1024;

/// Checks every page in `start..end` of `file`; the sum of what they claim is at most `limit`.
pub(super) fn check(file: &File, start: u64, end: u64, limit: u64) -> Result<(), String> {
    let (mut at, mut claimed) = (start, 0_u64);
    while at < end {
        let header = header_at(file, at, end)?;
        let (unpacked, packed) = (u64::from(header.unpacked), u64::from(header.packed));
        claimed += unpacked;
        if unpacked > packed.saturating_mul(EXPANSION) + LEEWAY {
            return Err(format!("a page of {packed} bytes claims to hold {unpacked}"));
        }
        if claimed > limit {
            return Err(format!("its pages claim more than the {limit} bytes of its footer"));
        }
        at += header.length as u64 + packed;
    }
    if at == end { Ok(()) } else { Err("its last page is cut off".to_owned()) }
}

fn header_at(file: &File, at: u64, end: u64) -> Result<Header, String> {
    for window in WINDOWS {
        let mut bytes = vec![0; window.min(end - at) as usize];
        file.read_exact_at(&mut bytes, at).map_err(|error| error.to_string())?;
        let mut compact = Compact { bytes: &bytes, at: 0 };
        if let Some(header) = compact.page_header() {
            return Ok(header);
        }
    }
    Err(format!("the page at byte {at} has no readable header"))
}

/// What is needed of a page's header.
struct Header {
    /// Bytes of the page when it is unpacked.
    unpacked: u32,
    /// Its bytes in the file.
    packed: u32,
    /// Bytes of the header itself.
    length: usize,
}

/// A walk through Thrift's compact protocol. `None` at the first thing that is none of it.
struct Compact<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Compact<'_> {
    fn page_header(&mut self) -> Option<Header> {
        let (mut unpacked, mut packed) = (None, None);
        let mut number = 0;
        while let Some(kind) = self.field(&mut number)? {
            match (number, kind) {
                (2, 5) => unpacked = Some(self.size()?),
                (3, 5) => packed = Some(self.size()?),
                _ => self.skip(kind, DEEPEST)?,
            }
        }
        Some(Header { unpacked: unpacked?, packed: packed?, length: self.at })
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// An i32 that is not negative.
    fn size(&mut self) -> Option<u32> {
        let zigzag = self.number()?;
        let number = u32::try_from(zigzag / 2).ok()?;
        zigzag.is_multiple_of(2).then_some(number).filter(|number| *number <= i32::MAX as u32)
    }

    /// The kind of the next field, whose number is counted on from the last; none at the end of the struct.
    fn field(&mut self, number: &mut u64) -> Option<Option<u8>> {
        let head = self.byte()?;
        if head == 0 {
            return Some(None);
        }
        match head >> 4 {
            0 => *number = self.number()? / 2,
            step => *number += u64::from(step),
        }
        Some(Some(head & 0x0F))
    }

    fn pass(&mut self, bytes: u64) -> Option<()> {
        let left = self.bytes.len().checked_sub(self.at)?;
        self.at += usize::try_from(bytes).ok().filter(|bytes| *bytes <= left)?;
        Some(())
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            // A field's truth is in its kind.
            1 | 2 => Some(()),
            3 => self.pass(1),
            4..=6 => self.number().map(drop),
            7 => self.pass(8),
            8 => {
                let length = self.number()?;
                self.pass(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.number()? } else { u64::from(head >> 4) };
                match head & 0x0F {
                    1..=3 => self.pass(count),
                    kind => (0..count).try_for_each(|_| self.skip(kind, depth)),
                }
            }
            12 => {
                let mut number = 0;
                while let Some(kind) = self.field(&mut number)? {
                    self.skip(kind, depth)?;
                }
                Some(())
            }
            _ => None,
        }
    }
}
