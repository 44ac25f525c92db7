//! Looks through a file's footer, and through the pages of a column, before the Parquet library reads them.
//!
//! The library sets aside as much memory as a header or a count claims. Here they are read first, and what claims more
//! than its bytes can hold is refused. Both are structs of Thrift's compact protocol (`parquet.thrift` of the Parquet
//! project). In a `PageHeader` field 2 is the size unpacked, field 3 the size in the file; in the `FileMetaData` of the
//! footer field 2 is the list of the columns, whose field 5 says how many of the list belong to one.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Bytes that are read for a header at first, and where that was too little: statistics may hold long values.
const WINDOWS: [u64; 2] = [16 << 10, 4 << 20];
/// Nothing is nested deeper in a header or a footer.
const DEEPEST: u32 = 16;
/// The footer's length and the format's name, at the end of a file.
const END: u64 = 8;
/// Snappy makes at most 64 bytes of 3.
const EXPANSION: u64 = 22;
/// What an empty page may claim.
const LEEWAY: u64 = 1024;

/// Checks every count in the footer of `file`, which is `length` bytes long.
pub(super) fn check_footer(file: &File, length: u64) -> Result<(), String> {
    let cut_off = || "it has no footer: it was cut off, or is no Parquet file".to_owned();
    let end = length.checked_sub(END).ok_or_else(cut_off)?;
    let mut last = [0; END as usize];
    file.read_exact_at(&mut last, end).map_err(|error| error.to_string())?;
    let ([a, b, c, d, magic @ ..], true) = (last, end > 0) else { return Err(cut_off()) };
    if magic != *super::MAGIC {
        return Err(cut_off());
    }
    let size = u32::from_le_bytes([a, b, c, d]);
    let start = end.checked_sub(u64::from(size)).ok_or_else(cut_off)?;
    let mut bytes = vec![0; size as usize];
    file.read_exact_at(&mut bytes, start).map_err(|error| error.to_string())?;
    let mut compact = Compact { bytes: &bytes, at: 0 };
    compact.footer().ok_or_else(|| "its footer claims more than it holds".to_owned())
}

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
                (2 | 3, _) => return None,
                _ => self.skip(kind, DEEPEST)?,
            }
        }
        Some(Header { unpacked: unpacked?, packed: packed?, length: self.at })
    }

    fn footer(&mut self) -> Option<()> {
        let mut number = 0;
        while let Some(kind) = self.field(&mut number)? {
            match (number, kind) {
                (2, 9) => self.columns()?,
                // The library reads a field as what it should be, whatever the file says that it is.
                (1, 5) | (3, 6) | (4 | 5 | 7, 9) | (6 | 9, 8) | (8, 12) | (10.., _) => {
                    self.skip(kind, DEEPEST)?;
                }
                _ => return None,
            }
        }
        Some(())
    }

    /// The list of columns, of which none may claim more than there are.
    fn columns(&mut self) -> Option<()> {
        let (count, kind) = self.list()?;
        if kind != 12 {
            return None;
        }
        for _ in 0..count {
            let mut number = 0;
            while let Some(inner) = self.field(&mut number)? {
                match (number, inner) {
                    (5, 5) => drop(Some(self.size()?).filter(|size| u64::from(*size) <= count)?),
                    (1..=3 | 6..=9, 5) | (4, 8) | (10, 12) | (11.., _) => {
                        self.skip(inner, DEEPEST)?;
                    }
                    _ => return None,
                }
            }
        }
        Some(())
    }

    /// How many there are in a list, and of which kind.
    fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.number()? } else { u64::from(head >> 4) };
        Some((count, head & 0x0F))
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
                let (count, kind) = self.list()?;
                match kind {
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
