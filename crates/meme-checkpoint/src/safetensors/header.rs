//! The JSON header: parsing it into a checked table of tensors.

use super::Problem;
use crate::Dtype;
use crate::tensor::element_count;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The key under which a header keeps its map of strings.
pub(crate) const METADATA: &str = "__metadata__";

/// What a header says of one tensor; checked, so `end - start` is what type and shape need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// The tensor's name.
    pub name: String,
    /// Type of the elements.
    pub dtype: Dtype,
    /// Length of every dimension, outermost first.
    pub shape: Vec<usize>,
    /// First byte, counted from the end of the header.
    pub start: u64,
    /// Byte after the last, counted from the end of the header.
    pub end: u64,
}

/// A checked header: its tensors cover the data section exactly, in ascending order.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) tensors: Vec<TensorInfo>,
}

impl Header {
    /// Parses the header's bytes (without the eight of its length) for `available` bytes of data.
    pub(crate) fn parse(json: &[u8], available: u64) -> Result<Header, Problem> {
        let broken = |message: String| Problem::Header { message };
        if json.first() != Some(&b'{') {
            return Err(broken("it does not start with `{`".to_owned()));
        }
        let padding = json.iter().rev().take_while(|&&byte| byte == b' ').count();
        let json = &json[..json.len() - padding];
        if json.last() != Some(&b'}') {
            return Err(broken("it does not end in `}` and spaces".to_owned()));
        }
        let raw: RawHeader =
            serde_json::from_slice(json).map_err(|error| broken(error.to_string()))?;
        Ok(Header {
            metadata: unique_metadata(raw.metadata)?,
            tensors: covering(check_each(raw.tensors)?, available)?,
        })
    }
}

fn unique_metadata(maps: Vec<Pairs>) -> Result<BTreeMap<String, String>, Problem> {
    if maps.len() > 1 {
        return Err(Problem::DuplicateMetadata { key: METADATA.to_owned() });
    }
    let mut metadata = BTreeMap::new();
    for (key, value) in maps.into_iter().flat_map(|pairs| pairs.0) {
        if metadata.contains_key(&key) {
            return Err(Problem::DuplicateMetadata { key });
        }
        metadata.insert(key, value);
    }
    Ok(metadata)
}

/// Checks every tensor by itself: name unique, type known, offsets ascending, bytes as needed.
fn check_each(raw: Vec<(String, RawTensor)>) -> Result<Vec<TensorInfo>, Problem> {
    let mut seen = BTreeSet::new();
    let mut tensors = Vec::with_capacity(raw.len());
    for (tensor, RawTensor { dtype, shape, data_offsets: (start, end) }) in raw {
        if !seen.insert(tensor.clone()) {
            return Err(Problem::DuplicateTensor { tensor });
        }
        let Some(dtype) = Dtype::from_name(&dtype) else {
            return Err(Problem::UnknownDtype { tensor, dtype });
        };
        if start > end {
            return Err(Problem::Offsets { tensor, start, end });
        }
        let lengths: Option<Vec<usize>> =
            shape.iter().map(|&length| usize::try_from(length).ok()).collect();
        let needed = lengths
            .as_deref()
            .and_then(element_count)
            .and_then(|count| count.checked_mul(dtype.size()))
            .and_then(|bytes| u64::try_from(bytes).ok());
        let (Some(lengths), Some(needed)) = (lengths, needed) else {
            return Err(Problem::Shape { tensor, shape });
        };
        if needed != end - start {
            let found = end - start;
            return Err(Problem::ByteCount { tensor, dtype, shape: lengths, needed, found });
        }
        tensors.push(TensorInfo { name: tensor, dtype, shape: lengths, start, end });
    }
    Ok(tensors)
}

/// Sorts the tensors by position and checks that together they are exactly the data section.
fn covering(mut tensors: Vec<TensorInfo>, available: u64) -> Result<Vec<TensorInfo>, Problem> {
    // Empty tensors share their start with the next; the end puts them before it.
    tensors.sort_by(|a, b| (a.start, a.end, &a.name).cmp(&(b.start, b.end, &b.name)));
    let mut expected = 0;
    for info in &tensors {
        let (tensor, start) = (info.name.clone(), info.start);
        if start > expected {
            return Err(Problem::Gap { tensor, start, expected });
        }
        if start < expected {
            return Err(Problem::Overlap { tensor, start, expected });
        }
        if info.end > available {
            return Err(Problem::Truncated { tensor, end: info.end, available });
        }
        expected = info.end;
    }
    if expected < available {
        return Err(Problem::Trailing { count: available - expected });
    }
    Ok(tensors)
}

/// The header as it stands in the file, duplicates included.
#[derive(Default)]
struct RawHeader {
    metadata: Vec<Pairs>,
    tensors: Vec<(String, RawTensor)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// A JSON object of strings, duplicates included.
struct Pairs(Vec<(String, String)>);

/// Deserialises a tensor's entry and puts the tensor's name into any error.
struct Named<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Named<'_> {
    type Value = RawTensor;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<RawTensor, D::Error> {
        RawTensor::deserialize(source)
            .map_err(|error| D::Error::custom(format!("tensor `{}`: {error}", self.0)))
    }
}

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<RawHeader, D::Error> {
        struct HeaderVisitor;
        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = RawHeader;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
                let mut header = RawHeader::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == METADATA {
                        header.metadata.push(map.next_value()?);
                    } else {
                        let tensor = map.next_value_seed(Named(&key))?;
                        header.tensors.push((key, tensor));
                    }
                }
                Ok(header)
            }
        }
        source.deserialize_map(HeaderVisitor)
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Pairs, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings as __metadata__")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry::<String, String>()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        source.deserialize_map(PairsVisitor)
    }
}
