//! The stack machine.

use super::PickleProblem;
use super::build::{call, is_known, storage};
use super::graph::{Graph, Id, Node};
use std::collections::BTreeMap;
use std::io::{self, Read};

/// Longest line, which is the name of a module or a class, in bytes.
const LONGEST_LINE: usize = 1024;

/// What went wrong before the file's name is known.
#[derive(Debug)]
pub(super) enum Failure {
    Io(io::Error),
    Problem(PickleProblem),
}

impl From<PickleProblem> for Failure {
    fn from(problem: PickleProblem) -> Failure {
        Failure::Problem(problem)
    }
}

type Result<T> = std::result::Result<T, Failure>;

/// Runs one pickle to its end; returns what it built, and which value is its result.
pub(super) fn run(reader: &mut dyn Read) -> Result<(Graph, Id)> {
    Machine {
        input: Input { reader, position: 0 },
        graph: Graph::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: BTreeMap::new(),
    }
    .run()
}

/// The pickle, read byte by byte and never further than its end.
struct Input<'a> {
    reader: &'a mut dyn Read,
    position: u64,
}

impl Input<'_> {
    /// `count` bytes; memory grows only with what is really there.
    fn take(&mut self, count: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader.take(count).read_to_end(&mut bytes).map_err(Failure::Io)?;
        self.position += bytes.len() as u64;
        if bytes.len() as u64 == count {
            Ok(bytes)
        } else {
            Err(PickleProblem::Truncated { position: self.position }.into())
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        match self.reader.read_exact(&mut bytes) {
            Ok(()) => {
                self.position += N as u64;
                Ok(bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(PickleProblem::Truncated { position: self.position }.into())
            }
            Err(error) => Err(Failure::Io(error)),
        }
    }

    fn byte(&mut self) -> Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u64> {
        self.array().map(|bytes| u64::from(u32::from_le_bytes(bytes)))
    }

    fn line(&mut self) -> Result<String> {
        let mut bytes = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => break,
                _ if bytes.len() == LONGEST_LINE => return Err(self.nonsense("a name is endless")),
                byte => bytes.push(byte),
            }
        }
        String::from_utf8(bytes).map_err(|_| self.nonsense("a name is not UTF-8"))
    }

    fn text(&mut self, count: u64) -> Result<Node> {
        let bytes = self.take(count)?;
        // Lone surrogates, which Python allows, have no place in a string here.
        String::from_utf8(bytes).map(Node::Text).map_err(|_| self.nonsense("a string is not UTF-8"))
    }

    fn nonsense(&self, reason: &'static str) -> Failure {
        PickleProblem::Nonsense { reason, position: self.position }.into()
    }
}

struct Machine<'a> {
    input: Input<'a>,
    graph: Graph,
    stack: Vec<Id>,
    /// Heights of the stack at the open marks.
    marks: Vec<usize>,
    memo: BTreeMap<u64, Id>,
}

