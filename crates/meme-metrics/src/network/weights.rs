//! Weight files, and which network a file's hash stands for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use meme_checkpoint::TensorData;
use meme_torch::tch::{Device, Tensor};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// SHA-256 of the published files with the weights behind FID, and the name of the network.
///
/// pytorch-fid publishes them as `pt_inception-2015-12-05-6726825d.pth`, torch-fidelity as
/// `weights-inception-2015-12-05-6726825d.pth`: the same 95,628,359 bytes.
const PUBLISHED: [(&str, &str); 1] =
    [("6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2", super::FID_NETWORK)];
/// Digits of a hash that stand in a name.
const SHOWN: usize = 12;

/// The tensors of a file, and its hash.
#[derive(Debug)]
pub(super) struct WeightFile {
    path: PathBuf,
    tensors: BTreeMap<String, TensorData>,
    pub(super) sha256: String,
}

impl WeightFile {
    /// Reads a safetensors or a PyTorch file (`.pth`; nothing in it is executed).
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
        Self::parse(path, bytes)
    }

    /// As [`WeightFile::read`], of a file whose bytes were read already.
    pub(super) fn parse(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        // A safetensors file begins with the length of its header, a JSON object.
        let tensors = if bytes.get(8) == Some(&b'{') {
            meme_checkpoint::parse(&bytes)?.tensors
        } else {
            drop(bytes);
            meme_checkpoint::read_torch(path)?.tensors
        };
        Ok(Self { path: path.to_owned(), tensors, sha256 })
    }

    /// What a file with these tensors would give.
    #[cfg(test)]
    pub(super) fn of(tensors: BTreeMap<String, TensorData>) -> Self {
        Self { path: PathBuf::from("made"), tensors, sha256: "made".to_owned() }
    }

    /// The name of the network with these weights: that of the published file, or one made of the
    /// hash.
    pub(super) fn network_name(&self) -> String {
        network_name(&self.sha256)
    }

    fn data(&self, name: &str, shape: &[usize]) -> Result<&TensorData> {
        let refuse = |problem: String| {
            Err(Error::Tensor { path: self.path.clone(), name: name.to_owned(), problem })
        };
        match self.tensors.get(name) {
            Some(data) if data.shape == shape => Ok(data),
            Some(data) => refuse(format!(
                "has shape {:?} where FID's Inception-v3 has {shape:?}; torchvision's own \
                 Inception-v3 is another network",
                data.shape
            )),
            None => refuse(
                "is missing; FID's Inception-v3 is expected, with the names that pytorch-fid and \
                 torch-fidelity use"
                    .to_owned(),
            ),
        }
    }

    /// The values of a tensor, which must have this shape.
    pub(super) fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f64>> {
        Ok(self.data(name, shape)?.to_f64()?)
    }

    /// A tensor, which must have this shape.
    pub(super) fn tensor(&self, name: &str, shape: &[usize], device: Device) -> Result<Tensor> {
        Ok(meme_torch::data_to_tensor(self.data(name, shape)?, device)?)
    }
}

fn network_name(sha256: &str) -> String {
    let known = PUBLISHED.iter().find(|(hash, _)| *hash == sha256);
    known.map_or_else(
        || format!("inception-v3 with weights sha256:{}", &sha256[..SHOWN.min(sha256.len())]),
        |(_, name)| (*name).to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_published_file_has_the_name_that_fid_may_be_called_by() {
        let published = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2";
        assert_eq!(network_name(published), "inception-v3-2015-12-05");
        let other = published.replace("9b2", "9b3");
        assert_eq!(network_name(&other), "inception-v3 with weights sha256:6726825d0af5");
    }
}
