//! The rows of one model's results.

use undetected_theory::Proportion;

use super::Task;
use crate::{
    engine::EngineInfo,
    model::ModelSpec,
    record::Row,
    statistics::{CONFIDENCE, Estimate},
};

/// Rows so far, with what is the same in all of them.
pub(super) struct Table {
    pub(super) spec: ModelSpec,
    pub(super) engine: EngineInfo,
    pub(super) seed: u64,
    pub(super) rows: Vec<Row>,
    /// Engine and device of the next row.
    source: (String, String),
}

/// What numbers are of.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) dataset: &'a str,
    pub(super) task: Task,
    /// The statistic's name, where the number is of one.
    pub(super) statistic: Option<&'static str>,
    /// The attack's name, where the number is of one.
    pub(super) attack: Option<&'a str>,
    /// The distance within which it counts, L2 on pixels scaled to \[0, 1\].
    pub(super) epsilon: Option<f64>,
}

impl<'a> Place<'a> {
    pub(super) fn new(dataset: &'a str, task: Task) -> Self {
        Self { dataset, task, statistic: None, attack: None, epsilon: None }
    }

    pub(super) fn of(self, statistic: &'static str) -> Self {
        Self { statistic: Some(statistic), ..self }
    }

    pub(super) fn by(self, attack: &'a str) -> Self {
        Self { attack: Some(attack), ..self }
    }

    pub(super) fn within(self, epsilon: f64) -> Self {
        Self { epsilon: Some(epsilon), ..self }
    }
}

impl Table {
    pub(super) fn new(spec: ModelSpec, engine: EngineInfo, seed: u64) -> Self {
        let source = (engine.to_string(), engine.device.to_string());
        Self { spec, engine, seed, rows: vec![], source }
    }

    /// Rows from here on come from all these engines, where there are any.
    pub(super) fn comes_from(&mut self, engines: &[EngineInfo]) {
        if !engines.is_empty() {
            self.source = EngineInfo::names(engines);
        }
    }

    /// A number of `n` images.
    pub(super) fn push(
        &mut self,
        place: Place<'_>,
        metric: impl Into<String>,
        estimate: Estimate,
        n: u64,
        unit: &'static str,
    ) {
        self.rows.push(Row {
            model: self.spec.name.clone(),
            dataset: place.dataset.to_owned(),
            task: place.task.name(),
            statistic: place.statistic,
            attack: place.attack.map(str::to_owned),
            epsilon: place.epsilon,
            metric: metric.into(),
            value: estimate.value,
            low: estimate.interval.map(|(low, _)| low),
            high: estimate.interval.map(|(_, high)| high),
            n,
            unit,
            engine: self.source.0.clone(),
            device: self.source.1.clone(),
            seed: self.seed,
        });
    }

    /// A number without an interval.
    pub(super) fn push_exact(
        &mut self,
        place: Place<'_>,
        metric: impl Into<String>,
        value: f64,
        n: u64,
        unit: &'static str,
    ) {
        self.push(place, metric, Estimate { value, interval: None }, n, unit);
    }

    /// A share with its interval; nothing of nothing, which is no share.
    pub(super) fn push_share(
        &mut self,
        place: Place<'_>,
        metric: impl Into<String>,
        share: Proportion,
    ) {
        if share.trials == 0 {
            return;
        }
        let interval = share.interval(CONFIDENCE);
        let estimate =
            Estimate { value: share.estimate(), interval: Some((interval.low, interval.high)) };
        self.push(place, metric, estimate, share.trials, "share");
    }
}
