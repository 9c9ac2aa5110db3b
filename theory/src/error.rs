//! What can be wrong with an argument, with the value that was given and the inequality it violates.

/// Largest dimension that is accepted.
pub const MAX_DIM: u64 = 1_000_000;

/// A parameter outside the set on which the construction is defined.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A dimension outside `1..=MAX_DIM`.
    #[error("dim = {0} violates 1 <= dim <= {MAX_DIM}")]
    Dim(u64),
    /// A real parameter outside its range, or not a number.
    #[error("{name} = {value:?} violates {requirement}")]
    OutOfRange {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The inequality that fails.
        requirement: &'static str,
    },
    /// No weight lambda1 meets every condition of Proposition 1 in this dimension.
    #[error(
        "no lambda1 meets every condition at dim = {dim}: \
         ln lambda1 > {ln_lambda1_min} and ln lambda1 < {ln_lambda1_max} exclude each other"
    )]
    EmptyWindow {
        /// The dimension.
        dim: u64,
        /// Lower end of the window, excluded.
        ln_lambda1_min: f64,
        /// Upper end of the window, excluded.
        ln_lambda1_max: f64,
        /// Smallest dimension whose window is open; may exceed [`MAX_DIM`].
        min_dim: Option<u64>,
    },
    /// A simulation of nothing.
    #[error("samples = 0 violates samples >= 1")]
    NoSamples,
    /// Coordinates in f64 cannot resolve a shell as thin as this one.
    #[error("shell = {shell:?} violates shell >= {min:?}, which coordinates in f64 need")]
    UnresolvedShell {
        /// The width that was given.
        shell: f64,
        /// The least width that the sampler of coordinates accepts.
        min: f64,
    },
}

/// Passes `value` on when `holds`; the caller writes `holds` so that NaN fails.
pub(crate) fn require(
    holds: bool,
    name: &'static str,
    value: f64,
    requirement: &'static str,
) -> Result<f64, Error> {
    if holds { Ok(value) } else { Err(Error::OutOfRange { name, value, requirement }) }
}

/// Passes a dimension on when it is in range.
pub(crate) fn require_dim(dim: u64) -> Result<u64, Error> {
    if (1..=MAX_DIM).contains(&dim) { Ok(dim) } else { Err(Error::Dim(dim)) }
}

/// Passes a shell width on when it is in range.
pub(crate) fn require_shell(shell: f64) -> Result<f64, Error> {
    require(shell > 0.0 && shell < 1.0, "shell", shell, "0 < shell < 1")
}
