//! Certificates: verdicts with everything that is needed to check them again.
//!
//! A certificate states exact parameters, and for every condition of Proposition 1 and both lemmas
//! the two sides that are compared, each as an exact fraction or between two decimals. The decimals
//! are determined by the number they enclose (`decimal.rs` has the rule), so that whoever computes
//! them with whatever arithmetic gets the same digits, and a changed digit is a wrong digit.
//! [`Certificate::new`] computes them from enclosures, [`Certificate::verify`] from the checker's
//! own arithmetic and formulas.

mod check;
mod decimal;
pub(crate) mod dyadic;

use crate::certificate::check::Checker;
use crate::certificate::decimal::Decimal;
use crate::enclosed::{EnclosedWindow, Enclosures, decide};
use crate::enclosure::Enclosure;
use crate::error::{Error, require};
use crate::exact::{
    Exact, ExactGoal, ExactParameters, ExactWeight, in_unit_interval, require_geometry,
};
use crate::feasibility::{exact_min_dim, min_dim_without_bounds};
use crate::proposition::{lemma_statements, statements};
use crate::statement::{Relation, Side, Statement};
use crate::verdict::Verdict;
use num_rational::BigRational;
use serde::{Deserialize, Serialize};

/// What a certificate calls itself.
const FORMAT: &str = "undetected certificate";
/// Version of the rules: the statements, their order and how their sides are written. A checker
/// reads certificates of its own version only.
pub const RULES: u32 = 1;
/// Numbers of digits that are tried until every comparison shows.
const DIGITS: [u32; 7] = [20, 40, 80, 160, 320, 640, 1280];

/// Digits that the parameters of a certificate may have together: checking takes seconds up to there,
/// and its time grows with their square. The weights of d = 1,000,000 at shell = 0.1 have 83,000.
const MOST_DIGITS: u64 = 90_000;

/// Bits of a window from which a weight is chosen: enough for the hundred digits that it may take.
const WINDOW_BITS: usize = 512;

/// Verdicts on one choice of parameters, with their evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    format: String,
    rules: u32,
    kind: Kind,
    parameters: Parameters,
    digits: u32,
    statements: Vec<Entry>,
    verdict: Verdict,
}

/// What a certificate is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The conditions of Proposition 1 and the lemmas, for given weights.
    Proposition,
    /// The same, and that the window of lambda1 is open in this dimension but not in the one
    /// before.
    SmallestDimension,
}

/// Exact parameters, as [`Exact`] writes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    d: u64,
    shell: String,
    kl_epsilon: String,
    delta: String,
    lambda1: String,
    lambda2: String,
}

/// One statement: two numbers, how they should compare, and whether they do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    id: String,
    claim: String,
    value: Bounds,
    relation: Relation,
    limit: Bounds,
    verdict: Verdict,
}

/// What is known of a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Bounds {
    /// The number itself.
    Exact {
        /// As [`Exact`] writes it.
        exact: String,
    },
    /// Decimals below and above it, in the certificate's number of digits.
    Between {
        /// Below the number.
        lower: String,
        /// Above the number.
        upper: String,
    },
}

/// Why there is no certificate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CertificateError {
    /// A parameter is out of range, or no weight works.
    #[error(transparent)]
    Parameters(#[from] Error),
    /// No dimension works.
    #[error("no dimension up to 2^53 has a weight that meets every condition")]
    NoDimension,
    /// Nobody could verify it: its parameters are longer than is checked.
    #[error(
        "the parameters have {digits} digits, and a certificate is checked up to {MOST_DIGITS}: choose a \
         smaller dimension, a narrower shell or shorter weights"
    )]
    TooLong {
        /// Digits of all parameters together.
        digits: u64,
    },
    /// Two numbers are equal, or closer than any precision that is tried tells.
    #[error(
        "statement {id}: its two sides are equal, or too close to be told apart: choose other parameters"
    )]
    Undecided {
        /// The statement.
        id: &'static str,
    },
}

