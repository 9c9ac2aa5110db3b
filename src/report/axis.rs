//! Axes: what they show, from where to where, and where their ticks are.

/// More decades than this are not labelled one by one.
const MOST_DECADE_TICKS: f64 = 9.0;
/// Steps that a linear axis is divided into, about.
const STEPS: f64 = 5.0;
/// A step of a linear axis is one of these times a power of ten.
const ROUND_STEPS: [f64; 4] = [1.0, 2.0, 5.0, 10.0];

/// One axis: what it shows, in which unit, its ends, and the distance of its ticks.
///
/// On a logarithmic axis everything is given by its logarithm to base 10, so that numbers beyond
/// the range of f64 have a place as well.
#[derive(Debug, Clone)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// From one tick to the next, starting at the lower end.
    pub step: f64,
    /// Whether the axis is logarithmic.
    pub is_log: bool,
}

impl Axis {
    /// A logarithmic axis over the whole powers of ten around these logarithms to base 10.
    pub fn decades(label: &str, log10s: impl IntoIterator<Item = f64>) -> Axis {
        let (low, high) = ends(log10s);
        let (low, high) = (low.floor(), high.ceil().max(low.floor() + 1.0));
        let step = ((high - low) / MOST_DECADE_TICKS).ceil();
        Axis { label: label.to_string(), low, high, step, is_log: true }
    }

    /// An axis with as many steps of this size as fit between its ends.
    pub fn linear(label: &str, low: f64, high: f64, step: f64) -> Axis {
        Axis { label: label.to_string(), low, high, step, is_log: false }
    }

    /// An axis of some five round steps that holds all of these values.
    ///
    /// # Panics
    /// If there is no value, or one is NaN or infinite.
    pub fn around(label: &str, values: impl IntoIterator<Item = f64>) -> Axis {
        let (low, high) = ends(values);
        assert!(low.is_finite() && high.is_finite(), "{label}: no axis from {low} to {high}");
        // Equal values get a step of their own size on either side.
        let span = if high > low { high - low } else { low.abs().max(1.0) };
        let step = round_step(span / STEPS);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let (first, last) = if first == last { (first - 1.0, last + 1.0) } else { (first, last) };
        Axis::linear(label, first * step, last * step, step)
    }

    /// Whether the value is between both ends.
    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

fn ends(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let widen = |(low, high): (f64, f64), x: f64| (low.min(x), high.max(x));
    values.into_iter().fold((f64::INFINITY, f64::NEG_INFINITY), widen)
}

/// The least round step that is not below `step`.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let fits = |factor: &&f64| **factor * power >= step * (1.0 - 1e-12);
    ROUND_STEPS.iter().find(fits).unwrap_or(&10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decades_are_whole_and_labelled_sparsely() {
        let axis = Axis::decades("", [-11.5, 0.2]);
        assert_eq!((axis.low, axis.high, axis.step), (-12.0, 1.0, 2.0));
        let axis = Axis::decades("", [3.0]);
        assert_eq!((axis.low, axis.high, axis.step), (3.0, 4.0, 1.0));
    }

    #[test]
    fn linear_axes_hold_every_value_between_round_ends() {
        for (values, expected) in [
            ([1.13, 3.9], (1.0, 4.0, 1.0)),
            ([0.0, 1.0], (0.0, 1.0, 0.2)),
            ([-7.0, 1.0], (-8.0, 2.0, 2.0)),
            ([40.0, 290.0], (0.0, 300.0, 50.0)),
            ([3.0, 3.0], (2.0, 4.0, 1.0)),
            ([0.0, 0.0], (-0.2, 0.2, 0.2)),
        ] {
            let axis = Axis::around("", values);
            assert_eq!((axis.low, axis.high, axis.step), expected, "{values:?}");
            assert!(values.iter().all(|value| axis.holds(*value)));
        }
    }

    #[test]
    #[should_panic(expected = "bits/dim: no axis from inf to -inf")]
    fn an_axis_of_nothing_is_refused() {
        Axis::around("bits/dim", []);
    }
}
