//! What is under way, on standard error: bars, lines of JSON, or nothing.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use clap::ValueEnum;
use indicatif::{MultiProgress, ProgressBar};
use serde_json::json;
use signal_hook::{consts::SIGINT, flag};
use undetected_onnx::{Error, record::AttackRow, suite::Event};

use super::overall::Overall;
use crate::output;

/// From one line of JSON to the next, while images are seen.
const INTERVAL: Duration = Duration::from_secs(1);

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgressMode {
    /// A bar for all work and one for what is under way, where standard error is a terminal.
    Bar,
    /// Lines of JSON: started, progress (once a second), attacked, finished; each with the work of all
    /// models that is done and expected, and the models that failed.
    Json,
    /// Nothing.
    Quiet,
}

/// From now on the first Ctrl-C lets the engine's call end and then the run; the second ends it at
/// once. Either way what is done is kept. Returns what the first one sets.
fn stop_flag() -> Arc<AtomicBool> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    let install = || {
        let flag = Arc::new(AtomicBool::new(false));
        // In this order: the first finds the flag unset and sets it.
        let second = flag::register_conditional_shutdown(SIGINT, INTERRUPTED, Arc::clone(&flag));
        if let Err(error) = second.and(flag::register(SIGINT, Arc::clone(&flag))) {
            output::warn(&format!("warning: Ctrl-C stops at once: {error}"));
        }
        flag
    };
    Arc::clone(FLAG.get_or_init(install))
}

/// Exit status of a run that was told to stop, as shells give it.
pub const INTERRUPTED: i32 = 130;

/// Follows the events of a run, model by model.
pub struct Progress {
    mode: ProgressMode,
    models: usize,
    overall: Overall,
    bars: MultiProgress,
    overall_bar: ProgressBar,
    /// Model under way, from 1.
    place: usize,
    model: String,
    what: String,
    bar: ProgressBar,
    spoke: Instant,
    attack: Attack,
    stop: Arc<AtomicBool>,
}

/// How far an attack is.
#[derive(Default)]
struct Attack {
    budget: u64,
    done: u64,
    fooled: u64,
    undetected: u64,
}

impl Progress {
    /// Of so many models with the work that is expected of them.
    pub fn new(mode: ProgressMode, models: usize, overall: Overall) -> Self {
        let title = if models == 1 { "all".to_owned() } else { format!("all {models} models") };
        let bars = MultiProgress::new();
        let overall_bar = match mode {
            ProgressMode::Bar => bars.add(output::overall_bar(&title, overall.whole())),
            ProgressMode::Json | ProgressMode::Quiet => ProgressBar::hidden(),
        };
        Self {
            mode,
            models,
            overall,
            bars,
            overall_bar,
            place: 0,
            model: String::new(),
            what: String::new(),
            bar: ProgressBar::hidden(),
            spoke: Instant::now(),
            attack: Attack::default(),
            stop: stop_flag(),
        }
    }

    /// The next model begins; what it is called is not known yet.
    pub fn begin_model(&mut self) {
        self.place += 1;
        self.model.clear();
        self.what.clear();
    }

    /// Its name.
    pub fn name_model(&mut self, name: &str) {
        name.clone_into(&mut self.model);
    }

    /// The model is over; nothing is drawn until the next one begins.
    pub fn end_model(&mut self, failed: bool) {
        self.bar.finish_and_clear();
        self.overall.end_model(failed);
        self.show_overall();
        if self.mode == ProgressMode::Bar {
            // Where standard error is closed nothing was drawn.
            let _ = self.bars.clear();
        }
        if self.mode == ProgressMode::Json && !self.model.is_empty() {
            self.say(json!({ "event": "finished" }));
        }
    }

    /// The run is over.
    pub fn end(&self) {
        self.overall_bar.finish_and_clear();
    }

    /// Shows an event.
    ///
    /// # Errors
    /// [`Error::Interrupted`] where the user has told the run to stop.
    pub fn follow(&mut self, event: Event<'_>) -> undetected_onnx::Result<()> {
        match event {
            Event::Started { dataset, images } => {
                self.start(dataset, images as u64, output::progress_bar);
            }
            Event::AttackStarted { attack, images, budget } => {
                self.attack = Attack { budget, ..Attack::default() };
                self.start(attack, images as u64 * budget, output::attack_bar);
            }
            Event::Seen(images) => self.advance(images as u64),
            Event::Asked(images) => self.advance(images as u64),
            Event::Attacked(row) => self.attacked(row),
            _ => return Ok(()),
        }
        match self.stop.load(Ordering::SeqCst) {
            true => Err(Error::Interrupted),
            false => Ok(()),
        }
    }

    fn start(&mut self, what: &str, length: u64, bar: fn(&str, u64) -> ProgressBar) {
        self.bar.finish_and_clear();
        what.clone_into(&mut self.what);
        self.overall.start(what, length);
        self.show_overall();
        self.bar = match self.mode {
            ProgressMode::Bar => {
                let place = match self.models {
                    1 => String::new(),
                    models => format!("[{}/{models}] ", self.place),
                };
                self.bars.add(bar(&format!("{place}{what}"), length))
            }
            ProgressMode::Json | ProgressMode::Quiet => {
                let hidden = ProgressBar::hidden();
                hidden.set_length(length);
                hidden
            }
        };
        if self.mode == ProgressMode::Json {
            self.say(json!({ "event": "started", "of": length }));
        }
    }

    fn advance(&mut self, by: u64) {
        let most = self.bar.length().unwrap_or_default();
        let done = self.bar.position().saturating_add(by).min(most);
        self.bar.set_position(done);
        self.overall.reach(done);
        self.show_overall();
        if self.mode == ProgressMode::Json && self.spoke.elapsed() >= INTERVAL {
            self.spoke = Instant::now();
            let eta = self.bar.eta().as_secs();
            self.say(json!({ "event": "progress", "done": done, "of": most, "eta_seconds": eta }));
        }
    }

    fn show_overall(&self) {
        if self.mode != ProgressMode::Bar {
            return;
        }
        // Only what is new is drawn.
        if self.overall_bar.length() != Some(self.overall.whole()) {
            self.overall_bar.set_length(self.overall.whole());
        }
        let failed = match self.overall.failures() {
            0 => String::new(),
            failures => format!("  {failures} failed"),
        };
        if self.overall_bar.message() != failed {
            self.overall_bar.set_message(failed);
        }
        self.overall_bar.set_position(self.overall.done());
    }

    /// An image whose attack ends needs the rest of its budget no more.
    fn attacked(&mut self, row: &AttackRow) {
        let Attack { budget, done, fooled, undetected } = &mut self.attack;
        *done += 1;
        *fooled += u64::from(row.fooled);
        *undetected += u64::from(row.undetected == Some(true));
        let said = format!("{done} done, {fooled} fooled, {undetected} undetected");
        let rest = budget.saturating_sub(row.forward_queries + row.gradient_queries);
        self.bar.set_message(said);
        self.advance(rest);
        if self.mode == ProgressMode::Json {
            self.say(json!({
                "event": "attacked", "index": row.index, "fooled": row.fooled,
                "undetected": row.undetected, "fooled_l2": row.fooled_l2,
            }));
        }
    }

    fn say(&self, mut line: serde_json::Value) {
        line["model"] = self.model.as_str().into();
        line["what"] = self.what.as_str().into();
        line["overall_done"] = self.overall.done().into();
        line["overall_of"] = self.overall.whole().into();
        line["failures"] = self.overall.failures().into();
        output::warn(&line.to_string());
    }
}
