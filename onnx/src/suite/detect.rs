//! Detectors of a run: how the data is split for them, fitting or loading them, false alarms.

use std::{fs, path::Path};

use rand::RngExt;
use undetected_theory::{Proportion, Streams};

use super::{
    Suite, Task, Threshold,
    scored::Scored,
    table::{Place, Table},
};
use crate::{
    detect::{
        CalibrationRecord, SavedDetector, Statistic, StatisticKind, ThresholdDetector, Thresholds,
        false_alarms, rejection_rate,
    },
    error::{Error, Result},
    likelihood::Score,
    model::ModelSpec,
};

/// What an image of the data is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Fits the thresholds of every statistic but typicality, and typicality's centre.
    Centre,
    /// Fits the thresholds of every statistic.
    Threshold,
    /// Measures.
    Test,
}

/// Which image is used for what.
///
/// A fair coin of each image's own stream, (seed, "calibration-split", index), decides between
/// fitting and measuring, and with probability 1/4 one more draw takes an image that fits from the
/// typical set's threshold for its centre: the split is the same for any batch or shard.
pub(super) struct Split(Option<Streams>);

impl Split {
    /// That of a run, or of one whose `seed` its detectors remember.
    fn new(seed: u64) -> Self {
        Self(Some(Streams::new(seed, "calibration-split")))
    }

    pub(super) fn part(&self, index: usize) -> Part {
        let Some(streams) = &self.0 else { return Part::Test };
        let mut stream = streams.get(index as u64);
        match stream.random::<bool>() {
            false => Part::Test,
            true if stream.random_ratio(1, 4) => Part::Centre,
            true => Part::Threshold,
        }
    }

    /// The images that measure.
    pub(super) fn test<'a>(&'a self, scored: &'a Scored) -> impl Iterator<Item = Score> + 'a {
        scored.iter().filter(|score| self.part(score.index) == Part::Test)
    }

    fn fits(&self, index: usize, kind: StatisticKind) -> bool {
        match self.part(index) {
            Part::Test => false,
            Part::Centre => kind != StatisticKind::Typicality,
            Part::Threshold => true,
        }
    }
}

/// The detectors of a run, fitted or not yet.
pub(super) enum Plan {
    /// To be fitted.
    Fit { kinds: Vec<StatisticKind>, rate: f64, per_class: bool },
    /// Given.
    Given(Vec<SavedDetector>),
}

impl Plan {
    /// What the suite asks for, with the split of `images` images of `dataset` that it implies: no
    /// detectors where no task asks one.
    ///
    /// # Errors
    /// Where saved detectors cannot be used, or a rate cannot be kept with so few images: whatever can
    /// be refused before anything is computed.
    pub(super) fn new(
        suite: &Suite,
        spec: &ModelSpec,
        model_sha256: &str,
        dataset: &str,
        images: usize,
    ) -> Result<(Self, Split)> {
        if !suite.asks_detectors() {
            return Ok((Self::Given(vec![]), Split(None)));
        }
        let fixed = |nats| -> Result<(Self, Split)> {
            let thresholds = Thresholds::Common(nats);
            let detector = SavedDetector {
                detector: ThresholdDetector::fixed(Statistic::Marginal, thresholds)?,
                model_sha256: model_sha256.to_owned(),
                dequantisation: spec.dequantisation,
                calibration: None,
            };
            Ok((Self::Given(vec![detector]), Split(None)))
        };
        match &suite.threshold {
            Threshold::Nats(nats) => fixed(*nats),
            Threshold::BitsPerDim(bits) => fixed(spec.nats(*bits)),
            Threshold::Detectors(folder) => {
                let saved = load(&folder.join(&spec.name), suite, spec, model_sha256)?;
                let split = split_of(&saved, dataset);
                Ok((Self::Given(saved), split))
            }
            Threshold::FalseAlarmRate(rate) => {
                let plan = Self::Fit {
                    kinds: suite.detect.statistics.clone(),
                    rate: *rate,
                    per_class: suite.detect.per_class,
                };
                let split = Split::new(suite.seed);
                plan.check(&split, images)?;
                Ok((plan, split))
            }
        }
    }

    fn check(&self, split: &Split, images: usize) -> Result<()> {
        let Self::Fit { kinds, rate, .. } = self else { return Ok(()) };
        for kind in kinds {
            let n = (0..images).filter(|index| split.fits(*index, *kind)).count();
            false_alarms::rank(n, *rate).map_err(|error| of_statistic(*kind, error))?;
        }
        Ok(())
    }

