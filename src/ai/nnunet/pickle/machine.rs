//! The stack machine: one instruction after another, onto a stack of numbers of values.

use super::{Id, Known, PickleError, TensorPlace, Value, known};
use std::collections::BTreeMap;

/// The most values that are made.
const VALUE_LIMIT: usize = 2 << 20;
/// The most memory that texts and lists take, bytes.
const MEMORY_LIMIT: usize = 256 << 20;

enum Slot {
    Value(Id),
    Mark,
}

pub(super) struct Machine<'a> {
    rest: &'a [u8],
    values: Vec<Value>,
    stack: Vec<Slot>,
    memo: BTreeMap<u32, Id>,
    /// Memory that texts and lists have taken, bytes.
    spent: usize,
}

const TRUNCATED: PickleError = PickleError::Damaged("it is truncated");
const STACK: PickleError = PickleError::Damaged("its stack does not add up");

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, values: Vec::new(), stack: Vec::new(), memo: BTreeMap::new(), spent: 0 }
    }

    /// Runs the program; gives all values and the number of the one it ends with.
    pub(super) fn run(mut self) -> Result<(Vec<Value>, Id), PickleError> {
        let root = self.steps()?;
        Ok((self.values, root))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], PickleError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(taken)
    }

    fn unsigned(&mut self, size: usize) -> Result<usize, PickleError> {
        let value = self.take(size)?.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        usize::try_from(value).map_err(|_| TRUNCATED)
    }

    fn line(&mut self) -> Result<&'a str, PickleError> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').ok_or(TRUNCATED)?;
        let line = self.take(end + 1)?;
        std::str::from_utf8(&line[..end]).map_err(|_| PickleError::Damaged("a name is not text"))
    }

    fn text(&mut self, size: usize) -> Result<(), PickleError> {
        let length = self.unsigned(size)?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.push(Value::Text(text))
    }

    fn bytes(&mut self, size: usize) -> Result<(), PickleError> {
        let length = self.unsigned(size)?;
        let bytes = self.take(length)?.to_vec();
        self.push(Value::Bytes(bytes))
    }

    fn push(&mut self, value: Value) -> Result<(), PickleError> {
        self.spent += match &value {
            Value::Text(text) | Value::Dtype(text) | Value::Storage { key: text, .. } => text.len(),
            Value::Tensor(place) => place.key.len() + 128,
            Value::Bytes(bytes) => bytes.len(),
            Value::List(ids) => 8 * ids.len(),
            Value::Dict(pairs) => 16 * pairs.len(),
            _ => 0,
        };
        if self.values.len() >= VALUE_LIMIT || self.spent > MEMORY_LIMIT {
            return Err(PickleError::Damaged("it holds too many values"));
        }
        self.values.push(value);
        self.stack.push(Slot::Value(self.values.len() - 1));
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        match self.stack.pop() {
            Some(Slot::Value(id)) => Ok(id),
            _ => Err(STACK),
        }
    }

    fn top(&self) -> Result<Id, PickleError> {
        match self.stack.last() {
            Some(Slot::Value(id)) => Ok(*id),
            _ => Err(STACK),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let mark = self.stack.iter().rposition(|slot| matches!(slot, Slot::Mark)).ok_or(STACK)?;
        let ids = self.stack.drain(mark..).skip(1);
        Ok(ids.filter_map(|slot| if let Slot::Value(id) = slot { Some(id) } else { None }).collect())
    }

    fn pop_count(&mut self, count: usize) -> Result<Vec<Id>, PickleError> {
        let mut ids: Vec<Id> = (0..count).map(|_| self.pop()).collect::<Result<_, _>>()?;
        ids.reverse();
        Ok(ids)
    }

    fn steps(&mut self) -> Result<Id, PickleError> {
        loop {
            let code = self.take(1)?[0];
            match code {
                b'.' => return self.pop(),
                // Protocol and frame.
                0x80 | 0x95 => {
                    self.take(if code == 0x80 { 1 } else { 8 })?;
                }
                b'(' => self.stack.push(Slot::Mark),
                b'0' => {
                    self.stack.pop().ok_or(STACK)?;
                }
                b'1' => drop(self.pop_to_mark()?),
                b'2' => {
                    let id = self.top()?;
                    self.stack.push(Slot::Value(id));
                }
                b']' | b')' | 0x8f => self.push(Value::List(Vec::new()))?,
                b'l' | b't' | 0x91 => {
                    let items = self.pop_to_mark()?;
                    self.push(Value::List(items))?;
                }
                0x85..=0x87 => {
                    let items = self.pop_count(usize::from(code - 0x84))?;
                    self.push(Value::List(items))?;
                }
                b'a' => {
                    let items = self.pop_count(1)?;
                    self.append(&items)?;
                }
                b'e' | 0x90 => {
                    let items = self.pop_to_mark()?;
                    self.append(&items)?;
                }
                b'}' => self.push(Value::Dict(Vec::new()))?,
                b'd' => {
                    let items = self.pop_to_mark()?;
                    self.push(Value::Dict(Vec::new()))?;
                    self.set_items(&items)?;
                }
                b's' => {
                    let items = self.pop_count(2)?;
                    self.set_items(&items)?;
                }
                b'u' => {
                    let items = self.pop_to_mark()?;
                    self.set_items(&items)?;
                }
                b'q' | b'r' => {
                    let key = self.unsigned(if code == b'q' { 1 } else { 4 })?;
                    self.remember(key)?;
                }
                0x94 => self.remember(self.memo.len())?,
                b'h' | b'j' => {
                    let key = self.unsigned(if code == b'h' { 1 } else { 4 })?;
                    let key = u32::try_from(key).map_err(|_| STACK)?;
                    let id = *self.memo.get(&key).ok_or(STACK)?;
                    self.stack.push(Slot::Value(id));
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.push(Value::Known(known(module, name)?))?;
                }
                // An old way to call by name; nothing that is allowed is written so.
                b'i' => return Err(PickleError::Refused(format!("{}.{}", self.line()?, self.line()?))),
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let (Value::Text(name), Value::Text(module)) = (&self.values[name], &self.values[module])
                    else {
                        return Err(STACK);
                    };
                    let found = known(module, name)?;
                    self.push(Value::Known(found))?;
                }
                b'R' | 0x81 => {
                    let (arguments, callable) = (self.pop()?, self.pop()?);
                    let made = self.call(callable, arguments)?;
                    self.push(made)?;
                }
                b'b' => self.build()?,
                b'Q' => {
                    let id = self.pop()?;
                    let storage = self.storage(id)?;
                    self.push(storage)?;
                }
                other => self.plain(other)?,
            }
        }
    }

    /// Pushes a plain value: nothing, a truth, a number, a text or bytes.
    fn plain(&mut self, code: u8) -> Result<(), PickleError> {
        match code {
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'J' => {
                let bytes = self.take(4)?;
                self.push(Value::Int(signed(bytes)))?;
            }
            b'K' | b'M' => {
                let value = self.unsigned(if code == b'K' { 1 } else { 2 })?;
                self.push(Value::Int(i64::try_from(value).unwrap_or(i64::MAX)))?;
            }
            0x8a | 0x8b => {
                let length = self.unsigned(if code == 0x8a { 1 } else { 4 })?;
                let bytes = self.take(length)?;
                self.push(if length <= 8 { Value::Int(signed(bytes)) } else { Value::Other })?;
            }
            b'G' => {
                let bytes = self.take(8)?.first_chunk::<8>().copied().unwrap_or_default();
                self.push(Value::Float(f64::from_be_bytes(bytes)))?;
            }
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            0x8d => self.text(8)?,
            b'T' => self.text(4)?,
            b'U' => self.text(1)?,
            b'B' => self.bytes(4)?,
            b'C' => self.bytes(1)?,
            0x8e | 0x96 => self.bytes(8)?,
            _ => return Err(PickleError::Damaged("it holds an instruction that no checkpoint needs")),
        }
        Ok(())
    }

    fn remember(&mut self, key: usize) -> Result<(), PickleError> {
        let id = self.top()?;
        self.memo.insert(u32::try_from(key).map_err(|_| STACK)?, id);
        Ok(())
    }

    fn append(&mut self, items: &[Id]) -> Result<(), PickleError> {
        let id = self.top()?;
        let Some(Value::List(list)) = self.values.get_mut(id) else { return Err(STACK) };
        list.extend_from_slice(items);
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), PickleError> {
        let id = self.top()?;
        let Some(Value::Dict(dict)) = self.values.get_mut(id) else { return Err(STACK) };
        dict.extend(items.as_chunks::<2>().0.iter().map(|[key, value]| (*key, *value)));
        Ok(())
    }

    fn list(&self, id: Id) -> Result<&[Id], PickleError> {
        match &self.values[id] {
            Value::List(list) => Ok(list),
            _ => Err(STACK),
        }
    }

    fn call(&self, callable: Id, arguments: Id) -> Result<Value, PickleError> {
        let Value::Known(known) = self.values[callable] else {
            return Err(PickleError::Refused("a value that is called".to_owned()));
        };
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
    fn build(&mut self) -> Result<(), PickleError> {
        let state = self.pop()?;
        let id = self.top()?;
        match &self.values[id] {
            // `_metadata` of a state dictionary, the byte order of a numpy type, an array's data.
            Value::Dict(_) | Value::Other => Ok(()),
            Value::Dtype(code) => {
                let order = self.list(state).ok().and_then(|state| state.get(1)).map(|id| &self.values[*id]);
                if matches!(order, Some(Value::Text(order)) if order == ">") {
                    let code = format!(">{code}");
                    self.values[id] = Value::Dtype(code);
                }
                Ok(())
            }
            _ => Err(PickleError::Damaged("it sets the state of a plain value")),
        }
    }

    fn storage(&self, id: Id) -> Result<Value, PickleError> {
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

/// A little-endian number in two's complement, of at most 8 bytes; 0 for none.
fn signed(bytes: &[u8]) -> i64 {
    let fill = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xFF } else { 0 };
    let mut all = [fill; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(all)
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
