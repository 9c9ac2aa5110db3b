//! What a detector compares with its threshold.

use std::{borrow::Borrow, f64::consts::LN_2};

use crate::{
    error::{Error, Result},
    likelihood::Score,
    model::ModelSpec,
    statistics,
};

/// A number, higher = likelier real; in nats but for [`Statistic::GradientNorm`]
/// ([`StatisticKind::unit`]).
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
    /// -|d log p(x) / dx|, L2, on pixels scaled to \[0, 1\] ([`crate::gradient_norm`]): an input in a
    /// region of much mass has neighbours as likely as itself, wherever the density itself is high. Nats per
    /// pixel range, which no bits/dim are.
    ///
    /// Source: the score of Grathwohl et al., Your classifier is secretly an energy based model and you
    /// should treat it like one, ICLR 2020, of their energy-based models.
    GradientNorm,
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
            Self::GradientNorm => score.gradient_norm.map(|norm| -norm),
        };
        value.filter(|value| value.is_finite() && score.log_px.is_finite())
    }

    /// A threshold given in bits/dim, in nats; `None` for [`Statistic::GradientNorm`], which has none.
    ///
    /// Likelihoods as [`ModelSpec::nats`]. For [`Statistic::Typicality`] the bits/dim are the
    /// half-width of the band. For [`Statistic::ComplexityCorrected`] they are those by which the
    /// model's code may be longer than the complexity.
    pub fn nats(&self, spec: &ModelSpec, bits_per_dim: f64) -> Option<f64> {
        match self {
            Self::Typicality { .. } => Some(-bits_per_dim * spec.n_dims as f64 * LN_2),
            Self::GradientNorm => None,
            _ => Some(spec.nats(bits_per_dim)),
        }
    }

    /// A threshold in nats, in bits/dim; inverse of [`nats`](Self::nats).
    pub fn bits_per_dim(&self, spec: &ModelSpec, nats: f64) -> Option<f64> {
        match self {
            Self::Typicality { .. } => Some(-nats / (spec.n_dims as f64 * LN_2)),
            Self::GradientNorm => None,
            _ => Some(spec.bits_per_dim(nats)),
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
            Self::GradientNorm => StatisticKind::GradientNorm,
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
    /// [`Statistic::GradientNorm`].
    GradientNorm,
}

impl StatisticKind {
    /// Those that need densities alone, no gradients.
    pub const OF_DENSITIES: [Self; 5] = [
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
            Self::GradientNorm => Ok(Statistic::GradientNorm),
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
            Self::GradientNorm => "gradient_norm",
        }
    }

    /// The unit of its values and thresholds in tables and files; nats/range are nats per pixel range.
    pub fn unit(self) -> &'static str {
        match self {
            Self::GradientNorm => "nats/range",
            _ => "nats",
        }
    }
}
