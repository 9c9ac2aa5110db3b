//! What is under way, on standard error: a bar, lines of JSON, or nothing.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use clap::ValueEnum;
use indicatif::ProgressBar;
use serde_json::json;
use signal_hook::{consts::SIGINT, flag};
use undetected_onnx::{Error, record::AttackRow, suite::Event};

use crate::output;

/// From one line of JSON to the next, while images are seen.
const INTERVAL: Duration = Duration::from_secs(1);

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgressMode {
    /// A bar where standard error is a terminal.
    Bar,
    /// Lines of JSON: started, progress (once a second), attacked, finished.
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

/// Follows the events of one model.
pub struct Progress {
    mode: ProgressMode,
    model: String,
    /// Place among the models, where there are several.
    place: String,
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
    /// Of the model at `place`, from 0, of `models`.
    pub fn new(mode: ProgressMode, model: &str, place: usize, models: usize) -> Self {
        Self {
            mode,
            model: model.to_owned(),
            place: if models > 1 { format!("[{}/{models}] ", place + 1) } else { String::new() },
            what: String::new(),
            bar: ProgressBar::hidden(),
            spoke: Instant::now(),
            attack: Attack::default(),
            stop: stop_flag(),
        }
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

    /// Clears the bar.
    pub fn end(&self) {
        self.bar.finish_and_clear();
        if self.mode == ProgressMode::Json {
            self.say(json!({ "event": "finished" }));
        }
    }

    fn start(&mut self, what: &str, length: u64, bar: fn(&str, u64) -> ProgressBar) {
        self.bar.finish_and_clear();
        what.clone_into(&mut self.what);
        self.bar = match self.mode {
            ProgressMode::Bar => bar(&format!("{}{what}", self.place), length),
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
        self.bar.set_position((self.bar.position() + by).min(most));
        if self.mode == ProgressMode::Json && self.spoke.elapsed() >= INTERVAL {
            self.spoke = Instant::now();
            let eta = self.bar.eta().as_secs();
            let done = self.bar.position();
            self.say(json!({ "event": "progress", "done": done, "of": most, "eta_seconds": eta }));
        }
    }

    /// An image whose attack ends needs the rest of its budget no more.
    fn attacked(&mut self, row: &AttackRow) {
        let Attack { budget, done, fooled, undetected } = &mut self.attack;
        *done += 1;
        *fooled += u64::from(row.fooled);
        *undetected += u64::from(row.undetected == Some(true));
        let said = format!("{done} images: {fooled} fooled, {undetected} undetected");
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
        output::warn(&line.to_string());
    }
}
