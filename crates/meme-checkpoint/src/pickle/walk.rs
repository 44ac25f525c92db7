//! Finding the tensors among the values, and copying them out of their storages.

use super::graph::{Graph, Id, Node, Tensor};
use super::{Item, PickleProblem};
use crate::tensor::element_count;
use crate::{Dtype, TensorData};
use std::collections::BTreeMap;

/// Deepest nesting of containers that is followed.
const DEEPEST: usize = 64;
/// Beginnings of what makes other kinds of tensors; leaving those out silently would lose weights.
const UNREAD: [&str; 2] = ["torch._utils._rebuild_", "torch._tensor._rebuild_"];
/// Bytes of all paths together, at most.
const MOST_TEXT: usize = 1 << 27;
/// Longest part of a path, in bytes.
const LONGEST_NAME: usize = 1024;
/// Values that are looked at, at most: containers that share their parts can have more paths than a
/// machine can count.
const VISITS: u64 = 10_000_000;

/// All tensors that are reached from a value by names and positions, by dotted path.
pub(super) fn tensors(item: Item<'_>) -> Result<BTreeMap<String, &Tensor>, PickleProblem> {
    let mut walk = Walk { graph: item.graph, found: BTreeMap::new(), visits: 0, text: 0 };
    walk.visit(item.id, &mut Vec::new())?;
    Ok(walk.found)
}

struct Walk<'a> {
    graph: &'a Graph,
    found: BTreeMap<String, &'a Tensor>,
    visits: u64,
    /// Bytes of all paths found.
    text: usize,
}

impl Walk<'_> {
    fn visit(&mut self, id: Id, path: &mut Vec<String>) -> Result<(), PickleProblem> {
        self.visits += 1;
        if path.len() > DEEPEST || self.visits > VISITS {
            return Err(PickleProblem::TooDeep { path: path.join(".") });
        }
        let graph = self.graph;
        match &graph.nodes[id] {
            Node::Tensor(tensor) => {
                let tensor_path = path.join(".");
                self.text += tensor_path.len();
                if self.text > MOST_TEXT {
                    return Err(PickleProblem::TooDeep { path: tensor_path });
                }
                if self.found.insert(tensor_path.clone(), tensor).is_some() {
                    return Err(PickleProblem::Twice { tensor: tensor_path });
                }
            }
            Node::Map(pairs) => self.visit_pairs(pairs, path)?,
            Node::Object(object) if UNREAD.iter().any(|it| object.class.starts_with(it)) => {
                let reason = "it is of a kind that is not read: sparse, quantised, a subclass";
                return Err(PickleProblem::Tensor { tensor: path.join("."), reason });
            }
            Node::Object(object) => {
                self.visit_pairs(&object.entries, path)?;
                if let Some(state) = object.state {
                    self.visit(state, path)?;
                }
            }
            Node::List(ids) | Node::Tuple(ids) => {
                for (position, &id) in ids.iter().enumerate() {
                    self.step(position.to_string(), id, path)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn visit_pairs(
        &mut self,
        pairs: &[(Id, Id)],
        path: &mut Vec<String>,
    ) -> Result<(), PickleProblem> {
        for &(key, value) in pairs {
            // Other keys give no name to go by.
            match &self.graph.nodes[key] {
                Node::Text(name) => self.step(name.clone(), value, path)?,
                Node::Int(number) => self.step(number.to_string(), value, path)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn step(&mut self, name: String, id: Id, path: &mut Vec<String>) -> Result<(), PickleProblem> {
        if name.len() > LONGEST_NAME {
            return Err(PickleProblem::TooDeep { path: path.join(".") });
        }
        path.push(name);
        self.visit(id, path)?;
        path.pop();
        Ok(())
    }
}

/// Bytes that a tensor takes once it is copied, checked against the storage it is a view of.
pub(super) fn byte_count(name: &str, tensor: &Tensor) -> Result<u64, PickleProblem> {
    let refuse = |reason| PickleProblem::Tensor { tensor: name.to_owned(), reason };
    let count = element_count(&tensor.shape)
        .and_then(|count| u64::try_from(count).ok())
        .ok_or_else(|| refuse("its shape is impossible"))?;
    if count > tensor.storage.count {
        return Err(refuse("it repeats elements of its storage; save a copy that is contiguous"));
    }
    let last = if count == 0 { Some(0) } else { last_element(tensor) };
    match last {
        Some(last) if count == 0 || last < tensor.storage.count => {}
        _ => return Err(refuse("it reaches beyond the end of its storage")),
    }
    Ok(count * tensor.storage.dtype.size() as u64)
}

/// The highest element of the storage that a tensor with elements touches.
fn last_element(tensor: &Tensor) -> Option<u64> {
    let first = tensor.storage.start.checked_add(tensor.offset)?;
    tensor.shape.iter().zip(&tensor.strides).try_fold(first, |last, (&length, &stride)| {
        last.checked_add((length as u64 - 1).checked_mul(stride)?)
    })
}

/// Copies a checked tensor out of the bytes of its storage.
pub(super) fn gather(
    name: &str,
    tensor: &Tensor,
    storage: &[u8],
) -> Result<TensorData, PickleProblem> {
    let size = tensor.storage.dtype.size();
    let count = tensor.shape.iter().product::<usize>();
    let first = (tensor.storage.start + tensor.offset) as usize;
    let mut bytes = Vec::with_capacity(count * size);
    if count > 0 && is_contiguous(tensor) {
        bytes.extend_from_slice(&storage[first * size..][..count * size]);
    } else if count > 0 {
        let mut index = vec![0usize; tensor.shape.len()];
        for _ in 0..count {
            let steps = index.iter().zip(&tensor.strides).map(|(&i, &stride)| i * stride as usize);
            let element = first + steps.sum::<usize>();
            bytes.extend_from_slice(&storage[element * size..][..size]);
            advance(&mut index, &tensor.shape);
        }
    }
    if tensor.storage.dtype == Dtype::Bool && bytes.iter().any(|&byte| byte > 1) {
        let reason = "it holds a boolean that is neither 0 nor 1";
        return Err(PickleProblem::Tensor { tensor: name.to_owned(), reason });
    }
    Ok(TensorData { dtype: tensor.storage.dtype, shape: tensor.shape.clone(), bytes })
}

fn is_contiguous(tensor: &Tensor) -> bool {
    let mut expected = 1u64;
    for (&length, &stride) in tensor.shape.iter().zip(&tensor.strides).rev() {
        // The stride of a dimension of length 1 is never used.
        if length != 1 && stride != expected {
            return false;
        }
        expected *= length as u64;
    }
    true
}

/// The next index in row-major order.
fn advance(index: &mut [usize], shape: &[usize]) {
    for (place, &length) in index.iter_mut().zip(shape).rev() {
        *place += 1;
        if *place < length {
            return;
        }
        *place = 0;
    }
}
