//! How large and small a value can be: enough to know that a logarithm or a division is safe.

use super::{facts::Analysis, site::Site};

/// Nodes looked at before nothing is claimed.
const DEPTH: usize = 12;
const ANY: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

/// Smallest and largest value; infinite where nothing is known.
pub fn of(analysis: &Analysis<'_>, value: &str) -> (f64, f64) {
    at(analysis, value, DEPTH)
}

/// Arguments whose exponential float32 still holds.
pub const LARGEST_EXPONENT: f64 = 88.0;

/// Whether the outputs of a node may be infinite or NaN although the graph's inputs are finite.
///
/// Overflow by mere growth, of a product or a sum, is left out: it would condemn every network.
pub fn may_be_infinite(site: &Site<'_>) -> bool {
    let input = |index: usize| of(site.analysis, site.input(index));
    let away_from_zero = |(low, high): (f64, f64)| low > 0.0 || high < 0.0;
    let made_here = match site.node.op_type() {
        "Exp" | "Sinh" | "Cosh" => input(0).1 >= LARGEST_EXPONENT,
        "Log" => input(0).0 <= 0.0,
        "Sqrt" => input(0).0 < 0.0,
        "Div" => !away_from_zero(input(1)),
        "Reciprocal" => !away_from_zero(input(0)),
        "Pow" => site.scalar(1).is_none_or(|p| p < 0.0 || p.fract() != 0.0) && input(0).0 <= 0.0,
        "ReduceLogSum" | "Tan" | "Asin" | "Acos" => true,
        _ => false,
    };
    let handed_on = || site.node.input.iter().any(|name| !site.analysis.regular(name));
    let limited = || {
        let kept =
            matches!(site.node.op_type(), "Sigmoid" | "HardSigmoid" | "Tanh" | "Erf" | "Clip");
        let (low, high) = limits(site);
        kept && low.is_finite() && high.is_finite()
    };
    made_here || (handed_on() && !limited())
}

/// The range of an operator whose outputs have one.
fn limits(site: &Site<'_>) -> (f64, f64) {
    if site.node.op_type() == "Clip" { clipped(site, ANY) } else { (-1.0, 1.0) }
}

/// [`found`], once for each value and depth: many nodes read one value, and what they read in turn
/// would be looked at once for each path to it.
fn at(analysis: &Analysis<'_>, value: &str, depth: usize) -> (f64, f64) {
    let depth = if analysis.is_constant(value) { DEPTH } else { depth };
    analysis.range(value, depth).unwrap_or_else(|| {
        let range = found(analysis, value, depth);
        analysis.remember_range(value, depth, range);
        range
    })
}

fn found(analysis: &Analysis<'_>, value: &str, depth: usize) -> (f64, f64) {
    if let Some(values) = analysis.constant(value).and_then(|constant| constant.to_floats()) {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let valid = !values.is_empty() && !values.iter().any(|value| value.is_nan());
        return if valid { (low, high) } else { ANY };
    }
    let Some(node) = analysis.producer(value).filter(|_| depth > 0) else { return ANY };
    let site = Site::new(node, analysis);
    let input = |index: usize| at(analysis, site.input(index), depth - 1);
    let (low, high) = match node.op_type() {
        "Relu" => max(input(0), (0.0, 0.0)),
        "Abs" => (max(input(0), (0.0, 0.0)).0, f64::INFINITY),
        "Sqrt" | "Softplus" | "ReduceL1" | "ReduceL2" | "ReduceSumSquare" => (0.0, f64::INFINITY),
        "Sigmoid" | "HardSigmoid" | "Softmax" => (0.0, 1.0),
        "Tanh" | "Erf" | "Sin" | "Cos" | "Sign" => (-1.0, 1.0),
        "Exp" => (input(0).0.exp(), input(0).1.exp()),
        "Log" => (input(0).0.max(0.0).ln(), input(0).1.max(0.0).ln()),
        "LogSoftmax" => (f64::NEG_INFINITY, 0.0),
        "Neg" => (-input(0).1, -input(0).0),
        "Add" => (input(0).0 + input(1).0, input(0).1 + input(1).1),
        "Sub" => (input(0).0 - input(1).1, input(0).1 - input(1).0),
        "Mul" if site.input(0) == site.input(1) => (0.0, f64::INFINITY),
        "Mul" => product(input(0), input(1)),
        "Max" if node.input.len() == 2 => max(input(0), input(1)),
        "Min" if node.input.len() == 2 => min(input(0), input(1)),
        "Clip" => clipped(&site, input(0)),
        "Identity" | "Reshape" | "Transpose" | "Squeeze" | "Unsqueeze" | "Slice" | "Split"
        | "Expand" | "Flatten" | "Gather" | "ReduceMax" | "ReduceMin" | "ReduceMean" => input(0),
        "Concat" => (0..node.input.len()).map(input).reduce(hull).unwrap_or(ANY),
        _ => ANY,
    };
    if low.is_nan() || high.is_nan() { ANY } else { (low, high) }
}

fn max(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0.max(b.0), a.1.max(b.1))
}

fn min(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0.min(b.0), a.1.min(b.1))
}

fn hull(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0.min(b.0), a.1.max(b.1))
}

fn product(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    let corners = [a.0 * b.0, a.0 * b.1, a.1 * b.0, a.1 * b.1];
    match corners.iter().any(|corner| corner.is_nan()) {
        true => ANY,
        false => (
            corners.iter().copied().fold(f64::INFINITY, f64::min),
            corners.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        ),
    }
}

/// A limit that is not constant limits nothing here.
fn clipped(site: &Site<'_>, x: (f64, f64)) -> (f64, f64) {
    let (low, high) = (site.scalar(1), site.scalar(2));
    let low = low.map_or(x, |low| max(x, (low, low)));
    high.map_or(low, |high| min(low, (high, high)))
}
