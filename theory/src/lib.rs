//! The annulus counter-example of section 2 and appendix D, verified numerically.
//!
//! A model q can be as close as one likes to the data p, in both Kullback-Leibler divergences, and
//! still be fooled with confidence on almost half of the data by moving each point a little, into
//! a region that it finds more likely than before. [`CounterExample`] holds p and q for any
//! dimension up to a million; [`Proposition`] evaluates what is claimed of them, [`Window`] and
//! [`min_dim`] say for which parameters, and [`MonteCarlo`] carries the attack out on samples.
//!
//! Verdicts come from rigorous enclosures ([`CounterExample::enclosed`]), and [`Certificate`] states
//! them for others to check. [`audit`] goes through the paper statement by statement.
//!
//! Everything that grows with the dimension is a natural logarithm. This crate does no input or
//! output.

mod annulus;
pub mod audit;
mod bernoulli;
pub mod certificate;
mod concentration;
mod counterexample;
mod detector;
mod divergence;
mod elementary;
mod enclosed;
mod enclosure;
mod error;
mod exact;
mod feasibility;
pub mod log_space;
mod monte_carlo;
mod normal;
mod objective;
mod posterior;
mod precise;
mod proportion;
mod proposition;
mod statement;
mod stream;
mod variation;
mod vectorise;
mod verdict;
mod weight;

pub use annulus::{Annulus, RadialDraw};
pub use certificate::Certificate;
pub use concentration::Concentration;
pub use counterexample::{Class, CounterExample, Joint, Region, SUPPORT};
pub use detector::{
    Detector, DetectorTally, OperatingPoint, SCORES, Score, ln_least_false_alarm,
    simulate_detectors,
};
pub use divergence::{Divergence, Slack};
pub use enclosed::{Distribution, Enclosed, EnclosedWindow};
pub use enclosure::Enclosure;
pub use error::{Error, MAX_DIM};
pub use exact::{Exact, ExactGoal, NotExact};
pub use feasibility::{Goal, Window, feasible_lambda1, min_dim};
pub use monte_carlo::{MonteCarlo, Sampler, simulate};
pub use normal::fill_normal;
pub use objective::{Decomposition, Information, Objective};
pub use posterior::Posterior;
pub use proportion::{Interval, Proportion};
pub use proposition::{Condition, Proposition};
pub use statement::Relation;
pub use stream::Streams;
pub use variation::{SUPPORT_RADIUS, Variation, least_variation};
pub use verdict::{CLOSED_FORM_ERROR, Verdict};
pub use weight::{Lambda2, Weight};
