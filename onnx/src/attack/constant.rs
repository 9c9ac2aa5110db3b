//! The search for the constant that weighs a term of the Carlini-Wagner objective.

/// Largest constant of a last step.
const LARGEST: f64 = 1e10;

/// A constant between a value that failed and one that succeeded.
///
/// A success is an upper end, a failure a lower one; the next value is ten times the last while
/// nothing has succeeded, then the middle.
///
/// Source: Foolbox 3.3.4, `carlini_wagner.py`.
///
/// # Examples
/// From 1: fails at 1 and 10, succeeds at 100, fails at 55, and 77.5 is next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Constant {
    pub(super) value: f64,
    lower: f64,
    upper: f64,
}

impl Constant {
    pub(super) fn new(initial: f64) -> Self {
        Self { value: initial, lower: 0.0, upper: f64::INFINITY }
    }

    pub(super) fn update(&mut self, success: bool) {
        *if success { &mut self.upper } else { &mut self.lower } = self.value;
        self.value = match self.upper.is_infinite() {
            true => self.value * 10.0,
            false => (self.lower + self.upper) / 2.0,
        };
    }

    /// What a search of ten steps or more ends with: the smallest value that succeeded.
    pub(super) fn settle(&mut self) {
        self.value = self.upper.min(LARGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenfold_then_halves() {
        let mut constant = Constant::new(1.0);
        for (expected, success) in [(1.0, false), (10.0, false), (100.0, true), (55.0, false)] {
            assert_eq!(constant.value, expected);
            constant.update(success);
        }
        assert_eq!(constant.value, 77.5);
        constant.settle();
        assert_eq!(constant.value, 100.0);
        let mut hopeless = Constant::new(1.0);
        hopeless.update(false);
        hopeless.settle();
        assert_eq!(hopeless.value, LARGEST);
    }
}
