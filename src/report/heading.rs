//! What stands above the panels of a figure: title, note, images.

use kuva::render::render::{Primitive, Scene, TextAnchor};

use super::{figure::PANEL, picture::Placed, strip::Strip};

const TITLE: u32 = 18;
const CAPTION: u32 = 15;
const NOTE: u32 = 12;
/// From one line to the next, in sizes of its letters.
const LEADING: f64 = 1.35;
/// Mean width of a letter in sizes: 0.53 in DejaVu Sans and less in others, with room to spare.
const LETTER: f64 = 0.56;
const MARGIN: f64 = 14.0;
const GAP: f64 = 6.0;
const NOTE_COLOUR: &str = "#333333";

/// Lines and images from the upper edge downwards.
pub(super) struct Heading {
    width: f64,
    lines: Vec<Primitive>,
    /// How far down it reaches.
    bottom: f64,
}

impl Heading {
    /// A title and a note in smaller letters, broken into lines where they are too long.
    pub fn new(width: f64, title: &str, note: &str) -> Self {
        let mut heading = Self { width, lines: Vec::new(), bottom: GAP };
        heading.paragraph(title, TITLE, None);
        heading.paragraph(note, NOTE, Some(NOTE_COLOUR));
        heading
    }

    fn paragraph(&mut self, text: &str, size: u32, colour: Option<&str>) {
        let letters = (self.width - 2.0 * MARGIN) / (LETTER * f64::from(size));
        for line in even_lines(text, letters as usize) {
            self.bottom += LEADING * f64::from(size);
            self.lines.push(text_at(self.width / 2.0, self.bottom, line, size, colour));
        }
    }

    /// A strip for each column, with its caption, and where its images are.
    pub fn add_strips(&mut self, strips: &[Strip]) -> Vec<Placed> {
        if strips.is_empty() {
            return Vec::new();
        }
        self.bottom += GAP;
        let letters = (PANEL.0 / (LETTER * f64::from(CAPTION))) as usize;
        let captions: Vec<_> = strips.iter().map(|strip| lines(&strip.caption, letters)).collect();
        let line = LEADING * f64::from(CAPTION);
        for (column, caption) in captions.iter().enumerate() {
            for (place, text) in caption.iter().enumerate() {
                let (x, y) = (Strip::middle(column), self.bottom + (place + 1) as f64 * line);
                self.lines.push(text_at(x, y, text.clone(), CAPTION, None));
            }
        }
        self.bottom += captions.iter().map(Vec::len).max().unwrap_or(0) as f64 * line;
        let top = (self.bottom + GAP).ceil();
        let placed: Vec<Placed> = strips
            .iter()
            .enumerate()
            .flat_map(|(column, strip)| strip.placed(column, top as u32))
            .collect();
        let heights = placed.iter().map(|image| image.zoom * image.thumbnail.height());
        self.bottom = top + f64::from(heights.max().unwrap_or(0));
        placed
    }

    /// How far down it reaches, in whole units.
    pub fn height(&self) -> u32 {
        self.bottom.ceil() as u32
    }

    /// Moves what there is down, and puts the heading above it.
    pub fn put_above(self, scene: &mut Scene) {
        let down = self.bottom.ceil();
        scene.height += down;
        scene.elements.insert(
            0,
            Primitive::GroupStart {
                transform: Some(format!("translate(0,{down})")),
                title: None,
                extra_attrs: None,
            },
        );
        scene.elements.push(Primitive::GroupEnd);
        scene.elements.extend(self.lines);
    }
}

fn text_at(x: f64, y: f64, content: String, size: u32, colour: Option<&str>) -> Primitive {
    let (anchor, color) = (TextAnchor::Middle, colour.map(Into::into));
    Primitive::Text { x, y, content, size, anchor, rotate: None, bold: false, color }
}

/// As many lines as [`lines`] needs, of about one length.
fn even_lines(text: &str, letters: usize) -> Vec<String> {
    let needed = lines(text, letters).len();
    let shortest = (1..letters).find(|fewer| lines(text, *fewer).len() <= needed);
    lines(text, shortest.unwrap_or(letters))
}

/// Words in lines of at most so many letters, a longer word in a line of its own; the text's own
/// line breaks are kept.
fn lines(text: &str, letters: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let length = line.chars().count() + 1 + word.chars().count();
            if !line.is_empty() && length > letters {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_fill_lines_and_are_never_cut() {
        assert_eq!(lines("ab cd efghij k", 5), ["ab cd", "efghij", "k"]);
        assert_eq!(lines("ab\ncd", 9), ["ab", "cd"]);
        assert!(lines("", 9).is_empty());
        assert_eq!(lines("a b c d e f", 9), ["a b c d e", "f"]);
        assert_eq!(even_lines("a b c d e f", 9), ["a b c", "d e f"]);
    }
}
