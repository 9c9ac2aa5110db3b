//! The section of a model.

use maud::{Markup, html};

use super::{figures, scroll};
use crate::{
    output::{estimate, number, significant},
    report::{
        labels,
        results::{ModelResults, Row},
        run_record::ModelRecord,
        tables::{Measure, Place, attack_cell, counterpart},
    },
};

/// Tasks on the model's own data whose chief numbers are a list.
const LISTS: [&str; 3] = ["class_gap", "interpolate", "objective"];
const NOTHING: &str = "–";

pub(super) fn section(anchor: &str, model: &ModelResults) -> Markup {
    let name = &model.record.name;
    html! {
        section id=(anchor) class="model" aria-labelledby={ (anchor) "-title" } {
            h3 id={ (anchor) "-title" } { (name) }
            (scroll::table("What it is", &["field", "value"], &facts(&model.record)))
            h4 { "Numbers" }
            (tables(model))
            @if !model.figures.is_empty() {
                h4 { "Figures" }
                (figures::gallery(name, &model.figures))
            }
            h4 { "Every number" }
            details {
                summary { (model.rows.len()) " rows of results.csv" }
                (every_number(model))
            }
            p { a href="#top" { "Back to the top" } }
        }
    }
}

fn facts(record: &ModelRecord) -> Vec<Vec<String>> {
    let counterpart =
        counterpart(&Place::of(record)).map_or(NOTHING.to_owned(), |(table, printed)| {
            format!("{table}: {} %, {} bits/dim", printed.accuracy, printed.bits_per_dim)
        });
    let parity = record.parity.as_ref().map_or("none".to_owned(), |parity| {
        let tolerance = number(parity.relative_tolerance);
        format!("{} images reproduced within {tolerance} relative", parity.images)
    });
    let facts = [
        ("trained on", record.trained_on.clone()),
        ("objective", record.objective.clone()),
        ("the paper's counterpart", counterpart),
        ("measured on", record.measured_on.clone()),
        ("images", format!("{}, D = {}, {} classes", record.image, record.n_dims, record.classes)),
        ("dequantisation", record.dequantisation.clone()),
        ("parity vectors", parity),
        ("input gradient", gradient(record).to_owned()),
        ("engine", format!("{}, {}", record.engine, record.device)),
        ("file", format!("{}, {} bytes", record.file, record.bytes)),
        ("SHA-256", record.sha256.clone()),
    ];
    let threshold = record.threshold.iter().map(|text| ("detectors' thresholds", text.clone()));
    let facts = facts.into_iter().chain(threshold);
    facts.map(|(field, text)| vec![field.to_owned(), text]).collect()
}

fn gradient(record: &ModelRecord) -> &'static str {
    match (record.gradient.own, record.gradient.differentiable) {
        (true, _) => "the file's own",
        (false, true) => "made from the graph",
        (false, false) => "none",
    }
}

fn tables(model: &ModelResults) -> Markup {
    html! {
        @if let Some(table) = data_sets(model) { (table) }
        @if let Some(table) = detectors(model) { (table) }
        @if let Some(table) = separation(model) { (table) }
        @for task in LISTS { @if let Some(table) = list(model, task) { (table) } }
        @if let Some(table) = attacks(model) { (table) }
    }
}

fn shown(row: Option<&Row>) -> String {
    row.map_or(NOTHING.to_owned(), |row| estimate(&row.unit, row.value, row.interval()))
}

fn data_sets(model: &ModelResults) -> Option<Markup> {
    let row = |dataset: &str| {
        let bits = |metric| model.find(dataset, "likelihood", None, metric, "bits/dim");
        let lost = model.find(dataset, "likelihood", None, "not_finite", "share")?;
        let accuracy = model.find(dataset, "classify", None, "accuracy", "share");
        // Without its interval, which a table of many columns has no room for.
        let decile = |metric| {
            bits(metric).map_or(NOTHING.to_owned(), |row| estimate(&row.unit, row.value, None))
        };
        Some(vec![
            dataset.to_owned(),
            lost.n.to_string(),
            shown(accuracy),
            shown(bits("mean")),
            decile("decile_1"),
            decile("decile_5"),
            decile("decile_9"),
            format!("{:.0}", lost.value * lost.n as f64),
        ])
    };
    let rows: Vec<_> = model.datasets().into_iter().filter_map(row).collect();
    let header = [
        "data",
        ">images",
        ">accuracy, %",
        ">mean bits/dim",
        ">decile 1",
        ">median",
        ">decile 9",
        ">not finite",
    ];
    let caption = "Accuracy, and -log p(x) in bits/dim: lower = likelier";
    (!rows.is_empty()).then(|| scroll::table(caption, &header, &rows))
}

