//! log p(x) from log p(x given y), for every image of a data set.

use std::ops::Range;

use nalgebra::DMatrix;
use rayon::prelude::*;

use crate::{
    ahead::ahead,
    classify, complexity,
    dataset::{ImageStream, Images},
    dequantise,
    error::Result,
    gradient_norm,
    model::{Batch, ConditionalModel, Differentiable, ModelSpec},
};

/// What a model says of one image.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Score {
    /// Index of the image in its data set.
    pub index: usize,
    /// The image's class, where the data set has labels.
    pub label: Option<usize>,
    /// The class of the largest log p(x, y); `None` where a density is NaN or all are -inf.
    pub predicted: Option<usize>,
    /// p(predicted given x).
    pub confidence: Option<f64>,
    /// log p(x) = ln sum_y p(y) p(x given y), nats.
    pub log_px: f64,
    /// log p(x given label), nats.
    pub log_px_given_label: Option<f64>,
    /// log p(x given predicted), nats.
    pub log_px_given_predicted: Option<f64>,
    /// ln p(label given x), nats: what [`confidence`](Self::confidence) rounds to 0 still has here.
    pub ln_label_given_x: Option<f64>,
    /// Code length of the image in nats ([`complexity::CODEC`]); none of an input that is no stored
    /// image.
    pub complexity: Option<f64>,
    /// |d log p(x) / dx| on pixels scaled to \[0, 1\] ([`gradient_norm`]), nats per pixel range; none
    /// where it was not asked for or is not finite.
    pub gradient_norm: Option<f64>,
}

impl Score {
    /// The score of an input from its log p(x given y), one a class; without the gradient's norm.
    ///
    /// # Panics
    /// If `label` is not a class.
    pub fn new(
        index: usize,
        label: Option<usize>,
        ln_prior: &[f64],
        log_prob: &[f64],
        complexity: Option<f64>,
    ) -> Self {
        let log_px = ln_marginal(ln_prior, log_prob);
        let predicted = classify::predict(ln_prior, log_prob);
        Self {
            index,
            label,
            predicted,
            confidence: predicted.map(|y| (ln_prior[y] + log_prob[y] - log_px).exp()),
            log_px,
            log_px_given_label: label.map(|y| log_prob[y]),
            log_px_given_predicted: predicted.map(|y| log_prob[y]),
            ln_label_given_x: label.map(|y| ln_prior[y] + log_prob[y] - log_px),
            complexity,
            gradient_norm: None,
        }
    }

    /// log p(x, predicted) = log p(x) + ln p(predicted given x), nats.
    pub fn log_joint(&self) -> Option<f64> {
        self.confidence.map(|p| self.log_px + p.ln())
    }
}

/// A log-likelihood as a score to rank inputs by: what is NaN or infinite is the least likely of
/// all, -inf, so that it is never taken for a real input and never dropped.
///
/// # Examples
/// ```
/// use undetected_onnx::likelihood::rankable;
/// assert_eq!((rankable(-7500.0), rankable(f64::NAN)), (-7500.0, f64::NEG_INFINITY));
/// assert_eq!(rankable(f64::INFINITY), f64::NEG_INFINITY);
/// ```
pub fn rankable(log_p: f64) -> f64 {
    if log_p.is_finite() { log_p } else { f64::NEG_INFINITY }
}

/// ln p(x) = ln sum_y p(y) p(x given y) in nats.
///
/// # Numerics
/// Shifted by the largest term. NaN where any term is NaN; -inf where all are.
///
/// # Examples
/// ```
/// // Two classes of prior 1/2 that both give density 3: p(x) = 3.
/// let half = 0.5_f64.ln();
/// let ln_p = undetected_onnx::likelihood::ln_marginal(&[half, half], &[3.0_f64.ln(); 2]);
/// assert!((ln_p - 3.0_f64.ln()).abs() < 1e-15);
/// ```
pub fn ln_marginal(ln_prior: &[f64], log_prob: &[f64]) -> f64 {
    let joint = || ln_prior.iter().zip(log_prob).map(|(prior, log_p)| prior + log_p);
    if joint().any(f64::is_nan) {
        return f64::NAN;
    }
    let largest = joint().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_infinite() {
        return largest;
    }
    largest + joint().map(|term| (term - largest).exp()).sum::<f64>().ln()
}

/// Scores every image, `batch_size` at a time, and shows each score to `visit`, in order, beside the
/// log p(x given y) that it is made of, one a class. Nothing is kept.
///
/// # Errors
/// Where the model or `visit` fails. NaN and infinite densities are scores, see [`Score`].
///
/// # Panics
/// If the images do not have the model's shape ([`Images::fit`]), or `batch_size` is 0.
pub fn for_each(
    model: &mut dyn ConditionalModel,
    images: &Images,
    batch_size: usize,
    seed: u64,
    visit: &mut dyn FnMut(&Score, &[f64]) -> Result<()>,
) -> Result<()> {
    let (spec, ends) = (model.spec().clone(), images.len());
    let make = |put: &mut dyn FnMut(Prepared) -> Result<()>| {
        (0..ends).step_by(batch_size).try_for_each(|first| {
            put(Prepared::of(images, first..ends.min(first + batch_size), 0, &spec, seed))
        })
    };
    ahead(make, |prepared| {
        let log_prob = model.log_prob(&prepared.batch)?;
        prepared.show(&spec, &log_prob, &vec![None; prepared.len()], visit)
    })
}

