//! A model as a run needs it: for values alone, or with its gradients.

use undetected_onnx::{
    checkpoint::Checkpoint,
    engine::EngineOptions,
    gradient::{DifferentiableCheckpoint, GradientOptions},
    memory::BatchSize,
    speed,
    suite::{ModelEntry, Subject, Suite},
};

/// How long an image takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// Seconds for its values.
    pub forward: f64,
    /// Seconds for values and gradient, of a model opened with gradients.
    pub gradient: Option<f64>,
}

/// An opened checkpoint.
pub enum Opened {
    /// For values alone.
    Values(Box<Checkpoint>),
    /// With gradients that were checked at load.
    Gradients(Box<DifferentiableCheckpoint>),
}

impl Opened {
    /// Opens a model with gradients where the suite asks for them.
    ///
    /// # Errors
    /// Those of [`Checkpoint::open`] or [`DifferentiableCheckpoint::open`].
    pub fn open(
        suite: &Suite,
        entry: &ModelEntry,
        options: &EngineOptions,
    ) -> undetected_onnx::Result<Self> {
        let (path, overrides) = (&entry.path, entry.overrides()?);
        Ok(match suite.needs_gradients() {
            false => Self::Values(Checkpoint::open(path, &overrides, options)?.into()),
            true => {
                let gradient = GradientOptions::default();
                let opened = DifferentiableCheckpoint::open(path, &overrides, options, gradient)?;
                Self::Gradients(opened.into())
            }
        })
    }

    /// The checkpoint for values.
    pub fn checkpoint(&self) -> &Checkpoint {
        match self {
            Self::Values(checkpoint) => checkpoint,
            Self::Gradients(opened) => &opened.checkpoint,
        }
    }

    /// How many images fit in `memory` bytes at once.
    ///
    /// # Errors
    /// Those of [`BatchSize::of`].
    pub fn batch_size(&mut self, memory: u64) -> undetected_onnx::Result<BatchSize> {
        match self {
            Self::Values(checkpoint) => BatchSize::of(checkpoint, memory),
            Self::Gradients(opened) => BatchSize::with_gradients(opened, memory),
        }
    }

    /// A batch of so many images, and what each takes.
    ///
    /// # Errors
    /// Those of [`BatchSize::given`].
    pub fn batch_of(&mut self, images: usize) -> undetected_onnx::Result<BatchSize> {
        match self {
            Self::Values(checkpoint) => BatchSize::given(checkpoint, images),
            Self::Gradients(opened) => BatchSize::given_with_gradients(opened, images),
        }
    }

    /// How long an image takes, in batches of up to `most`.
    ///
    /// # Errors
    /// Where the engine fails.
    pub fn speed(&mut self, most: usize) -> undetected_onnx::Result<Speed> {
        Ok(match self {
            Self::Values(checkpoint) => {
                Speed { forward: speed::of_values(&mut **checkpoint, most)?, gradient: None }
            }
            Self::Gradients(opened) => Speed {
                forward: speed::of_values(&mut **opened, most)?,
                gradient: Some(speed::of_gradients(&mut **opened, most)?),
            },
        })
    }

    /// What a run measures.
    pub fn subject(&mut self) -> Subject<'_> {
        match self {
            Self::Values(checkpoint) => Subject::of(checkpoint),
            Self::Gradients(opened) => Subject::with_gradients(opened),
        }
    }
}
