//! `evaluate report`: one page of a run.

use std::path::PathBuf;

use crate::{
    output,
    report::{html, markdown, parquet, results::Results, tables},
};

/// Write a run's report: one HTML file, report.html, that needs nothing else and loads nothing.
///
/// It shows what was found in sentences, what there is to doubt, the paper's tables 1 to 4 with the
/// run's numbers over the paper's own, every model with its figures, and where everything comes from.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The output folder of `evaluate run`.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Write the page here [default: DIR/report.html].
    #[arg(long, value_name = "FILE", conflicts_with = "markdown")]
    out: Option<PathBuf>,
    /// Print the paper's tables as Markdown instead, and write no file.
    #[arg(long)]
    markdown: bool,
    /// Write results.parquet and samples.parquet beside the CSV files instead: the same columns, with
    /// types.
    #[arg(long, conflicts_with_all = ["markdown", "out"])]
    parquet: bool,
}

const EXAMPLES: &str = "\
Examples:
  evaluate run onnx/suites/demo.toml && evaluate report out/demo
  evaluate report out/demo --markdown > tables.md
  evaluate report out/demo --parquet";

pub fn run(args: &Args) -> anyhow::Result<()> {
    if args.parquet {
        for (file, rows) in parquet::write(&args.folder)? {
            let path = args.folder.join(file);
            output::print(&format!("Written: {} ({rows} rows)\n", path.display()))?;
        }
        return Ok(());
    }
    let results = Results::read(&args.folder)?;
    if args.markdown {
        let tables = tables::all(&results).map(|table| markdown::table(&table));
        let mixed = results.record.models.iter().filter(|model| !model.mixed_engines.is_empty());
        let mixed: Vec<&str> = mixed.map(|model| model.name.as_str()).collect();
        if !mixed.is_empty() {
            let models = mixed.join(", ");
            output::print(&format!("**Mixed engines**: {models} (see run.json).\n\n"))?;
        }
        output::print(&tables.join("\n"))?;
        return Ok(());
    }
    let path = args.out.clone().unwrap_or_else(|| args.folder.join("report.html"));
    let page = html::page(&results);
    output::write_text(&path, &page)?;
    let kib = page.len().div_ceil(1024);
    output::print(&format!("Written: {} ({kib} KiB)\n", path.display()))?;
    Ok(())
}
