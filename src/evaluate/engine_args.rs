//! The options that choose an engine, the same for every subcommand that runs a model.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use undetected_onnx::{
    contract::Overrides,
    engine::{Device, EngineChoice, EngineOptions, Isolation},
};

#[derive(Debug, Clone, Copy, ValueEnum)]
enum EngineName {
    /// ONNX Runtime where its library is found, tract otherwise; says which.
    Auto,
    /// ONNX Runtime, or an error.
    Ort,
    /// The embedded engine: slower, and needs nothing.
    Tract,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DeviceName {
    /// The processor.
    Cpu,
    /// The first NVIDIA GPU, or an error.
    Cuda,
}

/// What computes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineArgs {
    /// What runs the model.
    #[arg(long, value_enum, default_value_t = EngineName::Auto)]
    engine: EngineName,
    /// Where it runs.
    #[arg(long, value_enum, default_value_t = DeviceName::Cpu)]
    device: DeviceName,
    /// Threads inside the engine; every core without.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// ONNX Runtime's shared library; without: ORT_DYLIB_PATH, what `evaluate setup` fetched,
    /// Python's onnxruntime.
    #[arg(long, value_name = "FILE")]
    ort_library: Option<PathBuf>,
    /// Seconds that a model may take for one image, and to open, where its file does not show that it
    /// ends: with loops, branches, or sizes that it computes.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u32).range(1..))]
    time_limit: u32,
    /// Memory that such a model may take, weights included.
    #[arg(long, value_name = "SIZE", default_value = "8GiB", value_parser = super::suite_args::size)]
    memory_limit: u64,
}

impl EngineArgs {
    /// As the harness takes them.
    pub fn options(&self) -> EngineOptions {
        EngineOptions {
            choice: match self.engine {
                EngineName::Auto => EngineChoice::Auto,
                EngineName::Ort => EngineChoice::Ort,
                EngineName::Tract => EngineChoice::Tract,
            },
            device: match self.device {
                DeviceName::Cpu => Device::Cpu,
                DeviceName::Cuda => Device::Cuda,
            },
            threads: self.threads.map_or(0, usize::from),
            library: self.ort_library.clone(),
            isolation: Isolation {
                // Where the system does not tell this program's path, the name is looked up.
                program: Some(std::env::current_exe().unwrap_or_else(|_| "evaluate".into())),
                seconds: self.time_limit,
                memory: self.memory_limit,
            },
        }
    }
}

/// Contract fields in place of a file's metadata.
#[derive(Debug, Args)]
#[command(next_help_heading = "Contract")]
pub struct ContractArgs {
    /// A contract field that the file lacks or has wrong, for example --set pixel_range=0,1
    /// --set prior=uniform --set dequantisation=uniform. The fields are those of
    /// onnx/CONTRACT.md; x, noise and log_prob name the graph's inputs and output.
    #[arg(long = "set", value_name = "FIELD=VALUE", value_parser = field_and_value)]
    pub set: Vec<(String, String)>,
}

impl ContractArgs {
    /// As the harness takes them.
    ///
    /// # Errors
    /// Where a field is unknown.
    pub fn overrides(&self) -> undetected_onnx::Result<Overrides> {
        Overrides::new(self.set.iter().cloned())
    }
}

fn field_and_value(text: &str) -> Result<(String, String), String> {
    let (field, value) = text.split_once('=').ok_or("write FIELD=VALUE")?;
    Ok((field.to_owned(), value.to_owned()))
}
