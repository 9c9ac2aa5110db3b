//! What the label is worth in likelihood (section 4.2, figure 3): log p(x given y) of the true label
//! against that of wrong ones.

use rand::RngExt;
use undetected_theory::{Proportion, Streams};

use crate::{
    classify,
    dataset::Images,
    error::{Error, Result},
    histogram::PairedHistogram,
    likelihood::{self, rankable},
    model::{ConditionalModel, ModelSpec},
    moments::Moments,
};

/// One image under its label and under two wrong ones.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct GapSample {
    /// Index of the image in its data set.
    pub index: usize,
    /// Its class.
    pub label: usize,
    /// The wrong class of the largest log p(x, y), as
    /// [`classify::predict`] finds it; `None` where a wrong class's density is NaN or +inf, or all
    /// are -inf.
    pub best_wrong: Option<usize>,
    /// A wrong class, uniform, drawn from stream (seed, "random-wrong-label", index).
    pub random_wrong: usize,
    /// log p(x given label), nats.
    pub log_px_given_label: f64,
    /// log p(x given `best_wrong`), nats.
    pub log_px_given_best_wrong: Option<f64>,
    /// log p(x given `random_wrong`), nats.
    pub log_px_given_random_wrong: f64,
}

impl GapSample {
    /// The sample of an image from its log p(x given y), one a class.
    ///
    /// # Panics
    /// If `label` is not a class, or the only one.
    pub fn new(index: usize, label: usize, spec: &ModelSpec, log_prob: &[f64], seed: u64) -> Self {
        let random_wrong = random_wrong(index, label, log_prob.len(), seed);
        let best_wrong = best_wrong(label, &spec.ln_prior, log_prob);
        Self {
            index,
            label,
            best_wrong,
            random_wrong,
            log_px_given_label: log_prob[label],
            log_px_given_best_wrong: best_wrong.map(|class| log_prob[class]),
            log_px_given_random_wrong: log_prob[random_wrong],
        }
    }

    /// log p(x given label) - log p(x given `best_wrong`), nats; `None` unless both are finite.
    pub fn gap(&self) -> Option<f64> {
        self.finite_pair().map(|[label, wrong]| label - wrong)
    }

    fn finite_pair(&self) -> Option<[f64; 2]> {
        let pair = [self.log_px_given_label, self.log_px_given_best_wrong?];
        pair.iter().all(|log_p| log_p.is_finite()).then_some(pair)
    }
}

fn random_wrong(index: usize, label: usize, classes: usize, seed: u64) -> usize {
    let mut stream = Streams::new(seed, "random-wrong-label").get(index as u64);
    let drawn = stream.random_range(0..classes - 1);
    drawn + usize::from(drawn >= label)
}

fn best_wrong(label: usize, ln_prior: &[f64], log_prob: &[f64]) -> Option<usize> {
    let without = |values: &[f64]| [&values[..label], &values[label + 1..]].concat();
    let found = classify::predict(&without(ln_prior), &without(log_prob))?;
    Some(found + usize::from(found >= label))
}

/// Figure 3 in numbers. Holds no sample: its size does not depend on the data set's.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassGap {
    /// Images seen.
    pub n: u64,
    /// Images without a gap ([`GapSample::gap`]); they are in `n` and in nothing below.
    pub not_finite: u64,
    /// Images whose gap is above 0: with a uniform prior, those classified correctly.
    pub label_leads: u64,
    /// Of log p(x given label), nats.
    pub given_label: Moments,
    /// Of log p(x given best wrong), nats.
    pub given_best_wrong: Moments,
    /// Of the gap, nats.
    pub gap: Moments,
    /// log p(x given label) as stream 0, log p(x given best wrong) as stream 1, nats.
    pub histogram: PairedHistogram,
}

impl ClassGap {
    /// Of no image yet, its histogram of at most `max_bins` bins.
    ///
    /// # Panics
    /// If `max_bins` is below 2.
    pub fn new(max_bins: usize) -> Self {
        Self {
            n: 0,
            not_finite: 0,
            label_leads: 0,
            given_label: Moments::default(),
            given_best_wrong: Moments::default(),
            gap: Moments::default(),
            histogram: PairedHistogram::new(max_bins),
        }
    }

