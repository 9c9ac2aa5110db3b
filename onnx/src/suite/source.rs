//! The text of a suite file: where a key stands, and errors that show the line.

use std::{ops::Range, path::Path};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use super::refusal::{Key, Refusal};
use crate::error::{Error, Result};

/// A suite file that is TOML.
pub(super) struct Source<'a> {
    path: &'a Path,
    text: &'a str,
    root: DeValue<'a>,
}

impl<'a> Source<'a> {
    /// Parses the text.
    ///
    /// # Errors
    /// [`Error::Setting`] with file and line where it is not TOML.
    pub(super) fn parse(path: &'a Path, text: &'a str) -> Result<Self> {
        let root = DeTable::parse(text).map_err(|error| of_toml(path, text, &error))?;
        Ok(Self { path, text, root: DeValue::Table(root.into_inner()) })
    }

    /// What the text describes.
    ///
    /// # Errors
    /// [`Error::Setting`] with file and line where a key or a value is not one of `T`.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T> {
        toml::from_str(self.text).map_err(|error| of_toml(self.path, self.text, &error))
    }

    /// The error that shows where a refused setting stands.
    pub(super) fn locate(&self, refusal: Refusal) -> Error {
        let Refusal { key, field, problem } = refusal;
        let message = format!("{field}: {problem}");
        located(self.path, self.text, self.span(&key), &message)
    }

    /// Where the value of `key` stands; where there is none, that of the table which it belongs to.
    fn span(&self, key: &Key) -> Range<usize> {
        let (mut span, mut value) = (0..0, &self.root);
        for part in key.parts() {
            // One table may stand for an array of one.
            if part == "0" && matches!(value, DeValue::Table(_)) {
                continue;
            }
            let found = match part.parse::<usize>() {
                Ok(place) => value.get(place),
                Err(_) => value.get(part),
            };
            let Some(found) = found else { break };
            (span, value) = (found.span(), found.get_ref());
        }
        span
    }
}

/// What the parser refuses, with the known name that is nearest to an unknown one.
fn of_toml(path: &Path, text: &str, error: &toml::de::Error) -> Error {
    let mut message = error.message().trim_end().to_owned();
    if let Some(known) = meant(&message) {
        message += &format!(". Did you mean `{known}`?");
    }
    located(path, text, error.span().unwrap_or(0..0), &message)
}

/// The name that an unknown one is a slip of, out of a message that quotes it and all known ones.
fn meant(message: &str) -> Option<&str> {
    let is_unknown = ["unknown field", "unknown variant"].iter().any(|s| message.starts_with(s));
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next().filter(|_| is_unknown)?;
    nearest(unknown, quoted)
}

/// The nearest of some names, if it is so near that a slip of the pen makes the difference: an edit,
/// or two in a name of six letters and more.
pub(super) fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let edits = if unknown.chars().count() < 6 { 1 } else { 2 };
    known
        .map(|name| (strsim::osa_distance(unknown, name), name))
        .filter(|(distance, _)| *distance <= edits)
        .min()
        .map(|(_, name)| name)
}

/// An error with file, line and column, and below it the line with the text at fault marked.
fn located(path: &Path, text: &str, span: Range<usize>, message: &str) -> Error {
    let start = text.floor_char_boundary(span.start);
    let end = text.floor_char_boundary(span.end).max(start);
    let before = &text[..start];
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let line_text = text[line_start..].lines().next().unwrap_or_default();
    let (line, indent) = (1 + before.matches('\n').count(), &text[line_start..start]);
    let marked = text[start..end].lines().next().unwrap_or_default();
    let column = 1 + indent.chars().count();
    // Tabs stay, so that the mark stands below what it marks.
    let indent: String = indent.chars().map(|c| if c == '\t' { c } else { ' ' }).collect();
    let marks = "^".repeat(marked.chars().count().max(1));
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    Error::setting(
        format!("{}:{line}:{column}", path.display()),
        format!("{message}\n{gutter} |\n{number} | {line_text}\n{gutter} | {indent}{marks}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = \"s\"\n[[attack]]\n\tepsilons = [0.5, -1.0]\n[detect]\n";

    fn shown(key: Key) -> String {
        let source = Source::parse(Path::new("s.toml"), TEXT).unwrap();
        let refusal = Refusal { key, field: "f".to_owned(), problem: "p".to_owned() };
        source.locate(refusal).to_string()
    }

    #[test]
    fn a_key_is_found_and_marked() {
        let found = shown(Key::of("attack.0.epsilons.1"));
        let line =
            "s.toml:3:19: f: p\n  |\n3 | \tepsilons = [0.5, -1.0]\n  | \t                 ^^^^";
        assert_eq!(found, line);
        assert!(shown(Key::of("name")).starts_with("s.toml:1:8: f: p"));
    }

    #[test]
    fn a_key_that_is_not_there_is_looked_for_in_its_table() {
        assert!(shown(Key::of("attack.0.steps")).starts_with("s.toml:2:1: "));
        assert!(shown(Key::of("detect.per_class")).starts_with("s.toml:4:1: "));
        assert!(shown(Key::of("tasks")).starts_with("s.toml:1:1: "));
    }

    /// A mark at the very end, and in a text of characters of several bytes.
    #[test]
    fn any_place_can_be_shown() {
        let text = "a = 1\nn = \"ä\" ? ";
        let error = located(Path::new("s"), text, text.len()..text.len(), "m").to_string();
        assert!(error.starts_with("s:2:11: m"), "{error}");
        for (text, line) in [("", "s:1:1"), ("a = [", "s:1:"), ("\n\nx", "s:3:")] {
            let error = Source::parse(Path::new("s"), text).map(drop);
            let error = error.map_or_else(|error| error.to_string(), |()| format!("{line} empty"));
            assert!(error.starts_with(line), "{error}");
        }
    }

    #[test]
    fn a_slip_is_recognised_and_a_guess_is_not_made() {
        let known = || ["epsilons", "epochs", "steps", "images"].into_iter();
        assert_eq!(nearest("epsilon", known()), Some("epsilons"));
        assert_eq!(nearest("setps", known()), Some("steps"));
        assert_eq!(nearest("eps", known()), None);
        let message = "unknown field `image`, expected one of `images`, `labels`";
        assert_eq!(meant(message), Some("images"));
        assert_eq!(meant("invalid type: `image`, expected `images`"), None);
    }
}
