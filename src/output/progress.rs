//! Progress and warnings, on standard error; bars on a terminal only.

use std::io::Write;

use indicatif::{ProgressBar, ProgressStyle};

/// A line on standard error. A closed standard error loses it, and nothing else.
pub fn warn(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A bar over `images` images, with rate and time left. It fits into 80 columns.
pub fn progress_bar(title: &str, images: u64) -> ProgressBar {
    bar(title, images, "{prefix:24!} {wide_bar} {pos}/{len} images  {per_sec}  {eta} left")
}

/// A bar over `dims` dimensions, with the time left.
pub fn dimension_bar(title: &str, dims: usize) -> ProgressBar {
    bar(title, dims as u64, "{prefix:20} {wide_bar} {pos}/{len} dimensions  {eta} left")
}

/// A bar over `queries` evaluations at most of an attack, with room for its success so far. It fits
/// into 80 columns.
pub fn attack_bar(attack: &str, queries: u64) -> ProgressBar {
    bar(attack, queries, "{prefix:24!} {wide_bar} {msg}  {eta} at most")
}

/// A bar over all work, with room for what went wrong. It fits into 80 columns.
pub fn overall_bar(title: &str, work: u64) -> ProgressBar {
    bar(title, work, "{prefix:24!} {wide_bar} {percent}% of {human_len}  {eta} left{msg}")
}

/// It is not drawn before it moves, so that it can be put among others.
fn bar(title: &str, length: u64, style: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(style).expect("a constant template");
    ProgressBar::new(length).with_style(style).with_prefix(title.to_owned())
}

/// For steps of unknown length.
pub fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    bar
}
