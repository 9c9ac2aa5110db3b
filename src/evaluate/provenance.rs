//! What a run says of itself: the contents of run.json.

use anyhow::ensure;
use undetected_onnx::{
    contract::Contract,
    graph::ModelFile,
    model::Dequantisation,
    suite::{DataEntry, Outcome, Suite, Suites, Threshold},
};

use super::inspect::gradient;
use crate::report::run_record::{DataRecord, ModelRecord, ParityRecord, RunRecord};

/// The record of suites, without their models.
///
/// Files that every model should reject stand by themselves; those of one data set stand with it.
pub fn of_suites(suites: &Suites) -> RunRecord {
    let (format, version) = RunRecord::stamp();
    let first = suites.first();
    let common =
        |entry: &&DataEntry| suites.iter().all(|suite| suite.out_of_distribution.contains(entry));
    let common: Vec<&DataEntry> = first.out_of_distribution.iter().filter(common).collect();
    let mut all: Vec<DataRecord> = vec![];
    for suite in suites.iter() {
        let others = suite.out_of_distribution.iter().filter(|entry| !common.contains(entry));
        let record =
            DataRecord { out_of_distribution: others.map(data).collect(), ..data(&suite.data) };
        if !all.contains(&record) {
            all.push(record);
        }
    }
    RunRecord {
        format,
        version,
        suite: first.name.clone(),
        seed: first.seed,
        tasks: first.tasks.iter().map(|task| task.name().to_owned()).collect(),
        threshold: match shares_threshold(suites) {
            true => threshold(&first.threshold),
            false => "each model's own".to_owned(),
        },
        data: all,
        out_of_distribution: common.into_iter().map(data).collect(),
        models: vec![],
    }
}

fn shares_threshold(suites: &Suites) -> bool {
    suites.iter().all(|suite| suite.threshold == suites.first().threshold)
}

/// The record of the model of `suite`, one of `suites`, that was measured.
///
/// # Errors
/// Where its file can no longer be read, or is no longer the one that the detectors were fitted for.
pub fn of_model(suites: &Suites, suite: &Suite, outcome: &Outcome) -> anyhow::Result<ModelRecord> {
    let entry = suite.model();
    let file = ModelFile::read(&entry.path)?;
    let measured = outcome.detectors.iter().map(|saved| &saved.model_sha256);
    let path = entry.path.display();
    ensure!(
        measured.into_iter().all(|sha256| *sha256 == file.sha256),
        "{path} changed while it was being measured; run again"
    );
    let contract = Contract::read(&file, &entry.overrides()?)?;
    let parity = contract.parity.as_ref().map(|parity| ParityRecord {
        images: parity.count,
        relative_tolerance: parity.relative_tolerance,
    });
    Ok(ModelRecord {
        name: outcome.spec.name.clone(),
        file: path.to_string(),
        bytes: file.bytes.len() as u64,
        sha256: file.sha256.clone(),
        image: outcome.spec.image.to_string(),
        n_dims: outcome.spec.n_dims,
        classes: outcome.spec.classes.len(),
        dequantisation: dequantisation(outcome.spec.dequantisation).to_owned(),
        measured_on: outcome.data.clone(),
        threshold: (!shares_threshold(suites)).then(|| threshold(&suite.threshold)),
        engine: outcome.engine.to_string(),
        device: outcome.engine.device.to_string(),
        parity,
        gradient: gradient(&file, &contract),
        trained_on: contract.dataset,
        objective: contract.objective,
    })
}

fn data(entry: &DataEntry) -> DataRecord {
    DataRecord {
        name: entry.name.clone(),
        images: entry.images.display().to_string(),
        limit: entry.limit,
        out_of_distribution: vec![],
    }
}

fn threshold(threshold: &Threshold) -> String {
    match threshold {
        Threshold::FalseAlarmRate(rate) => {
            format!("fitted to reject {} % of real images", 100.0 * rate)
        }
        Threshold::BitsPerDim(bits) => format!("log p(x) at {bits} bits/dim"),
        Threshold::Nats(nats) => format!("log p(x) at {nats} nats"),
        Threshold::Detectors(folder) => format!("those saved in {}", folder.display()),
    }
}

fn dequantisation(dequantisation: Dequantisation) -> &'static str {
    match dequantisation {
        Dequantisation::Uniform => "uniform",
        Dequantisation::Centre => "centre",
        Dequantisation::None => "none",
    }
}
