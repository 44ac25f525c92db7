//! What every strict load shares: everything is compared before anything is copied.

use crate::convert::{dtype_of, shape_of};
use crate::error::{Error, Mismatch};
use meme_checkpoint::TensorData;
use std::collections::{BTreeMap, BTreeSet};
use tch::Tensor;

/// Compares an offer with what is expected, name by name.
pub(crate) fn match_tensors<'a>(
    what: &'static str,
    expected: impl Iterator<Item = (&'a str, &'a Tensor)>,
    offered: &BTreeMap<String, TensorData>,
) -> Result<(), Error> {
    let expected: BTreeMap<&str, &Tensor> = expected.collect();
    let names: BTreeSet<&str> =
        expected.keys().copied().chain(offered.keys().map(String::as_str)).collect();
    let mut mismatches = Vec::new();
    for name in names {
        match (expected.get(name), offered.get(name)) {
            (Some(tensor), Some(data)) => compare(name, tensor, data, &mut mismatches)?,
            (Some(_), None) => mismatches.push(Mismatch::Missing { name: name.to_owned() }),
            (None, _) => mismatches.push(Mismatch::Extra { name: name.to_owned() }),
        }
    }
    if mismatches.is_empty() { Ok(()) } else { Err(Error::Mismatch { what, mismatches }) }
}

fn compare(
    name: &str,
    tensor: &Tensor,
    data: &TensorData,
    mismatches: &mut Vec<Mismatch>,
) -> Result<(), Error> {
    let expected = dtype_of(tensor)?;
    let shape = shape_of(data);
    if shape != tensor.size() {
        mismatches.push(Mismatch::Shape {
            name: name.to_owned(),
            expected: tensor.size(),
            found: shape,
        });
    } else if data.dtype != expected {
        mismatches.push(Mismatch::Dtype {
            name: name.to_owned(),
            expected: expected.to_string(),
            found: data.dtype.to_string(),
        });
    } else if data.bytes.len() != tensor.numel() * expected.size() {
        mismatches.push(Mismatch::Length {
            name: name.to_owned(),
            expected: tensor.numel() * expected.size(),
            found: data.bytes.len(),
        });
    }
    Ok(())
}