/// [`for_each`] of images whose pixels are read as they are scored: in memory are the batch under way and
/// the next.
///
/// # Errors
/// Those of [`for_each`] and of [`ImageStream::for_each_block`].
///
/// # Panics
/// As [`for_each`].
pub fn for_each_streamed(
    model: &mut dyn ConditionalModel,
    images: &ImageStream,
    batch_size: usize,
    seed: u64,
    visit: &mut dyn FnMut(&Score, &[f64]) -> Result<()>,
) -> Result<()> {
    let spec = model.spec().clone();
    ahead(prepared_blocks(images, batch_size, &spec, seed), |prepared| {
        let log_prob = model.log_prob(&prepared.batch)?;
        prepared.show(&spec, &log_prob, &vec![None; prepared.len()], visit)
    })
}

/// [`for_each_streamed`] with the gradient's norm in every score, from a second run of the model: its
/// cotangent p(y given x) takes the values of the first.
///
/// # Errors
/// Those of [`for_each_streamed`].
///
/// # Panics
/// As [`for_each`].
pub fn for_each_with_gradient(
    model: &mut dyn Differentiable,
    images: &ImageStream,
    batch_size: usize,
    seed: u64,
    visit: &mut dyn FnMut(&Score, &[f64]) -> Result<()>,
) -> Result<()> {
    let spec = model.spec().clone();
    ahead(prepared_blocks(images, batch_size, &spec, seed), |prepared| {
        let log_prob = model.log_prob(&prepared.batch)?;
        let norms = gradient_norm::of(model, &prepared.batch, &log_prob)?;
        prepared.show(&spec, &log_prob, &norms, visit)
    })
}

/// Some images of a data set, and what can be known of them before a model is asked.
struct Prepared {
    /// Index of the first.
    first: usize,
    batch: Batch,
    labels: Option<Vec<usize>>,
    code_lengths: Vec<f64>,
}

/// Makes the blocks of a data set ready.
fn prepared_blocks<'a>(
    images: &'a ImageStream,
    batch_size: usize,
    spec: &'a ModelSpec,
    seed: u64,
) -> impl FnOnce(&mut dyn FnMut(Prepared) -> Result<()>) -> Result<()> + Send + 'a {
    move |put| {
        images.for_each_block(batch_size, &mut |first, block| {
            put(Prepared::of(&block, 0..block.len(), first, spec, seed))
        })
    }
}

impl Prepared {
    /// The images of `range`, where image i of them is image `before` + i of its data set.
    fn of(
        images: &Images,
        range: Range<usize>,
        before: usize,
        spec: &ModelSpec,
        seed: u64,
    ) -> Self {
        let lengths = range.clone().into_par_iter().map(|index| complexity::nats(images, index));
        Self {
            first: before + range.start,
            code_lengths: lengths.collect(),
            batch: dequantise::part(images, spec, range.clone(), before, seed),
            labels: images.labels.as_ref().map(|labels| labels[range].to_vec()),
        }
    }

    fn len(&self) -> usize {
        self.batch.len()
    }

    /// Shows each image's score.
    fn show(
        &self,
        spec: &ModelSpec,
        log_prob: &DMatrix<f64>,
        norms: &[Option<f64>],
        visit: &mut dyn FnMut(&Score, &[f64]) -> Result<()>,
    ) -> Result<()> {
        for (place, column) in log_prob.column_iter().enumerate() {
            let label = self.labels.as_ref().map(|labels| labels[place]);
            let (log_prob, length) = (column.as_slice(), self.code_lengths[place]);
            let score =
                Score::new(self.first + place, label, &spec.ln_prior, log_prob, Some(length));
            visit(&Score { gradient_norm: norms[place], ..score }, log_prob)?;
        }
        Ok(())
    }
}

/// The scores of every image, `batch_size` at a time; `progress` is told how many were done.
///
/// # Errors
/// Those of [`for_each`].
///
/// # Panics
/// As [`for_each`].
pub fn score(
    model: &mut dyn ConditionalModel,
    images: &Images,
    batch_size: usize,
    seed: u64,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Score>> {
    let mut scores = Vec::with_capacity(images.len());
    for_each(model, images, batch_size, seed, &mut |score, _| {
        scores.push(score.clone());
        progress(1);
        Ok(())
    })?;
    Ok(scores)
}
