//! Statistics as files, which say what they are statistics of.

use std::collections::BTreeMap;
use std::path::Path;

use meme_checkpoint::{TensorData, Tensors, read_safetensors, write_safetensors};
use ndarray::{Array1, Array2};

use crate::{Error, NetworkIdentity, Result, Statistics};

/// The form of the file; a reader of another form refuses it.
const VERSION: &str = "1";

/// What a set of statistics was made of. Two sets can be compared only where [`Provenance`] agrees
/// on how they were made; the images, of course, differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The feature network.
    pub network: NetworkIdentity,
    /// How images were brought to size before the network saw them.
    pub resize: String,
    /// Hash of the images: BLAKE3 of names and bytes, as `meme-data` makes it, or of the seeds.
    pub images: String,
}

impl Provenance {
    /// Refuses statistics made in another way, naming the first field that differs.
    ///
    /// # Errors
    /// [`Error::Incomparable`].
    pub fn check_comparable(&self, other: &Self) -> Result<()> {
        let dimensions = [&self.network, &other.network].map(|n| n.dimension.to_string());
        let [ours, theirs] = &dimensions;
        for (field, expected, found) in [
            ("network", &self.network.name, &other.network.name),
            ("network hash", &self.network.hash, &other.network.hash),
            ("dimension", ours, theirs),
            ("network resize", &self.network.resize, &other.network.resize),
            ("resize", &self.resize, &other.resize),
        ] {
            if expected != found {
                let (expected, found) = (expected.clone(), found.clone());
                return Err(Error::Incomparable { field, expected, found });
            }
        }
        Ok(())
    }
}

/// Statistics with their provenance: a file that can stand in for a reference set.
///
/// The file is safetensors: `count` (int64), `mean` and `scatter` (float64, exact to the bit), and
/// the provenance in the metadata.
#[derive(Clone, Debug, PartialEq)]
pub struct ReferenceStatistics {
    /// The numbers.
    pub statistics: Statistics,
    /// What they were made of.
    pub provenance: Provenance,
}

impl ReferenceStatistics {
    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Checkpoint`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let Self { statistics, provenance } = self;
        let side = statistics.dimension();
        let mean = TensorData::from_f64(&statistics.mean().to_vec(), &[side])?;
        let scatter: Vec<f64> = statistics.scatter().iter().copied().collect();
        let scatter = TensorData::from_f64(&scatter, &[side, side])?;
        let count = i64::try_from(statistics.count()).unwrap_or(i64::MAX);
        let count = TensorData::from_i64(&[count], &[1])?;
        let NetworkIdentity { name, hash, dimension, resize } = &provenance.network;
        let metadata: BTreeMap<String, String> = [
            ("statistics_version", VERSION.to_owned()),
            ("network", name.clone()),
            ("network_hash", hash.clone()),
            ("network_dimension", dimension.to_string()),
            ("network_resize", resize.clone()),
            ("resize", provenance.resize.clone()),
            ("images", provenance.images.clone()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        let tensors = [("count", &count), ("mean", &mean), ("scatter", &scatter)];
        Ok(write_safetensors(path, tensors, &metadata)?)
    }

    /// Reads a file that [`ReferenceStatistics::write`] wrote.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for a damaged file, [`Error::Metadata`] and [`Error::Tensor`] for one
    /// that holds something else.
    pub fn read(path: &Path) -> Result<Self> {
        let file = read_safetensors(path)?;
        let metadata = |field: &'static str| -> Result<String> {
            let problem = || "is missing".to_owned();
            file.metadata.get(field).cloned().ok_or_else(|| Error::Metadata {
                path: path.to_owned(),
                field,
                problem: problem(),
            })
        };
        let refuse = |field: &'static str, problem: String| {
            Err(Error::Metadata { path: path.to_owned(), field, problem })
        };
        let version = metadata("statistics_version")?;
        if version != VERSION {
            return refuse("statistics_version", format!("is {version}, this reads {VERSION}"));
        }
        let dimension_text = metadata("network_dimension")?;
        let Ok(dimension) = dimension_text.parse::<usize>() else {
            return refuse("network_dimension", format!("is {dimension_text:?}, not a number"));
        };
        let network = NetworkIdentity {
            name: metadata("network")?,
            hash: metadata("network_hash")?,
            dimension,
            resize: metadata("network_resize")?,
        };
        let (resize, images) = (metadata("resize")?, metadata("images")?);
        Ok(Self {
            statistics: statistics(path, &file, dimension)?,
            provenance: Provenance { network, resize, images },
        })
    }
}

fn statistics(path: &Path, file: &Tensors, dimension: usize) -> Result<Statistics> {
    let tensor = |name: &str, shape: &[usize]| -> Result<&TensorData> {
        let data = file.get(name)?;
        if data.shape == shape {
            return Ok(data);
        }
        let problem = format!("has shape {:?} where {shape:?} is expected", data.shape);
        Err(Error::Tensor { path: path.to_owned(), name: name.to_owned(), problem })
    };
    let count = tensor("count", &[1])?.to_i64()?;
    let Some(count) = count.first().and_then(|count| u64::try_from(*count).ok()) else {
        let problem = "is below zero".to_owned();
        return Err(Error::Tensor { path: path.to_owned(), name: "count".to_owned(), problem });
    };
    let mean = Array1::from_vec(tensor("mean", &[dimension])?.to_f64()?);
    let scatter = tensor("scatter", &[dimension, dimension])?.to_f64()?;
    let found = scatter.len();
    let scatter = Array2::from_shape_vec((dimension, dimension), scatter).map_err(|_| {
        Error::Dimension { what: "scatter matrix", expected: dimension * dimension, found }
    })?;
    Statistics::from_parts(count, mean, scatter)
}
