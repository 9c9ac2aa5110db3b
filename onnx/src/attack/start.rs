//! Where a decision attack starts.

use nalgebra::DMatrix;
use rand::{RngExt, seq::index};
use rand_chacha::ChaCha8Rng;
use undetected_theory::Streams;

use super::{Scene, Subject, Subjects};
use crate::error::{Error, Result};

/// How a starting point is looked for: a candidate that meets the criterion.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// Independent uniform pixels, so many times at most.
    Noise {
        /// Images to try.
        tries: u64,
    },
    /// As [`Start::Noise`]; then the point closest to the original, of a grid of so many steps on
    /// the line to it, that meets the criterion.
    ///
    /// Source: Foolbox 3.3.4's default, with 1,000 images and 50 steps.
    Blended {
        /// Images to try.
        tries: u64,
        /// Steps of the grid.
        steps: u64,
    },
    /// One image given for each sample, blended if `steps` is not 0.
    Given {
        /// The images, in the model's range, one a column as in [`Subjects`].
        x: DMatrix<f32>,
        /// Steps of the grid.
        steps: u64,
    },
    /// Real images of a class that the goal asks for, chosen at random, blended if `steps` is not 0.
    ///
    /// Source: section 4.3, where an attack that minds the detector starts "from a randomly chosen
    /// image from the target class, ensuring the original image is detected as a real image".
    Real {
        /// The images.
        pool: Pool,
        /// Images to try.
        tries: u64,
        /// Steps of the grid.
        steps: u64,
    },
}

/// Real images to start from.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// The images as the model takes them, one a column.
    pub x: DMatrix<f32>,
    /// Their classes.
    pub classes: Vec<usize>,
}

impl Start {
    /// Refuses what cannot work for these samples.
    pub(super) fn check(&self, scene: &Scene<'_>, subjects: &Subjects) -> Result<()> {
        let pixels = scene.spec.image.len();
        let wrong = |problem: String| Err(Error::setting("starting points", problem));
        match self {
            Self::Noise { tries } | Self::Blended { tries, .. } | Self::Real { tries, .. }
                if *tries == 0 =>
            {
                wrong("must be tried at least once".to_owned())
            }
            Self::Blended { steps: 0, .. } => wrong("need at least one step to blend".to_owned()),
            Self::Given { x, .. } if x.shape() != (pixels, subjects.len()) => wrong(format!(
                "must be one image of {pixels} pixels for each of {} samples; are {} of {}",
                subjects.len(),
                x.ncols(),
                x.nrows()
            )),
            Self::Real { pool, .. }
                if pool.x.nrows() != pixels || pool.x.ncols() != pool.classes.len() =>
            {
                wrong(format!(
                    "must be images of {pixels} pixels with a class each; are {} of {}, {} classes",
                    pool.x.ncols(),
                    pool.x.nrows(),
                    pool.classes.len()
                ))
            }
            Self::Real { pool, .. } => {
                let any = |goal: &super::Goal| pool.classes.iter().any(|class| goal.allows(*class));
                match subjects.goals.iter().find(|goal| !any(goal)) {
                    Some(goal) => wrong(format!("hold no image that {goal:?} could start from")),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn blend_steps(&self) -> u64 {
        match self {
            Self::Noise { .. } => 0,
            Self::Blended { steps, .. } | Self::Given { steps, .. } | Self::Real { steps, .. } => {
                *steps
            }
        }
    }
}

/// What became of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    /// The next one has to be asked.
    Next,
    /// It is the start.
    Found,
    /// There is none left.
    Lost,
}

/// The search for one sample's start.
pub(super) struct Starting<'a> {
    source: Source<'a>,
    blend_steps: u64,
    image: Vec<f32>,
    /// Step of the grid; `None` before an image met the criterion.
    blend: Option<u64>,
}

enum Source<'a> {
    Noise { stream: Box<ChaCha8Rng>, range: (f32, f32), left: u64 },
    Images { x: &'a DMatrix<f32>, columns: Vec<usize> },
}

impl<'a> Starting<'a> {
    pub(super) fn new(start: &'a Start, scene: &Scene<'_>, subject: &Subject<'_>) -> Self {
        let mut stream = Streams::new(scene.seed, "attack-start").get(subject.index);
        let source = match start {
            Start::Noise { tries } | Start::Blended { tries, .. } => {
                Source::Noise { stream: Box::new(stream), range: scene.bounds(), left: *tries }
            }
            Start::Given { x, .. } => Source::Images { x, columns: vec![subject.place] },
            Start::Real { pool, tries, .. } => {
                let classes = pool.classes.iter().enumerate();
                let fit = classes.filter(|(_, class)| subject.goal.allows(**class));
                let fit: Vec<usize> = fit.map(|(column, _)| column).collect();
                let tries = fit.len().min(usize::try_from(*tries).unwrap_or(usize::MAX));
                let chosen = index::sample(&mut stream, fit.len(), tries);
                let columns = chosen.iter().map(|place| fit[place]).collect();
                Source::Images { x: &pool.x, columns }
            }
        };
        let image = vec![0.0; subject.x.len()];
        let mut starting = Self { source, blend_steps: start.blend_steps(), image, blend: None };
        starting.draw();
        starting
    }

    /// Draws the next image; whether there is one.
    fn draw(&mut self) -> bool {
        match &mut self.source {
            Source::Noise { left: 0, .. } => false,
            Source::Noise { stream, range: (low, high), left } => {
                *left -= 1;
                self.image.fill_with(|| *low + (*high - *low) * stream.random::<f32>());
                true
            }
            Source::Images { x, columns } => match columns.pop() {
                Some(column) => {
                    self.image.copy_from_slice(x.column(column).as_slice());
                    true
                }
                None => false,
            },
        }
    }

    pub(super) fn ask(&self, original: &[f32], x: &mut [f32]) {
        match self.blend {
            None => x.copy_from_slice(&self.image),
            Some(step) => {
                let share = step as f32 / self.blend_steps as f32;
                for ((x, from), to) in x.iter_mut().zip(original).zip(&self.image) {
                    *x = (1.0 - share) * from + share * to;
                }
            }
        }
    }

    pub(super) fn tell(&mut self, met: bool) -> Tried {
        match (self.blend, met) {
            (None, true) if self.blend_steps == 0 => Tried::Found,
            // Step 0 is the original, which does not meet it.
            (None, true) => {
                self.blend = Some(1);
                Tried::Next
            }
            (None, false) if self.draw() => Tried::Next,
            (None, false) => Tried::Lost,
            (Some(_), true) => Tried::Found,
            // The last step is the image itself.
            (Some(step), false) if step < self.blend_steps => {
                self.blend = Some(step + 1);
                Tried::Next
            }
            (Some(_), false) => Tried::Lost,
        }
    }
}
