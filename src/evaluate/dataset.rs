//! `evaluate dataset`: data sets that the paper made for its experiments.

use std::path::PathBuf;

use clap::Subcommand;
use undetected_onnx::dataset::background_digits::{
    BackgroundDigits, Blur, Digits, MANIFEST, Manifest, Source, Split, SplitBy,
};

use crate::{
    output::{self, number},
    report::contact_sheet,
};

const CONTACT_SHEET: &str = "contact-sheet.png";

/// Make a data set of the paper's.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    dataset: DataSet,
}

#[derive(Debug, Subcommand)]
enum DataSet {
    BgDigits(BgDigits),
}

/// Digits on natural images in place of black (BG-MNIST, section 4.5).
///
/// A digit's pixels that are not black stay as they are; the black ones take those of a grey
/// background, blurred. Writes IDX files under MNIST's names, so that whatever reads MNIST reads
/// them, manifest.json with the seed, the files used and their checksums, and contact-sheet.png: the
/// first five images of every class, training above, test below. The same seed gives the same
/// bytes, and the same backgrounds for every blur.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct BgDigits {
    /// The folder with the digits: MNIST's four IDX files, plain or gzipped.
    #[arg(long, value_name = "DIR")]
    digits: PathBuf,
    /// The folder with the backgrounds: CIFAR-10's binary files, or photographs (JPEG, PNG). Where
    /// it holds the folders train and test, they split the photographs; otherwise a fifth of
    /// them is kept for the test images, by the seed.
    #[arg(long, value_name = "DIR")]
    backgrounds: PathBuf,
    /// Standard deviation of the Gaussian blur of the backgrounds, in pixels: the paper's 0, 1, 5.
    #[arg(long, value_name = "PIXELS", allow_negative_numbers = true)]
    blur: f64,
    /// The folder to make; it must not exist yet.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Seed of the backgrounds' split and draws.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Write train.npz and test.npz as well (x: uint8 N x 1 x H x W, y: int64).
    #[arg(long)]
    npz: bool,
}

const EXAMPLES: &str = "\
Examples:
  evaluate dataset bg-digits --digits DATA/mnist --backgrounds DATA/photographs --blur 1 \\
      --out DATA/bg-mnist-1
  evaluate dataset bg-digits --digits DATA/mnist --backgrounds cifar-10-batches-bin --blur 0 \\
      --out DATA/bg-mnist-0";

pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.dataset {
        DataSet::BgDigits(args) => bg_digits(args),
    }
}

fn bg_digits(args: &BgDigits) -> anyhow::Result<()> {
    // Looked at before the work, and again after it.
    output::ensure_absent(&args.out)?;
    let digits = Digits::open(&args.digits)?;
    let blur = Blur::new(args.blur, digits.side())?;
    let bar = output::spinner();
    bar.set_message("reading backgrounds");
    let split = Split::open(&args.backgrounds, digits.side(), args.seed);
    bar.finish_and_clear();
    let split = split?;
    let bar =
        output::progress_bar("background digits", (digits.train.len() + digits.test.len()) as u64);
    let made = BackgroundDigits::make(digits, &split, &blur, args.seed, &|| bar.inc(1));
    bar.finish_and_clear();
    let manifest = output::write_folder(&args.out, |folder| {
        contact_sheet::write(&folder.join(CONTACT_SHEET), &[&made.train, &made.test])?;
        Ok(made.write(folder, args.npz)?)
    })?;
    output::print(&summary(&manifest))?;
    let out = args.out.display();
    output::print(&format!("{out}: IDX files, {MANIFEST}; look at {out}/{CONTACT_SHEET}\n"))?;
    Ok(())
}

fn summary(manifest: &Manifest) -> String {
    let pictures = match &manifest.backgrounds {
        Source::Cifar10 { .. } => "CIFAR-10 images, split as they come".to_owned(),
        Source::Photographs { split_by: SplitBy::Folders, .. } => {
            "photographs, split by the folders train and test".to_owned()
        }
        Source::Photographs { split_by: SplitBy::Seed, .. } => {
            "photographs, split by the seed".to_owned()
        }
    };
    let header = ["part", ">images", ">pictures", ">background mean", ">and deviation"];
    let mut table = output::table(&header);
    for part in &manifest.parts {
        table.add_row([
            part.part.to_owned(),
            part.images.to_string(),
            part.pictures.to_string(),
            format!("{:.1}", part.background_mean),
            format!("{:.1}", part.background_sd),
        ]);
    }
    let (blur, seed) = (number(manifest.blur), manifest.seed);
    let title =
        format!("Background digits, blur {blur} px, seed {seed}: {pictures}; grey values 0 to 255");
    output::section(&title, &table)
}
