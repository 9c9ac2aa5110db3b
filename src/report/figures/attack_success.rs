//! Success of attacks against the distance that they are allowed.

use anyhow::ensure;
use undetected_onnx::{attack::Rates, suite::Attacked};
use undetected_theory::Proportion;

use super::{line_key, style};
use crate::report::{Axis, Curve, Figure, Panel, Rule};

/// All attacks on a panel for what fools the classifier undetected, and on another for what fools it
/// at all.
///
/// # Errors
/// Where no attack has an answer.
pub fn figure(dataset: &str, attacks: &[Attacked]) -> anyhow::Result<Figure> {
    let curves: Vec<Vec<Rates>> = attacks.iter().map(|attack| attack.summary.curve()).collect();
    let distances = || curves.iter().flatten().map(|rates| rates.epsilon).filter(|l2| *l2 > 0.0);
    ensure!(distances().next().is_some(), "no attack on {dataset} has an answer");
    let epsilons = attacks.iter().flat_map(|attack| &attack.settings.epsilons).copied();
    let x = Axis::decades(
        "L2 distance (pixels from 0 to 1)",
        distances().chain(epsilons).map(f64::log10),
    );
    let undetected = |rates: &Rates| rates.undetected.map_or(0.0, |share| share.estimate());
    let fooled = |rates: &Rates| rates.fooled.estimate();
    let panel = |title: &str, rate: &dyn Fn(&Rates) -> f64| Panel {
        title: title.to_owned(),
        x: x.clone(),
        y: Axis::linear("share of attacked images", 0.0, 1.0, 0.2),
        curves: curves
            .iter()
            .enumerate()
            .map(|(place, curve)| steps(place, curve, &x, rate))
            .collect(),
        marks: vec![],
        bands: vec![],
        rules: rules(attacks),
        keys: vec![],
    };
    let keys = attacks.iter().enumerate().map(|(place, attack)| {
        let (colour, dash) = style(place);
        line_key(
            format!("{} (n = {})", attack.settings.name(), attack.summary.samples),
            colour,
            dash,
        )
    });
    Ok(Figure {
        title: format!("Attacks on {dataset}"),
        note: "Share of the attacked images that became one within the distance which fools the \
               classifier; undetected: and which the detector accepts. Lines across: the distances of \
               the table."
            .to_owned(),
        description: attacks.iter().map(said).collect::<Vec<_>>().join("; "),
        columns: 2,
        strips: vec![],
        panels: vec![panel("Undetected", &undetected), panel("Fooled, detected or not", &fooled)],
        keys: keys.collect(),
    })
}

/// A curve that rises where an image is added.
fn steps(place: usize, curve: &[Rates], x: &Axis, rate: &dyn Fn(&Rates) -> f64) -> Curve {
    let (colour, dash) = style(place);
    let (mut points, mut height) = (vec![(x.low, 0.0)], 0.0);
    for rates in curve {
        // A distance of 0 is left of every axis.
        let at = rates.epsilon.log10().max(x.low);
        points.push((at, height));
        height = rate(rates);
        points.push((at, height));
    }
    points.push((x.high, height));
    Curve { points, colour, dash }
}

fn rules(attacks: &[Attacked]) -> Vec<Rule> {
    let mut epsilons: Vec<f64> =
        attacks.iter().flat_map(|attack| &attack.settings.epsilons).copied().collect();
    epsilons.sort_by(f64::total_cmp);
    epsilons.dedup();
    let rule =
        |epsilon: f64| Rule::At(epsilon.log10(), format!("{epsilon:.3}"), super::RULE.to_owned());
    epsilons.into_iter().map(rule).collect()
}

fn said(attack: &Attacked) -> String {
    let of = |epsilon: &f64| {
        let rates = attack.summary.within(*epsilon);
        let percent = |share: Proportion| format!("{:.0} %", 100.0 * share.estimate());
        let undetected = rates.undetected.map_or("none".to_owned(), percent);
        format!("within {epsilon:.3} {undetected} undetected, {} fooled", percent(rates.fooled))
    };
    let all: Vec<String> = attack.settings.epsilons.iter().map(of).collect();
    format!("{}: {}", attack.settings.name(), all.join(", "))
}
