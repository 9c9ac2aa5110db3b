//! Progress and warnings, on standard error; bars on a terminal only.

use std::io::Write;

use indicatif::{ProgressBar, ProgressStyle};

/// A line on standard error. A closed standard error loses it, and nothing else.
pub fn warn(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A bar over `images` images, with rate and time left.
pub fn progress_bar(title: &str, images: u64) -> ProgressBar {
    bar(title, images, "{msg:20} {wide_bar} {pos}/{len} images  {per_sec}  {eta} left")
}

/// A bar over `dims` dimensions, with the time left.
pub fn dimension_bar(title: &str, dims: usize) -> ProgressBar {
    bar(title, dims as u64, "{msg:20} {wide_bar} {pos}/{len} dimensions  {eta} left")
}

/// A bar over `queries` evaluations at most of an attack, with room for its success so far.
pub fn attack_bar(attack: &str, queries: u64) -> ProgressBar {
    let style = "{prefix} {wide_bar} {msg}  {per_sec}  {eta} left at most";
    let bar = bar("", queries, style);
    bar.set_prefix(attack.to_owned());
    bar
}

fn bar(title: &str, length: u64, style: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    bar.set_style(ProgressStyle::with_template(style).expect("a constant template"));
    bar.set_message(title.to_owned());
    bar
}

/// For steps of unknown length.
pub fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    bar
}
