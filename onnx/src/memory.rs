//! How many images a batch may hold: from a budget of memory, and what an image takes.
//!
//! ONNX Runtime keeps account of the most bytes that its allocator had in use at once, on the
//! processor or on the GPU. Two batches of different size that each raise that mark differ by the
//! memory of the images between them; batches are doubled until there are two. Nothing of a run
//! depends on the batch but the rounding of engines whose kernels do, so that this decides speed and
//! memory only. The weights, the run's
//! own bookkeeping and the data are not in the budget: they do not depend on the batch.

use nalgebra::DMatrix;

use crate::{
    checkpoint::Checkpoint,
    error::{Error, Result},
    gradient::DifferentiableCheckpoint,
    model::{Batch, ConditionalModel, Differentiable, ModelSpec},
};

/// Largest batch: more images at once are no faster, and a run says less often how far it is.
pub const LARGEST: usize = 256;
/// Largest batch that is tried in order to measure.
const PROBE: usize = 64;

/// A batch that keeps a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSize {
    /// Images.
    pub images: usize,
    /// Bytes that each takes, in the engine and on its way there.
    pub bytes_per_image: u64,
}

impl BatchSize {
    /// The largest batch whose images take at most `budget` bytes, up to [`LARGEST`].
    ///
    /// # Errors
    /// [`Error::Setting`] where one image takes more than the budget.
    ///
    /// # Examples
    /// ```
    /// use undetected_onnx::memory::BatchSize;
    /// let size = BatchSize::within(1000, 300).unwrap();
    /// assert_eq!(size.images, 3);
    /// assert!(BatchSize::within(1000, 1001).is_err());
    /// ```
    pub fn within(budget: u64, bytes_per_image: u64) -> Result<Self> {
        let images = budget / bytes_per_image.max(1);
        if images == 0 {
            let problem = format!("is less than one image takes, {bytes_per_image} bytes");
            return Err(Error::setting(format!("memory of {budget} bytes"), problem));
        }
        let images = usize::try_from(images).map_or(LARGEST, |images| images.min(LARGEST));
        Ok(Self { images, bytes_per_image })
    }

    /// [`within`](Self::within) for a checkpoint, whose engine is asked what an image takes.
    ///
    /// # Errors
    /// Those of [`within`](Self::within), and where the engine fails.
    pub fn of(checkpoint: &mut Checkpoint, budget: u64) -> Result<Self> {
        Self::within(budget, bytes_per_image(checkpoint)?)
    }

    /// A batch of so many images, whatever they take.
    ///
    /// # Errors
    /// Where the engine fails.
    pub fn given(checkpoint: &mut Checkpoint, images: usize) -> Result<Self> {
        Ok(Self { images, bytes_per_image: bytes_per_image(checkpoint)? })
    }

    /// [`given`](Self::given) where each image is run for its gradient as well.
    ///
    /// # Errors
    /// Where the engine fails.
    pub fn given_with_gradients(
        model: &mut DifferentiableCheckpoint,
        images: usize,
    ) -> Result<Self> {
        let values = bytes_per_image(&mut model.checkpoint)?;
        Ok(Self { images, bytes_per_image: values + bytes_per_gradient(model)? })
    }

    /// [`of`](Self::of) where each image is run for its gradient as well: all sessions keep what they
    /// took.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn with_gradients(model: &mut DifferentiableCheckpoint, budget: u64) -> Result<Self> {
        let values = bytes_per_image(&mut model.checkpoint)?;
        Self::within(budget, values + bytes_per_gradient(model)?)
    }
}

/// Bytes that one image more in a batch takes.
///
/// # Numerics
/// An engine that computes image by image takes the input and output only. Where the start of the
/// engine took more memory than a batch of 64 images, the mark over 64 is an upper bound and is
/// taken.
///
/// # Errors
/// Where the engine fails.
pub fn bytes_per_image(checkpoint: &mut Checkpoint) -> Result<u64> {
    let spec = checkpoint.spec().clone();
    // float32 in, twice: as it is gathered and as the engine takes it; float64 out, at most twice.
    let floats = spec.image.len() + spec.noise_len;
    let own = (8 * floats + 16 * (spec.classes.len() + 1)) as u64;
    measured(own, &mut |count| {
        if count > 0 {
            checkpoint.log_prob(&blank(&spec, count))?;
        }
        checkpoint.peak_memory()
    })
}

/// [`bytes_per_image`] of the sessions for gradients.
fn bytes_per_gradient(model: &mut DifferentiableCheckpoint) -> Result<u64> {
    let spec = model.spec().clone();
    // The gradient comes as float64 and is kept as float32; the weights go in as float32.
    let own = (12 * spec.image.len() + 12 * spec.classes.len()) as u64;
    measured(own, &mut |count| {
        if count > 0 {
            let cotangent = DMatrix::from_element(spec.classes.len(), count, 1.0);
            let batch = blank(&spec, count);
            model.log_prob_and_gradient(&batch, &cotangent)?;
            // Of margins alone: another session, which keeps what it took as well.
            model.margins_and_gradient(&batch, &DMatrix::zeros(spec.classes.len(), count))?;
        }
        model.peak_memory()
    })
}

/// Bytes an image: `own`, and what the engine takes, whose mark `peak_after` tells after a batch of so
/// many images.
fn measured(own: u64, peak_after: &mut dyn FnMut(usize) -> Result<Option<u64>>) -> Result<u64> {
    let Some(mut mark) = peak_after(0)? else { return Ok(own) };
    let mut raised: Option<(usize, u64)> = None;
    let mut count = 1;
    loop {
        let peak = peak_after(count)?.unwrap_or(mark);
        match raised {
            _ if peak <= mark => (),
            None => raised = Some((count, peak)),
            Some((fewer, before)) => {
                return Ok(own + (peak - before).div_ceil((count - fewer) as u64));
            }
        }
        mark = peak;
        if count == PROBE {
            return Ok(own + mark.div_ceil(PROBE as u64));
        }
        count *= 2;
    }
}

/// Images of the lowest value, with noise of 1/2.
pub(crate) fn blank(spec: &ModelSpec, count: usize) -> Batch {
    Batch {
        x: DMatrix::from_element(spec.image.len(), count, spec.pixel_range.0 as f32),
        noise: DMatrix::from_element(spec.noise_len, count, 0.5),
    }
}
