//! Tensors that lie in a file.

use crate::convert::{data_to_tensor, into_tensors, lengths, tensor_over};
use crate::error::Error;
use meme_checkpoint::{SafetensorsFile, TensorData, VerifiedFolder};
use memmap2::{Advice, MmapMut, MmapOptions};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tch::{Device, Tensor};

/// The tensors of a safetensors file on the CPU, where the kernel has its bytes: nothing is copied,
/// and what nobody reads is not even fetched from the disk. Writing to a tensor changes that tensor
/// and not the file. The mapping lives as long as any of the tensors.
///
/// The file must not be written while they live: who cuts it short then has this process ended by a
/// signal (SIGBUS), as has a disk that fails, and who changes it changes the numbers. Checkpoints are
/// replaced and never written over, which does no harm.
///
/// # Errors
/// [`Error::File`] for a file that is not there, cannot be mapped or is not a valid safetensors file.
pub fn map_safetensors(path: impl AsRef<Path>) -> Result<BTreeMap<String, Tensor>, Error> {
    let path = path.as_ref();
    let file = SafetensorsFile::open(path)?;
    let unmapped =
        |source| meme_checkpoint::Error::Io { action: "map", path: path.to_path_buf(), source };
    // SAFETY: pages of our own wherever something is written; for the rest see above.
    let mut mapping = unsafe { MmapOptions::new().map_copy(file.file()) }.map_err(unmapped)?;
    // A hint, which the kernel may ignore: it reads the file now, beside what this program does.
    let _ = mapping.advise(Advice::WillNeed);
    let begin = mapping.as_mut_ptr();
    // Never locked: it only says that threads may share what none of them touches.
    let owner: Arc<Mutex<MmapMut>> = Arc::new(Mutex::new(mapping));
    let tensor = |info: &meme_checkpoint::TensorInfo| {
        let start = (file.data_begins() + info.start) as usize;
        let shape = lengths(&info.shape);
        // SAFETY: the header was checked against the file's length.
        let place = unsafe { begin.add(start) };
        if place.addr().is_multiple_of(info.dtype.size()) {
            // SAFETY: bytes of this tensor alone, since those of a file do not overlap.
            return unsafe { tensor_over(place, &shape, info.dtype, Arc::clone(&owner)) };
        }
        let length = (info.end - info.start) as usize;
        // SAFETY: as above, copied before anybody has a tensor over them.
        let bytes = unsafe { std::slice::from_raw_parts(place, length) }.to_vec();
        let data = TensorData { dtype: info.dtype, shape: info.shape.clone(), bytes };
        data_to_tensor(&data, Device::Cpu)
    };
    file.tensors().iter().map(|(name, info)| Ok((name.clone(), tensor(info)?))).collect()
}

/// The tensors of one safetensors file of a checkpoint on the CPU, for those who read it many times:
/// mapped as by [`map_safetensors`] while the file is provably the one whose hash was checked
/// ([`VerifiedFolder::untouched`]), otherwise read and hashed again.
///
/// # Errors
/// [`Error::File`], as [`map_safetensors`] and [`VerifiedFolder::tensors`].
pub fn map_verified(
    folder: &VerifiedFolder,
    file: &str,
) -> Result<BTreeMap<String, Tensor>, Error> {
    match folder.untouched(file) {
        Some(path) => map_safetensors(path),
        None => into_tensors(folder.tensors(file)?.tensors),
    }
}
