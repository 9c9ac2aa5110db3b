//! What a run says of itself: the contents of run.json.

use anyhow::{Context, ensure};
use undetected_onnx::{
    contract::Contract,
    engine::EngineInfo,
    graph::ModelFile,
    model::Dequantisation,
    suite::{DataEntry, ModelEntry, Outcome, Suite, Threshold},
};

use super::{
    inputs::{Hashed, Inputs},
    inspect::gradient,
};
use crate::report::run_record::{DataRecord, ModelRecord, ParityRecord, RunRecord};

/// The record of a suite, without its models.
pub fn of_suite(suite: &Suite, inputs: &Inputs<'_>) -> RunRecord {
    let (format, version) = RunRecord::stamp();
    let (own, others) = inputs.data().split_first().expect("a suite has data");
    RunRecord {
        format,
        version,
        suite: suite.name.clone(),
        seed: suite.seed,
        tasks: suite.tasks.iter().map(|task| task.name().to_owned()).collect(),
        threshold: threshold(&suite.threshold),
        data: data(&suite.data, own),
        out_of_distribution: suite
            .out_of_distribution
            .iter()
            .zip(others)
            .map(|(entry, files)| data(entry, files))
            .collect(),
        models: vec![],
    }
}

/// The record of a model that was measured, whose file had the SHA-256 `measured`.
///
/// # Errors
/// Where its file can no longer be read, or is no longer the one that was measured.
pub fn of_model(
    entry: &ModelEntry,
    outcome: &Outcome,
    measured: &str,
) -> anyhow::Result<ModelRecord> {
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
        engine,
        device,
        mixed_engines: outcome.mixed.iter().map(|by| format!("{by} ({})", by.device)).collect(),
        parity,
        gradient: gradient(&file, &contract),
        trained_on: contract.dataset,
        objective: contract.objective,
    })
}

fn data(entry: &DataEntry, files: &[Hashed]) -> DataRecord {
    DataRecord {
        name: entry.name.clone(),
        images: entry.images.display().to_string(),
        limit: entry.limit,
        files: files.to_vec(),
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
