//! Element types as safetensors files name them.

use std::fmt;

/// The type of a tensor's elements.
///
/// These are the types that PyTorch and safetensors share and that a diffusion checkpoint holds; a
/// file with any other is refused by name. The bytes of an element are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dtype {
    /// One byte, 0 or 1; any other byte in a file is refused.
    Bool,
    /// Unsigned 8-bit integer.
    U8,
    /// Signed 8-bit integer.
    I8,
    /// Signed 16-bit integer.
    I16,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of an IEEE 754 single ("brain float").
    Bf16,
    /// Signed 32-bit integer.
    I32,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 double precision.
    F64,
    /// Signed 64-bit integer.
    I64,
}

impl Dtype {
    /// Every type, in the order of the enum.
    ///
    /// That order is the one in which the reference implementation of safetensors ranks them; files
    /// are laid out by descending rank, so every tensor starts at a multiple of its element size.
    pub const ALL: [Dtype; 10] = [
        Dtype::Bool,
        Dtype::U8,
        Dtype::I8,
        Dtype::I16,
        Dtype::F16,
        Dtype::Bf16,
        Dtype::I32,
        Dtype::F32,
        Dtype::F64,
        Dtype::I64,
    ];

    /// Bytes of one element: 1, 2, 4 or 8.
    pub fn size(self) -> usize {
        match self {
            Dtype::Bool | Dtype::U8 | Dtype::I8 => 1,
            Dtype::I16 | Dtype::F16 | Dtype::Bf16 => 2,
            Dtype::I32 | Dtype::F32 => 4,
            Dtype::F64 | Dtype::I64 => 8,
        }
    }

    /// The name in a safetensors header, for example `BF16`.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::Bool => "BOOL",
            Dtype::U8 => "U8",
            Dtype::I8 => "I8",
            Dtype::I16 => "I16",
            Dtype::F16 => "F16",
            Dtype::Bf16 => "BF16",
            Dtype::I32 => "I32",
            Dtype::F32 => "F32",
            Dtype::F64 => "F64",
            Dtype::I64 => "I64",
        }
    }

    /// The type of that name, exactly as [`Dtype::name`] spells it.
    pub fn from_name(name: &str) -> Option<Dtype> {
        Dtype::ALL.into_iter().find(|dtype| dtype.name() == name)
    }

    /// Whether the elements are floating-point numbers.
    pub fn is_float(self) -> bool {
        matches!(self, Dtype::F16 | Dtype::Bf16 | Dtype::F32 | Dtype::F64)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
