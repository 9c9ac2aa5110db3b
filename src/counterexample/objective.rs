//! What the likelihood objective pays for the label, beside what it pays for the image.

use super::Outcome;
use crate::output::{self, Format, csv_of, number, section};
use anyhow::{Result, anyhow};
use serde::Serialize;
use undetected_theory::{Error, Information, Objective};

/// Images, classes and the confidence that is asked for.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Number of classes (C), at least 2
    #[arg(long, value_name = "C", default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..))]
    classes: u64,
    /// Negative log-likelihood of the images, in bits per dimension, above 0
    #[arg(long, allow_hyphen_values = true, value_name = "BITS", default_value_t = 3.53)]
    bits_per_dim: f64,
    /// Number of dimensions that bits/dim divides by (D), at least 1
    #[arg(long, value_name = "D", default_value_t = 3072, value_parser = clap::value_parser!(u64).range(1..))]
    n_dims: u64,
    /// How far from certainty the correct label may be, as a probability, between 0 and 1
    #[arg(long, allow_hyphen_values = true, value_name = "PROBABILITY", default_value_t = 1e-5)]
    delta: f64,
    /// Form of the result on standard output
    #[arg(long, value_name = "FORM", default_value = "table")]
    format: Format,
}

const EXAMPLES: &str = "\
Exit status: 0, or 2 if the question is wrong.

Examples:
  counterexample objective                                       the paper's CIFAR10
  counterexample objective --bits-per-dim 1.00 --n-dims 1024     the paper's MNIST, padded to 32x32
  counterexample objective --classes 1000 --delta 0.01 --format csv";

/// Converts; there is no claim to fail.
pub fn run(args: &Args) -> Result<Outcome> {
    let objective = Objective::new(args.classes, args.n_dims, args.bits_per_dim, args.delta)
        .map_err(explain)?;
    let quantities = quantities(&objective);
    let text = match args.format {
        Format::Table => table(&objective, &quantities),
        Format::Csv => csv_of(&quantities)?,
        Format::Json => json(args, &quantities)?,
    };
    Ok((text, true))
}

/// Says which flag is wrong.
fn explain(error: Error) -> anyhow::Error {
    match error {
        Error::OutOfRange { name, value, requirement } => {
            anyhow!("--{} {value:?} violates {requirement}", name.replace('_', "-"))
        }
        error => error.into(),
    }
}

/// One amount in every unit.
#[derive(Debug, Serialize)]
struct Quantity {
    name: &'static str,
    #[serde(skip)]
    meaning: &'static str,
    nats: f64,
    bits: f64,
    bits_per_dim: f64,
    decimal_digits: f64,
    share_of_image: f64,
}

fn quantities(objective: &Objective) -> Vec<Quantity> {
    let quantity = |(name, meaning, amount): (_, _, Information)| Quantity {
        name,
        meaning,
        nats: amount.nats,
        bits: amount.bits(),
        bits_per_dim: amount.bits_per_dim(objective.n_dims()),
        decimal_digits: amount.digits(),
        share_of_image: objective.share(amount),
    };
    let amounts = [
        ("image", "image, E[-ln P(x)]", objective.image()),
        ("label_uniform", "label ignored, ln C", objective.uniform_label()),
        ("label_confident", "label known to 1 - delta", objective.confident_label()),
        ("margin", "lead needed", objective.margin()),
        ("margin_printed", "lead as printed", objective.margin_printed()),
    ];
    amounts.map(quantity).into()
}

fn table(objective: &Objective, quantities: &[Quantity]) -> String {
    let title = format!(
        "The objective for {} classes and images of {} dimensions, delta = {}\n\n",
        objective.classes(),
        objective.n_dims(),
        number(objective.delta())
    );
    let mut table =
        output::table(&["quantity", ">nats", ">bits", ">bits/dim", ">decimal digits", ">of image"]);
    for quantity in quantities {
        table.add_row([
            quantity.meaning,
            &number(quantity.nats),
            &number(quantity.bits),
            &number(quantity.bits_per_dim),
            &number(quantity.decimal_digits),
            &format!("{} %", number(100.0 * quantity.share_of_image)),
        ]);
    }
    let section = section("Equation 4 and the margin of section 4.2, in every unit", &table);
    title + &section + LEGEND
}

const LEGEND: &str = "\
The lead over every other logit, ln(C - 1) + ln((1 - delta) / delta), gives the correct label
probability 1 - delta whatever the others do; a smaller one does not if they tie. The paper prints
ln C, which suffices, and calls it \"about 6\" for 10 classes and delta = 1e-5: decimal digits.
";

fn json(args: &Args, quantities: &[Quantity]) -> Result<String> {
    let object = serde_json::json!({
        "classes": args.classes,
        "n_dims": args.n_dims,
        "delta": args.delta,
        "quantities": quantities,
    });
    Ok(serde_json::to_string_pretty(&object)? + "\n")
}
