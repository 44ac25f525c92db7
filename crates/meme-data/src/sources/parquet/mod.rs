//! Images in a column of a Parquet file: its footer is read once, its row groups as they are needed.

mod pages;

use super::Container;
use crate::{Error, Result};
use parquet::basic::{ConvertedType, Type};
use parquet::column::reader::ColumnReader;
use parquet::data_type::ByteArray;
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::collections::VecDeque;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The first bytes of a Parquet file.
pub(super) const MAGIC: &[u8; 4] = b"PAR1";

/// Bytes that one row group's images may take when they are unpacked.
const LARGEST_GROUP: u64 = 1 << 30;
/// Bytes of row groups that are kept, besides the one that is being read.
const KEPT: u64 = 512 << 20;
/// Columns that are taken for the images where several hold bytes.
const KNOWN: [&str; 10] = [
    "image.bytes",
    "img.bytes",
    "picture.bytes",
    "image",
    "img",
    "picture",
    "jpg",
    "jpeg",
    "png",
    "webp",
];

/// The images of one row group; where a row has none, `None`.
type Group = Arc<Vec<Option<ByteArray>>>;

/// An indexed Parquet file.
pub(super) struct Parquet {
    path: PathBuf,
    /// For reads at a place, which move no position.
    file: File,
    reader: SerializedFileReader<File>,
    column: usize,
    names: Vec<String>,
    /// For every row group, its first row and the bytes of its images.
    groups: Vec<(usize, u64)>,
    /// Row groups read lately, the latest first. Held while one is read: the reader moves a position that its
    /// handles share.
    recent: Mutex<VecDeque<(usize, Group)>>,
}

impl Parquet {
    pub(super) fn open(path: &Path, file: File) -> Result<Self> {
        let damaged = |reason: String| Error::Archive { path: path.to_owned(), reason };
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        pages::check_footer(&file, length).map_err(damaged)?;
        let handle = file.try_clone().map_err(Error::io("open", path))?;
        let reader = guarded(|| SerializedFileReader::new(handle)).map_err(damaged)?;
        let metadata = reader.metadata();
        let column = image_column(path, &reader)?;
        let (mut groups, mut rows) = (Vec::new(), 0_usize);
        for group in metadata.row_groups() {
            let bytes = u64::try_from(group.column(column).uncompressed_size())
                .map_err(|_| damaged("a row group of a negative size".to_owned()))?;
            if bytes > LARGEST_GROUP {
                let name = format!("{}: row group {}", path.display(), groups.len());
                let (what, value) = ("its images' size in bytes", bytes);
                return Err(Error::TooLarge { name, what, value, limit: LARGEST_GROUP });
            }
            // No picture is smaller than a byte.
            let count = usize::try_from(group.num_rows()).unwrap_or(usize::MAX);
            groups.push((rows, bytes));
            rows = rows.saturating_add(count);
            if rows as u64 > length {
                return Err(damaged(format!("it claims more rows than its {length} bytes hold")));
            }
        }
        if rows == 0 {
            let found = "a table without rows".to_owned();
            return Err(Error::NoImages { path: path.to_owned(), found });
        }
        let names = (0..rows).map(|row| format!("{row:09}")).collect();
        let recent = Mutex::default();
        Ok(Self { path: path.to_owned(), file, reader, column, names, groups, recent })
    }

    /// The image of a row, shared with its row group.
    fn image(&self, index: usize) -> Result<ByteArray> {
        let group = self.groups.partition_point(|(first, _)| *first <= index).saturating_sub(1);
        let within = index - self.groups[group].0;
        let images = self.group(group)?;
        images.get(within).cloned().flatten().ok_or_else(|| {
            let reason = "the row holds no image".to_owned();
            Error::Decode { name: self.label(index), reason }
        })
    }

