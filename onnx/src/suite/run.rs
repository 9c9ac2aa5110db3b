//! Running a suite's models: scores, then every number of the tables from them.

use rand::RngExt;
use undetected_theory::{Proportion, Streams};

use super::{DataEntry, Suite, Threshold};
use crate::{
    checkpoint::Checkpoint,
    classify,
    dataset::Images,
    detect::{self, Detector, LikelihoodThreshold},
    engine::EngineInfo,
    error::{Error, Result},
    likelihood::{self, Score},
    model::{ConditionalModel, ModelSpec},
    record::{Row, Sample},
    statistics::{self, CONFIDENCE, Estimate},
};

/// Progress of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Scoring of a data set begins.
    Started {
        /// The data set.
        dataset: String,
        /// Its number of images.
        images: usize,
    },
    /// So many more images were scored.
    Scored(usize),
}

/// Everything that a run says of one model.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What is known of the model.
    pub spec: ModelSpec,
    /// What computed.
    pub engine: EngineInfo,
    /// The numbers.
    pub rows: Vec<Row>,
    /// The images, data set after data set.
    pub samples: Vec<Sample>,
}

/// Scores the suite's data with one model and measures likelihood, accuracy and detection.
///
/// `batch_size` changes speed only. `report` hears of every batch.
///
/// # Errors
/// Where data cannot be read or does not fit the model, the engine fails, or the threshold cannot
/// be fitted.
pub fn run_model(
    suite: &Suite,
    checkpoint: &mut Checkpoint,
    batch_size: usize,
    report: &mut dyn FnMut(Event),
) -> Result<Outcome> {
    let spec = checkpoint.spec().clone();
    let data = open(&suite.data, checkpoint)?;
    if data.labels.is_none() {
        return Err(Error::setting(
            format!("data {}", suite.data.images.display()),
            "has no labels; name the label file, or an NPZ array 'labels'",
        ));
    }
    let mut others = suite
        .out_of_distribution
        .iter()
        .map(|entry| open(entry, checkpoint))
        .collect::<Result<Vec<_>>>()?;
    others.push(Images::uniform_noise(spec.image, data.len(), suite.seed));

    refuse_equal_names(std::iter::once(&data).chain(&others))?;

    let calibrates = calibration_split(suite, data.len());
    check_threshold(suite.threshold, calibrates.iter().filter(|used| **used).count())?;

    let mut score = |images: &Images| {
        report(Event::Started { dataset: images.name.clone(), images: images.len() });
        let mut scored = |count| report(Event::Scored(count));
        likelihood::score(checkpoint, images, batch_size, suite.seed, &mut scored)
    };
    let scores = score(&data)?;
    let other_scores = others.iter().map(&mut score).collect::<Result<Vec<_>>>()?;

    let (calibration, test): (Vec<Score>, Vec<Score>) =
        scores.iter().cloned().partition(|score| calibrates[score.index]);
    let detector = detector(suite.threshold, &spec, &calibration)?;
    let engine = checkpoint.engine().clone();
    let mut table =
        Table { spec: &spec, engine: &engine, seed: suite.seed, rows: vec![], samples: vec![] };
    table.likelihood(&data.name, &scores);
    table.accuracy(&data.name, &scores);
    table.threshold(&data.name, &detector, calibration.len());
    table.accepted(&data.name, &detector, &test);
    table.samples(&data.name, &detector, &scores, |index| calibrates[index]);
    for (images, scores) in others.iter().zip(&other_scores) {
        table.likelihood(&images.name, scores);
        table.accepted(&images.name, &detector, scores);
        table.samples(&images.name, &detector, scores, |_| false);
    }
    let Table { rows, samples, .. } = table;
    Ok(Outcome { spec, engine, rows, samples })
}

fn open(entry: &DataEntry, checkpoint: &Checkpoint) -> Result<Images> {
    let spec = checkpoint.spec();
    let mut images = Images::open(&entry.images, entry.labels.as_deref())?;
    if let Some(name) = &entry.name {
        images.name.clone_from(name);
    }
    if let Some(limit) = entry.limit {
        if limit == 0 {
            return Err(Error::setting("limit", "must be at least 1"));
        }
        images.truncate(limit);
    }
    images.check_labels(spec.classes.len())?;
    images.fit(spec.image, checkpoint.contract.pad)
}

/// Rows are told apart by their data set's name.
fn refuse_equal_names<'a>(images: impl Iterator<Item = &'a Images>) -> Result<()> {
    let mut seen = Vec::new();
    for Images { name, .. } in images {
        if seen.contains(&name) {
            let problem = "names two data sets; rename a file, or give a name in a suite";
            return Err(Error::setting(format!("data set name '{name}'"), problem));
        }
        seen.push(name);
    }
    Ok(())
}

/// Which images fit the threshold: a fair coin of each image's own stream, so that the split is the
/// same for any shard. None where the threshold is fixed.
fn calibration_split(suite: &Suite, images: usize) -> Vec<bool> {
    let streams = Streams::new(suite.seed, "calibration-split");
    let fitted = matches!(suite.threshold, Threshold::FalseAlarmRate(_));
    (0..images as u64).map(|index| fitted && streams.get(index).random::<bool>()).collect()
}

