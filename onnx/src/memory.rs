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
    model::{Batch, ConditionalModel, ModelSpec},
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
    let Some(mut mark) = checkpoint.peak_memory()? else { return Ok(own) };
    let mut raised: Option<(usize, u64)> = None;
    let mut count = 1;
    loop {
        checkpoint.log_prob(&blank(&spec, count))?;
        let peak = checkpoint.peak_memory()?.unwrap_or(mark);
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
fn blank(spec: &ModelSpec, count: usize) -> Batch {
    Batch {
        x: DMatrix::from_element(spec.image.len(), count, spec.pixel_range.0 as f32),
        noise: DMatrix::from_element(spec.noise_len, count, 0.5),
    }
}
