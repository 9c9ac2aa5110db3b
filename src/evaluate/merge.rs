//! `evaluate merge`: the results of a suite whose work was shared.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use undetected_onnx::{Error, suite::Suites};

use super::{
    measure::{Answers, UNITS, measure},
    progress::ProgressMode,
    shard_record::ShardRecord,
};

/// Put the work of all shards of a suite together, as if one machine had done it.
///
/// Nothing is computed: the folders of the shards hold every answer of the models. Shards of another
/// suite, seed, program, data or checkpoint are refused, and so is an incomplete set. The tables are
/// byte for byte those of a run without shards.
///
/// Shards on different engines or devices are refused as well, unless --mixed-engines allows them: their
/// numbers differ in the last digits, and results say that they are mixed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The suite that the shards are of.
    suite: PathBuf,
    /// The folders of its shards, all of them.
    #[arg(required = true)]
    shards: Vec<PathBuf>,
    /// Where the files go [default: out/NAME].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Merge shards on different engines or devices too; tables, run.json and report then say so.
    #[arg(long)]
    mixed_engines: bool,
    /// How progress is shown.
    #[arg(long, value_enum, default_value_t = ProgressMode::Bar)]
    progress: ProgressMode,
}

const EXAMPLES: &str = "\
Examples:
  evaluate run onnx/suites/demo.toml --shard 1/2 --out out/part-1
  evaluate run onnx/suites/demo.toml --shard 2/2 --out out/part-2
  evaluate merge onnx/suites/demo.toml out/part-1 out/part-2";

pub fn run(args: &Args) -> anyhow::Result<()> {
    let suites = Suites::read(&args.suite)?;
    let read = |folder: &PathBuf| Ok((folder.clone(), ShardRecord::read(folder)?));
    let shards = args.shards.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    let models = ShardRecord::agree(&suites, &shards, args.mixed_engines)?;
    let out = args.out.clone().unwrap_or_else(|| Path::new("out").join(&suites.first().name));
    for (folder, _) in &shards {
        gather(&folder.join(UNITS), &out.join(UNITS))?;
    }
    measure(&suites, &out, &Answers::Shards(&models), args.progress)
}

/// Copies the finished work that is not there yet.
fn gather(from: &Path, to: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot read {}", from.display());
    fs::create_dir_all(to).map_err(Error::unwritable(to))?;
    for entry in fs::read_dir(from).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let target = to.join(entry.file_name());
        let is_unit = entry.path().extension().is_some_and(|extension| extension == "unit");
        if is_unit && !target.exists() {
            // Whole or not at all, as the original came into its place.
            let copy = target.with_extension("copy");
            let unit = fs::read(entry.path()).with_context(cannot)?;
            fs::write(&copy, unit)
                .and_then(|()| fs::rename(&copy, &target))
                .map_err(Error::unwritable(&target))?;
        }
    }
    Ok(())
}