/// Why a certificate is not accepted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// A field differs from what the checker computed.
    #[error("{field}: found {found}, but the checker has {expected}")]
    Field {
        /// Where, as a path into the certificate.
        field: String,
        /// What the certificate says.
        found: String,
        /// What the checker says.
        expected: String,
    },
    /// The parameters are no numbers, or out of range.
    #[error("parameters: {0}")]
    Parameters(String),
    /// The checker could not decide a statement.
    #[error("{0}")]
    Undecided(CertificateError),
}

/// What a certificate is made for.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    kind: Kind,
    goal: ExactGoal,
    parameters: ExactParameters,
}

impl Question {
    /// Do these weights meet the conditions of Proposition 1? Without lambda1, a short decimal
    /// inside the window is chosen; without lambda2, delta / (1 - delta) lambda1.
    ///
    /// Errors: a parameter is out of range, or the window is empty.
    pub fn new(
        dim: u64,
        shell: Exact,
        goal: ExactGoal,
        lambda1: Option<Exact>,
        lambda2: Option<Exact>,
    ) -> Result<Self, Error> {
        require_geometry(dim, &shell)?;
        let lambda1 = match lambda1 {
            Some(lambda1) => lambda1,
            None => short_lambda1(dim, &shell, &goal)?,
        };
        Question::with_weights(Kind::Proposition, dim, shell, goal, lambda1, lambda2)
    }

    /// Which is the smallest dimension whose window is open?
    ///
    /// Errors: 0 < shell < 1 is violated, or no dimension up to 1,000,000 works.
    pub fn smallest_dimension(shell: Exact, goal: ExactGoal) -> Result<Self, CertificateError> {
        require_geometry(1, &shell)?;
        let dim = exact_min_dim(&shell, &goal).ok_or(CertificateError::NoDimension)?;
        require_geometry(dim, &shell)?;
        let lambda1 = short_lambda1(dim, &shell, &goal)?;
        let kind = Kind::SmallestDimension;
        Ok(Question::with_weights(kind, dim, shell, goal, lambda1, None)?)
    }

    fn with_weights(
        kind: Kind,
        dim: u64,
        shell: Exact,
        goal: ExactGoal,
        lambda1: Exact,
        lambda2: Option<Exact>,
    ) -> Result<Self, Error> {
        let in_range = |x: &Exact, name, requirement| {
            require(in_unit_interval(x), name, x.to_f64(), requirement).map(|_| ())
        };
        in_range(&lambda1, "lambda1", "0 < lambda1 < 1")?;
        let weight = ExactWeight::value(&lambda1);
        let lambda2 = lambda2.unwrap_or_else(|| Exact(weight.matched(&goal.delta().0).factor));
        in_range(&lambda2, "lambda2", "0 < lambda2 < 1")?;
        let lambda2 = ExactWeight::value(&lambda2);
        let parameters = ExactParameters { dim, shell: shell.0, lambda1: weight, lambda2 };
        Ok(Question { kind, goal, parameters })
    }

    /// The dimension.
    pub fn dim(&self) -> u64 {
        self.parameters.dim
    }

    /// The window of lambda1 in some dimension, for this shell and goal.
    pub fn window(&self, dim: u64) -> EnclosedWindow {
        EnclosedWindow::new(dim, &self.parameters.shell, &self.goal, WINDOW_BITS)
    }

    /// The smallest dimension in which some lambda1, with its matched lambda2, meets the conditions
    /// themselves, which the window of lambda1 does not admit because it rests on the lemmas'
    /// bounds; none for delta >= 1/2.
    pub fn min_dim_without_bounds(&self) -> Option<u64> {
        min_dim_without_bounds(&Exact(self.parameters.shell.clone()), &self.goal)
    }

    fn parameters(&self) -> Parameters {
        let text = |x: &BigRational| Exact(x.clone()).to_string();
        Parameters {
            d: self.parameters.dim,
            shell: text(&self.parameters.shell),
            kl_epsilon: self.goal.kl_epsilon().to_string(),
            delta: self.goal.delta().to_string(),
            lambda1: text(&self.parameters.lambda1.factor),
            lambda2: text(&self.parameters.lambda2.factor),
        }
    }

