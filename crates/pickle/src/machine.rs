//! The stack machine that a pickle is a program for.

use std::collections::HashMap;

use crate::reader::Reader;
use crate::value::{Global, Id, Value};
use crate::{Element, Fault, PickleError};

/// The state between two instructions.
#[derive(Default)]
pub(crate) struct Machine {
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<usize, Id>,
    /// Bytes that may still be made of texts: as many as the pickle has.
    encodable: usize,
}

impl Machine {
    /// All values of a program and which of them it leaves.
    pub(crate) fn run(bytes: &[u8]) -> Result<(Vec<Value>, Id), PickleError> {
        let mut reader = Reader::new(bytes);
        let mut machine = Self { encodable: bytes.len(), ..Self::default() };
        loop {
            let at = reader.at();
            match machine.step(&mut reader) {
                Ok(None) => {}
                Ok(Some(root)) => return Ok((machine.values, root)),
                Err(fault) => return Err(PickleError { at, fault }),
            }
        }
    }

    /// One instruction; the last returns the result.
    fn step(&mut self, reader: &mut Reader<'_>) -> Result<Option<Id>, Fault> {
        let [code] = reader.array()?;
        match code {
            b'.' => return self.pop().map(Some),
            0x80 => drop(reader.take(1)?), // PROTO
            0x95 => drop(reader.take(8)?), // FRAME
            b'(' => self.marks.push(self.stack.len()),
            b'q' => self.remember(reader.unsigned::<1>()?)?,
            b'r' => self.remember(reader.unsigned::<4>()?)?,
            0x94 => self.remember(self.memo.len())?, // MEMOIZE
            b'h' => self.recall(reader.unsigned::<1>()?)?,
            b'j' => self.recall(reader.unsigned::<4>()?)?,
            b'a' | b'e' | 0x90 => self.extend(code)?,
            b's' | b'u' => self.insert(code)?,
            b'R' => self.reduce()?,
            b'b' => self.build()?,
            b'c' | 0x93 => self.name(code, reader)?,
            b')' | b't' | 0x85..=0x87 => self.tuple(code)?,
            _ => {
                let value = constant(code, reader)?;
                self.push(value);
            }
        }
        Ok(None)
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn pop(&mut self) -> Result<Id, Fault> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(Fault::Operands);
        }
        self.stack.pop().ok_or(Fault::Operands)
    }

    /// What lies above the last mark, which is taken away.
    fn above_mark(&mut self) -> Result<Vec<Id>, Fault> {
        let mark = self.marks.pop().ok_or(Fault::Operands)?;
        Ok(self.stack.split_off(mark))
    }

    fn top(&mut self) -> Result<&mut Value, Fault> {
        let id = *self.stack.last().ok_or(Fault::Operands)?;
        Ok(&mut self.values[id])
    }

    fn remember(&mut self, number: usize) -> Result<(), Fault> {
        let id = *self.stack.last().ok_or(Fault::Operands)?;
        self.memo.insert(number, id);
        Ok(())
    }

    fn recall(&mut self, number: usize) -> Result<(), Fault> {
        self.stack.push(*self.memo.get(&number).ok_or(Fault::Memo(number))?);
        Ok(())
    }

    /// APPEND, APPENDS, ADDITEMS.
    fn extend(&mut self, code: u8) -> Result<(), Fault> {
        let new = if code == b'a' { vec![self.pop()?] } else { self.above_mark()? };
        match self.top()? {
            Value::Sequence(members) => members.extend(new),
            _ => return Err(Fault::Operands),
        }
        Ok(())
    }

    /// SETITEM, SETITEMS.
    fn insert(&mut self, code: u8) -> Result<(), Fault> {
        let new = if code == b's' {
            let value = self.pop()?;
            vec![self.pop()?, value]
        } else {
            self.above_mark()?
        };
        let (pairs, rest) = new.as_chunks::<2>();
        match self.top()? {
            Value::Dictionary(entries) if rest.is_empty() => {
                entries.extend(pairs.iter().map(|&[key, value]| (key, value)));
            }
            _ => return Err(Fault::Operands),
        }
        Ok(())
    }

    fn tuple(&mut self, code: u8) -> Result<(), Fault> {
        let members = match code {
            b')' => Vec::new(),
            b't' => self.above_mark()?,
            _ => {
                let n = usize::from(code - 0x84); // TUPLE1, TUPLE2, TUPLE3
                let floor = self.marks.last().copied().unwrap_or(0);
                let start = self.stack.len().checked_sub(n).filter(|start| floor <= *start);
                self.stack.split_off(start.ok_or(Fault::Operands)?)
            }
        };
        self.push(Value::Sequence(members));
        Ok(())
    }

    /// GLOBAL, STACK_GLOBAL.
    fn name(&mut self, code: u8, reader: &mut Reader<'_>) -> Result<(), Fault> {
        let [module, name] = if code == b'c' {
            [reader.line()?.to_owned(), reader.line()?.to_owned()]
        } else {
            let name = self.pop()?;
            let module = self.pop()?;
            [self.text(module)?.to_owned(), self.text(name)?.to_owned()]
        };
        let global = match (module.as_str(), name.as_str()) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("_codecs", "encode") => Global::Encode,
            ("numpy", "dtype") => Global::Element,
            ("numpy", "ndarray") => Global::Array,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Global::Scalar,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
                Global::Reconstruct
            }
            _ => return Err(Fault::Global { module, name }),
        };
        self.push(Value::Global(global));
        Ok(())
    }

    /// Calls a name with a tuple.
    fn reduce(&mut self) -> Result<(), Fault> {
        let arguments = self.pop()?;
        let callee = self.pop()?;
        let Value::Global(global) = self.values[callee] else { return Err(Fault::Operands) };
        let arguments = self.few(arguments)?.to_vec();
        let value = match (global, arguments.as_slice()) {
            (Global::OrderedDict, []) => Value::Dictionary(Vec::new()),
            (Global::Encode, &[text, _]) => Value::Bytes(self.encode(text)?),
            (Global::Element, &[code, ..]) => Value::Element(Element::of(self.text(code)?)?),
            (Global::Scalar, &[element, bytes]) => {
                self.element(element)?.scalar(self.bytes(bytes)?)?
            }
            (Global::Reconstruct, &[class, ..])
                if self.values[class] == Value::Global(Global::Array) =>
            {
                self.values.push(Value::Bytes(Vec::new()));
                let bytes = self.values.len() - 1;
                Value::Array { shape: vec![0], element: Element::Unsigned(1), bytes }
            }
            _ => return Err(Fault::Operands),
        };
        self.push(value);
        Ok(())
    }

    /// Sets the state of NumPy's types and arrays.
    fn build(&mut self) -> Result<(), Fault> {
        let state = self.pop()?;
        let state = self.few(state)?.to_vec();
        let built = match (self.top()?.clone(), state.as_slice()) {
            (Value::Element(element), &[_, order, ..]) => match self.text(order)? {
                "<" | "|" => Value::Element(element),
                _ => return Err(Fault::Order),
            },
            (Value::Array { .. }, &[_, shape, element, order, bytes]) => {
                if self.values[order] != Value::Bool(false) {
                    return Err(Fault::Order);
                }
                self.array(shape, element, bytes)?
            }
            _ => return Err(Fault::Operands),
        };
        *self.top()? = built;
        Ok(())
    }

    fn array(&self, shape: Id, element: Id, bytes: Id) -> Result<Value, Fault> {
        let side = |&id: &Id| match self.values[id] {
            Value::Integer(side) => usize::try_from(side).map_err(|_| Fault::Operands),
            _ => Err(Fault::Operands),
        };
        let shape: Vec<usize> = self.few(shape)?.iter().map(side).collect::<Result<_, _>>()?;
        let element = self.element(element)?;
        let size = shape.iter().try_fold(element.size(), |n, &side| n.checked_mul(side));
        if size != Some(self.bytes(bytes)?.len()) {
            return Err(Fault::Operands);
        }
        Ok(Value::Array { shape, element, bytes })
    }

    /// The bytes that protocol 2 writes as a text. Each is made once; a pickle that has the same text
    /// encoded over and over is stopped.
    fn encode(&mut self, text: Id) -> Result<Vec<u8>, Fault> {
        let text = self.text(text)?;
        let rest = self.encodable.checked_sub(text.len()).ok_or(Fault::Operands)?;
        let byte = |c: char| u8::try_from(c).map_err(|_| Fault::Text);
        let bytes = text.chars().map(byte).collect();
        self.encodable = rest;
        bytes
    }

    fn text(&self, id: Id) -> Result<&str, Fault> {
        match &self.values[id] {
            Value::Text(text) => Ok(text),
            _ => Err(Fault::Operands),
        }
    }

    fn bytes(&self, id: Id) -> Result<&[u8], Fault> {
        match &self.values[id] {
            Value::Bytes(bytes) => Ok(bytes),
            // Numbers that Python 2 wrote as a `str` and that happen to be ASCII.
            Value::Text(text) if text.is_ascii() => Ok(text.as_bytes()),
            _ => Err(Fault::Operands),
        }
    }

    fn members(&self, id: Id) -> Result<&[Id], Fault> {
        match &self.values[id] {
            Value::Sequence(members) => Ok(members),
            _ => Err(Fault::Operands),
        }
    }

    /// The members of a tuple that is copied: no more than NumPy has dimensions.
    fn few(&self, id: Id) -> Result<&[Id], Fault> {
        const MOST: usize = 64;
        self.members(id)
            .and_then(|ids| if ids.len() <= MOST { Ok(ids) } else { Err(Fault::Operands) })
    }

    fn element(&self, id: Id) -> Result<Element, Fault> {
        match self.values[id] {
            Value::Element(element) => Ok(element),
            _ => Err(Fault::Operands),
        }
    }
}

