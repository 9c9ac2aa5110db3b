//! Two histograms on common bins, of streams whose range is not known beforehand.

use std::collections::VecDeque;

/// Exponent of the narrowest bins, 2^-20: far below any difference of likelihoods that matters.
const NARROWEST: i32 = -20;

/// Bin indices stay below this, where every integer is an f64.
const LARGEST_INDEX: f64 = 4_503_599_627_370_496.0;

/// Counts of two streams of numbers on the same bins.
///
/// Bin k holds the numbers of \[k w, (k + 1) w). The width w is the smallest power of two, 2^-20 or
/// more, at which the bins from the smallest to the largest number of both streams are at most
/// `max_bins` (and |k| < 2^52).
///
/// # Numerics
/// Halving the index of a bin is exact, so bins are merged as the range grows and the counts are
/// those of the whole data binned at once: they do not depend on order or batches. Memory is
/// `max_bins` counts.
///
/// # Examples
/// ```
/// use undetected_onnx::histogram::PairedHistogram;
/// let mut histogram = PairedHistogram::new(4);
/// for value in [0.0, 1.0, 3.5] {
///     histogram.push([value, value + 4.0]);
/// }
/// // From 0 to 7.5 in at most four bins: width 2.
/// assert_eq!(histogram.edges(), [0.0, 2.0, 4.0, 6.0, 8.0]);
/// assert_eq!(histogram.counts(0), [2, 1, 0, 0]);
/// assert_eq!(histogram.counts(1), [0, 0, 2, 1]);
/// assert_eq!(histogram.overlap(), Some(0.0));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairedHistogram {
    max_bins: usize,
    exponent: i32,
    first: i64,
    counts: VecDeque<[u64; 2]>,
}

impl PairedHistogram {
    /// An empty one.
    ///
    /// # Panics
    /// If `max_bins` is below 2: numbers on both sides of 0 never share a bin.
    pub fn new(max_bins: usize) -> Self {
        assert!(max_bins >= 2, "max_bins = {max_bins} must be at least 2");
        Self { max_bins, exponent: NARROWEST, first: 0, counts: VecDeque::new() }
    }

    /// Takes one more number of each stream in.
    ///
    /// # Panics
    /// If one is NaN or infinite: such values are the caller's to count apart.
    pub fn push(&mut self, values: [f64; 2]) {
        for (stream, value) in values.into_iter().enumerate() {
            self.insert(stream, value);
        }
    }

    /// Takes one more number of `stream` (0 or 1) in, where the streams do not come in pairs.
    ///
    /// # Panics
    /// If it is NaN or infinite, as [`push`](Self::push), or there is no such stream.
    pub fn insert(&mut self, stream: usize, value: f64) {
        assert!(value.is_finite(), "{value} has no bin");
        while (value / self.width()).abs() >= LARGEST_INDEX {
            self.widen();
        }
        let mut bin = self.bin(value);
        while self.span_with(bin) > self.max_bins as i64 {
            self.widen();
            bin = self.bin(value);
        }
        if self.counts.is_empty() {
            self.first = bin;
        }
        for _ in bin..self.first {
            self.counts.push_front([0; 2]);
        }
        self.first = self.first.min(bin);
        let place = (bin - self.first) as usize;
        if place >= self.counts.len() {
            self.counts.resize(place + 1, [0; 2]);
        }
        self.counts[place][stream] += 1;
    }

    fn bin(&self, value: f64) -> i64 {
        (value / self.width()).floor() as i64
    }

    /// Bins needed for those there are and this one.
    fn span_with(&self, bin: i64) -> i64 {
        match self.counts.len() as i64 {
            0 => 1,
            len => bin.max(self.first + len - 1) - bin.min(self.first) + 1,
        }
    }

    /// Doubles the width: bins 2k and 2k + 1 become bin k.
    fn widen(&mut self) {
        let merged_first = self.first.div_euclid(2);
        let mut merged: VecDeque<[u64; 2]> = VecDeque::new();
        for (offset, counts) in self.counts.iter().enumerate() {
            let place = ((self.first + offset as i64).div_euclid(2) - merged_first) as usize;
            merged.resize(place + 1, [0; 2]);
            merged[place][0] += counts[0];
            merged[place][1] += counts[1];
        }
        (self.exponent, self.first, self.counts) = (self.exponent + 1, merged_first, merged);
    }

    /// Width of a bin, in the numbers' unit.
    pub fn width(&self) -> f64 {
        2.0_f64.powi(self.exponent)
    }

    /// The bins' ends, one more than bins; empty without numbers.
    pub fn edges(&self) -> Vec<f64> {
        let edges = if self.counts.is_empty() { 0 } else { self.counts.len() as i64 + 1 };
        (0..edges).map(|place| (self.first + place) as f64 * self.width()).collect()
    }

    /// How many numbers of `stream` (0 or 1) each bin holds.
    pub fn counts(&self, stream: usize) -> Vec<u64> {
        self.counts.iter().map(|counts| counts[stream]).collect()
    }

    /// The overlap coefficient, sum over bins of min(share of stream 0, share of stream 1): 1 where
    /// the histograms are equal, 0 where no bin holds both. `None` where a stream has no numbers.
    ///
    /// It is at least the overlap of the distributions behind them, plus sampling noise: what a bin
    /// joins counts as common.
    pub fn overlap(&self) -> Option<f64> {
        let all = |stream| u128::from(self.counts.iter().map(|bin| bin[stream]).sum::<u64>());
        let (first, second) = (all(0), all(1));
        // The smaller of a/n and b/m is that of a m and b n, over n m: whole numbers, divided last.
        let least = |bin: &[u64; 2]| (u128::from(bin[0]) * second).min(u128::from(bin[1]) * first);
        let common: u128 = self.counts.iter().map(least).sum();
        (first > 0 && second > 0).then(|| common as f64 / (first * second) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fourth of the first stream and half of the second lie below 1, the rest on other sides.
    #[test]
    fn overlap_of_unequal_numbers() {
        let mut histogram = PairedHistogram::new(8);
        [0.5, 1.5, 1.5, 1.5].into_iter().for_each(|value| histogram.insert(0, value));
        assert_eq!(histogram.overlap(), None);
        [0.5, 7.5].into_iter().for_each(|value| histogram.insert(1, value));
        assert_eq!(histogram.counts(0), [1, 3, 0, 0, 0, 0, 0, 0]);
        assert_eq!(histogram.overlap(), Some(0.25));
    }
}
