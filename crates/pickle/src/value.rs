//! Values, each stored once, and how to look at them.

use crate::machine::Machine;
use crate::{Element, PickleError};

/// The place of a value.
pub(crate) type Id = usize;

/// A value; those within it are places of others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// Lists, tuples and sets.
    Sequence(Vec<Id>),
    Dictionary(Vec<(Id, Id)>),
    Element(Element),
    Array {
        shape: Vec<usize>,
        element: Element,
        bytes: Id,
    },
    /// One of the few names that are known.
    Global(Global),
}

/// What a pickle may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Global {
    OrderedDict,
    Encode,
    Element,
    Scalar,
    Array,
    Reconstruct,
}

/// All values of a pickle.
#[derive(Clone, Debug)]
pub struct Pickle {
    values: Vec<Value>,
    root: Id,
}

impl Pickle {
    /// Reads a pickle.
    ///
    /// # Errors
    ///
    /// If it is truncated, or has an instruction or a name that does not make plain values.
    pub fn read(bytes: &[u8]) -> Result<Self, PickleError> {
        let (values, root) = Machine::run(bytes)?;
        Ok(Self { values, root })
    }

    /// The value that was pickled.
    pub fn root(&self) -> Item<'_> {
        Item { pickle: self, id: self.root }
    }
}

/// A value of a pickle.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    pickle: &'a Pickle,
    id: Id,
}

/// An array in the order of C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Array<'a> {
    /// Its dimensions.
    pub shape: &'a [usize],
    /// The type of its numbers.
    pub element: Element,
    /// Its numbers, little-endian.
    pub bytes: &'a [u8],
}

impl<'a> Item<'a> {
    fn value(self) -> &'a Value {
        &self.pickle.values[self.id]
    }

    fn at(self, id: Id) -> Self {
        Self { id, ..self }
    }

    /// A whole number.
    pub fn integer(self) -> Option<i64> {
        match self.value() {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// A number, whole or not.
    pub fn number(self) -> Option<f64> {
        match self.value() {
            Value::Float(number) => Some(*number),
            Value::Integer(number) => Some(*number as f64),
            _ => None,
        }
    }

    /// A text.
    pub fn text(self) -> Option<&'a str> {
        match self.value() {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Bytes, or the text that Python 2 made of them.
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self.value() {
            Value::Bytes(bytes) => Some(bytes),
            Value::Text(text) if text.is_ascii() => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// The members of a list, a tuple or a set.
    pub fn members(self) -> Option<impl ExactSizeIterator<Item = Self>> {
        match self.value() {
            Value::Sequence(ids) => Some(ids.iter().map(move |&id| self.at(id))),
            _ => None,
        }
    }

    /// The members of a list, a tuple or a set of numbers.
    pub fn numbers(self) -> Option<Vec<f64>> {
        self.members()?.map(Self::number).collect()
    }

    /// The keys and values of a dictionary, in its order.
    pub fn entries(self) -> Option<impl ExactSizeIterator<Item = (Self, Self)>> {
        match self.value() {
            Value::Dictionary(pairs) => {
                Some(pairs.iter().map(move |&(key, value)| (self.at(key), self.at(value))))
            }
            _ => None,
        }
    }

    /// The value of a dictionary at a text; the last, if there are several.
    pub fn get(self, key: &str) -> Option<Self> {
        let found = self.entries()?.filter(|(known, _)| known.text() == Some(key)).last();
        found.map(|(_, value)| value)
    }

    /// An array.
    pub fn array(self) -> Option<Array<'a>> {
        match self.value() {
            Value::Array { shape, element, bytes } => {
                let bytes = self.at(*bytes).bytes()?;
                Some(Array { shape, element: *element, bytes })
            }
            _ => None,
        }
    }
}
