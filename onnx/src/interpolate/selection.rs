//! Which images are the ends of paths: classified correctly, accepted, of different classes.

use std::{borrow::Borrow, collections::BTreeMap};

use rand::{Rng, RngExt};
use undetected_theory::Streams;

use crate::{
    detect::Detector,
    eligible::Eligible,
    error::{Error, Result},
    likelihood::Score,
};

/// The ends of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Pair {
    /// Indices of x_0 and x_1 in their data set.
    pub images: [usize; 2],
    /// Their classes y_0 and y_1, which differ.
    pub classes: [usize; 2],
}

/// Pairs, and what became of the candidates.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Selection {
    /// The images that pairs are made of, and the reasons against others.
    pub eligible: Eligible,
    /// Disjoint pairs of different classes that these can form at most.
    pub available: usize,
    /// The pairs.
    pub pairs: Vec<Pair>,
}

impl Selection {
    /// Draws `count` pairs (section 4.4: "real images that are classified correctly and are above
    /// the detection threshold") from the scores of images that `detector` was not fitted on.
    ///
    /// No image is in two pairs, so that the paths are independent trials, as the intervals of
    /// their shares assume. Of N eligible images, n_max of them in the largest class, at most
    /// min(⌊N/2⌋, N - n_max) pairs can be formed. Pair i is drawn from stream (seed,
    /// "interpolation-pairs", i): two images uniform among those left, drawn again until their
    /// classes differ and the remaining pairs can still be formed.
    ///
    /// # Errors
    /// [`Error::Setting`] where `count` is 0 or above what can be formed, with the reasons against
    /// the other candidates.
    pub fn draw(
        scores: impl IntoIterator<Item = impl Borrow<Score>>,
        detector: &dyn Detector,
        count: usize,
        seed: u64,
    ) -> Result<Self> {
        let (mut selection, pool) = Self::candidates(scores, detector);
        if count == 0 || count > selection.available {
            return Err(Error::setting(format!("pairs = {count}"), selection.shortage()));
        }
        selection.pairs = pool.pairs(count, seed);
        Ok(selection)
    }

    /// [`draw`](Self::draw) of `most` pairs, or of as many as can be formed where these are fewer.
    ///
    /// # Errors
    /// [`Error::Setting`] where none can be formed.
    pub fn draw_up_to(
        scores: impl IntoIterator<Item = impl Borrow<Score>>,
        detector: &dyn Detector,
        most: usize,
        seed: u64,
    ) -> Result<Self> {
        let (mut selection, pool) = Self::candidates(scores, detector);
        let count = most.min(selection.available);
        if count == 0 {
            return Err(Error::setting("pairs", selection.shortage()));
        }
        selection.pairs = pool.pairs(count, seed);
        Ok(selection)
    }

    fn candidates(
        scores: impl IntoIterator<Item = impl Borrow<Score>>,
        detector: &dyn Detector,
    ) -> (Self, Pool) {
        let eligible = Eligible::among(scores, detector);
        let pool = Pool::new(eligible.images.clone());
        (Self { eligible, available: pool.available(), pairs: vec![] }, pool)
    }

    fn shortage(&self) -> String {
        format!(
            "must lie between 1 and {}, the disjoint pairs of different classes that can be formed: \
             {}; ask for fewer pairs or give more images",
            self.available,
            self.eligible.reasons()
        )
    }
}

/// The images that are in no pair yet.
struct Pool {
    /// Index and class.
    images: Vec<(usize, usize)>,
    /// Images of each class.
    sizes: BTreeMap<usize, usize>,
}

impl Pool {
    fn new(images: Vec<(usize, usize)>) -> Self {
        let mut sizes = BTreeMap::new();
        for (_, class) in &images {
            *sizes.entry(*class).or_insert(0) += 1;
        }
        Self { images, sizes }
    }

    /// min(⌊N/2⌋, N - n_max).
    fn available(&self) -> usize {
        let (all, largest) =
            (self.images.len(), self.sizes.values().max().copied().unwrap_or_default());
        (all / 2).min(all - largest)
    }

    /// So many pairs, no more than are available.
    fn pairs(mut self, count: usize, seed: u64) -> Vec<Pair> {
        let streams = Streams::new(seed, "interpolation-pairs");
        let draw = |index| self.draw(&mut streams.get(index as u64), count - index - 1);
        (0..count).map(draw).collect()
    }

    /// A pair that leaves at least `needed` more.
    fn draw(&mut self, stream: &mut impl Rng, needed: usize) -> Pair {
        loop {
            let ends = [self.take(stream), self.take(stream)];
            let ([first, second], [class_0, class_1]) =
                (ends.map(|end| end.0), ends.map(|end| end.1));
            if class_0 != class_1 && self.available() >= needed {
                return Pair { images: [first, second], classes: [class_0, class_1] };
            }
            ends.into_iter().for_each(|end| self.put_back(end));
        }
    }

    fn take(&mut self, stream: &mut impl Rng) -> (usize, usize) {
        let taken = self.images.swap_remove(stream.random_range(0..self.images.len()));
        *self.sizes.get_mut(&taken.1).expect("every class was counted") -= 1;
        taken
    }

    fn put_back(&mut self, end: (usize, usize)) {
        self.images.push(end);
        *self.sizes.get_mut(&end.1).expect("every class was counted") += 1;
    }
}
