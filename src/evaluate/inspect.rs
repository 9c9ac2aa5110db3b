//! `evaluate inspect`: what a model file declares.

use std::path::PathBuf;

use serde_json::{Value, json};
use undetected_onnx::{
    autodiff::{self, Obstacles},
    checkpoint::Checkpoint,
    contract::Contract,
    graph::{ModelFile, Port},
    model::Dequantisation,
};

use super::engine_args::{ContractArgs, EngineArgs};
use crate::{
    output::{self, Format},
    report::run_record::GradientRecord,
};

/// Show what a model file declares, whether it keeps the contract, and whether an engine reproduces
/// the values that its own training framework gave.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ONNX file.
    model: PathBuf,
    /// Form of the result.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    contract: ContractArgs,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let file = ModelFile::read(&args.model)?;
    let is_table = args.format == Format::Table;
    // What can be read without the contract is shown even where the contract is broken: it is
    // what the user needs in order to mend it.
    if is_table {
        output::print(&graph_text(&file))?;
    }
    let contract = Contract::read(&file, &args.contract.overrides()?)?;
    if is_table {
        output::print(&contract_text(&contract))?;
        output::print(&gradient_text(&file, &contract))?;
    }
    let checkpoint = Checkpoint::of(&file, contract, &args.engine.options())?;
    if let Some(notice) = &checkpoint.notice {
        output::warn(notice);
    }
    output::print(&match args.format {
        Format::Table => parity_text(&checkpoint),
        Format::Json => format!("{:#}\n", as_json(&file, &checkpoint)),
        Format::Csv => output::csv_of(&fields(&as_json(&file, &checkpoint)))?,
    })?;
    Ok(())
}

fn graph_text(file: &ModelFile) -> String {
    let mut about = output::table(&["file", ""]);
    let opset = file.opset().map_or("none".to_owned(), |opset| opset.to_string());
    let random = file.random_nodes();
    let random = match random.as_slice() {
        [] => "none".to_owned(),
        nodes => nodes
            .iter()
            .map(|node| format!("{} ({})", node.name, node.operator))
            .collect::<Vec<_>>()
            .join(", "),
    };
    for (field, value) in [
        ("path", file.path.display().to_string()),
        ("size", format!("{} bytes", file.bytes.len())),
        ("sha256", file.sha256.clone()),
        ("opset", opset),
        ("IR version", file.model.ir_version().to_string()),
        ("producer", format!("{} {}", file.model.producer_name(), file.model.producer_version())),
        ("parameters", file.parameters().to_string()),
        ("random nodes", random),
        ("external data", if file.has_external_data { "yes" } else { "no" }.to_owned()),
    ] {
        about.add_row([field, value.trim()]);
    }
    let mut ports = output::table(&["", "name", "type", "shape"]);
    let mut add = |kind: &str, found: Vec<Port>| {
        for port in found {
            let shape = port.shape_text();
            ports.add_row([kind, &port.name, &port.element, &shape]);
        }
    };
    add("input", file.inputs());
    add("output", file.outputs());
    let mut operators: Vec<_> = file.operators().into_iter().collect();
    operators.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), name.clone()));
    let listed: Vec<_> = operators.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let mut nodes = output::table(&["operators"]);
    nodes.add_row([listed.join(", ")]);
    output::section("Graph", &about)
        + &output::section("Ports", &ports)
        + &output::section("Nodes", &nodes)
}

fn contract_text(contract: &Contract) -> String {
    let spec = &contract.spec;
    let dequantisation = match spec.dequantisation {
        Dequantisation::Uniform => "uniform noise in each 8-bit bin, from the seed",
        Dequantisation::Centre => "each 8-bit bin's centre",
        Dequantisation::None => "none: log_prob is a probability mass",
    };
    let uniform = spec.ln_prior.windows(2).all(|pair| pair[0] == pair[1]);
    let prior = match uniform {
        true => "uniform".to_owned(),
        false => spec
            .ln_prior
            .iter()
            .map(|ln_p| output::number(ln_p.exp()))
            .collect::<Vec<_>>()
            .join(", "),
    };
    let noise = match &contract.ports.noise {
        Some((_, shape)) => {
            format!("{} numbers per image {shape:?}, from the seed", spec.noise_len)
        }
        None => "none".to_owned(),
    };
    let mut table = output::table(&["field", "value"]);
    for (field, value) in [
        ("name", spec.name.clone()),
        ("trained on", contract.dataset.clone()),
        ("objective", contract.objective.clone()),
        (
            "image",
            format!(
                "{}, {} pixels of 0 added on each side of the data's",
                spec.image, contract.pad
            ),
        ),
        ("pixel range", format!("{} to {}", spec.pixel_range.0, spec.pixel_range.1)),
        ("D of bits/dim", spec.n_dims.to_string()),
        ("classes", format!("{}: {}", spec.classes.len(), spec.classes.join(", "))),
        ("prior p(y)", prior),
        ("dequantisation", dequantisation.to_owned()),
        ("padding noise", noise),
    ] {
        table.add_row([field.to_owned(), value]);
    }
    for (field, value) in training_fields(contract) {
        table.add_row([field, value]);
    }
    output::section("Contract", &table)
}

