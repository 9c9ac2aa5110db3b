//! Step sizes of the Boundary attack, kept where a good share of steps succeeds.

/// Outcomes of the last `N` trials.
#[derive(Debug, Clone)]
struct Window<const N: usize> {
    outcomes: [bool; N],
    seen: usize,
}

impl<const N: usize> Window<N> {
    fn new() -> Self {
        Self { outcomes: [false; N], seen: 0 }
    }

    fn push(&mut self, outcome: bool) {
        self.outcomes[self.seen % N] = outcome;
        self.seen += 1;
    }

    /// The share that succeeded, once there are `N`.
    fn rate(&self) -> Option<f64> {
        let successes = self.outcomes.iter().filter(|outcome| **outcome).count();
        (self.seen >= N).then(|| successes as f64 / N as f64)
    }
}

/// Relative lengths of the step on the sphere and of the one towards the original.
///
/// Where more than half of the last 100 spherical candidates met the criterion, both lengths are
/// multiplied by the adaptation, below a fifth divided; likewise the source step alone for more than
/// a quarter, or less than a tenth, of the last 30 steps. A window is emptied when it had its say.
///
/// Source: Foolbox 3.3.4, `boundary_attack.py`.
#[derive(Debug, Clone)]
pub(super) struct StepSizes {
    pub(super) spherical: f64,
    pub(super) source: f64,
    adaptation: f64,
    spherical_window: Window<100>,
    source_window: Window<30>,
}

impl StepSizes {
    pub(super) fn new(spherical: f64, source: f64, adaptation: f64) -> Self {
        let (spherical_window, source_window) = (Window::new(), Window::new());
        Self { spherical, source, adaptation, spherical_window, source_window }
    }

    /// Takes in what became of a spherical candidate and of the step that goes on from it.
    pub(super) fn update(&mut self, spherical_met: bool, step_met: bool) {
        self.spherical_window.push(spherical_met);
        self.source_window.push(step_met);
        let factor = |rate: Option<f64>, (low, high): (f64, f64)| match rate {
            Some(rate) if rate > high => Some(self.adaptation),
            Some(rate) if rate < low => Some(1.0 / self.adaptation),
            _ => None,
        };
        let on_sphere = factor(self.spherical_window.rate(), (0.2, 0.5));
        let to_source = factor(self.source_window.rate(), (0.1, 0.25));
        if let Some(factor) = on_sphere {
            self.spherical *= factor;
            self.source *= factor;
            self.spherical_window = Window::new();
        }
        if let Some(factor) = to_source {
            self.source *= factor;
            self.source_window = Window::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_then_a_hundred() {
        let mut sizes = StepSizes::new(1.0, 1.0, 2.0);
        for update in 1..=100 {
            // Half of the spherical candidates and every step: the first rate is not above 1/2.
            sizes.update(update % 2 == 0, true);
            assert_eq!(sizes.source, 2f64.powi(update / 30), "after {update}");
            assert_eq!(sizes.spherical, 1.0);
        }
        // One more success out of the last 100 than failures does not come: 101 and 102 alternate.
        let mut sizes = StepSizes::new(1.0, 1.0, 2.0);
        (0..99).for_each(|_| sizes.update(false, true));
        assert_eq!((sizes.spherical, sizes.source), (1.0, 8.0));
        sizes.update(false, true);
        assert_eq!((sizes.spherical, sizes.source), (0.5, 4.0));
    }

    #[test]
    fn rates_within_the_limits_change_nothing() {
        let mut sizes = StepSizes::new(1.0, 1.0, 2.0);
        (0..300).for_each(|update| sizes.update(update % 4 == 0, update % 5 == 0));
        assert_eq!((sizes.spherical, sizes.source), (1.0, 1.0));
    }
}