    /// What has to be decided, in the order of the certificate.
    fn statements(&self) -> Vec<Statement> {
        let mut all = statements(&self.parameters, &self.goal);
        all.extend(lemma_statements());
        if self.kind == Kind::SmallestDimension {
            all.push(self.window_statement("window", "the window is open", 0, Relation::Below));
            if self.parameters.dim > 1 {
                let claim = "the window of the dimension before is not";
                all.push(self.window_statement("window.before", claim, 1, Relation::AtLeast));
            }
        }
        all
    }

    fn window_statement(
        &self,
        id: &'static str,
        claim: &'static str,
        before: u64,
        relation: Relation,
    ) -> Statement {
        let dim = self.parameters.dim - before;
        let end = |upper| Side::WindowEnd { dim, goal: self.goal.clone(), upper };
        Statement { id, claim, value: end(false), relation, limit: end(true) }
    }

    /// The certificate whose inexact sides come from `around`, with the fewest digits that show
    /// every comparison.
    fn answer(
        &self,
        around: impl Fn(&Side, u32) -> Option<[Decimal; 2]>,
    ) -> Result<Certificate, CertificateError> {
        let statements = self.statements();
        let mut undecided = "";
        for digits in DIGITS {
            let entries = statements.iter().map(|statement| entry(statement, digits, &around));
            match entries.collect::<Result<Vec<_>, _>>() {
                Ok(entries) => {
                    let verdicts = entries.iter().map(|entry| entry.verdict);
                    return Ok(Certificate {
                        format: FORMAT.to_owned(),
                        rules: RULES,
                        kind: self.kind,
                        parameters: self.parameters(),
                        digits,
                        verdict: verdicts.fold(Verdict::Proved, Verdict::and),
                        statements: entries,
                    });
                }
                Err(Open::Unknown(id)) => return Err(CertificateError::Undecided { id }),
                Err(Open::Close(id)) => undecided = id,
            }
        }
        Err(CertificateError::Undecided { id: undecided })
    }
}

