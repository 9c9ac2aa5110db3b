//! What a suite measures and how, beside its models and data.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    AttackSettings, Suite,
    refusal::{Key, Refusal},
};
use crate::{
    detect::{StatisticKind, false_alarms},
    error::Result,
    interpolate::ALPHAS,
};

/// Pairs that interpolation walks between where the suite does not say.
pub const PAIRS: usize = 200;

/// One kind of measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// -log p(x) in bits/dim.
    Likelihood,
    /// Accuracy of argmax p(x, y).
    Classify,
    /// False alarms, and how much of other data is accepted.
    Detect,
    /// How well each statistic separates other data, whatever the threshold.
    OutOfDistribution,
    /// What the label is worth in likelihood (section 4.2, figure 3).
    ClassGap,
    /// Paths between images of different classes (section 4.4, figures 1, 4, 6).
    Interpolate,
    /// The two terms of equation 4, and calibration.
    Objective,
    /// Attacks on classifier and detector (section 4.3, table 2): those of `[[attack]]`.
    Attack,
}

impl Task {
    /// Every one, in the order of the tables.
    pub const ALL: [Self; 8] = [
        Self::Likelihood,
        Self::Classify,
        Self::Detect,
        Self::OutOfDistribution,
        Self::ClassGap,
        Self::Interpolate,
        Self::Objective,
        Self::Attack,
    ];

    /// The name in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Likelihood => "likelihood",
            Self::Classify => "classify",
            Self::Detect => "detect",
            Self::OutOfDistribution => "out_of_distribution",
            Self::ClassGap => "class_gap",
            Self::Interpolate => "interpolate",
            Self::Objective => "objective",
            Self::Attack => "attack",
        }
    }
}

/// When an input counts as real: a statistic of it at or above a threshold.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Threshold {
    /// Fitted for every statistic on half of the data so that at most this share of real images is
    /// rejected in expectation; measured on the other half.
    FalseAlarmRate(f64),
    /// Fixed, in bits/dim of log p(x): the marginal statistic alone.
    BitsPerDim(f64),
    /// Fixed, in nats of log p(x): the marginal statistic alone.
    Nats(f64),
    /// The detectors that an earlier run saved: a folder that holds one for each model's name.
    Detectors(PathBuf),
}

impl Threshold {
    /// With a relative folder that starts at `folder`.
    pub(super) fn within(self, folder: &Path) -> Self {
        match self {
            Self::Detectors(saved) => Self::Detectors(folder.join(saved)),
            other => other,
        }
    }

    /// Refuses what no data could keep.
    fn checked(&self) -> std::result::Result<(), Refusal> {
        let refuse = |kind: &str, value: f64, problem: &str| {
            let refusal = Refusal::new(&format!("threshold.{kind}"), problem);
            Err(refusal.called(format!("threshold.{kind} = {value}")))
        };
        match *self {
            Self::FalseAlarmRate(rate) if false_alarms::check_rate(rate).is_err() => {
                refuse("false_alarm_rate", rate, "must lie strictly between 0 and 1")
            }
            Self::BitsPerDim(bits) if !bits.is_finite() => {
                refuse("bits_per_dim", bits, "must be finite")
            }
            Self::Nats(nats) if !nats.is_finite() => refuse("nats", nats, "must be finite"),
            _ => Ok(()),
        }
    }
}

impl Default for Threshold {
    fn default() -> Self {
        Self::FalseAlarmRate(0.05)
    }
}

/// Which detectors there are.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Detect {
    /// What detectors compare with a threshold; without it what needs no gradients.
    pub statistics: Vec<StatisticKind>,
    /// A threshold for each predicted class, instead of one for all.
    pub per_class: bool,
}

impl Default for Detect {
    fn default() -> Self {
        Self { statistics: StatisticKind::OF_DENSITIES.to_vec(), per_class: false }
    }
}

/// Inputs that are made, beside the files of other data.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Synthetic {
    /// Pixels uniform over the 8-bit values.
    pub uniform: bool,
    /// Images of one colour.
    pub constant: bool,
    /// Test images plus Gaussian noise of these standard deviations, the pixels' range being 1.
    pub noise: Vec<f64>,
    /// Images of each, but no more than there are of the data.
    pub images: NonZeroUsize,
}

impl Default for Synthetic {
    fn default() -> Self {
        let images = NonZeroUsize::new(1000).expect("it is not zero");
        Self { uniform: true, constant: true, noise: vec![0.1], images }
    }
}

/// The class gap's settings.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassGapSettings {
    /// Most bins of its histogram.
    pub bins: usize,
}

impl Default for ClassGapSettings {
    fn default() -> Self {
        Self { bins: 100 }
    }
}

/// Interpolation's settings.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Interpolate {
    /// Pairs; without it [`PAIRS`], or as many as can be formed where these are fewer.
    pub pairs: Option<NonZeroUsize>,
    /// Points of a path, both ends among them.
    pub alphas: usize,
    /// Paths that are kept whole, with images, for figures.
    pub examples: usize,
}

impl Default for Interpolate {
    fn default() -> Self {
        Self { pairs: None, alphas: ALPHAS, examples: 3 }
    }
}

/// The objective's settings.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectiveSettings {
    /// Bins of the reliability curve and of the expected calibration error.
    pub bins: NonZeroUsize,
}

