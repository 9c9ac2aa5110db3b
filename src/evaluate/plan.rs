//! `evaluate plan`: what a run will cost, before it is begun.

use std::fmt;

use indicatif::HumanCount;
use undetected_onnx::{
    checkpoint::Checkpoint,
    engine::EngineOptions,
    error::Error,
    memory::BatchSize,
    suite::{AttackWork, Evaluations, Suite, Suites, Workload},
};

use super::{
    measure::Batches,
    opened::{Opened, Speed},
    suite_args::SuiteArgs,
};
use crate::output;

/// Say what a run with the same arguments will do, how long that takes and how much memory.
///
/// Opens every model and all its data, as the run would, and measures the time of a small batch: images
/// to score, points of paths, evaluations of attacks, and the time that follows. Attacks are counted by
/// their whole budgets; most images end early. Nothing is kept. A model that cannot be opened, or that
/// its data does not fit, is named, and the exit status is then 1.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    suite: SuiteArgs,
}

const EXAMPLES: &str = "\
Examples:
  evaluate plan onnx/suites/demo.toml
  evaluate plan onnx/suites/paper-mnist.toml --engine ort --pairs 300
  evaluate plan --model MODEL.onnx --data t10k-images-idx3-ubyte.gz --task likelihood";

pub fn run(args: &Args) -> anyhow::Result<()> {
    let suites = args.suite.suites()?;
    let (options, batches) = (args.suite.engine.options(), args.suite.batches());
    let (mut plans, mut refusals): (Vec<Plan>, Vec<Refused>) = (vec![], vec![]);
    for suite in suites.iter() {
        let plan = Plan::of(suite, &options, batches).and_then(|plan| plan.unless_among(&plans));
        match plan {
            Ok(plan) => plans.push(plan),
            Err(error) => refusals.push((suite.model().path.display().to_string(), error)),
        }
    }
    output::print(&page(&suites, &plans, &refusals))?;
    match refusals.len() {
        0 => Ok(()),
        refused => Err(CannotRun { refused, models: suites.count() }.into()),
    }
}

/// A model that cannot be run, and why.
type Refused = (String, Error);

/// Some models of a plan cannot be run.
#[derive(Debug)]
pub struct CannotRun {
    refused: usize,
    models: usize,
}

impl fmt::Display for CannotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} models cannot be run, see above", self.refused, self.models)
    }
}

impl std::error::Error for CannotRun {}

/// What a run does with one model.
struct Plan {
    work: Workload,
    /// Engine and device.
    engine: String,
    batch: BatchSize,
    speed: Speed,
}

impl Plan {
    fn of(suite: &Suite, options: &EngineOptions, batches: Batches) -> Result<Self, Error> {
        let work = Workload::of(suite, &suite.declared()?)?;
        let mut opened = Opened::open(suite, suite.model(), options)?;
        let batch = match batches {
            Batches::Of(images) => opened.batch_of(images)?,
            Batches::Within(budget) => opened.batch_size(budget)?,
        };
        let attacked = work.attacks.iter().map(|attack| attack.batch_size).max();
        let speed = opened.speed(attacked.unwrap_or(batch.images))?;
        let engine = engine(opened.checkpoint());
        Ok(Self { work, engine, batch, speed })
    }

    /// Refused where another model has its name, as the run refuses it.
    fn unless_among(self, plans: &[Self]) -> Result<Self, Error> {
        let name = &self.work.model;
        match plans.iter().any(|plan| plan.work.model == *name) {
            false => Ok(self),
            true => {
                let problem = "is that of a model before it; give it another in the suite: \
                               contract = { name = \"...\" }";
                Err(Error::setting(format!("model name '{name}'"), problem))
            }
        }
    }

    fn seconds(&self, evaluations: Evaluations) -> f64 {
        let Speed { forward, gradient, .. } = self.speed;
        // Without a session for gradients none is asked for.
        evaluations.forward as f64 * forward
            + evaluations.gradient as f64 * gradient.unwrap_or_default()
    }

    fn measuring(&self) -> f64 {
        self.seconds(self.work.measuring())
    }

    fn attacking(&self) -> f64 {
        self.seconds(self.work.attacking())
    }
}

fn engine(checkpoint: &Checkpoint) -> String {
    let engine = checkpoint.engine();
    format!("{engine} ({})", engine.device)
}

