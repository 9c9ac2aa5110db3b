//! How far a run of several models is.

use undetected_onnx::suite::Part;

/// Work done and work expected, in images scored, points of paths, and evaluations of attacks.
///
/// What is expected comes from the suite's workload; what a part turns out to be takes its place when
/// the part begins, and an image whose attack ends early counts as done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overall {
    /// What each model is still expected to begin.
    expected: Vec<Vec<Part>>,
    /// The model under way.
    model: usize,
    /// Work of parts that are over.
    over: u64,
    /// Done, and whole, of the part under way.
    part: (u64, u64),
    failures: usize,
}

impl Overall {
    /// Before the first of these models; a model whose work is not known counts from when its parts
    /// begin.
    pub fn of(expected: Vec<Vec<Part>>) -> Self {
        Self { expected, ..Self::default() }
    }

    /// The part before is over, and this one begins.
    pub fn start(&mut self, what: &str, length: u64) {
        self.over = self.over.saturating_add(self.part.1);
        self.part = (0, length);
        if let Some(parts) = self.expected.get_mut(self.model) {
            parts.retain(|part| part.what != what);
        }
    }

    /// So much of the part under way is done.
    pub fn reach(&mut self, done: u64) {
        self.part.0 = done.min(self.part.1);
    }

    /// The model is over. Of one that failed the rest is no work any more.
    pub fn end_model(&mut self, failed: bool) {
        let (done, whole) = self.part;
        self.over = self.over.saturating_add(if failed { done } else { whole });
        self.part = (0, 0);
        if let Some(parts) = self.expected.get_mut(self.model) {
            parts.clear();
        }
        self.model += 1;
        self.failures += usize::from(failed);
    }

    /// Work that is done.
    pub fn done(&self) -> u64 {
        self.over.saturating_add(self.part.0)
    }

    /// All work, as far as it is known.
    pub fn whole(&self) -> u64 {
        let expected = self.expected.iter().flatten().map(|part| part.length);
        expected.fold(self.over.saturating_add(self.part.1), u64::saturating_add)
    }

    /// Models that failed.
    pub fn failures(&self) -> usize {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(lengths: &[(&str, u64)]) -> Vec<Part> {
        lengths
            .iter()
            .map(|(what, length)| Part { what: (*what).to_owned(), length: *length })
            .collect()
    }

    fn figures(overall: &Overall) -> (u64, u64, usize) {
        (overall.done(), overall.whole(), overall.failures())
    }

    #[test]
    fn what_a_part_turns_out_to_be_takes_the_place_of_what_was_expected() {
        let one = parts(&[("MNIST", 100), ("cw", 1000)]);
        let mut overall = Overall::of(vec![one.clone(), one]);
        assert_eq!(figures(&overall), (0, 2200, 0));
        overall.start("MNIST", 100);
        overall.reach(40);
        assert_eq!(figures(&overall), (40, 2200, 0));
        // Fewer images can be attacked than were asked for.
        overall.start("cw", 600);
        assert_eq!(figures(&overall), (100, 1800, 0));
        overall.reach(5000);
        assert_eq!(figures(&overall), (700, 1800, 0));
        overall.end_model(false);
        assert_eq!(figures(&overall), (700, 1800, 0));
    }

    #[test]
    fn a_model_that_fails_leaves_no_work() {
        let one = parts(&[("MNIST", 100), ("cw", 1000)]);
        let mut overall = Overall::of(vec![one.clone(), one.clone(), one]);
        overall.start("MNIST", 100);
        overall.reach(30);
        overall.end_model(true);
        assert_eq!(figures(&overall), (30, 2230, 1));
        // It did not even open.
        overall.end_model(true);
        assert_eq!(figures(&overall), (30, 1130, 2));
        overall.start("MNIST", 100);
        overall.start("cw", 1000);
        overall.end_model(false);
        assert_eq!(figures(&overall), (1130, 1130, 2));
    }

    /// What nobody expected is counted once it begins.
    #[test]
    fn work_that_was_not_known_is_added() {
        let mut overall = Overall::of(vec![vec![]]);
        overall.start("MNIST", 100);
        overall.reach(100);
        assert_eq!(figures(&overall), (100, 100, 0));
    }
}