    fn group(&self, number: usize) -> Result<Group> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = recent.iter().position(|(known, _)| *known == number) {
            let found = recent.remove(place);
            recent.extend(found);
            recent.rotate_right(1);
            if let Some((_, images)) = recent.front() {
                return Ok(Arc::clone(images));
            }
        }
        let size = |number: usize| self.groups[number].1;
        let mut kept: u64 = recent.iter().map(|(number, _)| size(*number)).sum();
        while kept > KEPT.saturating_sub(size(number)) {
            let Some((oldest, _)) = recent.pop_back() else { break };
            kept -= size(oldest);
        }
        let images = guarded(|| self.read_group(number)).map_err(|reason| {
            let reason = format!("row group {number}: {reason}");
            Error::Archive { path: self.path.clone(), reason }
        })?;
        let images = Arc::new(images);
        recent.push_front((number, Arc::clone(&images)));
        Ok(images)
    }

    fn read_group(&self, number: usize) -> parquet::errors::Result<Vec<Option<ByteArray>>> {
        let failed = parquet::errors::ParquetError::General;
        let group = self.reader.get_row_group(number)?;
        let (start, length) = group.metadata().column(self.column).byte_range();
        let end = start.saturating_add(length);
        pages::check(&self.file, start, end, self.groups[number].1).map_err(failed)?;
        let end = self.groups.get(number + 1).map_or(self.names.len(), |(first, _)| *first);
        let rows = end - self.groups[number].0;
        let ColumnReader::ByteArrayColumnReader(mut reader) =
            group.get_column_reader(self.column)?
        else {
            return Err(failed("no bytes".to_owned()));
        };
        let whole = group.metadata().column(self.column).column_descr().max_def_level();
        let (mut levels, mut values, mut read) = (Vec::new(), Vec::new(), 0);
        // A call may end with a page.
        while read < rows {
            let (records, ..) =
                reader.read_records(rows - read, Some(&mut levels), None, &mut values)?;
            if records == 0 {
                return Err(failed(format!("it ends after {read} of {rows} rows")));
            }
            read += records;
        }
        if whole == 0 {
            return Ok(values.into_iter().map(Some).collect());
        }
        // Values stand only for the levels that are whole.
        let mut values = values.into_iter();
        let of_row = |level: &i16| if *level == whole { values.next() } else { None };
        Ok(levels.iter().map(of_row).collect())
    }
}

/// Which column holds the images: the only one of bytes, or the one with a known name.
fn image_column(path: &Path, reader: &SerializedFileReader<File>) -> Result<usize> {
    let columns = reader.metadata().file_metadata().schema_descr().columns();
    let candidates: Vec<(usize, String)> = columns
        .iter()
        .enumerate()
        .filter(|(_, column)| {
            column.physical_type() == Type::BYTE_ARRAY
                && column.converted_type() == ConvertedType::NONE
                && column.logical_type_ref().is_none()
                && column.max_rep_level() == 0
        })
        .map(|(number, column)| (number, column.path().string()))
        .collect();
    if let [(only, _)] = candidates.as_slice() {
        return Ok(*only);
    }
    let known = KNOWN.iter().find_map(|known| candidates.iter().find(|(_, name)| name == known));
    if let Some((number, _)) = known {
        return Ok(*number);
    }
    let names = |names: Vec<String>| match names.len() {
        0 => "nothing".to_owned(),
        _ => names.join(", "),
    };
    let found = match candidates.len() {
        0 => format!(
            "a table without a column of bytes; its columns: {}",
            names(columns.iter().take(8).map(|column| column.path().string()).collect())
        ),
        _ => format!(
            "a table with several columns of bytes: {}; call the one with the images `image`",
            names(candidates.into_iter().take(8).map(|(_, name)| name).collect())
        ),
    };
    Err(Error::NoImages { path: path.to_owned(), found })
}

/// What the Parquet library answers; on a hostile file it may panic, which is an answer too.
fn guarded<T>(work: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("its reader panicked".to_owned()),
    }
}

impl Container for Parquet {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn size(&self, index: usize) -> Result<u64> {
        Ok(self.image(index)?.len() as u64)
    }

    fn bytes(&self, index: usize, limit: u64) -> Result<Vec<u8>> {
        let image = self.image(index)?;
        let (what, value) = ("its encoded size in bytes", image.len() as u64);
        if value > limit {
            return Err(Error::TooLarge { name: self.label(index), what, value, limit });
        }
        Ok(image.data().to_vec())
    }

    fn label(&self, index: usize) -> String {
        format!("{}: row {index}", self.path.display())
    }
}
