//! Where the values of a configuration come from.

use std::fmt;

use anyhow::{Error, Result};

use super::line_of;
use super::overrides::cause_of;
use crate::misuse::Misuse;

/// A key whose value turns out to be at fault when images and space are known: context of such errors.
#[derive(Debug)]
pub(crate) struct Key(pub(crate) &'static str);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

/// The file of a configuration, and what the command line has changed in it.
pub(crate) struct Origin {
    /// What the file is called.
    pub(super) place: String,
    text: String,
    /// As `key=value`.
    pub(super) overrides: Vec<String>,
}

impl Origin {
    /// The origin of values that nothing has changed since they were read from this text.
    pub(crate) fn of_file(text: String, place: &str) -> Self {
        Self { place: place.to_owned(), text, overrides: Vec::new() }
    }

    /// The assignment or the line that a key has its value from.
    fn of(&self, key: &str) -> String {
        match cause_of(&self.overrides, key) {
            Some(assignment) => format!("--set {assignment}"),
            None => format!("{}:{}", self.place, line_of(&self.text, key)),
        }
    }

    /// An error of a key after assignments to a configuration that was sound without them.
    pub(super) fn misuse(&self, key: &str, fault: &str) -> Misuse {
        let is_own = cause_of(&self.overrides, key).is_some();
        let with = if is_own { String::new() } else { format!(" with {}", self.assignments()) };
        Misuse(format!("{}{with}: `{key}` {fault}", self.of(key)))
    }

    /// All of them, as they were given.
    pub(super) fn assignments(&self) -> String {
        format!("--set {}", self.overrides.join(" --set "))
    }

    /// A result whose error begins with the place of the key that is at fault, if one is.
    pub(crate) fn locate<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error: Error| match error.downcast_ref::<Key>() {
            Some(&Key(key)) if cause_of(&self.overrides, key).is_some() => {
                error.context(Misuse(self.of(key)))
            }
            Some(&Key(key)) => error.context(self.of(key)),
            None => error,
        })
    }
}
