//! What can go wrong, with the file, the field, what was found and what to do next.

use std::{fmt, io, path::PathBuf};

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
    /// A file or a folder of results could not be written.
    #[error("cannot write {path}: {error}. {}", remedy(error))]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
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
        remedy: &'static str,
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
    /// Whether it is that of a whole run and not of one model: the run was told to stop, or what all
    /// models write to cannot be written.
    pub fn ends_run(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Unwritable { .. })
    }

    /// An [`Error::Unwritable`] of `path`, for `map_err`.
    pub fn unwritable(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Unwritable { path, error }
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

    /// An [`Error::Setting`].
    pub fn setting(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Setting { field: field.into(), problem: problem.into() }
    }
}

/// What to do where something cannot be written.
fn remedy(error: &io::Error) -> &'static str {
    use io::ErrorKind::{
        FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    match kind(error) {
        StorageFull | QuotaExceeded | FileTooLarge => {
            "Make room there, or name another place, and repeat the command: what is finished is kept"
        }
        PermissionDenied | ReadOnlyFilesystem => {
            "Make it writable, or name another place, and repeat the command: what is finished is kept"
        }
        _ => {
            "Put that right, or name another place, and repeat the command: what is finished is kept"
        }
    }
}

/// What the operating system meant, where another error is wrapped around it.
fn kind(error: &io::Error) -> io::ErrorKind {
    let mut inner: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(found) = inner {
        let found_io = found.downcast_ref::<io::Error>();
        if let Some(plain) = found_io.filter(|error| error.kind() != io::ErrorKind::Other) {
            return plain.kind();
        }
        // An I/O error gives away what it holds, not what caused that.
        inner = match found_io.and_then(io::Error::get_ref) {
            Some(held) => Some(held as &(dyn std::error::Error + 'static)),
            None => found.source(),
        };
    }
    error.kind()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it comes and as other libraries wrap it.
    #[test]
    fn what_cannot_be_written_says_the_file_and_the_remedy() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let archive = ndarray_npy::WriteNpyError::Io(full());
        for error in [full(), io::Error::other(full()), io::Error::other(archive)] {
            let text = Error::unwritable("out/a.csv")(error).to_string();
            assert!(text.starts_with("cannot write out/a.csv: "), "{text}");
            assert!(text.contains("Make room") && text.contains("repeat the command"), "{text}");
        }
        let denied = Error::unwritable("out")(io::ErrorKind::PermissionDenied.into()).to_string();
        assert!(denied.contains("Make it writable"), "{denied}");
        let other = Error::unwritable("out")(io::ErrorKind::NotADirectory.into()).to_string();
        assert!(other.contains("name another place"), "{other}");
    }
}
