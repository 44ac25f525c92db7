//! What every strict load shares: everything is compared before anything is copied.

use crate::convert::{dtype_of, shape_of};
use crate::error::{Error, Mismatch};
use meme_checkpoint::{Dtype, TensorData};
use std::collections::{BTreeMap, BTreeSet};
use tch::Tensor;

/// What is offered for a parameter.
pub(crate) trait Offer {
    fn shape(&self) -> Vec<i64>;
    fn dtype(&self) -> Result<Dtype, Error>;
    fn bytes(&self) -> usize;
}

impl Offer for TensorData {
    fn shape(&self) -> Vec<i64> {
        shape_of(self)
    }

    fn dtype(&self) -> Result<Dtype, Error> {
        Ok(self.dtype)
    }

    fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl Offer for Tensor {
    fn shape(&self) -> Vec<i64> {
        self.size()
    }

    fn dtype(&self) -> Result<Dtype, Error> {
        dtype_of(self)
    }

    fn bytes(&self) -> usize {
        self.numel() * self.kind().elt_size_in_bytes()
    }
}

/// Compares an offer with what is expected, name by name.
pub(crate) fn match_tensors<'a>(
    what: &'static str,
    expected: impl Iterator<Item = (&'a str, &'a Tensor)>,
    offered: &BTreeMap<String, impl Offer>,
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
    data: &impl Offer,
    mismatches: &mut Vec<Mismatch>,
) -> Result<(), Error> {
    let expected = dtype_of(tensor)?;
    let (shape, dtype, bytes) = (data.shape(), data.dtype()?, data.bytes());
    if shape != tensor.size() {
        mismatches.push(Mismatch::Shape {
            name: name.to_owned(),
            expected: tensor.size(),
            found: shape,
        });
    } else if dtype != expected {
        mismatches.push(Mismatch::Dtype {
            name: name.to_owned(),
            expected: expected.to_string(),
            found: dtype.to_string(),
        });
    } else if bytes != tensor.numel() * expected.size() {
        mismatches.push(Mismatch::Length {
            name: name.to_owned(),
            expected: tensor.numel() * expected.size(),
            found: bytes,
        });
    }
    Ok(())
}
