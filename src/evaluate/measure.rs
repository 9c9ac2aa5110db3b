//! Running a suite's models one after the other, with progress, tables, files and figures.

use std::path::Path;

use indicatif::ProgressBar;
use undetected_onnx::{
    checkpoint::Checkpoint,
    engine::EngineOptions,
    gradient::{DifferentiableCheckpoint, GradientOptions},
    memory::BatchSize,
    model::ConditionalModel,
    record::AttackRow,
    suite::{Event, ModelEntry, Outcome, Subject, Suite, Units, run_model},
};

use super::{
    figures::{Figures, Seen},
    result_files::ResultFiles,
    tables::tables,
};
use crate::output;

/// How many images go to the engine at once.
#[derive(Debug, Clone, Copy)]
pub enum Batches {
    /// So many.
    Of(usize),
    /// As many as take so many bytes.
    Within(u64),
}

/// Measures every model of the suite; results go to the terminal and into the folder `out`.
pub fn measure(
    suite: &Suite,
    out: &Path,
    options: &EngineOptions,
    batches: Batches,
) -> anyhow::Result<()> {
    suite.check()?;
    suite.check_models()?;
    let mut files = ResultFiles::create(out)?;
    let mut figures = Figures::of(out);
    let run = Run { suite, options, batches, units: Units::open(&out.join("units"))? };
    for model in &suite.models {
        let mut seen = Seen::default();
        let outcome = run.model(model, &mut |event| {
            seen.record(event);
            files.record(event)
        })?;
        output::print(&tables(&outcome))?;
        files.publish(&outcome)?;
        figures.write(&suite.tasks, &outcome, &seen)?;
    }
    output::print(&(files.summary() + &figures.summary()))?;
    Ok(())
}

struct Run<'a> {
    suite: &'a Suite,
    options: &'a EngineOptions,
    batches: Batches,
    units: Units,
}

impl Run<'_> {
    fn model(
        &self,
        entry: &ModelEntry,
        report: &mut dyn FnMut(Event<'_>) -> undetected_onnx::Result<()>,
    ) -> anyhow::Result<Outcome> {
        if self.suite.uses_gradient() {
            let gradient = GradientOptions::default();
            let mut opened = DifferentiableCheckpoint::open(
                &entry.path,
                &entry.overrides()?,
                self.options,
                gradient,
            )?;
            let batch_size = self.prepare(&mut opened.checkpoint)?;
            self.measure(Subject::with_gradient(&mut opened), batch_size, report)
        } else {
            let mut checkpoint = Checkpoint::open(&entry.path, &entry.overrides()?, self.options)?;
            let batch_size = self.prepare(&mut checkpoint)?;
            self.measure(Subject::of(&mut checkpoint), batch_size, report)
        }
    }

    /// Says what the user should know; the size of batches.
    fn prepare(&self, checkpoint: &mut Checkpoint) -> anyhow::Result<usize> {
        if let Some(notice) = &checkpoint.notice {
            output::warn(notice);
        }
        if checkpoint.parity.is_none() {
            let name = &checkpoint.spec().name;
            output::warn(&format!(
                "warning: {name} has no parity vectors; nothing shows that its values are right"
            ));
        }
        let budget = match self.batches {
            Batches::Of(images) => return Ok(images),
            Batches::Within(budget) => budget,
        };
        let size = BatchSize::of(checkpoint, budget)?;
        let kib = size.bytes_per_image.div_ceil(1024);
        output::warn(&format!("batches of {} images, {kib} KiB each in the engine", size.images));
        Ok(size.images)
    }

    fn measure(
        &self,
        subject: Subject<'_>,
        batch_size: usize,
        report: &mut dyn FnMut(Event<'_>) -> undetected_onnx::Result<()>,
    ) -> anyhow::Result<Outcome> {
        let mut progress = Progress::default();
        let outcome = run_model(self.suite, subject, batch_size, Some(&self.units), &mut |event| {
            progress.follow(event);
            report(event)
        });
        progress.end();
        Ok(outcome?)
    }
}

/// The bar of what is under way.
struct Progress {
    bar: ProgressBar,
    attack: Attack,
}

/// How far an attack is.
#[derive(Default)]
struct Attack {
    budget: u64,
    done: u64,
    fooled: u64,
    undetected: u64,
}

impl Default for Progress {
    fn default() -> Self {
        Self { bar: ProgressBar::hidden(), attack: Attack::default() }
    }
}

impl Progress {
    fn follow(&mut self, event: Event<'_>) {
        match event {
            Event::Started { dataset, images } => self.start(output::progress_bar(dataset, images)),
            Event::Seen(images) => self.bar.inc(images as u64),
            Event::AttackStarted { attack, images, budget } => {
                self.attack = Attack { budget, ..Attack::default() };
                self.start(output::attack_bar(attack, images as u64 * budget));
            }
            Event::Asked(images) => {
                // The last step belongs to an image's end.
                let most = self.bar.length().unwrap_or_default().saturating_sub(1);
                self.bar.set_position((self.bar.position() + images as u64).min(most));
            }
            Event::Attacked(row) => self.attacked(row),
            _ => (),
        }
    }

    /// An image whose attack ends needs the rest of its budget no more.
    fn attacked(&mut self, row: &AttackRow) {
        let Attack { budget, done, fooled, undetected } = &mut self.attack;
        *done += 1;
        *fooled += u64::from(row.fooled);
        *undetected += u64::from(row.undetected == Some(true));
        let spent = row.forward_queries + row.gradient_queries;
        self.bar.inc(budget.saturating_sub(spent));
        self.bar.set_message(format!("{done} images: {fooled} fooled, {undetected} undetected"));
    }

    fn start(&mut self, bar: ProgressBar) {
        self.end();
        self.bar = bar;
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
