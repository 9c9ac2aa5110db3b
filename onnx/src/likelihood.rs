//! log p(x) from log p(x given y), for every image of a data set.

use std::ops::Range;

use nalgebra::DMatrix;
use rayon::prelude::*;

use crate::{
    classify, complexity,
    dataset::{ImageStream, Images},
    dequantise,
    error::Result,
    gradient_norm,
    model::{ConditionalModel, Differentiable},
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
    for first in (0..images.len()).step_by(batch_size) {
        let range = first..images.len().min(first + batch_size);
        let batch = dequantise::part(images, model.spec(), range.clone(), 0, seed);
        let (log_prob, lengths) =
            beside_code_lengths(images, range.clone(), || model.log_prob(&batch));
        let (log_prob, norms) = (log_prob?, vec![None; batch.len()]);
        let parts = (&model.spec().ln_prior[..], &log_prob, &norms[..], &lengths[..]);
        see((images, range, 0), parts, visit)?;
    }
    Ok(())
}

/// [`for_each`] of images whose pixels are read as they are scored: in memory is one batch.
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
    images.for_each_block(batch_size, &mut |first, block| {
        let range = 0..block.len();
        let batch = dequantise::part(&block, model.spec(), range.clone(), first, seed);
        let (log_prob, lengths) =
            beside_code_lengths(&block, range.clone(), || model.log_prob(&batch));
        let (log_prob, norms) = (log_prob?, vec![None; batch.len()]);
        let parts = (&model.spec().ln_prior[..], &log_prob, &norms[..], &lengths[..]);
        see((&block, range, first), parts, visit)
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
    images.for_each_block(batch_size, &mut |first, block| {
        let range = 0..block.len();
        let batch = dequantise::part(&block, model.spec(), range.clone(), first, seed);
        let (answers, lengths) = beside_code_lengths(&block, range.clone(), || {
            let log_prob = model.log_prob(&batch)?;
            let norms = gradient_norm::of(model, &batch, &log_prob)?;
            Ok((log_prob, norms))
        });
        let (log_prob, norms) = answers?;
        let parts = (&model.spec().ln_prior[..], &log_prob, &norms[..], &lengths[..]);
        see((&block, range, first), parts, visit)
    })
}

/// What `ask` says, and the code lengths of images, found on another thread while the engine is waited for.
fn beside_code_lengths<T>(
    images: &Images,
    range: Range<usize>,
    ask: impl FnOnce() -> Result<T>,
) -> (Result<T>, Vec<f64>) {
    let lengths =
        || range.into_par_iter().map(|index| complexity::nats(images, index)).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let lengths = scope.spawn(lengths);
        let answers = ask();
        (answers, lengths.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// One batch, where image i is image `before` + i of its data set.
fn see(
    (images, range, before): (&Images, Range<usize>, usize),
    (ln_prior, log_prob, norms, lengths): (&[f64], &DMatrix<f64>, &[Option<f64>], &[f64]),
    visit: &mut dyn FnMut(&Score, &[f64]) -> Result<()>,
) -> Result<()> {
    let columns = log_prob.column_iter().zip(norms).zip(lengths);
    for (index, ((column, &gradient_norm), &complexity)) in range.zip(columns) {
        let label = images.labels.as_ref().map(|labels| labels[index]);
        let log_prob = column.as_slice();
        let score = Score::new(before + index, label, ln_prior, log_prob, Some(complexity));
        visit(&Score { gradient_norm, ..score }, log_prob)?;
    }
    Ok(())
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