/// Why a statement, which it names, is not decided.
enum Open {
    /// A side has no digits in any precision, as a 0 that is not exactly known: more would not help.
    Unknown(&'static str),
    /// More digits may decide it.
    Close(&'static str),
}

/// The entry of a statement, if so many digits decide it.
fn entry(
    statement: &Statement,
    digits: u32,
    around: impl Fn(&Side, u32) -> Option<[Decimal; 2]>,
) -> Result<Entry, Open> {
    let known = |side: &Side| match side {
        Side::Exact(x) => Some((
            Bounds::Exact { exact: Exact(x.clone()).to_string() },
            Decimal::around_fraction(x, digits),
        )),
        _ => {
            let ends = around(side, digits)?;
            let [lower, upper] = [0, 1].map(|i: usize| ends[i].text());
            Some((Bounds::Between { lower, upper }, ends))
        }
    };
    let (value, value_ends) = known(&statement.value).ok_or(Open::Unknown(statement.id))?;
    let (limit, limit_ends) = known(&statement.limit).ok_or(Open::Unknown(statement.id))?;
    let holds = match (&statement.value, &statement.limit) {
        (Side::Exact(value), Side::Exact(limit)) => {
            Some(statement.relation.holds_exactly(value, limit))
        }
        _ => statement.relation.holds_between(&value_ends, &limit_ends),
    };
    Ok(Entry {
        id: statement.id.to_owned(),
        claim: statement.claim.to_owned(),
        value,
        relation: statement.relation,
        limit,
        verdict: Verdict::exact(holds.ok_or(Open::Close(statement.id))?),
    })
}

impl Certificate {
    /// Decides a question by enclosures.
    ///
    /// Errors: the parameters are longer than [`verify`](Self::verify) takes; two sides of a statement
    /// are equal, or too close to be told apart.
    pub fn new(question: &Question) -> Result<Self, CertificateError> {
        let digits = question.parameters().digits();
        if digits > MOST_DIGITS {
            return Err(CertificateError::TooLong { digits });
        }
        let enclosures = Enclosures::new(question.parameters.clone());
        question.answer(|side, digits| {
            enclosures.levels().find_map(|at| around(&side.enclose(at), digits))
        })
    }

    /// Recomputes every field with the checker's own arithmetic and compares.
    ///
    /// Errors: the first field that differs, or a parameter that is not one.
    pub fn verify(&self) -> Result<(), Rejection> {
        let question = self.question()?;
        let checker = Checker::new(&question.parameters);
        let expected = question
            .answer(|side, digits| checker.around(side, digits))
            .map_err(Rejection::Undecided)?;
        self.compare(&expected)
    }

    /// Whether every statement is proved.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The statements.
    pub fn statements(&self) -> &[Entry] {
        &self.statements
    }

    /// The parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Significant digits of the bounds.
    pub fn digits(&self) -> u32 {
        self.digits
    }

    /// The question that the certificate says it answers.
    fn question(&self) -> Result<Question, Rejection> {
        let digits = self.parameters.digits();
        if digits > MOST_DIGITS {
            let problem = format!("they have {digits} digits, of which {MOST_DIGITS} are checked");
            return Err(Rejection::Parameters(problem));
        }
        let read = |name: &str, text: &str| {
            text.parse::<Exact>().map_err(|error| Rejection::Parameters(format!("{name}: {error}")))
        };
        let given = &self.parameters;
        let wrong = |error: Error| Rejection::Parameters(error.to_string());
        let (kl_epsilon, delta) =
            (read("kl_epsilon", &given.kl_epsilon)?, read("delta", &given.delta)?);
        let goal = ExactGoal::new(kl_epsilon, delta).map_err(wrong)?;
        let shell = read("shell", &given.shell)?;
        require_geometry(given.d, &shell).map_err(wrong)?;
        let (lambda1, lambda2) =
            (read("lambda1", &given.lambda1)?, read("lambda2", &given.lambda2)?);
        Question::with_weights(self.kind, given.d, shell, goal, lambda1, Some(lambda2))
            .map_err(wrong)
    }

    /// Names the first field in which two certificates differ.
    fn compare(&self, expected: &Certificate) -> Result<(), Rejection> {
        let header = [
            ("format", self.format.clone(), expected.format.clone()),
            ("rules", self.rules.to_string(), expected.rules.to_string()),
            ("parameters", format!("{:?}", self.parameters), format!("{:?}", expected.parameters)),
            ("digits", self.digits.to_string(), expected.digits.to_string()),
            (
                "statements",
                self.statements.len().to_string(),
                expected.statements.len().to_string(),
            ),
        ];
        header.into_iter().try_for_each(|(field, found, expected)| same(field, found, expected))?;
        for (i, (found, expected)) in self.statements.iter().zip(&expected.statements).enumerate() {
            let at = |field: &str| format!("statements[{i}] ({}).{field}", expected.id);
            same(&at("id"), &found.id, &expected.id)?;
            same(&at("claim"), &found.claim, &expected.claim)?;
            same(&at("value"), found.value.to_string(), expected.value.to_string())?;
            same(
                &at("relation"),
                format!("{:?}", found.relation),
                format!("{:?}", expected.relation),
            )?;
            same(&at("limit"), found.limit.to_string(), expected.limit.to_string())?;
            same(&at("verdict"), found.verdict.to_string(), expected.verdict.to_string())?;
        }
        same("verdict", self.verdict.to_string(), expected.verdict.to_string())
    }
}

fn same(
    field: &str,
    found: impl Into<String>,
    expected: impl Into<String>,
) -> Result<(), Rejection> {
    let (found, expected) = (found.into(), expected.into());
    if found == expected {
        return Ok(());
    }
    Err(Rejection::Field { field: field.to_owned(), found, expected })
}

impl Parameters {
    /// The dimension.
    pub fn dim(&self) -> u64 {
        self.d
    }

    /// Digits of all numbers, written out without an exponent.
    fn digits(&self) -> u64 {
        let Parameters { d: _, shell, kl_epsilon, delta, lambda1, lambda2 } = self;
        let number = |text: &str| {
            let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
            let moved = exponent.parse::<i64>().map_or(0, i64::unsigned_abs);
            moved.saturating_add(mantissa.len() as u64)
        };
        let numbers = [shell, kl_epsilon, delta, lambda1, lambda2].map(String::as_str);
        let numbers = numbers.into_iter().flat_map(|text| text.split('/'));
        numbers.map(number).fold(0, u64::saturating_add)
    }

    /// lambda1 and lambda2.
    pub fn weights(&self) -> (&str, &str) {
        (&self.lambda1, &self.lambda2)
    }
}

impl std::fmt::Display for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Parameters { d, shell, kl_epsilon, delta, lambda1, lambda2 } = self;
        writeln!(f, "d = {d}, shell = {shell}, kl-epsilon = {kl_epsilon}, delta = {delta},")?;
        write!(f, "lambda1 = {lambda1}, lambda2 = {lambda2}")
    }
}

