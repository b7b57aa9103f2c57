//! Where the values of a configuration come from.

use std::fmt;

use anyhow::{Error, Result};

use super::line_of;
use super::overrides::cause_of;
use crate::misuse::Misuse;

/// A key whose value turns out to be at fault when images and space are known: context of such errors.
#[derive(Debug)]
pub(crate) struct Key(pub(crate) &'static str);

impl Key {
    /// What is wrong with its value.
    pub(crate) fn fault(self, fault: String) -> Error {
        Error::msg(fault).context(self)
    }
}

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

    /// The assignment that a key has its value from, if one.
    fn assignment(&self, key: &str) -> Option<String> {
        cause_of(&self.overrides, key).map(|assignment| format!("--set {assignment}"))
    }

    /// The line that a key has its value from, if no assignment has changed it.
    fn line(&self, key: &str) -> String {
        format!("{}:{}", self.place, line_of(&self.text, key))
    }

    /// All assignments, as they were given.
    pub(super) fn assignments(&self) -> String {
        format!("--set {}", self.overrides.join(" --set "))
    }

    /// An error of a key after assignments to a configuration that was sound without them.
    pub(super) fn misuse(&self, key: &str, fault: &str) -> Misuse {
        let all = || format!("{} with {}", self.line(key), self.assignments());
        let place = self.assignment(key).unwrap_or_else(all);
        Misuse(format!("{place}: `{key}` {fault}"))
    }

    /// A result whose error begins with the place of the key that is at fault, if one is.
    pub(crate) fn locate<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error: Error| {
            let Some(&Key(key)) = error.downcast_ref::<Key>() else { return error };
            match self.assignment(key) {
                Some(assignment) => error.context(Misuse(assignment)),
                None => error.context(self.line(key)),
            }
        })
    }
}