fn page(suites: &Suites, plans: &[Plan], refusals: &[Refused]) -> String {
    let first = suites.first();
    let models = match suites.count() {
        1 => "1 model".to_owned(),
        models => format!("{models} models"),
    };
    let mut page = format!("Plan of {}: {models}, seed {}\n\n", first.name, first.seed);
    if let Some(plan) = plans.first() {
        page += &work(plans);
        if plans.iter().any(|plan| !plan.work.attacks.is_empty()) {
            page += &attacks(plans);
        }
        page += &time(plans, &plan.engine);
        page += &total(plans);
    }
    if !refusals.is_empty() {
        page += if plans.is_empty() { "" } else { "\n" };
        page += "Cannot be run\n";
        page.extend(refusals.iter().map(|(path, error)| format!("  {path}: {error}\n")));
    }
    page
}

fn work(plans: &[Plan]) -> String {
    let mut table =
        output::table(&["model", "data", ">images", ">points", ">forward", ">gradient"]);
    for Plan { work, .. } in plans {
        let Evaluations { forward, gradient } = work.measuring() + work.attacking();
        table.add_row([
            work.model.clone(),
            work.data().to_owned(),
            count(work.images()),
            count(work.points()),
            count(forward),
            count(gradient),
        ]);
    }
    output::section(
        "Work: images to score, points of paths, and evaluations of all, attacks by their whole budgets",
        &table,
    )
}

fn attacks(plans: &[Plan]) -> String {
    let mut table = output::table(&["model", "attack", ">images", ">each", ">at most"]);
    for plan in plans {
        for attack in &plan.work.attacks {
            let AttackWork { name, images, each, .. } = attack;
            table.add_row([
                plan.work.model.clone(),
                name.clone(),
                count(*images),
                count(each.total()),
                duration(plan.seconds(attack.evaluations())),
            ]);
        }
    }
    output::section(
        "Attacks by their whole budgets: evaluations of each image, and the time of all",
        &table,
    )
}

fn time(plans: &[Plan], engine: &str) -> String {
    let mut table = output::table(&[
        "model",
        ">batch",
        ">MiB",
        ">forward",
        ">gradient",
        ">without",
        ">attacks",
    ]);
    for plan in plans {
        let Plan { work, batch, speed, .. } = plan;
        let bytes = batch.bytes_per_image as f64 * batch.images as f64;
        let milliseconds = |seconds: f64| output::significant(1e3 * seconds, 3);
        table.add_row([
            work.model.clone(),
            batch.images.to_string(),
            output::significant(bytes / f64::from(1 << 20), 3),
            milliseconds(speed.forward),
            speed.gradient.map_or("-".to_owned(), milliseconds),
            duration(plan.measuring()),
            if work.attacks.is_empty() { "-".to_owned() } else { duration(plan.attacking()) },
        ]);
    }
    let title = format!(
        "Time of an image on {engine} in ms, by a probe; memory of a batch in MiB;\n\
         and the time that follows: without attacks, and of attacks at most"
    );
    output::section(&title, &table)
}

fn total(plans: &[Plan]) -> String {
    let without: f64 = plans.iter().map(Plan::measuring).sum();
    let attacks: f64 = plans.iter().map(Plan::attacking).sum();
    match plans.iter().all(|plan| plan.work.attacks.is_empty()) {
        true => format!("Total: {}\n", duration(without)),
        false => format!(
            "Total: {} without attacks, {} with them at most\n",
            duration(without),
            duration(without + attacks)
        ),
    }
}

/// Exactly, or in millions where a column has no room.
fn count(number: u64) -> String {
    match number {
        0..1_000_000 => HumanCount(number).to_string(),
        many => format!("{} M", output::significant(many as f64 / 1e6, 3)),
    }
}

/// A time for reading: an estimate deserves two or three digits.
fn duration(seconds: f64) -> String {
    let (minute, hour, day) = (60.0, 3600.0, 86400.0);
    match seconds {
        s if s < 1.0 => "under 1 s".to_owned(),
        s if s < 2.0 * minute => format!("{s:.0} s"),
        s if s < 2.0 * hour => format!("{:.0} min", s / minute),
        s if s < 2.0 * day => format!("{:.1} h", s / hour),
        s => format!("{:.1} days", s / day),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_up_to_a_million() {
        let shown = [0, 1234, 999_999, 1_000_000, 18_000_040].map(count);
        assert_eq!(shown, ["0", "1,234", "999,999", "1 M", "18 M"]);
    }

    #[test]
    fn times_have_the_unit_that_fits() {
        let shown = [0.2, 45.4, 300.0, 7200.0, 86400.0, 864000.0].map(duration);
        assert_eq!(shown, ["under 1 s", "45 s", "5 min", "2.0 h", "24.0 h", "10.0 days"]);
    }
}
