//! Pictures out: PNG files made whole, and contact sheets.

use crate::{Error, Result, RgbImage};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A picture as the bytes of a PNG file.
///
/// # Errors
/// [`Error::Length`] when the picture's bytes disagree with its size; [`Error::Setting`] when it is
/// empty or larger than PNG can say.
pub fn encode_png(picture: &RgbImage) -> Result<Vec<u8>> {
    let expected = picture.width.saturating_mul(picture.height).saturating_mul(3);
    if picture.rgb.len() != expected {
        return Err(Error::Length { what: "picture", got: picture.rgb.len(), expected });
    }
    let refused = || Error::Setting {
        setting: "picture",
        value: format!("{} x {} pixels", picture.width, picture.height),
        requirement: "between 1 and 2147483647 pixels wide and high",
    };
    let side = |side: usize| u32::try_from(side).ok().filter(|side| (1..1 << 31).contains(side));
    let width = side(picture.width).ok_or_else(refused)?;
    let height = side(picture.height).ok_or_else(refused)?;
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(&picture.rgb, width, height, ExtendedColorType::Rgb8)
        .map_err(|_| refused())?;
    Ok(bytes)
}

/// Writes a picture as a PNG file, whole: under another name first, then renamed, so that nobody
/// ever sees half of it. A file already there is replaced.
///
/// # Errors
/// As [`encode_png`], and [`Error::Io`].
pub fn write_png(path: &Path, picture: &RgbImage) -> Result<()> {
    write_whole(path, &encode_png(picture)?)
}

/// Lays pictures out in rows of `columns`, `gap` white pixels apart and around. Every cell is as
/// large as the largest picture; smaller ones stand in its middle. The last row may be short.
///
/// # Errors
/// [`Error::Setting`] without pictures or columns, or when the sheet would not fit into memory.
pub fn grid(pictures: &[RgbImage], columns: usize, gap: usize) -> Result<RgbImage> {
    let refuse = |setting, value: usize, requirement| {
        Err(Error::Setting { setting, value: value.to_string(), requirement })
    };
    if pictures.is_empty() {
        return refuse("pictures", 0, "at least 1");
    }
    if columns == 0 {
        return refuse("columns", 0, "at least 1");
    }
    let columns = columns.min(pictures.len());
    let rows = pictures.len().div_ceil(columns);
    let cell_width = pictures.iter().map(|picture| picture.width).max().unwrap_or(0);
    let cell_height = pictures.iter().map(|picture| picture.height).max().unwrap_or(0);
    let side = |cells: usize, cell: usize| {
        cells.checked_mul(cell.checked_add(gap)?)?.checked_add(gap).filter(|side| *side < 1 << 31)
    };
    let size = side(columns, cell_width).zip(side(rows, cell_height));
    let Some((width, height)) = size.filter(|(width, height)| width * height < 1 << 40) else {
        return refuse("gap", gap, "small enough for the sheet to fit into memory");
    };
    let mut sheet = RgbImage::filled(width, height, [255; 3]);
    for (at, picture) in pictures.iter().enumerate() {
        let left = gap + at % columns * (cell_width + gap) + (cell_width - picture.width) / 2;
        let top = gap + at / columns * (cell_height + gap) + (cell_height - picture.height) / 2;
        for (row, line) in picture.rgb.chunks_exact(picture.width.max(1) * 3).enumerate() {
            let start = ((top + row) * width + left) * 3;
            sheet.rgb[start..start + line.len()].copy_from_slice(line);
        }
    }
    Ok(sheet)
}

/// Writes a small file whole: staged beside its place, synced, renamed, and the folder synced.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let staged = staging_name(path, "tmp");
    let write = || -> Result<()> {
        let mut file = File::create(&staged).map_err(Error::io("create", &staged))?;
        file.write_all(bytes).map_err(Error::io("write", &staged))?;
        file.sync_all().map_err(Error::io("sync", &staged))?;
        fs::rename(&staged, path).map_err(Error::io("rename to", path))?;
        sync_folder(path)
    };
    write().inspect_err(|_| {
        // Half a file helps nobody; what went wrong before matters more than a failure here.
        let _ = fs::remove_file(&staged);
    })
}

/// Makes a rename survive a loss of power: syncs the folder that `path` lies in.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(Error::io("sync", folder))
}

/// A hidden name beside `path`.
pub(crate) fn staging_name(path: &Path, suffix: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".staging-");
    name.push(path.file_name().unwrap_or_default());
    name.push(".");
    name.push(suffix);
    path.with_file_name(name)
}
