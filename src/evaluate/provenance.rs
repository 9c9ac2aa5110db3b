//! What a run says of itself: the contents of run.json.

use anyhow::{Context, ensure};
use undetected_onnx::{
    contract::Contract,
    engine::EngineInfo,
    graph::ModelFile,
    model::Dequantisation,
    suite::{DataEntry, Outcome, Suite, Suites, Threshold},
};

use super::{inputs::Inputs, inspect::gradient};
use crate::report::run_record::{DataRecord, ModelRecord, ParityRecord, RunRecord};

/// The record of suites, without their models.
///
/// Files that every model should reject stand by themselves; those of one data set stand with it.
pub fn of_suites(suites: &Suites, inputs: &Inputs) -> RunRecord {
    let (format, version) = RunRecord::stamp();
    let first = suites.first();
    let common =
        |entry: &&DataEntry| suites.iter().all(|suite| suite.out_of_distribution.contains(entry));
    let common: Vec<&DataEntry> = first.out_of_distribution.iter().filter(common).collect();
    let mut all: Vec<DataRecord> = vec![];
    for suite in suites.iter() {
        let others = suite.out_of_distribution.iter().filter(|entry| !common.contains(entry));
        let others = others.map(|entry| data(entry, inputs)).collect();
        let record = DataRecord { out_of_distribution: others, ..data(&suite.data, inputs) };
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
        out_of_distribution: common.into_iter().map(|entry| data(entry, inputs)).collect(),
        models: vec![],
    }
}

fn shares_threshold(suites: &Suites) -> bool {
    suites.iter().all(|suite| suite.threshold == suites.first().threshold)
}

/// The record of the model of `suite`, one of `suites`, that was measured, when its file had the SHA-256
/// `measured`.
///
/// # Errors
/// Where its file can no longer be read, or is no longer the one that was measured.
pub fn of_model(
    suites: &Suites,
    suite: &Suite,
    outcome: &Outcome,
    measured: &str,
) -> anyhow::Result<ModelRecord> {
    let entry = suite.model();
    let path = entry.path.display();
    let remedy = "restore it and repeat the command: what is finished is kept";
    let file = ModelFile::read(&entry.path)
        .with_context(|| format!("{path} was lost while it was being measured; {remedy}"))?;
    ensure!(
        measured == file.sha256,
        "{path} changed while it was being measured: its SHA-256 was {measured} and is {}; {remedy}",
        file.sha256
    );
    let (engine, device) = match outcome.mixed.is_empty() {
        true => EngineInfo::names(std::slice::from_ref(&outcome.engine)),
        false => EngineInfo::names(&outcome.mixed),
    };
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
        engine,
        device,
        mixed_engines: outcome.mixed.iter().map(|by| format!("{by} ({})", by.device)).collect(),
        parity,
        gradient: gradient(&file, &contract),
        trained_on: contract.dataset,
        objective: contract.objective,
    })
}

fn data(entry: &DataEntry, inputs: &Inputs) -> DataRecord {
    DataRecord {
        name: entry.name.clone(),
        images: entry.images.display().to_string(),
        limit: entry.limit,
        files: inputs.files(entry).unwrap_or_default().to_vec(),
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
