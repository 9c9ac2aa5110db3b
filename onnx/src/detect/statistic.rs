//! What a detector compares with its threshold.

use std::{borrow::Borrow, f64::consts::LN_2};

use crate::{
    error::{Error, Result},
    likelihood::Score,
    model::ModelSpec,
    statistics,
};

/// A number in nats, higher = likelier real.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// log p(x), the paper's (section 4.3).
    Marginal,
    /// log p(x, y) of the predicted y.
    Joint,
    /// log p(x given y) of the predicted y.
    GivenPredicted,
    /// -|log p(x) - `centre`|: a threshold of -w accepts the typical set, a band of width 2w that
    /// inputs leave by being too likely as well.
    ///
    /// Source: Nalisnick, Matsukawa, Teh and Lakshminarayanan, Detecting out-of-distribution inputs to
    /// deep generative models using typicality, 2019, for one input at a time (their M = 1).
    Typicality {
        /// The mean log p(x) of real images: minus the model's cross-entropy, nats.
        centre: f64,
    },
    /// log p(x) + L(x), with L the image's code length ([`crate::complexity`]): how much likelier the
    /// model finds it than a code that knows no data set.
    ///
    /// Source: Serrà et al., Input complexity and out-of-distribution detection with likelihood-based
    /// generative models, ICLR 2020, with the sign turned and in nats.
    ComplexityCorrected,
}

impl Statistic {
    /// [`Statistic::Typicality`] around the mean of the finite log p(x) of `real` images.
    ///
    /// Fit a threshold on other images than these: a false-alarm rate is kept for images that played
    /// no part in the statistic.
    ///
    /// # Errors
    /// [`Error::Setting`] where no density is finite.
    pub fn typicality(real: impl IntoIterator<Item = impl Borrow<Score>>) -> Result<Self> {
        let all: Vec<f64> = real.into_iter().map(|score| score.borrow().log_px).collect();
        let finite: Vec<f64> = all.iter().copied().filter(|log_p| log_p.is_finite()).collect();
        let mean = statistics::mean(&finite).ok_or_else(|| {
            let problem = format!("none of {} images has a finite density", all.len());
            Error::setting("centre of the typical set", problem)
        })?;
        Ok(Self::Typicality { centre: mean.value })
    }

    /// The statistic of an input; `None` where log p(x) or the statistic is NaN or infinite: such an
    /// input is rejected, and never likely.
    pub fn of(&self, score: &Score) -> Option<f64> {
        let value = match self {
            Self::Marginal => Some(score.log_px),
            Self::Joint => score.log_joint(),
            Self::GivenPredicted => score.log_px_given_predicted,
            Self::Typicality { centre } => Some(-(score.log_px - centre).abs()),
            Self::ComplexityCorrected => score.complexity.map(|length| score.log_px + length),
        };
        value.filter(|value| value.is_finite() && score.log_px.is_finite())
    }

    /// A threshold given in bits/dim, in nats.
    ///
    /// Likelihoods as [`ModelSpec::nats`]. For [`Statistic::Typicality`] the bits/dim are the
    /// half-width of the band. For [`Statistic::ComplexityCorrected`] they are those by which the
    /// model's code may be longer than the complexity.
    pub fn nats(&self, spec: &ModelSpec, bits_per_dim: f64) -> f64 {
        match self {
            Self::Typicality { .. } => -bits_per_dim * spec.n_dims as f64 * LN_2,
            _ => spec.nats(bits_per_dim),
        }
    }

    /// A threshold in nats, in bits/dim; inverse of [`nats`](Self::nats).
    pub fn bits_per_dim(&self, spec: &ModelSpec, nats: f64) -> f64 {
        match self {
            Self::Typicality { .. } => -nats / (spec.n_dims as f64 * LN_2),
            _ => spec.bits_per_dim(nats),
        }
    }

    /// Which one, its parameters apart.
    pub fn kind(&self) -> StatisticKind {
        match self {
            Self::Marginal => StatisticKind::Marginal,
            Self::Joint => StatisticKind::Joint,
            Self::GivenPredicted => StatisticKind::GivenPredicted,
            Self::Typicality { .. } => StatisticKind::Typicality,
            Self::ComplexityCorrected => StatisticKind::ComplexityCorrected,
        }
    }

    /// The name in tables and files.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }
}

/// A [`Statistic`] before anything of it is fitted, as settings name it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum StatisticKind {
    /// [`Statistic::Marginal`].
    Marginal,
    /// [`Statistic::Joint`].
    Joint,
    /// [`Statistic::GivenPredicted`].
    GivenPredicted,
    /// [`Statistic::Typicality`].
    Typicality,
    /// [`Statistic::ComplexityCorrected`].
    ComplexityCorrected,
}

impl StatisticKind {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Marginal,
        Self::Joint,
        Self::GivenPredicted,
        Self::Typicality,
        Self::ComplexityCorrected,
    ];

    /// The statistic; `real` images are looked at where it has a parameter
    /// ([`Statistic::typicality`]).
    ///
    /// # Errors
    /// Those of [`Statistic::typicality`].
    pub fn fit(self, real: impl IntoIterator<Item = impl Borrow<Score>>) -> Result<Statistic> {
        match self {
            Self::Marginal => Ok(Statistic::Marginal),
            Self::Joint => Ok(Statistic::Joint),
            Self::GivenPredicted => Ok(Statistic::GivenPredicted),
            Self::Typicality => Statistic::typicality(real),
            Self::ComplexityCorrected => Ok(Statistic::ComplexityCorrected),
        }
    }

    /// The name in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Marginal => "marginal",
            Self::Joint => "joint",
            Self::GivenPredicted => "given_predicted",
            Self::Typicality => "typicality",
            Self::ComplexityCorrected => "complexity_corrected",
        }
    }
}