impl Default for ObjectiveSettings {
    fn default() -> Self {
        // As Guo et al., 2017.
        Self { bins: NonZeroUsize::new(15).expect("it is not zero") }
    }
}

impl Suite {
    /// Whether a task is asked for.
    pub fn has(&self, task: Task) -> bool {
        self.tasks.contains(&task)
    }

    /// Whether a task looks at other data than [`Suite::data`].
    pub(super) fn sees_other_data(&self) -> bool {
        [Task::Likelihood, Task::Detect, Task::OutOfDistribution].iter().any(|task| self.has(*task))
    }

    /// Whether a task asks a detector.
    pub(super) fn asks_detectors(&self) -> bool {
        let tasks = [Task::Detect, Task::OutOfDistribution, Task::Interpolate];
        self.attacks_any() || tasks.iter().any(|task| self.has(*task))
    }

    /// Whether anything is attacked.
    pub(super) fn attacks_any(&self) -> bool {
        self.has(Task::Attack) && !self.attacks.is_empty()
    }

    /// Whether models have to be opened with gradients.
    pub fn needs_gradients(&self) -> bool {
        let attacks = self.attacks_any() && self.attacks.iter().any(AttackSettings::uses_gradient);
        attacks || self.asks_gradient_norm()
    }

    /// Whether the gradient of every image is looked at.
    pub(super) fn asks_gradient_norm(&self) -> bool {
        self.asks_detectors() && self.detect.statistics.contains(&StatisticKind::GradientNorm)
    }

    /// Refuses settings that no data could make valid, wherever they come from.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) naming the key and what is allowed.
    pub fn check(&self) -> Result<()> {
        self.checked().map_err(Refusal::into_error)
    }

    /// [`check`](Self::check), with the key for whoever knows its line.
    pub(super) fn checked(&self) -> std::result::Result<(), Refusal> {
        let refuse = |key: &str, problem: &str| Err(Refusal::new(key, problem));
        if self.models.is_empty() {
            return refuse("model", "is empty: a suite needs at least one [[model]]");
        }
        if self.tasks.is_empty() {
            return refuse("tasks", "is empty; name a task, or leave it out for all of them");
        }
        self.threshold.checked()?;
        self.check_statistics()?;
        self.check_attacks()?;
        if self.interpolate.alphas < 2 {
            return refuse("interpolate.alphas", "must be at least 2, for both ends of a path");
        }
        if self.class_gap.bins < 2 {
            return refuse("class_gap.bins", "must be at least 2");
        }
        let bad = |deviation: &f64| !(deviation.is_finite() && *deviation > 0.0);
        match self.synthetic.noise.iter().position(bad) {
            None => Ok(()),
            Some(place) => {
                let field = format!("synthetic.noise = {}", self.synthetic.noise[place]);
                let key = Key::of("synthetic.noise").then(place);
                Err(Refusal { key, field, problem: "must be above 0 and finite".to_owned() })
            }
        }
    }

    fn check_attacks(&self) -> std::result::Result<(), Refusal> {
        if self.tasks == [Task::Attack] && self.attacks.is_empty() {
            let problem = "is asked for alone, and there is none: describe one under [[attack]]";
            return Err(Refusal::new("tasks", problem).called("attack"));
        }
        let mut seen = vec![];
        for (place, attack) in self.attacks.iter().enumerate() {
            self.check_attack(attack, &seen).map_err(|refusal| {
                let key = Key::of("attack").then(place).join(refusal.key);
                let field = format!("attack '{}': {}", attack.name(), refusal.field);
                Refusal { key, field, ..refusal }
            })?;
            seen.push(attack.name());
        }
        Ok(())
    }

    /// What is wrong with an attack after others of these names; its key within the attack's table.
    fn check_attack(
        &self,
        attack: &AttackSettings,
        before: &[String],
    ) -> std::result::Result<(), Refusal> {
        attack.checked()?;
        if before.contains(&attack.name()) {
            let problem = "is that of two attacks; give one of them another name";
            return Err(Refusal::new("name", problem));
        }
        if self.has(Task::Attack) && !self.detect.statistics.contains(&attack.detector) {
            let statistic = attack.detector.name();
            let problem =
                format!("'{statistic}' is not among detect.statistics: add \"{statistic}\" there");
            return Err(Refusal::new("detector", problem));
        }
        Ok(())
    }

    fn check_statistics(&self) -> std::result::Result<(), Refusal> {
        let statistics = &self.detect.statistics;
        let by_marginal = statistics.contains(&StatisticKind::Marginal);
        let fitted = matches!(self.threshold, Threshold::FalseAlarmRate(_));
        let (key, problem) = if self.detect.per_class && !fitted {
            (
                "detect.per_class",
                "needs thresholds that are fitted: give threshold.false_alarm_rate",
            )
        } else if statistics.is_empty() {
            ("detect.statistics", "is empty; name one, or leave it out for all of them")
        } else if !by_marginal && !fitted && !matches!(self.threshold, Threshold::Detectors(_)) {
            ("detect.statistics", "lacks \"marginal\", which a fixed threshold is one of")
        } else if !by_marginal && self.has(Task::Interpolate) {
            let problem = "lacks \"marginal\", by which the task interpolate selects its pairs; add \
                           it, or leave the task out";
            ("detect.statistics", problem)
        } else {
            return Ok(());
        };
        Err(Refusal::new(key, problem))
    }
}
