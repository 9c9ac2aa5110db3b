//! A setting that is refused, and the key of the suite file that it stands under.

use std::fmt;

use crate::error::Error;

/// The way to a key of a suite file: names of tables and places in arrays, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key(Vec<String>);

impl Key {
    /// That of names and places with dots between them.
    pub(super) fn of(path: &str) -> Self {
        Self(path.split('.').map(str::to_owned).collect())
    }

    /// One step further.
    pub(super) fn then(mut self, part: impl fmt::Display) -> Self {
        self.0.push(part.to_string());
        self
    }

    /// The way of `other` from here.
    pub(super) fn join(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Its steps.
    pub(super) fn parts(&self) -> &[String] {
        &self.0
    }
}

/// What is refused, for people and for the lookup of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) key: Key,
    pub(super) field: String,
    pub(super) problem: String,
}

impl Refusal {
    /// Of a key that is called what it is.
    pub(super) fn new(key: &str, problem: impl Into<String>) -> Self {
        Self { key: Key::of(key), field: key.to_owned(), problem: problem.into() }
    }

    /// Of a value under a key, or of one whose key is not its name.
    pub(super) fn called(self, field: impl Into<String>) -> Self {
        Self { field: field.into(), ..self }
    }

    /// For whoever knows no line.
    pub(super) fn into_error(self) -> Error {
        Error::setting(self.field, self.problem)
    }
}
