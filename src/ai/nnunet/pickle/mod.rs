//! Python pickles as data: a reader for protocols 2 to 5 that executes nothing.
//!
//! A pickle is a program for a small stack machine which may call any Python function. This reader
//! knows the stack machine and a short list of names ([`Known`]); every other name is refused before
//! anything else happens. Values live in one arena and refer to each other by number, so neither
//! cycles nor nesting can exhaust the stack. Source: CPython's `pickletools`.

mod machine;
mod recalled;
#[cfg(test)]
mod tests;

use self::machine::Machine;

/// The number of a value in its [`Pickle`].
pub(super) type Id = usize;

/// The names that a checkpoint may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Scalar),
    Device,
    NumpyScalar,
    NumpyReconstruct,
    NumpyArray,
    NumpyDtype,
    CodecsEncode,
}

/// What a storage's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    F64,
    F32,
    F16,
    Bf16,
    /// Whole numbers of so many bytes: counters, which a network does not need.
    Whole(usize),
}

impl Scalar {
    /// Bytes of one value.
    pub(super) fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Whole(size) => size,
        }
    }
}

/// A tensor: which part of which storage.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TensorPlace {
    pub scalar: Scalar,
    /// The storage's name in the archive.
    pub key: String,
    /// Values in the storage.
    pub storage: usize,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// Lists, tuples and sets.
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Known(Known),
    Storage {
        scalar: Scalar,
        key: String,
        len: usize,
    },
    Tensor(TensorPlace),
    /// A numpy type by its code, such as `f8`.
    Dtype(String),
    /// Data that no network needs: a number of a training log, an array of it, a device.
    Other,
}

/// Why a pickle was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PickleError {
    /// It names something that is not plain data.
    Refused(String),
    /// It is not what it should be.
    Damaged(&'static str),
}

/// What a pickle holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pickle {
    values: Vec<Value>,
    root: Id,
}

impl Pickle {
    /// Reads one pickle from the start of `bytes`.
    ///
    /// # Errors
    /// [`PickleError`] on the first thing that is not allowed or not understood.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, PickleError> {
        let (values, root) = Machine::new(bytes).run()?;
        Ok(Self { values, root })
    }

    /// The outermost value.
    pub(super) fn root(&self) -> &Value {
        self.value(self.root)
    }

    /// The value of this number.
    pub(super) fn value(&self, id: Id) -> &Value {
        self.values.get(id).unwrap_or(&Value::None)
    }

    /// The entry `key` of a dictionary.
    pub(super) fn entry(&self, dict: &Value, key: &str) -> Option<&Value> {
        let Value::Dict(entries) = dict else { return None };
        let is_it = |id: Id| matches!(self.value(id), Value::Text(text) if text == key);
        // The last one counts, as in Python.
        entries.iter().rev().find(|(name, _)| is_it(*name)).map(|(_, value)| self.value(*value))
    }

    /// The entries of a dictionary whose keys are texts.
    pub(super) fn entries<'a>(&'a self, dict: &'a Value) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let entries = if let Value::Dict(entries) = dict { entries.as_slice() } else { &[] };
        entries.iter().filter_map(|(name, value)| match self.value(*name) {
            Value::Text(text) => Some((text.as_str(), self.value(*value))),
            _ => None,
        })
    }
}

/// The whole list of what is allowed.
fn known(module: &str, name: &str) -> Result<Known, PickleError> {
    let numpy = matches!(module, "numpy.core.multiarray" | "numpy._core.multiarray");
    Ok(match (module, name) {
        ("collections", "OrderedDict") => Known::OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2") => Known::RebuildTensor,
        ("torch._utils", "_rebuild_parameter") => Known::RebuildParameter,
        ("torch", "DoubleStorage") => Known::Storage(Scalar::F64),
        ("torch", "FloatStorage") => Known::Storage(Scalar::F32),
        ("torch", "HalfStorage") => Known::Storage(Scalar::F16),
        ("torch", "BFloat16Storage") => Known::Storage(Scalar::Bf16),
        ("torch", "LongStorage") => Known::Storage(Scalar::Whole(8)),
        ("torch", "IntStorage") => Known::Storage(Scalar::Whole(4)),
        ("torch", "ShortStorage") => Known::Storage(Scalar::Whole(2)),
        ("torch", "CharStorage" | "ByteStorage" | "BoolStorage") => Known::Storage(Scalar::Whole(1)),
        ("torch", "device") => Known::Device,
        (_, "scalar") if numpy => Known::NumpyScalar,
        (_, "_reconstruct") if numpy => Known::NumpyReconstruct,
        ("numpy", "ndarray") => Known::NumpyArray,
        ("numpy", "dtype") => Known::NumpyDtype,
        ("_codecs", "encode") => Known::CodecsEncode,
        _ => return Err(PickleError::Refused(format!("{module}.{name}"))),
    })
}
