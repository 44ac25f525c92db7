//! NumPy archives, as pytorch-fid and clean-fid leave statistics in them.

use std::io::{Cursor, Read, Write};
use std::path::Path;

use ndarray::{Array1, Array2, ShapeBuilder};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::statistics::check_finite;
use crate::{Error, Result, Statistics};

/// Bytes of an array at most: 50,000 rows of 2,048 float64 features are 0.8 GB.
const LARGEST: u64 = 4 << 30;
const MAGIC: &[u8] = b"\x93NUMPY";
/// An array's data begins at a multiple of it.
const ALIGNMENT: usize = 64;

/// What an archive holds. Such files do not say which network, resizing or images they were made
/// of, nor how many: whoever uses one must know.
#[derive(Clone, Debug, PartialEq)]
pub enum Npz {
    /// `mu` and `sigma`: what pytorch-fid and clean-fid save for a Frechet distance.
    Moments {
        /// Mean of the features.
        mean: Array1<f64>,
        /// Their unbiased covariance.
        covariance: Array2<f64>,
    },
    /// `feats`: the rows that clean-fid saves for a kernel distance.
    Features(Array2<f64>),
}

/// Reads `mu` and `sigma`, or where these are missing `feats`, of a `.npz` file.
///
/// # Errors
/// [`Error::File`] where it cannot be read, [`Error::Npz`] where it holds something else,
/// [`Error::NotFinite`].
pub fn read_npz(path: &Path) -> Result<Npz> {
    let file = std::fs::File::open(path)
        .map_err(|source| Error::File { path: path.to_owned(), source })?;
    let refuse = |problem: String| Error::Npz { path: path.to_owned(), problem };
    let mut archive = ZipArchive::new(std::io::BufReader::new(file))
        .map_err(|error| refuse(format!("is no .npz file: {error}")))?;
    let names: Vec<String> =
        archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    let has = |name: &str| names.iter().any(|entry| entry == name);
    let mut array = |name: &str| -> Result<Array> {
        let named = |problem: String| refuse(format!("{name}: {problem}"));
        let entry = archive.by_name(name).map_err(|error| named(error.to_string()))?;
        let mut bytes = Vec::new();
        let mut bounded = entry.take(LARGEST + 1);
        bounded.read_to_end(&mut bytes).map_err(|error| named(error.to_string()))?;
        if bytes.len() as u64 > LARGEST {
            return Err(named("is larger than 4 GiB".to_owned()));
        }
        Array::parse(&bytes).map_err(named)
    };
    if has("mu.npy") && has("sigma.npy") {
        let (mean, covariance) = (array("mu.npy")?, array("sigma.npy")?);
        let [side] = mean.shape[..] else {
            return Err(refuse(format!("mu has shape {:?}, not one dimension", mean.shape)));
        };
        if covariance.shape != [side, side] {
            let found = covariance.shape;
            return Err(refuse(format!("sigma has shape {found:?} beside a mean of {side}")));
        }
        let mean = Array1::from_vec(mean.values);
        check_finite(mean.view().insert_axis(ndarray::Axis(0)), "mean")?;
        let covariance = covariance.matrix().map_err(refuse)?;
        check_finite(covariance.view(), "covariance")?;
        return Ok(Npz::Moments { mean, covariance });
    }
    if has("feats.npy") {
        let features = array("feats.npy")?.matrix().map_err(refuse)?;
        check_finite(features.view(), "features")?;
        return Ok(Npz::Features(features));
    }
    let names = names.join(", ");
    Err(refuse(format!("holds {names}; mu and sigma (or feats) are expected")))
}

/// Writes mean and covariance as `mu` and `sigma`, which pytorch-fid and clean-fid read; whole or
/// not at all. What the statistics were made of is lost: keep a
/// [`ReferenceStatistics`](crate::ReferenceStatistics) file too.
///
/// # Errors
/// [`Error::TooFew`] with fewer than two rows, [`Error::Checkpoint`] where it cannot be written.
pub fn write_npz(path: &Path, statistics: &Statistics) -> Result<()> {
    let side = statistics.dimension();
    let covariance = statistics.covariance()?;
    let failed = |error: String| Error::Npz {
        path: path.to_owned(),
        problem: format!("cannot be made: {error}"),
    };
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    // No time of day in it: equal statistics give equal files.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let mean: Vec<f64> = statistics.mean().to_vec();
    let covariance: Vec<f64> = covariance.into_iter().collect();
    for (name, shape, values) in [
        ("mu.npy", format!("({side},)"), mean),
        ("sigma.npy", format!("({side}, {side})"), covariance),
    ] {
        archive.start_file(name, options).map_err(|error| failed(error.to_string()))?;
        archive.write_all(&npy(&shape, &values)).map_err(|error| failed(error.to_string()))?;
    }
    let bytes = archive.finish().map_err(|error| failed(error.to_string()))?.into_inner();
    Ok(meme_checkpoint::write_file_whole(path, &bytes)?)
}

