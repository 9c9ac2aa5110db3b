//! Appendix D: the analytical counter-example.

mod lemmas;
mod proof;
mod proposition;

use super::Row;
use super::setting::Setting;
use crate::error::Error;

pub(super) fn rows(s: &Setting) -> Result<Vec<Row>, Error> {
    let mut rows = lemmas::rows(s)?;
    rows.extend(proposition::rows(s)?);
    rows.extend(proof::rows(s)?);
    Ok(rows)
}
