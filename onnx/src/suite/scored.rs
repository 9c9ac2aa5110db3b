//! What a run keeps of each image that it has seen.

use crate::likelihood::Score;

/// The scores of a data set, in the order of its images: 64 bytes an image.
#[derive(Debug, Clone)]
pub(super) struct Scored {
    images: Vec<Kept>,
}

/// A [`Score`] without what follows from its place and its other parts. A number that the score
/// does not have is never read.
#[derive(Debug, Clone, Copy)]
struct Kept {
    log_px: f64,
    given_label: f64,
    given_predicted: f64,
    ln_label: f64,
    confidence: f64,
    complexity: f64,
    gradient_norm: f64,
    label: u32,
    predicted: u32,
}

/// In place of a class that there is not.
const NO_CLASS: u32 = u32::MAX;

impl Scored {
    /// None yet, with room for those of `images` images.
    pub(super) fn with_room(images: usize) -> Self {
        Self { images: Vec::with_capacity(images) }
    }

    /// Keeps one more score.
    ///
    /// # Panics
    /// If it is not that of the next image, or of an input that is no stored image.
    pub(super) fn push(&mut self, score: &Score) {
        assert_eq!(score.index, self.images.len(), "scores come in order");
        let class = |class: Option<usize>| class.map_or(NO_CLASS, |class| class as u32);
        self.images.push(Kept {
            log_px: score.log_px,
            given_label: score.log_px_given_label.unwrap_or(f64::NAN),
            given_predicted: score.log_px_given_predicted.unwrap_or(f64::NAN),
            ln_label: score.ln_label_given_x.unwrap_or(f64::NAN),
            confidence: score.confidence.unwrap_or(f64::NAN),
            complexity: score.complexity.expect("a stored image has a code length"),
            gradient_norm: score.gradient_norm.unwrap_or(f64::NAN),
            label: class(score.label),
            predicted: class(score.predicted),
        });
    }

    /// Number of images.
    pub(super) fn len(&self) -> usize {
        self.images.len()
    }

    /// The scores, as they were.
    pub(super) fn iter(&self) -> impl Iterator<Item = Score> {
        self.images.iter().enumerate().map(|(index, kept)| kept.score(index))
    }
}

impl Kept {
    fn score(&self, index: usize) -> Score {
        let class = |class: u32| (class != NO_CLASS).then_some(class as usize);
        let (label, predicted) = (class(self.label), class(self.predicted));
        Score {
            index,
            label,
            predicted,
            confidence: predicted.map(|_| self.confidence),
            log_px: self.log_px,
            log_px_given_label: label.map(|_| self.given_label),
            log_px_given_predicted: predicted.map(|_| self.given_predicted),
            ln_label_given_x: label.map(|_| self.ln_label),
            complexity: Some(self.complexity),
            gradient_norm: Some(self.gradient_norm).filter(|norm| !norm.is_nan()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_come_back() {
        assert_eq!(size_of::<Kept>(), 64);
        let prior = [0.5_f64.ln(); 2];
        let mut scored = Scored::with_room(4);
        let scores = [
            Score::new(0, None, &prior, &[-3.0, -4.0], Some(7.0)),
            Score::new(1, Some(1), &prior, &[-3.0, f64::NEG_INFINITY], Some(8.0)),
            Score::new(2, None, &prior, &[f64::INFINITY, -1.0], Some(9.0)),
            Score {
                gradient_norm: Some(0.0),
                ..Score::new(3, None, &prior, &[-3.0, -4.0], Some(7.0))
            },
        ];
        scores.iter().for_each(|score| scored.push(score));
        assert_eq!(scored.iter().collect::<Vec<_>>(), scores);
        assert_eq!(scored.len(), 4);
    }
}
