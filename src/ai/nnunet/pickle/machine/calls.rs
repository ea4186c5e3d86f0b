//! What the few names that may be called make, and what a state sets: plain data.

use super::super::{Id, Known, PickleError, TensorPlace, Value};
use super::{MEMORY_LIMIT, Machine, STACK, TOO_MANY, signed, size};

/// The most arguments of what is called; a tensor has seven.
const ARGUMENT_LIMIT: usize = 16;

impl Machine<'_> {
    fn list(&self, id: Id) -> Result<&[Id], PickleError> {
        match &self.values[id] {
            Value::List(list) => Ok(list),
            _ => Err(STACK),
        }
    }

    pub(super) fn call(&mut self, callable: Id, arguments: Id) -> Result<Value, PickleError> {
        let Value::Known(known) = self.values[callable] else {
            return Err(PickleError::Refused("a value that is called".to_owned()));
        };
        let list = self.list(arguments)?;
        if list.len() > ARGUMENT_LIMIT {
            return Err(PickleError::Damaged("a known name is called with too many arguments"));
        }
        // One text may be given again and again.
        self.copied += list.iter().map(|id| size(&self.values[*id])).sum::<usize>();
        if self.copied > MEMORY_LIMIT {
            return Err(TOO_MANY);
        }
        let arguments: Vec<&Value> = self.list(arguments)?.iter().map(|id| &self.values[*id]).collect();
        match (known, arguments.as_slice()) {
            (Known::OrderedDict, []) => Ok(Value::Dict(Vec::new())),
            (Known::OrderedDict, [Value::List(pairs)]) => {
                let pair = |id: &Id| match self.values.get(*id) {
                    Some(Value::List(pair)) if pair.len() == 2 => Ok((pair[0], pair[1])),
                    _ => Err(STACK),
                };
                Ok(Value::Dict(pairs.iter().map(pair).collect::<Result<_, _>>()?))
            }
            (Known::RebuildTensor, [storage, offset, shape, strides, ..]) => {
                self.tensor(storage, offset, shape, strides)
            }
            // A tensor, whether it is trained, and hooks.
            (Known::RebuildParameter, [Value::Tensor(place), ..]) => Ok(Value::Tensor(place.clone())),
            (Known::NumpyScalar, [Value::Dtype(code), Value::Bytes(bytes)]) => Ok(numpy_scalar(code, bytes)),
            (Known::NumpyDtype, [Value::Text(code), ..]) => Ok(Value::Dtype(code.clone())),
            (Known::CodecsEncode, [Value::Text(text), Value::Text(_)]) => {
                // Latin-1: one byte a character.
                let byte = |c: char| u8::try_from(u32::from(c));
                text.chars().map(byte).collect::<Result<_, _>>().map(Value::Bytes).map_err(|_| STACK)
            }
            (Known::CodecsEncode, [Value::Bytes(bytes), ..]) => Ok(Value::Bytes(bytes.clone())),
            (Known::Device | Known::NumpyReconstruct | Known::NumpyScalar, _) => Ok(Value::Other),
            _ => Err(PickleError::Damaged("a known name is called in an unknown way")),
        }
    }

    /// Sets the state of the value below: only of what was made by a known name.
    pub(super) fn build(&mut self) -> Result<(), PickleError> {
        let state = self.pop()?;
        let id = self.top()?;
        match &self.values[id] {
            // `_metadata` of a state dictionary, the byte order of a numpy type, an array's data.
            Value::Dict(_) | Value::Other => Ok(()),
            Value::Dtype(code) => {
                let order = self.list(state).ok().and_then(|state| state.get(1)).map(|id| &self.values[*id]);
                if matches!(order, Some(Value::Text(order)) if order == ">") && !code.starts_with('>') {
                    let code = format!(">{code}");
                    self.values[id] = Value::Dtype(code);
                }
                Ok(())
            }
            _ => Err(PickleError::Damaged("it sets the state of a plain value")),
        }
    }

    pub(super) fn storage(&self, id: Id) -> Result<Value, PickleError> {
        let items: Vec<&Value> = self.list(id)?.iter().map(|id| &self.values[*id]).collect();
        match items.as_slice() {
            [
                Value::Text(word),
                Value::Known(Known::Storage(scalar)),
                Value::Text(key),
                _,
                Value::Int(len),
                ..,
            ] if word == "storage" => {
                let len = usize::try_from(*len).map_err(|_| PickleError::Damaged("a storage has no size"))?;
                Ok(Value::Storage { scalar: *scalar, key: key.clone(), len })
            }
            _ => Err(PickleError::Damaged("it refers to something that is no storage")),
        }
    }

    fn tensor(
        &self,
        storage: &Value,
        offset: &Value,
        shape: &Value,
        strides: &Value,
    ) -> Result<Value, PickleError> {
        const ODD: PickleError = PickleError::Damaged("a tensor's description is not usable");
        let size = |value: &Value| match value {
            Value::Int(size) => usize::try_from(*size).map_err(|_| ODD),
            _ => Err(ODD),
        };
        let sizes = |value: &Value| -> Result<Vec<usize>, PickleError> {
            match value {
                Value::List(ids) if ids.len() <= 8 => ids.iter().map(|id| size(&self.values[*id])).collect(),
                _ => Err(ODD),
            }
        };
        let Value::Storage { scalar, key, len } = storage else { return Err(ODD) };
        Ok(Value::Tensor(TensorPlace {
            scalar: *scalar,
            key: key.clone(),
            storage: *len,
            offset: size(offset)?,
            shape: sizes(shape)?,
            strides: sizes(strides)?,
        }))
    }
}

fn numpy_scalar(code: &str, bytes: &[u8]) -> Value {
    match (code, bytes) {
        ("f8", bytes) => {
            bytes.first_chunk().map_or(Value::Other, |bytes| Value::Float(f64::from_le_bytes(*bytes)))
        }
        ("f4", bytes) => {
            let value = |bytes: &[u8; 4]| Value::Float(f64::from(f32::from_le_bytes(*bytes)));
            bytes.first_chunk().map_or(Value::Other, value)
        }
        ("b1", [byte]) => Value::Bool(*byte != 0),
        ("i1" | "i2" | "i4" | "i8", bytes) if bytes.len() <= 8 => Value::Int(signed(bytes)),
        _ => Value::Other,
    }
}
