//! How graphs are run that may take more time or memory than there is.

use std::path::PathBuf;

/// The limits, and the program that keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Isolation {
    /// The program that runs them: one that calls `isolated::serve` when its only argument is [`ARGUMENT`].
    /// Without it they run in this process and without limits: for models that are trusted.
    pub program: Option<PathBuf>,
    /// Seconds for opening, and for each image of a run.
    pub seconds: u32,
    /// Bytes of memory, weights included. Not kept on a GPU, whose driver maps far more than it uses.
    pub memory: u64,
}

impl Default for Isolation {
    /// Without a program; a minute and 8 GiB.
    fn default() -> Self {
        Self { program: None, seconds: 60, memory: 8 << 30 }
    }
}

/// The argument that makes a program of this project call `isolated::serve`.
pub const ARGUMENT: &str = "isolated-engine";