/// Whether the rewritten file has a gradient that is not zero everywhere.
fn differentiated(file: &ModelFile, contract: &Contract) -> undetected_onnx::Result<bool> {
    let ports = &contract.ports;
    let found =
        autodiff::differentiate(&file.model, &ports.log_prob, &ports.x, &Default::default())?;
    file.with_model(found.model)?;
    Ok(found.connected)
}

/// Whether the input gradient can be computed, and what stops it.
fn gradient_text(file: &ModelFile, contract: &Contract) -> String {
    let ports = &contract.ports;
    if let Some((_, gradient)) = &ports.gradient {
        return format!(
            "Input gradient: the file's own output '{gradient}', checked when it is used.\n\n"
        );
    }
    let differentiated = differentiated(file, contract);
    let found = autodiff::obstacles(&file.model, &ports.log_prob, &ports.x);
    let found = found.unwrap_or_default();
    let zero = match found.zero.as_slice() {
        [] => String::new(),
        zero => format!(" Zero gradient through {}.", nodes_text(zero)),
    };
    let verdict = match (differentiated, found.without_rule.as_slice()) {
        (Ok(true), _) => "differentiable.".to_owned(),
        (Ok(false), _) => "zero everywhere: no path leads from log_prob to x.".to_owned(),
        (Err(_), nodes @ [_, ..]) => {
            format!("not differentiable: no rule for {}.", nodes_text(nodes))
        }
        (Err(error), []) => format!("not differentiable: {error}"),
    };
    format!("Input gradient: {verdict}{zero}\n\n")
}

fn nodes_text(nodes: &[(String, String)]) -> String {
    let named: Vec<_> =
        nodes.iter().map(|(name, operator)| format!("{operator} '{name}'")).collect();
    named.join(", ")
}

/// The same as data.
pub(super) fn gradient(file: &ModelFile, contract: &Contract) -> GradientRecord {
    let ports = &contract.ports;
    let found = differentiated(file, contract);
    let Obstacles { without_rule, zero } =
        autodiff::obstacles(&file.model, &ports.log_prob, &ports.x).unwrap_or_default();
    GradientRecord {
        own: ports.gradient.is_some(),
        differentiable: matches!(found, Ok(true)),
        problem: found.err().map(|error| error.to_string()),
        without_rule,
        zero,
    }
}

fn training_fields(contract: &Contract) -> Vec<(String, String)> {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match &contract.training {
        Some(Value::Object(fields)) => {
            fields.iter().map(|(key, value)| (format!("training: {key}"), plain(value))).collect()
        }
        Some(value) => vec![("training".to_owned(), plain(value))],
        None => vec![],
    }
}

fn parity_text(checkpoint: &Checkpoint) -> String {
    let engine = checkpoint.engine();
    match &checkpoint.parity {
        None => format!(
            "Opens on {engine} ({}). No parity vectors: nothing shows that its values are right.\n",
            engine.device
        ),
        Some(parity) => format!(
            "Opens on {engine} ({}) and reproduces its {} parity values: largest difference {} relative \
             (allowed {}).\n",
            engine.device,
            parity.values,
            output::number(parity.largest_difference),
            output::number(parity.tolerance),
        ),
    }
}

fn as_json(file: &ModelFile, checkpoint: &Checkpoint) -> Value {
    let contract = &checkpoint.contract;
    let ports = |found: Vec<Port>| -> Vec<Value> {
        found
            .iter()
            .map(
                |port| json!({"name": port.name, "type": port.element, "shape": port.shape_text()}),
            )
            .collect()
    };
    json!({
        "path": file.path,
        "sha256": file.sha256,
        "bytes": file.bytes.len(),
        "opset": file.opset(),
        "ir_version": file.model.ir_version(),
        "parameters": file.parameters(),
        "inputs": ports(file.inputs()),
        "outputs": ports(file.outputs()),
        "operators": file.operators(),
        "contract": contract.spec,
        "dataset": contract.dataset,
        "objective": contract.objective,
        "pad": contract.pad,
        "training": contract.training,
        "gradient": gradient(file, contract),
        "engine": checkpoint.engine(),
        "parity": checkpoint.parity,
    })
}

/// Every leaf of a JSON object with its path, for the CSV form.
fn fields(value: &Value) -> Vec<Field> {
    fn walk(path: &str, value: &Value, fields: &mut Vec<Field>) {
        let mut below = |key: &str, value: &Value| {
            let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            walk(&path, value, fields);
        };
        match value {
            Value::Object(object) => object.iter().for_each(|(key, value)| below(key, value)),
            Value::Array(array) => {
                array
                    .iter()
                    .enumerate()
                    .for_each(|(index, value)| below(&index.to_string(), value));
            }
            Value::String(text) => {
                fields.push(Field { field: path.to_owned(), value: text.clone() })
            }
            leaf => fields.push(Field { field: path.to_owned(), value: leaf.to_string() }),
        }
    }
    let mut found = Vec::new();
    walk("", value, &mut found);
    found
}

#[derive(serde::Serialize)]
struct Field {
    field: String,
    value: String,
}