    /// The detectors, fitted where they are to be.
    pub(super) fn detectors(
        &self,
        suite: &Suite,
        spec: &ModelSpec,
        model_sha256: &str,
        (dataset, scored, split): (&str, &Scored, &Split),
    ) -> Result<Vec<SavedDetector>> {
        let (kinds, rate, per_class) = match self {
            Self::Given(saved) => return Ok(saved.clone()),
            Self::Fit { kinds, rate, per_class } => (kinds, *rate, *per_class),
        };
        let fit = |kind: StatisticKind| -> Result<SavedDetector> {
            let centre = scored.iter().filter(|score| split.part(score.index) == Part::Centre);
            let statistic = kind.fit(centre)?;
            let calibration = || scored.iter().filter(|score| split.fits(score.index, kind));
            let detector = match per_class {
                false => ThresholdDetector::calibrate(statistic, calibration(), rate),
                true => {
                    let classes = spec.classes.len();
                    ThresholdDetector::calibrate_per_class(statistic, calibration(), rate, classes)
                }
            };
            Ok(SavedDetector {
                detector: detector?,
                model_sha256: model_sha256.to_owned(),
                dequantisation: spec.dequantisation,
                calibration: Some(CalibrationRecord {
                    dataset: dataset.to_owned(),
                    images: calibration().count(),
                    seed: suite.seed,
                    false_alarm_rate: rate,
                }),
            })
        };
        let fit = |kind| fit(kind).map_err(|error| of_statistic(kind, error));
        kinds.iter().map(|kind| fit(*kind)).collect()
    }
}

fn of_statistic(kind: StatisticKind, error: Error) -> Error {
    match error {
        Error::Setting { field, problem } => {
            Error::setting(format!("detector '{}': {field}", kind.name()), problem)
        }
        other => other,
    }
}

/// Detectors of the suite's statistics that are in the folder.
fn load(
    folder: &Path,
    suite: &Suite,
    spec: &ModelSpec,
    model_sha256: &str,
) -> Result<Vec<SavedDetector>> {
    // A folder that is not there is said so with its name, not as one without files.
    fs::read_dir(folder).map_err(Error::io(folder))?;
    let paths = suite.detect.statistics.iter().map(|kind| folder.join(file_name(*kind)));
    let found: Vec<_> = paths.filter(|path| path.exists()).collect();
    let marginal = found.is_empty() || suite.has(Task::Interpolate);
    let needed = [
        marginal.then_some(StatisticKind::Marginal),
        // It is asked for by name alone.
        suite.asks_gradient_norm().then_some(StatisticKind::GradientNorm),
    ];
    let mut needed = needed.into_iter().flatten().map(|kind| folder.join(file_name(kind)));
    if let Some(needed) = needed.find(|path| !found.contains(path)) {
        let problem = format!("lacks {}; save detectors by a run that fits them", needed.display());
        return Err(Error::setting("threshold.detectors", problem));
    }
    found.iter().map(|path| SavedDetector::load(path, spec, model_sha256)).collect()
}

/// The file of a detector in its model's folder.
pub fn file_name(kind: StatisticKind) -> String {
    format!("{}.json", kind.name())
}

/// Images that saved detectors were fitted on measure nothing: where they are of `dataset` too, the
/// split is theirs. All of another data set's images measure.
fn split_of(saved: &[SavedDetector], dataset: &str) -> Split {
    let records = saved.iter().filter_map(|saved| saved.calibration.as_ref());
    let mut here = records.filter(|record| record.dataset == dataset);
    here.next().map_or(Split(None), |record| Split::new(record.seed))
}

/// Thresholds, and the false-alarm rates that they are expected to have.
pub(super) fn thresholds(table: &mut Table, dataset: &str, saved: &[SavedDetector]) {
    for SavedDetector { detector, calibration, .. } in saved {
        let statistic = detector.statistic();
        let place = Place::new(dataset, Task::Detect).of(statistic.name());
        let n = calibration.as_ref().map_or(0, |record| record.images as u64);
        for (class, value) in detector.thresholds().values().iter().enumerate() {
            let metric = match detector.thresholds() {
                Thresholds::Common(_) => "threshold".to_owned(),
                Thresholds::PerClass(_) => format!("threshold_class_{class}"),
            };
            table.push_exact(place, metric.clone(), *value, n, statistic.kind().unit());
            if let Some(bits) = statistic.bits_per_dim(&table.spec, *value) {
                table.push_exact(place, metric, bits, n, "bits/dim");
            }
        }
        if let Statistic::Typicality { centre } = statistic {
            let bits = table.spec.bits_per_dim(centre);
            table.push_exact(place, "centre", centre, n, "nats");
            table.push_exact(place, "centre", bits, n, "bits/dim");
        }
        let expected = calibration.as_ref().and_then(|record| expected(detector, record));
        if let Some(expected) = expected {
            table.push(place, "expected_false_alarms", expected, n, "share");
        }
    }
}

fn expected(
    detector: &ThresholdDetector,
    record: &CalibrationRecord,
) -> Option<crate::statistics::Estimate> {
    let common = matches!(detector.thresholds(), Thresholds::Common(_));
    common.then(|| false_alarms::realised_rate(record.images, record.false_alarm_rate).ok())?
}

/// How many of the images each detector accepts and rejects.
pub(super) fn accepted<I: Iterator<Item = Score>>(
    table: &mut Table,
    dataset: &str,
    saved: &[SavedDetector],
    scores: impl Fn() -> I,
) {
    for SavedDetector { detector, .. } in saved {
        let place = Place::new(dataset, Task::Detect).of(detector.statistic().name());
        let Some(rejected) = rejection_rate(detector, scores()) else { continue };
        let accepted = rejected.trials - rejected.successes;
        table.push_share(place, "accepted", Proportion { successes: accepted, ..rejected });
        table.push_share(place, "rejected", rejected);
    }
}