impl Entry {
    /// Short name of the statement.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is claimed.
    pub fn claim(&self) -> &str {
        &self.claim
    }

    /// The two sides and the relation that is claimed between them.
    pub fn sides(&self) -> (&Bounds, Relation, &Bounds) {
        (&self.value, self.relation, &self.limit)
    }

    /// Whether it holds.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }
}

impl std::fmt::Display for Bounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Bounds::Exact { exact } => write!(f, "{exact}"),
            Bounds::Between { lower, upper } => write!(f, "[{lower}, {upper}]"),
        }
    }
}

fn around(x: &Enclosure, digits: u32) -> Option<[Decimal; 2]> {
    let [low, high] = x.ends()?;
    Decimal::around(&low, &high, digits)
}

/// A lambda1 inside the window of dimension `dim` with as few digits as it takes, from six on: half
/// the upper end, or the geometric middle of the window if that is larger.
fn short_lambda1(dim: u64, shell: &Exact, goal: &ExactGoal) -> Result<Exact, Error> {
    let window = EnclosedWindow::new(dim, &shell.0, goal, WINDOW_BITS);
    let [min, max] = [&window.ln_lambda1_min, &window.ln_lambda1_max];
    let two = Enclosure::integer(2, WINDOW_BITS);
    let chosen = ((min + max) / &two).max(&(max - two.ln())).exp();
    let fits = |lambda1: &Exact| {
        let ln = |bits| Enclosure::from_fraction(&lambda1.0, bits).ln();
        decide(|bits| {
            let window = EnclosedWindow::new(dim, &shell.0, goal, bits);
            Some(
                window.ln_lambda1_min.is_below(&ln(bits))?
                    && ln(bits).is_below(&window.ln_lambda1_max)?,
            )
        }) == Verdict::Proved
    };
    let decimals = (6..100).step_by(6).filter_map(|digits| around(&chosen, digits));
    let mut candidates = decimals.filter_map(|[below, _]| below.text().parse().ok());
    candidates.find(fits).ok_or_else(|| Error::EmptyWindow {
        dim,
        ln_lambda1_min: min.value(),
        ln_lambda1_max: max.value(),
        min_dim: exact_min_dim(shell, goal),
    })
}

impl Relation {
    /// None while the bounds overlap.
    fn holds_between(self, value: &[Decimal; 2], limit: &[Decimal; 2]) -> Option<bool> {
        let below = value[1] < limit[0];
        let above = value[0] > limit[1];
        (below || above).then_some(match self {
            Relation::Below | Relation::AtMost => below,
            Relation::Above | Relation::AtLeast => above,
        })
    }
}
