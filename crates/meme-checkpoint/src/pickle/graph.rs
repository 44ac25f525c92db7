//! What a pickle builds: values that refer to each other by number.

use crate::Dtype;
use std::collections::BTreeSet;
use std::fmt;

/// Number of a value.
pub(super) type Id = usize;

/// A value. Nothing in it can act.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Nothing,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits, little-endian two's complement.
    Long(Vec<u8>),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    Map(Vec<(Id, Id)>),
    Class(String),
    Object(Box<Object>),
    Storage(Box<Storage>),
    Tensor(Box<Tensor>),
}

/// An instance of a class that is not built.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) class: String,
    /// A tuple.
    pub(super) arguments: Id,
    pub(super) state: Option<Id>,
    pub(super) entries: Vec<(Id, Id)>,
    pub(super) elements: Vec<Id>,
}

/// Numbers in the file that tensors are views of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) key: String,
    pub(super) dtype: Dtype,
    /// Elements of the whole storage.
    pub(super) count: u64,
    /// First element of the part that is meant.
    pub(super) start: u64,
}

/// A view of a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tensor {
    pub(super) storage: Storage,
    /// First element, counted from the storage's `start`.
    pub(super) offset: u64,
    pub(super) shape: Vec<usize>,
    /// Elements from one index to the next, for every dimension.
    pub(super) strides: Vec<u64>,
}

/// All values of a pickle.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    pub(super) foreign: BTreeSet<String>,
    spent: usize,
}

/// Values and copies of values that a pickle may make; a checkpoint of ten thousand tensors makes a
/// few hundred thousand. It bounds what a small malicious file can cost to some hundred megabytes.
const BUDGET: usize = 2_000_000;
/// Longest name of a class or a storage, in bytes.
const LONGEST_NAME: usize = 1024;

impl Graph {
    pub(super) fn add(&mut self, node: Node) -> Result<Id, &'static str> {
        self.spend(1)?;
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    /// Accounts for copying `count` values: an instruction of a few bytes can ask for a copy of
    /// everything before it, again and again.
    pub(super) fn spend(&mut self, count: usize) -> Result<(), &'static str> {
        self.spent = self.spent.saturating_add(count);
        if self.spent > BUDGET {
            Err("it makes more values than any checkpoint has")
        } else {
            Ok(())
        }
    }

    /// A string that serves as a name, and will be copied often.
    pub(super) fn name(&self, id: Id) -> Option<&str> {
        self.text(id).filter(|text| text.len() <= LONGEST_NAME)
    }

    /// The elements of a list, tuple or set.
    pub(super) fn elements(&self, id: Id) -> Option<&[Id]> {
        match &self.nodes[id] {
            Node::List(ids) | Node::Tuple(ids) | Node::Set(ids) => Some(ids),
            _ => None,
        }
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        if let Node::Text(text) = &self.nodes[id] { Some(text) } else { None }
    }

    pub(super) fn unsigned(&self, id: Id) -> Option<u64> {
        if let Node::Int(value) = self.nodes[id] { u64::try_from(value).ok() } else { None }
    }
}

/// What an [`Item`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ItemKind {
    /// `None`.
    Nothing,
    /// A boolean.
    Bool,
    /// An integer.
    Int,
    /// A floating-point number.
    Float,
    /// A string.
    Text,
    /// Bytes.
    Bytes,
    /// A list, tuple or set.
    Sequence,
    /// A dictionary.
    Map,
    /// A class by itself.
    Class,
    /// An instance of a class that was not built.
    Object,
    /// Numbers that tensors are views of.
    Storage,
    /// A tensor.
    Tensor,
}

/// A value of a PyTorch file: plain data, whatever class it once was.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    pub(super) graph: &'a Graph,
    pub(super) id: Id,
}

impl fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not what it refers to: values may refer to each other in circles.
        write!(f, "Item({:?})", self.kind())
    }
}

