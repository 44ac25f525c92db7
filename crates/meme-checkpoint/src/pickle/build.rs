//! The few calls that are understood, and what becomes of all others.

use super::graph::{Graph, Id, Node, Object, Storage, Tensor};
use crate::Dtype;

/// Why a call or a storage makes no sense.
type Refusal = &'static str;

/// Dimensions of a tensor at most, as in PyTorch.
const MOST_DIMENSIONS: usize = 64;

/// Classes whose calls [`call`] understands.
const KNOWN: [&str; 14] = [
    "collections.OrderedDict",
    "collections.defaultdict",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch.Size",
    "_codecs.encode",
    "builtins.set",
    "builtins.frozenset",
    "builtins.list",
    "__builtin__.set",
    "__builtin__.frozenset",
    "__builtin__.list",
];

/// Whether a class is one of those that are built.
pub(super) fn is_known(class: &str) -> bool {
    KNOWN.contains(&class) || storage_dtype(class).is_some()
}

/// The element type that a storage class stands for.
fn storage_dtype(class: &str) -> Option<Dtype> {
    // The CUDA classes of older files are the same but for where they were.
    let name = class.strip_prefix("torch.cuda.").or_else(|| class.strip_prefix("torch."))?;
    Some(match name {
        "DoubleStorage" => Dtype::F64,
        "FloatStorage" => Dtype::F32,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::Bf16,
        "LongStorage" => Dtype::I64,
        "IntStorage" => Dtype::I32,
        "ShortStorage" => Dtype::I16,
        "CharStorage" => Dtype::I8,
        "ByteStorage" => Dtype::U8,
        "BoolStorage" => Dtype::Bool,
        _ => return None,
    })
}

/// The storage that a persistent identifier names: `("storage", class, key, location, count)`, with a
/// sixth part in the older format, `None` or `(view key, start, count)`.
pub(super) fn storage(graph: &Graph, id: Id) -> Result<Node, Refusal> {
    let parts = graph.elements(id).ok_or("a persistent identifier is not a tuple")?;
    let (&[tag, class, key, _, count], rest) =
        parts.split_first_chunk().ok_or("a persistent identifier is too short")?;
    if graph.text(tag) != Some("storage") {
        return Err("a persistent identifier does not name a storage");
    }
    let Node::Class(class) = &graph.nodes[class] else { return Err("a storage has no class") };
    let dtype = storage_dtype(class).ok_or("a storage has an unsupported element type")?;
    let key = graph.name(key).ok_or("a storage has no key")?.to_owned();
    let count = graph.unsigned(count).ok_or("a storage has no size")?;
    let start = match rest.first().and_then(|&view| graph.elements(view)) {
        None => 0,
        Some(&[_, start, _]) => graph.unsigned(start).ok_or("a storage's view has no start")?,
        Some(_) => return Err("a storage's view is not understood"),
    };
    Ok(Node::Storage(Box::new(Storage { key, dtype, count, start })))
}

/// The value of `class(*arguments)`, without calling anything; `arguments` is a tuple.
pub(super) fn call(graph: &mut Graph, class: &str, arguments: Id) -> Result<Id, Refusal> {
    let given = graph.elements(arguments).ok_or("a call has no arguments")?;
    // No call that is understood has more than eight.
    let given = given[..given.len().min(8)].to_vec();
    let node = match (class, given.as_slice()) {
        ("collections.OrderedDict", []) | ("collections.defaultdict", _) => Node::Map(Vec::new()),
        ("collections.OrderedDict", &[pairs]) => Node::Map(map_of(graph, pairs)?),
        ("torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2", given) => {
            Node::Tensor(Box::new(tensor(graph, given)?))
        }
        (
            "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state",
            &[tensor, ..],
        ) => {
            return match graph.nodes[tensor] {
                Node::Tensor(_) => Ok(tensor),
                _ => Err("a parameter is not a tensor"),
            };
        }
        ("torch.Size", &[sizes]) => Node::Tuple(sequence(graph, sizes)?),
        ("builtins.list" | "__builtin__.list", &[elements]) => {
            Node::List(sequence(graph, elements)?)
        }
        (
            "builtins.set" | "__builtin__.set" | "builtins.frozenset" | "__builtin__.frozenset",
            &[elements],
        ) => Node::Set(sequence(graph, elements)?),
        ("_codecs.encode", &[text, encoding]) => Node::Bytes(latin1(graph, text, encoding)?),
        _ => Node::Object(Box::new(Object {
            class: class.to_owned(),
            arguments,
            state: None,
            entries: Vec::new(),
            elements: Vec::new(),
        })),
    };
    graph.add(node)
}

fn sequence(graph: &mut Graph, id: Id) -> Result<Vec<Id>, Refusal> {
    let ids = graph.elements(id).ok_or("a container is not made from a sequence")?.to_vec();
    graph.spend(ids.len())?;
    Ok(ids)
}

fn map_of(graph: &mut Graph, id: Id) -> Result<Vec<(Id, Id)>, Refusal> {
    let ids = sequence(graph, id)?;
    let pair = |&id: &Id| match graph.elements(id) {
        Some(&[key, value]) => Ok((key, value)),
        _ => Err("a dictionary is not made from pairs"),
    };
    ids.iter().map(pair).collect()
}

/// `(storage, offset, shape, strides, ...)`; what follows concerns gradients.
fn tensor(graph: &Graph, arguments: &[Id]) -> Result<Tensor, Refusal> {
    let (&[storage, offset, shape, strides], _) =
        arguments.split_first_chunk().ok_or("a tensor has too few arguments")?;
    let Node::Storage(storage) = &graph.nodes[storage] else {
        return Err("a tensor has no storage");
    };
    let numbers = |id: Id| -> Option<Vec<u64>> {
        let ids = graph.elements(id).filter(|ids| ids.len() <= MOST_DIMENSIONS)?;
        ids.iter().map(|&id| graph.unsigned(id)).collect()
    };
    let lengths = numbers(shape).ok_or("a tensor has no shape")?;
    let strides = numbers(strides).ok_or("a tensor has no strides")?;
    if lengths.len() != strides.len() {
        return Err("a tensor's shape and strides differ in length");
    }
    let shape: Option<Vec<usize>> =
        lengths.iter().map(|&length| usize::try_from(length).ok()).collect();
    Ok(Tensor {
        storage: Storage::clone(storage),
        offset: graph.unsigned(offset).ok_or("a tensor has no offset")?,
        shape: shape.ok_or("a tensor has an impossible shape")?,
        strides,
    })
}

/// How protocol 2 writes bytes: as a string whose characters are the bytes.
fn latin1(graph: &mut Graph, text: Id, encoding: Id) -> Result<Vec<u8>, Refusal> {
    if !matches!(graph.text(encoding), Some("latin1" | "latin-1")) {
        return Err("bytes are encoded in an unknown way");
    }
    let text = graph.text(text).ok_or("bytes are not made from a string")?;
    let bytes: Vec<u8> = text
        .chars()
        .map(u8::try_from)
        .collect::<Result<_, _>>()
        .map_err(|_| "a string has characters that are no bytes")?;
    graph.spend(bytes.len())?;
    Ok(bytes)
}