/// An instruction that makes a value of the bytes behind it.
fn constant(code: u8, reader: &mut Reader<'_>) -> Result<Value, Fault> {
    let text = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).map_err(|_| Fault::Text)?;
        Ok(Value::Text(text.to_owned()))
    };
    Ok(match code {
        b'N' => Value::None,
        0x88 => Value::Bool(true),
        0x89 => Value::Bool(false),
        b'K' => Value::Integer(reader.unsigned::<1>()? as i64),
        b'M' => Value::Integer(reader.unsigned::<2>()? as i64),
        b'J' => Value::Integer(i64::from(i32::from_le_bytes(reader.array()?))),
        0x8a => Value::Integer(long(reader.counted::<1>()?)?),
        b'G' => Value::Float(f64::from_be_bytes(reader.array()?)),
        0x8c => text(reader.counted::<1>()?)?,
        b'X' => text(reader.counted::<4>()?)?,
        0x8d => text(reader.counted::<8>()?)?,
        b'U' => of_python_2(reader.counted::<1>()?),
        b'T' => of_python_2(reader.counted::<4>()?),
        b'C' => Value::Bytes(reader.counted::<1>()?.to_vec()),
        b'B' => Value::Bytes(reader.counted::<4>()?.to_vec()),
        0x8e => Value::Bytes(reader.counted::<8>()?.to_vec()),
        b']' | 0x8f => Value::Sequence(Vec::new()),
        b'}' => Value::Dictionary(Vec::new()),
        _ => return Err(Fault::Instruction(code)),
    })
}

/// A `str` of Python 2, which is a text or bytes.
fn of_python_2(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Value::Text(text.to_owned()),
        _ => Value::Bytes(bytes.to_vec()),
    }
}

/// A number in two's complement, little-endian.
fn long(bytes: &[u8]) -> Result<i64, Fault> {
    if 8 < bytes.len() {
        return Err(Fault::Operands);
    }
    let sign = bytes.last().map_or(0, |&top| if top < 0x80 { 0 } else { -1 });
    Ok(bytes.iter().rev().fold(sign, |n: i64, &byte| (n << 8) | i64::from(byte)))
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
