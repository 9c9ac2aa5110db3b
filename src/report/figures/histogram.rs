//! Histograms as outlines and areas.

use super::percent::percent;

/// Shares of a group's values in bins side by side, and what lies beyond them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Histogram {
    /// Ends of the bins, ascending, one more than bins.
    pub edges: Vec<f64>,
    pub counts: Vec<u64>,
    /// Values below the first bin.
    pub below: u64,
    /// Values above the last bin.
    pub above: u64,
    /// NaN or infinite.
    pub not_finite: u64,
}

impl Histogram {
    /// Counts values in equal bins from `low` to `high`, both included.
    pub fn of(values: impl Iterator<Item = f64>, low: f64, high: f64, bins: usize) -> Self {
        let edge = |place: usize| low + (high - low) * place as f64 / bins as f64;
        let edges = (0..=bins).map(edge).collect();
        let mut histogram =
            Self { edges, counts: vec![0; bins], below: 0, above: 0, not_finite: 0 };
        for value in values {
            *match value {
                value if !value.is_finite() => &mut histogram.not_finite,
                value if value < low => &mut histogram.below,
                value if value > high => &mut histogram.above,
                value => {
                    let place = ((value - low) / (high - low) * bins as f64) as usize;
                    &mut histogram.counts[place.min(bins - 1)]
                }
            } += 1;
        }
        histogram
    }

    /// All values, in bins or not.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.below + self.above + self.not_finite
    }

    /// The share of all values that the fullest bin holds.
    pub fn peak(&self) -> f64 {
        self.shares().fold(0.0, f64::max)
    }

    fn shares(&self) -> impl Iterator<Item = f64> {
        let total = self.total() as f64;
        self.counts.iter().map(move |count| *count as f64 / total)
    }

    /// The staircase from the first bin that holds a value to the last, down to 0 at either end
    /// beyond which there is none.
    pub fn outline(&self) -> Vec<(f64, f64)> {
        let holds = |count: &u64| *count > 0;
        let first = self.counts.iter().position(holds);
        let Some((first, last)) = first.zip(self.counts.iter().rposition(holds)) else {
            return Vec::new();
        };
        let steps = self.edges.windows(2).zip(self.shares()).take(last + 1).skip(first);
        let stairs = steps.flat_map(|(ends, y)| [(ends[0], y), (ends[1], y)]);
        // What goes on beyond the bins does not end at them.
        let starts = first > 0 || self.below == 0;
        let stops = last + 1 < self.counts.len() || self.above == 0;
        let start = starts.then(|| (self.edges[first], 0.0));
        let stop = stops.then(|| (self.edges[last + 1], 0.0));
        start.into_iter().chain(stairs).chain(stop).collect()
    }

    /// The area under the outline.
    pub fn area(&self) -> Vec<(f64, f64, f64)> {
        self.outline().into_iter().map(|(x, y)| (x, 0.0, y)).collect()
    }

    /// What the bins do not show, in words; empty where they show all. `left` and `right` say what
    /// lies below and above them.
    pub fn beyond(&self, left: &str, right: &str) -> String {
        let total = self.total();
        let parts = [(self.below, left), (self.above, right), (self.not_finite, "not finite")];
        let said = parts.iter().filter(|(part, _)| *part > 0);
        let said: Vec<String> =
            said.map(|(part, side)| format!("{} {side}", percent(*part, total))).collect();
        said.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts are those of a second method, comparisons with every edge.
    #[test]
    fn every_value_is_counted_once() {
        let values = [0.0, 0.5, 1.0, 1.5, 2.0, 2.1, -1.0, f64::NAN, f64::INFINITY];
        let histogram = Histogram::of(values.into_iter(), 0.0, 2.0, 4);
        assert_eq!(histogram.edges, [0.0, 0.5, 1.0, 1.5, 2.0]);
        let within =
            |low: f64, high: f64| values.iter().filter(|v| (low..high).contains(*v)).count();
        for (bin, count) in histogram.counts.iter().take(3).enumerate() {
            let ends = &histogram.edges[bin..];
            assert_eq!(*count as usize, within(ends[0], ends[1]));
        }
        // The upper end belongs to the last bin.
        assert_eq!(histogram.counts[3], 2);
        assert_eq!((histogram.below, histogram.above, histogram.not_finite), (1, 1, 2));
        assert_eq!(histogram.total(), 9);
        assert_eq!(histogram.beyond("below", "above"), "11 % below, 11 % above, 22 % not finite");
    }

    #[test]
    fn outlines_are_staircases_of_shares() {
        let histogram = Histogram::of([0.1, 1.2, 1.4, 9.0].into_iter(), -2.0, 4.0, 6);
        let stairs = [(0.0, 0.0), (0.0, 0.25), (1.0, 0.25), (1.0, 0.5), (2.0, 0.5), (2.0, 0.0)];
        assert_eq!(histogram.outline(), stairs);
        assert_eq!(histogram.area()[3], (1.0, 0.0, 0.5));
        assert_eq!(histogram.peak(), 0.5);
        let open = Histogram::of([-1.0, 0.5, 1.5, 9.0].into_iter(), 0.0, 2.0, 2);
        assert_eq!(open.outline(), [(0.0, 0.25), (1.0, 0.25), (1.0, 0.25), (2.0, 0.25)]);
        assert!(Histogram::of([9.0].into_iter(), 0.0, 1.0, 2).outline().is_empty());
    }
}