/// What each detector rejects of real images, and accepts of others, %.
fn detectors(model: &ModelResults) -> Option<Markup> {
    let real = model.record.measured_on.as_str();
    let find = |dataset: &str, statistic: &str, metric: &str, unit: &str| {
        model.find(dataset, "detect", Some(statistic), metric, unit)
    };
    let others: Vec<&str> =
        model.datasets().into_iter().filter(|dataset| *dataset != real).collect();
    let row = |statistic: &str| {
        let threshold = find(real, statistic, "threshold", "bits/dim");
        let mut row = vec![
            labels::statistic(statistic).to_owned(),
            threshold.map_or("per class".to_owned(), |row| significant(row.value, 4)),
            shown(find(real, statistic, "rejected", "share")),
        ];
        row.extend(others.iter().map(|other| shown(find(other, statistic, "accepted", "share"))));
        row
    };
    let rows: Vec<_> = model.statistics("detect").into_iter().map(row).collect();
    let others = others.iter().map(|other| format!(">{other} accepted, %"));
    let fixed = ["detector on", ">threshold, bits/dim", ">false alarms, %"].map(str::to_owned);
    let header: Vec<String> = fixed.into_iter().chain(others).collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let caption = "Detection: real images rejected, and other data accepted";
    (!rows.is_empty()).then(|| scroll::table(caption, &header, &rows))
}

/// AUROC of each statistic against each other data set.
fn separation(model: &ModelResults) -> Option<Markup> {
    let statistics = model.statistics("out_of_distribution");
    let row = |dataset: &str| {
        let area = |statistic: &&str| {
            model.find(dataset, "out_of_distribution", Some(statistic), "auroc", "area")
        };
        let found: Vec<_> = statistics.iter().map(area).collect();
        found.iter().any(Option::is_some).then(|| {
            let cells = found.into_iter().map(shown);
            std::iter::once(dataset.to_owned()).chain(cells).collect::<Vec<_>>()
        })
    };
    let rows: Vec<_> = model.datasets().into_iter().filter_map(row).collect();
    let names = statistics.iter().map(|name| format!(">{}", labels::statistic(name)));
    let header: Vec<String> = std::iter::once("other data".to_owned()).chain(names).collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let caption = "Separation: AUROC, above 0.5 where real images score higher than others";
    (!rows.is_empty()).then(|| scroll::table(caption, &header, &rows))
}

/// The chief numbers of a task on the model's own data.
fn list(model: &ModelResults, task: &str) -> Option<Markup> {
    let rows: Vec<_> = model.of_task(task, &model.record.measured_on).collect();
    let chief = labels::chief_metrics(task);
    let row = |metric: &&str| {
        let row = rows.iter().find(|row| row.metric == *metric)?;
        let is_small = row.unit == "share" && row.value != 0.0 && row.value.abs() < 5e-4;
        let value = match is_small {
            true => significant(100.0 * row.value, 3),
            false => estimate(&row.unit, row.value, row.interval()),
        };
        let label = labels::metric(task, metric).to_owned();
        Some(vec![label, value, unit(&row.unit).to_owned(), row.n.to_string()])
    };
    let found: Vec<_> = chief.iter().filter_map(row).collect();
    let caption = labels::task(task);
    (!found.is_empty())
        .then(|| scroll::table(caption, &["measure", ">value", "unit", ">n"], &found))
}

/// Shares are shown in per cent.
fn unit(unit: &str) -> &str {
    if unit == "share" { "%" } else { unit }
}

/// Success of each attack within each distance.
fn attacks(model: &ModelResults) -> Option<Markup> {
    let cells: Vec<_> =
        model.rows.iter().filter_map(|row| Some((attack_cell(row)?, row))).collect();
    let undetected = cells.iter().filter(|(cell, _)| cell.measure == Measure::Undetected);
    let row = |(cell, row): &(_, &Row)| {
        let cell: &crate::report::tables::AttackCell<'_> = cell;
        let fooled = cells.iter().find(|(other, _)| {
            other.measure == Measure::Fooled
                && other.name == cell.name
                && other.epsilon == cell.epsilon
        });
        vec![
            labels::attack(cell.name).to_owned(),
            cell.epsilon.map_or(NOTHING.to_owned(), |epsilon| significant(epsilon, 4)),
            row.n.to_string(),
            shown(Some(row)),
            shown(fooled.map(|(_, row)| *row)),
        ]
    };
    let rows: Vec<_> = undetected.map(row).collect();
    let header = ["attack", ">ε", ">images", ">undetected, %", ">fooled, %"];
    (!rows.is_empty()).then(|| scroll::table(labels::task("attack"), &header, &rows))
}

fn every_number(model: &ModelResults) -> Markup {
    let row = |row: &Row| {
        let of = row.attack.as_deref().map(labels::attack);
        let statistic = row.statistic.as_deref().map(labels::statistic);
        let of: Vec<&str> = of.into_iter().chain(statistic).collect();
        vec![
            row.dataset.clone(),
            row.task.clone(),
            of.join(", "),
            row.metric.clone(),
            row.epsilon.map_or(String::new(), |epsilon| significant(epsilon, 4)),
            number(row.value),
            row.interval().map_or(String::new(), |(low, high)| {
                format!("[{}, {}]", number(low), number(high))
            }),
            row.unit.clone(),
            row.n.to_string(),
        ]
    };
    let rows: Vec<_> = model.rows.iter().map(row).collect();
    let header = ["data", "task", "of", "metric", ">ε", ">value", ">99 % interval", "unit", ">n"];
    scroll::table(&format!("{}: results.csv", model.record.name), &header, &rows)
}
