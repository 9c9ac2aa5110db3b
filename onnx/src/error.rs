//! What can go wrong, with the file, the field, what was found and what to do next.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Every failure of the harness. Each message names the file, what was found and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file is not a usable ONNX model at all.
    #[error("{path}: not a usable ONNX model: {reason}")]
    NotOnnx {
        /// The model file.
        path: PathBuf,
        /// What gave it away.
        reason: String,
    },
    /// A model breaks the checkpoint contract (`onnx/CONTRACT.md`).
    #[error("{path}: {field}: expected {expected}, found {found}. {remedy}")]
    Contract {
        /// The model file.
        path: PathBuf,
        /// The input, output, node or metadata key at fault.
        field: String,
        /// What the contract asks for.
        expected: String,
        /// What the file has.
        found: String,
        /// What to change.
        remedy: String,
    },
    /// The model's values differ from those of the framework that trained it.
    #[error(
        "{path}: engine {engine} does not reproduce the checkpoint's parity vectors: image {image}, \
         class {class}: expected log_prob {expected} nats, found {found} (tolerance {tolerance}). \
         The export or the engine is wrong; no result of this pair can be trusted"
    )]
    Parity {
        /// The model file.
        path: PathBuf,
        /// Which engine was asked.
        engine: String,
        /// Index of the parity image.
        image: usize,
        /// Index of the class.
        class: usize,
        /// The stored value, nats.
        expected: f64,
        /// The engine's value, nats.
        found: f64,
        /// The allowed difference, nats.
        tolerance: f64,
    },
    /// A data file is damaged, inconsistent or of an unknown kind.
    #[error("{path}: {what}: expected {expected}, found {found}")]
    Dataset {
        /// The data file.
        path: PathBuf,
        /// The field at fault.
        what: String,
        /// What the format asks for.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// An engine refused a model or an input.
    #[error("{engine} failed to {action}: {message}")]
    Engine {
        /// The engine and its version.
        engine: String,
        /// What it was doing.
        action: &'static str,
        /// What it said.
        message: String,
    },
    /// A node of a graph has no input gradient, or the graph as a whole has none.
    #[error("'{node}' ({operator}): no input gradient: {problem}. {remedy}")]
    Gradient {
        /// The node, or the port.
        node: String,
        /// Its operator.
        operator: String,
        /// What stands in the way.
        problem: String,
        /// What to change.
        remedy: String,
    },
    /// A model asks for more than a limit allows.
    #[error("{path}: {what}: {found}; the limit is {limit}. {remedy}")]
    Limit {
        /// The model file.
        path: PathBuf,
        /// What is limited.
        what: String,
        /// What the model asks for, or what was seen.
        found: String,
        /// The most that is allowed.
        limit: String,
        /// What to do next.
        remedy: String,
    },
    /// A model's gradient is not that of its own values.
    #[error("{path}: the gradient is refused on engine {engine}: {flag}. {detail}. {remedy}")]
    GradientHealth {
        /// The model file.
        path: PathBuf,
        /// Which engine was asked.
        engine: String,
        /// The health flag.
        flag: String,
        /// What was measured.
        detail: String,
        /// What to do next.
        remedy: &'static str,
    },
    /// The ONNX Runtime library is missing, or could not be fetched or loaded.
    #[error("{what}. {remedy}")]
    RuntimeLibrary {
        /// What happened.
        what: String,
        /// What to do next.
        remedy: String,
    },
    /// A saved detector is damaged, or was fitted for something else.
    #[error("{path}: {field}: expected {expected}, found {found}. {remedy}")]
    SavedDetector {
        /// The detector's file.
        path: PathBuf,
        /// The field at fault.
        field: String,
        /// What it has to be here.
        expected: String,
        /// What the file has.
        found: String,
        /// What to do next.
        remedy: &'static str,
    },
    /// A suite file or an option asks for something impossible.
    #[error("{field}: {problem}")]
    Setting {
        /// The option or key, with its file where it has one.
        field: String,
        /// What is wrong with it and what is allowed.
        problem: String,
    },
    /// A run was told to stop.
    #[error("stopped as asked; what is done is kept: repeat the command to go on")]
    Interrupted,
}

impl Error {
    /// Whether the run was told to stop ([`Error::Interrupted`]).
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted)
    }

    /// An [`Error::Io`] of `path`, for `map_err`.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    /// An [`Error::Dataset`].
    pub(crate) fn dataset(
        path: impl Into<PathBuf>,
        what: impl Into<String>,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Self::Dataset {
            path: path.into(),
            what: what.into(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    /// An [`Error::Setting`] with the file that it stands in.
    pub(crate) fn within(self, path: &Path) -> Self {
        match self {
            Self::Setting { field, problem } => {
                Self::Setting { field: format!("{}: {field}", path.display()), problem }
            }
            other => other,
        }
    }

    /// An [`Error::Setting`].
    pub fn setting(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Setting { field: field.into(), problem: problem.into() }
    }
}