impl<'a> Item<'a> {
    pub(super) fn node(self) -> &'a Node {
        &self.graph.nodes[self.id]
    }

    fn to(self, id: Id) -> Item<'a> {
        Item { graph: self.graph, id }
    }

    /// What it is.
    pub fn kind(self) -> ItemKind {
        match self.node() {
            Node::Nothing => ItemKind::Nothing,
            Node::Bool(_) => ItemKind::Bool,
            Node::Int(_) | Node::Long(_) => ItemKind::Int,
            Node::Float(_) => ItemKind::Float,
            Node::Text(_) => ItemKind::Text,
            Node::Bytes(_) => ItemKind::Bytes,
            Node::List(_) | Node::Tuple(_) | Node::Set(_) => ItemKind::Sequence,
            Node::Map(_) => ItemKind::Map,
            Node::Class(_) => ItemKind::Class,
            Node::Object(_) => ItemKind::Object,
            Node::Storage(_) => ItemKind::Storage,
            Node::Tensor(_) => ItemKind::Tensor,
        }
    }

    /// The value of a boolean.
    pub fn as_bool(self) -> Option<bool> {
        if let Node::Bool(value) = self.node() { Some(*value) } else { None }
    }

    /// The value of an integer that fits.
    pub fn as_i64(self) -> Option<i64> {
        if let Node::Int(value) = self.node() { Some(*value) } else { None }
    }

    /// The value of a floating-point number.
    pub fn as_f64(self) -> Option<f64> {
        if let Node::Float(value) = self.node() { Some(*value) } else { None }
    }

    /// A string.
    pub fn as_str(self) -> Option<&'a str> {
        if let Node::Text(text) = self.node() { Some(text) } else { None }
    }

    /// Bytes.
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        if let Node::Bytes(bytes) = self.node() { Some(bytes) } else { None }
    }

    /// The full name of a class, or of an object's class.
    pub fn class(self) -> Option<&'a str> {
        match self.node() {
            Node::Class(class) => Some(class),
            Node::Object(object) => Some(&object.class),
            _ => None,
        }
    }

    /// What an object was made from: the arguments of the call that is not made here.
    pub fn arguments(self) -> Vec<Item<'a>> {
        match self.node() {
            Node::Object(object) => self.to(object.arguments).elements(),
            _ => Vec::new(),
        }
    }

    /// The state that an object was given, usually a dictionary of its attributes.
    pub fn state(self) -> Option<Item<'a>> {
        if let Node::Object(object) = self.node() {
            object.state.map(|id| self.to(id))
        } else {
            None
        }
    }

    /// The elements of a list, tuple, set, or of an object that was filled like a list.
    pub fn elements(self) -> Vec<Item<'a>> {
        let ids = match self.node() {
            Node::Object(object) => &object.elements,
            Node::List(ids) | Node::Tuple(ids) | Node::Set(ids) => ids,
            _ => return Vec::new(),
        };
        ids.iter().map(|&id| self.to(id)).collect()
    }

    /// The entries of a dictionary in their order, or of an object that was filled like one.
    pub fn entries(self) -> Vec<(Item<'a>, Item<'a>)> {
        let pairs = match self.node() {
            Node::Object(object) => &object.entries,
            Node::Map(pairs) => pairs,
            _ => return Vec::new(),
        };
        pairs.iter().map(|&(key, value)| (self.to(key), self.to(value))).collect()
    }

    /// The entry of a dictionary under a string.
    pub fn get(self, key: &str) -> Option<Item<'a>> {
        let Node::Map(pairs) = self.node() else { return None };
        // The last one counts, as in Python.
        let found = pairs.iter().rev().find(|(id, _)| self.graph.text(*id) == Some(key));
        found.map(|&(_, value)| self.to(value))
    }

    /// Type and shape of a tensor.
    pub fn tensor(self) -> Option<(Dtype, &'a [usize])> {
        match self.node() {
            Node::Tensor(tensor) => Some((tensor.storage.dtype, &tensor.shape)),
            _ => None,
        }
    }
}
