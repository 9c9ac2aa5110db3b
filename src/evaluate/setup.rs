//! `evaluate setup`: fetches ONNX Runtime.

use undetected_onnx::engine::runtime_library::{self, Fetched};

use crate::output;

/// Fetch ONNX Runtime's library with Python's package client, verify it, and keep it in your data
/// folder, where every later run finds it. Does nothing when that is done already.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Fetch the build for NVIDIA GPUs (CUDA 13), and NVIDIA's libraries: 1.6 GB.
    #[arg(long)]
    cuda: bool,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let bar = output::spinner();
    let fetched = runtime_library::fetch(args.cuda, &mut |step| bar.set_message(step.to_owned()));
    bar.finish_and_clear();
    let text = match fetched? {
        Fetched::AlreadyThere(path) => {
            format!("ONNX Runtime is there already: {}\n", path.display())
        }
        Fetched::Downloaded(path) => {
            format!("ONNX Runtime fetched and verified: {}\n", path.display())
        }
    };
    output::print(&text)?;
    Ok(())
}
