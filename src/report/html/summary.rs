//! The first page: what was run, what was found, what to doubt.

use maud::{Markup, html};

use super::anchor;
use crate::report::{
    findings::{self, Finding, Verdict},
    health::{self, Flag},
    results::Results,
};

pub(super) fn header(results: &Results) -> Markup {
    let record = &results.record;
    let images = results.models.first().and_then(|model| {
        let rows = model.of_task("likelihood", &record.models[0].measured_on);
        rows.map(|row| row.n).max()
    });
    html! {
        header id="top" {
            p class="kicker" { "Can a conditional generative model be trusted to notice that it is being fooled?" }
            h1 { "Evaluation report: " (record.suite) }
            dl class="facts" {
                (fact("models", &results.models.len().to_string()))
                @if !record.models.is_empty() { (fact("data", &data_sets(results).join(", "))) }
                @if let Some(images) = images { (fact("images", &images.to_string())) }
                @if let Some(model) = record.models.first() {
                    (fact("engine", &format!("{}, {}", model.engine, model.device)))
                }
                (fact("seed", &record.seed.to_string()))
                (fact("version", &record.version))
            }
            p {
                "Measured as in " cite { "Understanding the Limitations of Conditional Generative Models" }
                " (Fetaya, Jacobsen, Grathwohl, Zemel, ICLR 2020), beside whose numbers these stand. \
                 Detectors’ thresholds: " (record.threshold) "."
            }
        }
    }
}

/// What the models were measured on, each name once.
fn data_sets(results: &Results) -> Vec<&str> {
    let mut names: Vec<&str> = vec![];
    for name in results.models.iter().map(|model| model.record.measured_on.as_str()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

pub(super) fn findings(results: &Results) -> Markup {
    html! {
        section id="findings" aria-labelledby="findings-title" {
            h2 id="findings-title" { "Findings" }
            p class="note" {
                (badge("noticed", "noticed")) " more than half of what should be rejected is rejected; "
                (badge("missed", "missed")) " more than half is accepted; "
                (badge("undecided", "undecided")) " the 99 % interval allows both."
            }
            @for (place, model) in results.models.iter().enumerate() {
                h3 { a href={ "#" (anchor(place)) } { (model.record.name) } }
                ul class="findings" { @for finding in findings::of(model) { (sentence(&finding)) } }
            }
        }
    }
}

fn sentence(finding: &Finding) -> Markup {
    html! {
        li class=[finding.verdict.map(Verdict::name)] {
            @if let Some(verdict) = finding.verdict { (badge(verdict.name(), verdict.name())) " " }
            (finding.text)
        }
    }
}

pub(super) fn health(results: &Results) -> Markup {
    let flagged: Vec<_> = results
        .models
        .iter()
        .map(|model| (model.record.name.as_str(), health::of(model)))
        .filter(|(_, flags)| !flags.is_empty())
        .collect();
    html! {
        section id="health" aria-labelledby="health-title" {
            h2 id="health-title" { "Health" }
            @if flagged.is_empty() {
                p {
                    (badge("noticed", "in order")) " Every engine reproduces its model’s parity vectors, all \
                     densities are finite, and every model can be differentiated."
                }
            }
            @for (name, flags) in &flagged {
                h3 { (name) }
                ul class="findings" { @for one in flags { (flag(one)) } }
            }
        }
    }
}

fn flag(flag: &Flag) -> Markup {
    html! { li { (badge(flag.level.name(), flag.level.name())) " " (flag.text) } }
}

fn badge(class: &str, text: &str) -> Markup {
    html! { span class={ "badge " (class) } { (text) } }
}
