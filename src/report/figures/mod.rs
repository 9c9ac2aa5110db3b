//! The paper's figures, and those that a detector is judged by, of any checkpoint.
//!
//! Each function takes what the library measured and returns a [`Figure`](super::Figure), which
//! writes itself as SVG and PNG. Data that would leave a panel empty is refused with its name.
//! Likelihoods are shown as -log p in bits/dim, lower = likelier, as in the paper's tables.

pub mod adversarial;
pub mod attack_success;
pub mod averages;
pub mod class_gap;
#[cfg(test)]
mod drawn;
pub mod examples;
mod histogram;
pub mod likelihoods;
mod percent;
pub mod reliability;
pub mod roc;

use super::{Curve, Dash, Key, Sample, colour};

/// What every axis of likelihoods is labelled with.
const BITS: &str = "bits/dim (lower = likelier)";
/// Said in notes, once a figure; its spaces within formulas are not broken.
const BITS_NOTE: &str = "bits/dim of x are -log\u{a0}p(x)/(D\u{a0}ln\u{a0}2) of an 8-bit image: lower\u{a0}=\u{a0}likelier.";
/// Colour of what is no data: thresholds, diagonals.
const RULE: &str = "#444444";
/// One for each place in a legend, so that no two look alike without colour.
const DASHES: [Dash; 4] = [Dash::Solid, Dash::Dashed, Dash::Dotted, Dash::DashDotted];

/// How the curve at this place of a legend is drawn.
fn style(place: usize) -> (String, Dash) {
    (colour(place), DASHES[place % DASHES.len()])
}

/// A legend's entry of a curve.
fn line_key(label: impl Into<String>, colour: impl Into<String>, dash: Dash) -> Key {
    Key { label: label.into(), colour: colour.into(), sample: Sample::Line(dash) }
}

/// The legend's entry of a threshold's line, where there is one.
fn threshold_key(threshold: Option<f64>) -> Option<Key> {
    threshold.map(|_| line_key("threshold", RULE, Dash::Dashed))
}

/// Points as curves that are interrupted where a value is missing; a single point is none.
fn unbroken(
    points: impl IntoIterator<Item = (f64, Option<f64>)>,
    colour: &str,
    dash: Dash,
) -> Vec<Curve> {
    let pieces = pieces(points.into_iter().map(|(x, y)| y.map(|y| (x, y))));
    let curve = |points| Curve { points, colour: colour.to_string(), dash };
    pieces.into_iter().map(curve).collect()
}

/// Runs of two values or more between those that are missing.
fn pieces<T>(values: impl Iterator<Item = Option<T>>) -> Vec<Vec<T>> {
    let mut pieces = vec![Vec::new()];
    for value in values {
        match value {
            Some(value) => pieces.last_mut().expect("never empty").push(value),
            None => pieces.push(Vec::new()),
        }
    }
    pieces.retain(|piece| piece.len() > 1);
    pieces
}

/// A mean or median in words.
fn said(value: Option<f64>) -> String {
    value.map_or("none".to_string(), |value| format!("{value:.3}"))
}

/// A number from 0 to 1, never rounded to either end.
fn rate(value: f64) -> String {
    match value {
        0.0 | 1.0 => format!("{value}"),
        value if value < 0.0005 => "< 0.001".to_string(),
        value if value > 0.9995 => "> 0.999".to_string(),
        value => format!("{value:.3}"),
    }
}

/// A number of samples, in groups of three digits.
fn count(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).expect("digits"))
        .collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        assert_eq!([0, 999, 1000, 1234567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn only_nothing_and_all_are_round_rates() {
        assert_eq!([0.0, 1.0].map(rate), ["0", "1"]);
        assert_eq!([1e-9, 1.0 - 1e-9, 0.25].map(rate), ["< 0.001", "> 0.999", "0.250"]);
    }

    #[test]
    fn a_missing_value_interrupts_a_curve() {
        let points = [(0.0, Some(1.0)), (1.0, Some(2.0)), (2.0, None), (3.0, Some(4.0))];
        let curves = unbroken(points, "#000000", Dash::Solid);
        assert_eq!(curves.len(), 1);
        assert_eq!(curves[0].points, [(0.0, 1.0), (1.0, 2.0)]);
    }
}