    /// Takes one more image in.
    pub fn push(&mut self, sample: &GapSample) {
        self.n += 1;
        let Some([label, wrong]) = sample.finite_pair() else {
            self.not_finite += 1;
            return;
        };
        self.label_leads += u64::from(label > wrong);
        self.given_label.push(label);
        self.given_best_wrong.push(wrong);
        self.gap.push(label - wrong);
        self.histogram.push([label, wrong]);
    }

    /// Share of images with a gap whose gap is above 0; `None` without any.
    pub fn label_leads(&self) -> Option<Proportion> {
        let share = Proportion { successes: self.label_leads, trials: self.gap.n };
        (share.trials > 0).then_some(share)
    }

    /// Mean gap over the standard deviation of log p(x given label): well below 1, a wrong label
    /// moves the likelihood less than the images themselves do, and cannot be told by it.
    ///
    /// `None` of fewer than two images, or where all are equally likely.
    pub fn gap_in_deviations(&self) -> Option<f64> {
        let deviation =
            self.given_label.standard_deviation().filter(|deviation| *deviation > 0.0)?;
        self.gap.mean().map(|gap| gap / deviation)
    }
}

/// Scores for telling true pairs (x, y) from mislabelled ones by log p(x, y) = ln p(y) +
/// log p(x given y), nats: higher = likelier, real pairs positive.
///
/// Entry i of all three is the same image. What is NaN or infinite is -inf
/// ([`rankable`]). 24 bytes an image: kept by who needs the ranking.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PairScores {
    /// Of (x, label).
    pub label: Vec<f64>,
    /// Of (x, best wrong label).
    pub best_wrong: Vec<f64>,
    /// Of (x, random wrong label).
    pub random_wrong: Vec<f64>,
}

impl PairScores {
    /// Takes one more image in.
    ///
    /// # Panics
    /// If a class of the sample has no prior.
    pub fn push(&mut self, ln_prior: &[f64], sample: &GapSample) {
        let joint = |class: usize, log_p: f64| rankable(ln_prior[class] + log_p);
        self.label.push(joint(sample.label, sample.log_px_given_label));
        let best = sample.best_wrong.zip(sample.log_px_given_best_wrong);
        self.best_wrong.push(best.map_or(f64::NEG_INFINITY, |(class, log_p)| joint(class, log_p)));
        self.random_wrong.push(joint(sample.random_wrong, sample.log_px_given_random_wrong));
    }
}

/// Measures every image, `batch_size` at a time; each sample goes to `sink`, in order, and is not
/// kept.
///
/// # Errors
/// [`Error::Setting`] where the images have no labels, there is none, or the model has one class
/// only; [`Error::Dataset`] where a label is no class; where the model or `sink` fails.
///
/// # Panics
/// If the images do not have the model's shape ([`Images::fit`]), `batch_size` is 0, or `max_bins`
/// is below 2.
pub fn measure(
    model: &mut dyn ConditionalModel,
    images: &Images,
    batch_size: usize,
    seed: u64,
    max_bins: usize,
    sink: &mut dyn FnMut(&GapSample) -> Result<()>,
) -> Result<ClassGap> {
    let labels = check(model.spec(), images)?;
    let spec = model.spec().clone();
    let mut total = ClassGap::new(max_bins);
    likelihood::for_each(model, images, batch_size, seed, &mut |score, log_prob| {
        let sample = GapSample::new(score.index, labels[score.index], &spec, log_prob, seed);
        total.push(&sample);
        sink(&sample)
    })?;
    Ok(total)
}

fn check<'a>(spec: &ModelSpec, images: &'a Images) -> Result<&'a [usize]> {
    if spec.classes.len() < 2 {
        let problem = "has one class; a gap between classes needs two or more";
        return Err(Error::setting(format!("model '{}'", spec.name), problem));
    }
    images.check_labels(spec.classes.len())?;
    let field = format!("data set '{}'", images.name);
    match &images.labels {
        None => Err(Error::setting(field, "has no labels; the class gap needs the true class")),
        Some(_) if images.is_empty() => Err(Error::setting(field, "has no image")),
        Some(labels) => Ok(labels),
    }
}