impl Machine<'_> {
    fn run(mut self) -> Result<(Graph, Id)> {
        loop {
            let position = self.input.position;
            match self.input.byte()? {
                b'.' => {
                    let result = self.pop()?;
                    return Ok((self.graph, result));
                }
                opcode if self.step(opcode)? => {}
                opcode => return Err(PickleProblem::Opcode { opcode, position }.into()),
            }
        }
    }

    /// Follows one instruction; `false` for one that is not known.
    fn step(&mut self, opcode: u8) -> Result<bool> {
        match opcode {
            0x80 => self.protocol()?,
            // A frame is only a hint about lengths.
            0x95 => drop(self.input.array::<8>()?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.above_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'q' | b'r' | 0x94 => self.remember(opcode)?,
            b'h' | b'j' => self.recall(opcode)?,
            b'c' | 0x93 => self.class(opcode)?,
            b'R' | 0x81 | 0x92 => self.call(opcode)?,
            b'b' => self.give_state()?,
            b'Q' => {
                let id = self.pop()?;
                let node = storage(&self.graph, id).map_err(|it| self.input.nonsense(it))?;
                self.push(node)?;
            }
            b')' => self.push(Node::Tuple(Vec::new()))?,
            b't' => {
                let elements = self.above_mark()?;
                self.push(Node::Tuple(elements))?;
            }
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let elements = self.pop_several(count)?;
                self.push(Node::Tuple(elements))?;
            }
            b']' => self.push(Node::List(Vec::new()))?,
            b'l' => {
                let elements = self.above_mark()?;
                self.push(Node::List(elements))?;
            }
            0x8f => self.push(Node::Set(Vec::new()))?,
            0x91 => {
                let elements = self.above_mark()?;
                self.push(Node::Set(elements))?;
            }
            b'a' => {
                let element = self.pop()?;
                self.extend(vec![element])?;
            }
            b'e' | 0x90 => {
                let elements = self.above_mark()?;
                self.extend(elements)?;
            }
            b'}' => self.push(Node::Map(Vec::new()))?,
            b'd' => {
                let flat = self.above_mark()?;
                self.push(Node::Map(Vec::new()))?;
                self.insert(&flat)?;
            }
            b's' => {
                let flat = self.pop_several(2)?;
                self.insert(&flat)?;
            }
            b'u' => {
                let flat = self.above_mark()?;
                self.insert(&flat)?;
            }
            _ => match self.scalar(opcode)? {
                Some(node) => self.push(node)?,
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    /// The value of an instruction that holds one.
    fn scalar(&mut self, opcode: u8) -> Result<Option<Node>> {
        let input = &mut self.input;
        Ok(Some(match opcode {
            b'N' => Node::Nothing,
            0x88 => Node::Bool(true),
            0x89 => Node::Bool(false),
            b'J' => Node::Int(i32::from_le_bytes(input.array()?).into()),
            b'K' => Node::Int(input.byte()?.into()),
            b'M' => Node::Int(u16::from_le_bytes(input.array()?).into()),
            0x8a => {
                let count = input.byte()?.into();
                integer(input.take(count)?)
            }
            0x8b => {
                let count = input.u32()?;
                integer(input.take(count)?)
            }
            b'G' => Node::Float(f64::from_be_bytes(input.array()?)),
            b'X' => {
                let count = input.u32()?;
                input.text(count)?
            }
            0x8c => {
                let count = input.byte()?.into();
                input.text(count)?
            }
            0x8d => {
                let count = u64::from_le_bytes(input.array()?);
                input.text(count)?
            }
            b'U' | b'C' => {
                let count = input.byte()?.into();
                Node::Bytes(input.take(count)?)
            }
            b'T' | b'B' => {
                let count = input.u32()?;
                Node::Bytes(input.take(count)?)
            }
            0x8e | 0x96 => {
                let count = u64::from_le_bytes(input.array()?);
                Node::Bytes(input.take(count)?)
            }
            _ => return Ok(None),
        }))
    }

    fn protocol(&mut self) -> Result<()> {
        match self.input.byte()? {
            2..=5 => Ok(()),
            _ => Err(self.input.nonsense("the pickle's protocol is none of 2 to 5")),
        }
    }

    fn push(&mut self, node: Node) -> Result<()> {
        let id = self.graph.add(node).map_err(|reason| self.input.nonsense(reason))?;
        self.stack.push(id);
        Ok(())
    }

    fn top(&self) -> Result<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&id) if self.stack.len() > floor => Ok(id),
            _ => Err(self.input.nonsense("the stack is empty")),
        }
    }

    fn pop(&mut self) -> Result<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_several(&mut self, count: usize) -> Result<Vec<Id>> {
        let mut ids = (0..count).map(|_| self.pop()).collect::<Result<Vec<Id>>>()?;
        ids.reverse();
        Ok(ids)
    }

    /// Everything above the last mark, and the mark with it.
    fn above_mark(&mut self) -> Result<Vec<Id>> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => Err(self.input.nonsense("there is no mark")),
        }
    }

    fn remember(&mut self, opcode: u8) -> Result<()> {
        let place = match opcode {
            b'q' => self.input.byte()?.into(),
            b'r' => self.input.u32()?,
            _ => self.memo.len() as u64,
        };
        let top = self.top()?;
        self.memo.insert(place, top);
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Result<()> {
        let place = if opcode == b'h' { self.input.byte()?.into() } else { self.input.u32()? };
        match self.memo.get(&place) {
            Some(&id) => {
                self.stack.push(id);
                Ok(())
            }
            None => Err(self.input.nonsense("a value is recalled that was never kept")),
        }
    }

    fn class(&mut self, opcode: u8) -> Result<()> {
        let class = if opcode == b'c' {
            let module = self.input.line()?;
            format!("{module}.{}", self.input.line()?)
        } else {
            let ids = self.pop_several(2)?;
            match (self.graph.name(ids[0]), self.graph.name(ids[1])) {
                (Some(module), Some(name)) => format!("{module}.{name}"),
                _ => return Err(self.input.nonsense("a class has no name")),
            }
        };
        if !is_known(&class) {
            self.graph.foreign.insert(class.clone());
        }
        self.push(Node::Class(class))?;
        Ok(())
    }

    fn call(&mut self, opcode: u8) -> Result<()> {
        // NEWOBJ_EX has keywords on top, which only classes that are not built are given.
        if opcode == 0x92 {
            self.pop()?;
        }
        let ids = self.pop_several(2)?;
        let Node::Class(class) = self.graph.nodes[ids[0]].clone() else {
            return Err(self.input.nonsense("something is called that is no class"));
        };
        let made =
            call(&mut self.graph, &class, ids[1]).map_err(|reason| self.input.nonsense(reason))?;
        self.stack.push(made);
        Ok(())
    }

    fn give_state(&mut self) -> Result<()> {
        let state = self.pop()?;
        let target = self.top()?;
        match &mut self.graph.nodes[target] {
            Node::Object(object) => object.state = Some(state),
            // Attributes of an ordered dictionary (`_metadata`) or of a parameter.
            Node::Map(_) | Node::Tensor(_) => {}
            _ => return Err(self.input.nonsense("a state is given to something that has none")),
        }
        Ok(())
    }

    fn extend(&mut self, more: Vec<Id>) -> Result<()> {
        let target = self.top()?;
        match &mut self.graph.nodes[target] {
            Node::List(ids) | Node::Set(ids) => ids.extend(more),
            Node::Object(object) => object.elements.extend(more),
            _ => return Err(self.input.nonsense("elements are added to something that has none")),
        }
        Ok(())
    }

    fn insert(&mut self, flat: &[Id]) -> Result<()> {
        let (pairs, []) = flat.as_chunks::<2>() else {
            return Err(self.input.nonsense("a key has no value"));
        };
        let more = pairs.iter().map(|&[key, value]| (key, value));
        let target = self.top()?;
        match &mut self.graph.nodes[target] {
            Node::Map(pairs) => pairs.extend(more),
            Node::Object(object) => object.entries.extend(more),
            _ => return Err(self.input.nonsense("entries are added to something that has none")),
        }
        Ok(())
    }
}

/// An integer of any length, little-endian two's complement.
fn integer(bytes: Vec<u8>) -> Node {
    if bytes.len() > 8 {
        return Node::Long(bytes);
    }
    let sign = if bytes.last().is_some_and(|&byte| byte >= 0x80) { 0xff } else { 0 };
    let mut all = [sign; 8];
    all[..bytes.len()].copy_from_slice(&bytes);
    Node::Int(i64::from_le_bytes(all))
}
