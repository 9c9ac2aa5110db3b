//! Any statistic with one threshold, or one for each predicted class.

use std::borrow::Borrow;

use super::{Detector, Statistic, false_alarms};
use crate::{
    error::{Error, Result},
    likelihood::Score,
};

/// Accepts an input whose statistic is at or above the threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdDetector {
    statistic: Statistic,
    thresholds: Thresholds,
}

/// Thresholds of a statistic, in its unit ([`super::StatisticKind::unit`]).
#[derive(Debug, Clone, PartialEq)]
pub enum Thresholds {
    /// The same for every input.
    Common(f64),
    /// That of the predicted class; an input of no predicted class is rejected.
    PerClass(Vec<f64>),
}

impl Thresholds {
    /// The thresholds: one, or one a class.
    pub fn values(&self) -> &[f64] {
        match self {
            Self::Common(threshold) => std::slice::from_ref(threshold),
            Self::PerClass(thresholds) => thresholds,
        }
    }

    fn of(&self, predicted: Option<usize>) -> Option<f64> {
        match self {
            Self::Common(threshold) => Some(*threshold),
            Self::PerClass(thresholds) => predicted.map(|class| thresholds[class]),
        }
    }
}

impl ThresholdDetector {
    /// A detector of given thresholds ([`Statistic::nats`] has those of bits/dim).
    ///
    /// # Errors
    /// [`Error::Setting`] where a threshold or the statistic's centre is not finite, or there is none.
    pub fn fixed(statistic: Statistic, thresholds: Thresholds) -> Result<Self> {
        if let Some(value) = thresholds.values().iter().find(|value| !value.is_finite()) {
            return Err(Error::setting(format!("threshold {value}"), "must be finite"));
        }
        if thresholds.values().is_empty() {
            return Err(Error::setting("thresholds", "must be one for each class; there is none"));
        }
        if let Statistic::Typicality { centre } = statistic
            && !centre.is_finite()
        {
            return Err(Error::setting(format!("centre {centre}"), "must be finite"));
        }
        Ok(Self { statistic, thresholds })
    }

    /// The highest threshold that keeps a false-alarm rate ([`false_alarms::threshold`]), from images
    /// that are used for nothing else; how well is [`false_alarms::realised_rate`].
    ///
    /// # Errors
    /// Those of [`false_alarms::threshold`].
    pub fn calibrate(
        statistic: Statistic,
        calibration: impl IntoIterator<Item = impl Borrow<Score>>,
        false_alarm_rate: f64,
    ) -> Result<Self> {
        let values = calibration.into_iter().map(|score| statistic.of(score.borrow()));
        let threshold = false_alarms::threshold(values, false_alarm_rate)?;
        Self::fixed(statistic, Thresholds::Common(threshold))
    }

    /// One threshold for each of `classes` predicted classes, each keeping the rate among the inputs
    /// so predicted.
    ///
    /// Inputs of no predicted class are rejected and come on top of the rate.
    ///
    /// # Errors
    /// Those of [`false_alarms::threshold`], naming the class.
    ///
    /// # Panics
    /// If a predicted class is not below `classes`.
    pub fn calibrate_per_class(
        statistic: Statistic,
        calibration: impl IntoIterator<Item = impl Borrow<Score>>,
        false_alarm_rate: f64,
        classes: usize,
    ) -> Result<Self> {
        let mut values = vec![vec![]; classes];
        for score in calibration {
            let score = score.borrow();
            if let Some(class) = score.predicted {
                values[class].push(statistic.of(score));
            }
        }
        let fit = |(class, values): (usize, Vec<Option<f64>>)| {
            false_alarms::threshold(values.into_iter(), false_alarm_rate).map_err(|error| {
                match error {
                    Error::Setting { field, problem } => {
                        Error::setting(format!("predicted class {class}: {field}"), problem)
                    }
                    other => other,
                }
            })
        };
        let thresholds = values.into_iter().enumerate().map(fit).collect::<Result<_>>()?;
        Self::fixed(statistic, Thresholds::PerClass(thresholds))
    }

    /// What is compared.
    pub fn statistic(&self) -> Statistic {
        self.statistic
    }

    /// What it is compared with.
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }
}

impl Detector for ThresholdDetector {
    /// # Panics
    /// If there are thresholds per class, but none for the predicted one.
    fn accepts(&self, score: &Score) -> bool {
        let value = self.statistic.of(score);
        value.zip(self.thresholds.of(score.predicted)).is_some_and(|(value, least)| value >= least)
    }
}
