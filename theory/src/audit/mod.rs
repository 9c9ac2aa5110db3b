//! The conformance ledger: what the paper states and can be computed, held against numbers.
//!
//! [`ledger`] has one [`Row`] per equation, lemma, item and numerical statement of sections 2, 3.1,
//! 3.2 and 4.2, the captions, and appendices A and D. The verdict of a row is a function of its
//! evidence and of nothing else, so it cannot outlive a number that changed.

mod appendix_a;
mod appendix_d;
mod captions;
mod fits;
mod numeric;
mod published;
mod section2;
mod section3;
mod section4;
mod setting;
mod split_prior;
mod wide_shell;

use crate::error::Error;
use serde::Serialize;
use setting::Setting;
use std::fmt;

/// Two numbers that differ by less than this, relative to the larger, count as equal: far above the
/// rounding of the sums and quadratures here, far below every difference that the ledger reports.
const AGREEMENT: f64 = 1e-9;

/// What the numbers say about a printed statement, read literally.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Finding {
    /// It holds wherever it was evaluated.
    #[serde(rename = "holds")]
    Holds,
    /// It holds where the paper uses it, not in everything that it says.
    #[serde(rename = "holds with a correction")]
    HoldsWithCorrection,
    /// It fails where the paper uses it, or it says "for all" and a case that it includes fails.
    #[serde(rename = "does not hold as printed")]
    DoesNotHoldAsPrinted,
    /// Nothing in this package can compute it.
    #[serde(rename = "not decidable here")]
    NotDecidable,
}

impl Finding {
    /// Every finding, from agreement to silence.
    pub const ALL: [Finding; 4] = [
        Finding::Holds,
        Finding::HoldsWithCorrection,
        Finding::DoesNotHoldAsPrinted,
        Finding::NotDecidable,
    ];

    /// For a statement that holds or does not.
    fn holds_if(condition: bool) -> Self {
        if condition { Finding::Holds } else { Finding::DoesNotHoldAsPrinted }
    }

    /// For a statement that says more than the paper uses.
    fn graded(where_used: bool, throughout: bool) -> Self {
        match (where_used, throughout) {
            (true, true) => Finding::Holds,
            (true, false) => Finding::HoldsWithCorrection,
            (false, _) => Finding::DoesNotHoldAsPrinted,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Finding::Holds => "holds",
            Finding::HoldsWithCorrection => "holds with a correction",
            Finding::DoesNotHoldAsPrinted => "does not hold as printed",
            Finding::NotDecidable => "not decidable here",
        })
    }
}

/// A number that was computed for a row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Evidence {
    /// What it is.
    pub name: &'static str,
    /// The number.
    pub value: f64,
    /// Its unit, empty for ratios, labels and counts.
    pub unit: &'static str,
}

type Judge = Box<dyn Fn(&[f64]) -> Option<Finding> + Send + Sync>;

/// A statement of the paper with what was found.
#[derive(Serialize)]
pub struct Row {
    /// Where the paper makes the statement.
    pub place: &'static str,
    /// The statement in our words and symbols.
    pub claim: &'static str,
    /// What the evidence says.
    pub verdict: Finding,
    /// The numbers that decide.
    pub evidence: Vec<Evidence>,
    /// What holds instead, empty where the statement holds; the reason where nothing is computed.
    pub correction: &'static str,
    #[serde(skip)]
    judge: Judge,
}

impl Row {
    /// What the verdict would be if the evidence had these values; none for another number of them.
    ///
    /// ```
    /// # use undetected_theory::audit::{Finding, ledger};
    /// let rows = ledger().unwrap();
    /// let equation1 = rows.iter().find(|row| row.place == "section 2, equation 1").unwrap();
    /// assert_eq!(equation1.verdict, Finding::Holds);
    /// let [q_p, p_q, epsilon] = [0.002, 0.003, 0.001];
    /// let judged = equation1.judge(&[q_p, p_q, epsilon]);
    /// assert_eq!(judged, Some(Finding::DoesNotHoldAsPrinted));
    /// ```
    pub fn judge(&self, values: &[f64]) -> Option<Finding> {
        (self.judge)(values)
    }
}

/// Every row, in the order of the paper, evaluated at shell = 0.1, kl_epsilon = 0.01, delta = 0.01
/// and d = 500 where the evidence names nothing else.
///
/// Numerics: deterministic; takes a fraction of a second.
///
/// Errors: none at these parameters; the type is that of the functions that are called.
pub fn ledger() -> Result<Vec<Row>, Error> {
    let setting = Setting::new()?;
    let mut rows = section2::rows(&setting)?;
    rows.extend(section3::rows(&setting)?);
    rows.extend(section4::rows(&setting)?);
    rows.extend(captions::rows(&setting)?);
    rows.extend(appendix_a::rows(&setting));
    rows.extend(appendix_d::rows(&setting)?);
    Ok(rows)
}

fn measured(name: &'static str, value: f64, unit: &'static str) -> Evidence {
    Evidence { name, value, unit }
}

/// A row whose verdict `judge` reads off the evidence; a plain function, it sees nothing else.
fn row<const N: usize>(
    place: &'static str,
    claim: &'static str,
    evidence: [Evidence; N],
    judge: fn([f64; N]) -> Finding,
    correction: &'static str,
) -> Row {
    let verdict = judge(evidence.map(|number| number.value));
    let judge = move |values: &[f64]| values.try_into().ok().map(judge);
    Row { place, claim, verdict, evidence: evidence.into(), correction, judge: Box::new(judge) }
}

/// A statement that nothing here can compute, with the reason.
fn undecidable(place: &'static str, claim: &'static str, reason: &'static str) -> Row {
    row(place, claim, [], |[]| Finding::NotDecidable, reason)
}

/// Whether two numbers are the same up to rounding.
fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= AGREEMENT * a.abs().max(b.abs())
}
