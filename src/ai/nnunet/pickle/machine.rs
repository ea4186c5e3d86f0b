//! The stack machine: one instruction after another, onto a stack of numbers of values.
//!
//! A training log has a numpy number for each class and epoch, each made of a text, bytes and two
//! tuples, and all of them remembered though nothing comes back to them: 2.4 million values of 4000
//! epochs and 117 classes. So a first look finds what is come back to ([`recalled`]), what a number was
//! made of goes when it is made, and all numbers that nobody asks for are one value.

mod calls;

use super::recalled::recalled;
use super::{Id, PickleError, Value, known};
use std::collections::BTreeMap;

/// The most values that are held at once; as many are remembered or on the stack.
const VALUE_LIMIT: usize = 2 << 20;
/// The most memory that texts and lists take, bytes.
const MEMORY_LIMIT: usize = 256 << 20;
/// The value of everything that nobody asks for: floating point numbers, devices, arrays of a log.
const UNASKED: Id = 0;

enum Slot {
    Value {
        id: Id,
        /// How many values there were when it was put here: those from there on were made for what
        /// stands above it.
        above: usize,
    },
    Mark,
}

pub(super) struct Machine<'a> {
    rest: &'a [u8],
    values: Vec<Value>,
    stack: Vec<Slot>,
    memo: BTreeMap<u32, Id>,
    /// How often something was to be remembered.
    remembered: usize,
    /// Whether something comes back to what is remembered under a number, a bit each.
    recalled: Vec<u64>,
    /// The values below this number are remembered or part of others.
    kept: usize,
    /// Memory that texts and lists take, bytes.
    spent: usize,
    /// Bytes that were copied from one value to another.
    copied: usize,
}

const TRUNCATED: PickleError = PickleError::Damaged("it is truncated");
const STACK: PickleError = PickleError::Damaged("its stack does not add up");
const TOO_MANY: PickleError = PickleError::Damaged("it holds too many values");

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            values: vec![Value::Other],
            stack: Vec::new(),
            memo: BTreeMap::new(),
            remembered: 0,
            recalled: recalled(bytes),
            kept: UNASKED + 1,
            spent: 0,
            copied: 0,
        }
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
        if matches!(value, Value::Float(_) | Value::Other) {
            return self.put(UNASKED);
        }
        if self.values.len() >= VALUE_LIMIT {
            return Err(TOO_MANY);
        }
        self.spend(size(&value))?;
        self.values.push(value);
        self.put(self.values.len() - 1)
    }

    /// Puts a value onto the stack.
    fn put(&mut self, id: Id) -> Result<(), PickleError> {
        self.room_for_slot()?;
        self.stack.push(Slot::Value { id, above: self.values.len() });
        Ok(())
    }

    fn mark(&mut self) -> Result<(), PickleError> {
        self.room_for_slot()?;
        self.stack.push(Slot::Mark);
        Ok(())
    }

    fn room_for_slot(&self) -> Result<(), PickleError> {
        if self.stack.len() < VALUE_LIMIT { Ok(()) } else { Err(TOO_MANY) }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), PickleError> {
        self.spent += bytes;
        if self.spent > MEMORY_LIMIT { Err(TOO_MANY) } else { Ok(()) }
    }

    /// Lets go of the values from this number on, but for those that are remembered or part of others.
    fn release(&mut self, from: usize) {
        let from = from.max(self.kept).min(self.values.len());
        let freed: usize = self.values.drain(from..).map(|value| size(&value)).sum();
        self.spent = self.spent.saturating_sub(freed);
    }

    /// Holds on to these values for as long as the pickle is read.
    fn keep(&mut self, ids: &[Id]) {
        self.kept = ids.iter().fold(self.kept, |kept, id| kept.max(id + 1));
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        self.pop_slot().map(|(id, _)| id)
    }

    /// The uppermost value, and the number from which on values were made for what stood above it.
    fn pop_slot(&mut self) -> Result<(Id, usize), PickleError> {
        match self.stack.pop() {
            Some(Slot::Value { id, above }) => Ok((id, above)),
            _ => Err(STACK),
        }
    }

    fn top(&self) -> Result<Id, PickleError> {
        match self.stack.last() {
            Some(Slot::Value { id, .. }) => Ok(*id),
            _ => Err(STACK),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let mark = self.stack.iter().rposition(|slot| matches!(slot, Slot::Mark)).ok_or(STACK)?;
        let ids = self.stack.drain(mark..).skip(1);
        Ok(ids.filter_map(|slot| if let Slot::Value { id, .. } = slot { Some(id) } else { None }).collect())
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
                b'(' => self.mark()?,
                b'0' => {
                    self.stack.pop().ok_or(STACK)?;
                }
                b'1' => drop(self.pop_to_mark()?),
                b'2' => {
                    let id = self.top()?;
                    self.put(id)?;
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
                0x94 => self.remember(self.remembered)?,
                b'h' | b'j' => {
                    let key = self.unsigned(if code == b'h' { 1 } else { 4 })?;
                    let key = u32::try_from(key).map_err(|_| STACK)?;
                    let id = *self.memo.get(&key).ok_or(STACK)?;
                    self.put(id)?;
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
                    let arguments = self.pop()?;
                    let (callable, above) = self.pop_slot()?;
                    let made = self.call(callable, arguments)?;
                    if is_number(&made) {
                        self.release(above);
                    }
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
        self.remembered += 1;
        if self.recalled.get(key / 64).is_some_and(|bits| bits >> (key % 64) & 1 == 1) {
            if self.memo.len() >= VALUE_LIMIT {
                return Err(TOO_MANY);
            }
            self.keep(&[id]);
            self.memo.insert(u32::try_from(key).map_err(|_| STACK)?, id);
        }
        Ok(())
    }

    fn append(&mut self, items: &[Id]) -> Result<(), PickleError> {
        let id = self.top()?;
        self.spend(size_of_val(items))?;
        self.keep(items);
        let Some(Value::List(list)) = self.values.get_mut(id) else { return Err(STACK) };
        list.extend_from_slice(items);
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), PickleError> {
        let id = self.top()?;
        self.spend(size_of_val(items))?;
        self.keep(items);
        let Some(Value::Dict(dict)) = self.values.get_mut(id) else { return Err(STACK) };
        dict.extend(items.as_chunks::<2>().0.iter().map(|[key, value]| (*key, *value)));
        Ok(())
    }
}

/// Memory that a value takes beside itself, bytes.
fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) | Value::Dtype(text) | Value::Storage { key: text, .. } => text.len(),
        Value::Tensor(place) => place.key.len() + 128,
        Value::Bytes(bytes) => bytes.len(),
        Value::List(ids) => size_of::<Id>() * ids.len(),
        Value::Dict(pairs) => size_of::<(Id, Id)>() * pairs.len(),
        _ => 0,
    }
}

/// Whether a value holds no others and names none: what it was made of can go.
fn is_number(value: &Value) -> bool {
    matches!(value, Value::Other | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Bytes(_))
}

/// A little-endian number in two's complement, of at most 8 bytes; 0 for none.
fn signed(bytes: &[u8]) -> i64 {
    let fill = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xFF } else { 0 };
    let mut all = [fill; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(all)
}
