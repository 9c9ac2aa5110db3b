//! What everything in a report comes from.

use maud::{Markup, html};

use super::scroll;
use crate::report::{
    results::Results,
    run_record::{DataRecord, RunRecord},
};

pub(super) fn section(results: &Results) -> Markup {
    let record = &results.record;
    html! {
        section id="provenance" aria-labelledby="provenance-title" {
            h2 id="provenance-title" { "Provenance" }
            (scroll::table("The run", &["what", "value"], &run(record)))
            (scroll::table("Model files", &["model", "file", "SHA-256", "engine", "device"], &models(results)))
            @if !results.files.is_empty() {
                (scroll::table("Tables beside this report, for tools", &["file", ">rows"], &files(results)))
            }
        }
    }
}

fn run(record: &RunRecord) -> Vec<Vec<String>> {
    let mut rows = vec![
        ("suite", record.suite.clone()),
        ("program", format!("undetected {}", record.version)),
        ("seed", record.seed.to_string()),
        ("tasks", record.tasks.join(", ")),
        ("detectors' thresholds", record.threshold.clone()),
    ];
    for own in &record.data {
        rows.push(("data", data(own)));
        let others = own.out_of_distribution.iter();
        rows.extend(others.map(|other| ("other data, of this data's models", data(other))));
    }
    rows.extend(record.out_of_distribution.iter().map(|other| ("other data", data(other))));
    let own =
        record.data.iter().flat_map(|own| std::iter::once(own).chain(&own.out_of_distribution));
    let all = own.chain(&record.out_of_distribution);
    let hashes = all.flat_map(|data| &data.files);
    rows.extend(hashes.map(|(name, sha256)| ("SHA-256", format!("{name}: {sha256}"))));
    let mixed = record.models.iter().filter(|model| !model.mixed_engines.is_empty());
    rows.extend(mixed.map(|model| {
        ("mixed engines, by shard", format!("{}: {}", model.name, model.mixed_engines.join(", ")))
    }));
    rows.into_iter().map(|(what, text)| vec![what.to_owned(), text]).collect()
}

fn data(record: &DataRecord) -> String {
    let name = record.name.as_ref().map_or(String::new(), |name| format!("{name}: "));
    let limit = record.limit.map_or(String::new(), |limit| format!(", the first {limit} images"));
    format!("{name}{}{limit}", record.images)
}

fn models(results: &Results) -> Vec<Vec<String>> {
    let row = |model: &crate::report::results::ModelResults| {
        let record = &model.record;
        [&record.name, &record.file, &record.sha256, &record.engine, &record.device]
            .map(Clone::clone)
            .to_vec()
    };
    results.models.iter().map(row).collect()
}

fn files(results: &Results) -> Vec<Vec<String>> {
    results.files.iter().map(|(name, rows)| vec![name.clone(), rows.to_string()]).collect()
}