/// A file of NumPy's format, version 1.0.
fn npy(shape: &str, values: &[f64]) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
    let start = MAGIC.len() + 4;
    while !(start + header.len() + 1).is_multiple_of(ALIGNMENT) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// An array of floating-point numbers.
struct Array {
    shape: Vec<usize>,
    fortran: bool,
    /// In the order of the file.
    values: Vec<f64>,
}

impl Array {
    fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let short = || "is cut off".to_owned();
        let rest = bytes.strip_prefix(MAGIC).ok_or("does not begin as a NumPy array does")?;
        let (&[version, _], rest) = rest.split_first_chunk().ok_or_else(short)?;
        let (length, rest) = match version {
            1 => {
                let (length, rest) = rest.split_first_chunk().ok_or_else(short)?;
                (usize::from(u16::from_le_bytes(*length)), rest)
            }
            2 | 3 => {
                let (length, rest) = rest.split_first_chunk().ok_or_else(short)?;
                (u32::from_le_bytes(*length) as usize, rest)
            }
            other => return Err(format!("is of version {other}, this reads 1 to 3")),
        };
        let (header, data) = rest.split_at_checked(length).ok_or_else(short)?;
        let header = std::str::from_utf8(header).map_err(|_| "has a header that is no text")?;
        let shape = shape(header)?;
        let fortran = match field(header, "fortran_order")? {
            text if text.starts_with("True") => true,
            text if text.starts_with("False") => false,
            text => return Err(format!("has a header with fortran_order {text}")),
        };
        let kind = field(header, "descr")?;
        let kind = kind.get(1..4).unwrap_or_default();
        let values = match kind {
            "<f8" => numbers(data, f64::from_le_bytes),
            ">f8" => numbers(data, f64::from_be_bytes),
            "<f4" => numbers(data, |bytes| f64::from(f32::from_le_bytes(bytes))),
            ">f4" => numbers(data, |bytes| f64::from(f32::from_be_bytes(bytes))),
            other => return Err(format!("holds {other}, not float32 or float64")),
        };
        let size = if kind.ends_with('8') { 8 } else { 4 };
        let count = shape.iter().try_fold(1_usize, |count, side| count.checked_mul(*side));
        if count.and_then(|count| count.checked_mul(size)) != Some(data.len()) {
            return Err(format!("has {} bytes where its shape is {shape:?}", data.len()));
        }
        Ok(Self { shape, fortran, values })
    }

    fn matrix(self) -> std::result::Result<Array2<f64>, String> {
        let [rows, columns] = self.shape[..] else {
            return Err(format!("an array has shape {:?}, not two dimensions", self.shape));
        };
        let matrix = Array2::from_shape_vec((rows, columns).set_f(self.fortran), self.values);
        let matrix = matrix.map_err(|error| error.to_string())?;
        Ok(matrix.as_standard_layout().into_owned())
    }
}

fn numbers<const N: usize>(data: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    data.as_chunks::<N>().0.iter().map(|chunk| number(*chunk)).collect()
}

/// What stands behind a key of the header, a Python dictionary of one line.
fn field<'a>(header: &'a str, key: &str) -> std::result::Result<&'a str, String> {
    let missing = || format!("has a header without {key}");
    let (_, rest) = header.split_once(&format!("'{key}'")).ok_or_else(missing)?;
    Ok(rest.trim_start().strip_prefix(':').ok_or_else(missing)?.trim_start())
}

fn shape(header: &str) -> std::result::Result<Vec<usize>, String> {
    let text = field(header, "shape")?;
    let inside = text.strip_prefix('(').and_then(|text| text.split_once(')'));
    let (inside, _) = inside.ok_or("has a header whose shape is no tuple")?;
    inside
        .split(',')
        .map(str::trim)
        .filter(|side| !side.is_empty())
        .map(|side| side.parse().map_err(|_| format!("has a side of {side}")))
        .collect()
}