/// Refuses a threshold that no scores could make valid, before any is computed.
fn check_threshold(threshold: Threshold, calibration: usize) -> Result<()> {
    match threshold {
        Threshold::FalseAlarmRate(rate) => LikelihoodThreshold::rank(calibration, rate).map(|_| ()),
        Threshold::Nats(value) | Threshold::BitsPerDim(value) if !value.is_finite() => {
            Err(Error::setting(format!("threshold {value}"), "must be finite"))
        }
        _ => Ok(()),
    }
}

fn detector(
    threshold: Threshold,
    spec: &ModelSpec,
    calibration: &[Score],
) -> Result<LikelihoodThreshold> {
    match threshold {
        Threshold::Nats(threshold) => Ok(LikelihoodThreshold { threshold }),
        Threshold::BitsPerDim(bits) => Ok(LikelihoodThreshold { threshold: spec.nats(bits) }),
        Threshold::FalseAlarmRate(rate) => LikelihoodThreshold::calibrate(calibration, rate),
    }
}

struct Table<'a> {
    spec: &'a ModelSpec,
    engine: &'a EngineInfo,
    seed: u64,
    rows: Vec<Row>,
    samples: Vec<Sample>,
}

impl Table<'_> {
    fn push(
        &mut self,
        (dataset, task, unit): (&str, &'static str, &'static str),
        metric: impl Into<String>,
        estimate: Estimate,
        n: usize,
    ) {
        self.rows.push(Row {
            model: self.spec.name.clone(),
            dataset: dataset.to_owned(),
            task,
            metric: metric.into(),
            value: estimate.value,
            low: estimate.interval.map(|(low, _)| low),
            high: estimate.interval.map(|(_, high)| high),
            n,
            unit,
            engine: self.engine.to_string(),
            device: self.engine.device.to_string(),
            seed: self.seed,
        });
    }

    fn push_share(&mut self, place: (&str, &'static str), metric: &str, part: usize, n: usize) {
        // Nothing out of nothing is no rate.
        if n == 0 {
            return;
        }
        let share = Proportion { successes: part as u64, trials: n as u64 };
        let interval = share.interval(CONFIDENCE);
        let estimate =
            Estimate { value: share.estimate(), interval: Some((interval.low, interval.high)) };
        self.push((place.0, place.1, "share"), metric, estimate, n);
    }

    /// Mean and deciles of bits/dim over the images of finite density, and the share without one.
    fn likelihood(&mut self, dataset: &str, scores: &[Score]) {
        let bits = |log_p: f64| self.spec.bits_per_dim(log_p);
        let finite = |values: Vec<f64>| -> Vec<f64> {
            values.into_iter().filter(|log_p| log_p.is_finite()).map(bits).collect()
        };
        let mut marginal = finite(scores.iter().map(|score| score.log_px).collect());
        let given_label =
            finite(scores.iter().filter_map(|score| score.log_px_given_label).collect());
        marginal.sort_by(f64::total_cmp);
        let place = (dataset, "likelihood", "bits/dim");
        let n = marginal.len();
        if let Some(mean) = statistics::mean(&marginal) {
            self.push(place, "mean", mean, n);
        }
        if let Some(mean) = statistics::mean(&given_label) {
            self.push(place, "mean_given_label", mean, given_label.len());
        }
        for decile in 1..=9 {
            if let Some(quantile) = statistics::quantile(&marginal, f64::from(decile) / 10.0) {
                self.push(place, format!("decile_{decile}"), quantile, n);
            }
        }
        self.push_share((dataset, "likelihood"), "not_finite", scores.len() - n, scores.len());
    }

    fn accuracy(&mut self, dataset: &str, scores: &[Score]) {
        let (labelled, correct) = classify::count_correct(scores);
        self.push_share((dataset, "classify"), "accuracy", correct, labelled);
    }

    fn threshold(&mut self, dataset: &str, detector: &LikelihoodThreshold, calibration: usize) {
        let exactly = |value| Estimate { value, interval: None };
        let nats = detector.threshold;
        let bits = self.spec.bits_per_dim(nats);
        self.push((dataset, "detect", "nats"), "threshold", exactly(nats), calibration);
        self.push((dataset, "detect", "bits/dim"), "threshold", exactly(bits), calibration);
    }

    fn accepted(&mut self, dataset: &str, detector: &dyn Detector, scores: &[Score]) {
        let accepted = detect::count_accepted(detector, scores);
        let n = scores.len();
        self.push_share((dataset, "detect"), "accepted", accepted, n);
        self.push_share((dataset, "detect"), "rejected", n - accepted, n);
    }

    fn samples(
        &mut self,
        dataset: &str,
        detector: &dyn Detector,
        scores: &[Score],
        calibrates: impl Fn(usize) -> bool,
    ) {
        self.samples.extend(scores.iter().map(|score| Sample {
            model: self.spec.name.clone(),
            dataset: dataset.to_owned(),
            index: score.index,
            split: if calibrates(score.index) { "calibration" } else { "test" },
            label: score.label,
            predicted: score.predicted,
            confidence: score.confidence,
            log_px_nats: score.log_px,
            log_px_given_label_nats: score.log_px_given_label,
            bits_per_dim: self.spec.bits_per_dim(score.log_px),
            accepted: detector.accepts(score),
        }));
    }
}
