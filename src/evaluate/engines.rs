//! `evaluate engines`: what could run a model on this machine.

use std::path::PathBuf;

use undetected_onnx::engine;

use crate::output;

/// List the engines found on this machine, their versions and where they compute.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Look at this ONNX Runtime library.
    #[arg(long, value_name = "FILE")]
    ort_library: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut table = output::table(&["engine", "version", "computes on", "found"]);
    for engine in engine::list(args.ort_library.as_deref()) {
        let version = engine.version.unwrap_or_else(|| "-".to_owned());
        table.add_row([engine.name.to_owned(), version, engine.providers.join(", "), engine.found]);
    }
    output::print(&output::section("Engines", &table))?;
    Ok(())
}
