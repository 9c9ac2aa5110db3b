//! Images in rows and columns, with words beside them, as one self-contained SVG or PNG.

use std::path::Path;

use kuva::render::render::{Primitive, Scene, TextAnchor};

use super::{
    heading::Heading,
    picture::{Picture, Placed},
    thumbnail::Thumbnail,
};

/// Images are shown at least this wide, in whole multiples of their pixels.
const SIDE: u32 = 72;
const GAP: u32 = 8;
/// Room for the rows' names.
const LABELS: u32 = 120;
const TEXT: u32 = 12;
const LINE: u32 = 16;
const LEAST_WIDTH: u32 = 560;

/// Rows of images that belong together column by column.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// What is seen.
    pub title: String,
    /// What a reader must know, in small letters.
    pub note: String,
    /// What is seen, for who cannot see it.
    pub description: String,
    /// Name and images of each row, all of one size.
    pub rows: Vec<(String, Vec<Thumbnail>)>,
    /// Under each column, line by line.
    pub captions: Vec<Vec<String>>,
}

impl Sheet {
    /// Writes the sheet twice, as `stem` with `.svg` and with `.png` after it.
    ///
    /// # Errors
    /// Where the folder cannot be written, naming the file.
    ///
    /// # Panics
    /// If there is no image.
    pub fn write(&self, stem: &Path) -> anyhow::Result<()> {
        self.picture().write(stem)
    }

    /// Width and height of an image as shown, and the factor of its pixels.
    fn cell(&self) -> (u32, u32, u32) {
        let first = &self.rows[0].1[0];
        let zoom = SIDE.div_ceil(first.width());
        (zoom * first.width(), zoom * first.height(), zoom)
    }

    pub(super) fn picture(&self) -> Picture {
        let (width, height, zoom) = self.cell();
        let lines = self.captions.iter().map(Vec::len).max().unwrap_or(0) as u32;
        let columns = self.captions.len() as u32;
        let across = (LABELS + columns * (width + GAP) + GAP).max(LEAST_WIDTH);
        let down = GAP + self.rows.len() as u32 * (height + GAP) + lines * LINE + GAP;
        let mut scene = Scene::new(f64::from(across), f64::from(down));
        scene.background_color = Some("#FFFFFF".to_owned());
        let left = |column: u32| LABELS + column * (width + GAP);
        let top = |row: u32| GAP + row * (height + GAP);
        for (row, (name, _)) in (0..).zip(&self.rows) {
            let middle = top(row) + height / 2 + TEXT / 2;
            scene.elements.push(text(LABELS - GAP, middle, name, TextAnchor::End));
        }
        for (column, caption) in (0..).zip(&self.captions) {
            for (line, words) in (1..).zip(caption) {
                let y = top(self.rows.len() as u32) + line * LINE - GAP / 2;
                let middle = left(column) + width / 2;
                scene.elements.push(text(middle, y, words, TextAnchor::Middle));
            }
        }
        let heading = Heading::new(scene.width, &self.title, &self.note);
        let above = heading.height();
        heading.put_above(&mut scene);
        let place = |row: u32, column: u32, thumbnail: &Thumbnail| Placed {
            left: left(column),
            top: above + top(row),
            zoom,
            thumbnail: thumbnail.clone(),
        };
        let rows = (0..).zip(&self.rows);
        let images = rows.flat_map(|(row, (_, images))| {
            (0..).zip(images).map(move |(column, image)| place(row, column, image))
        });
        Picture {
            scene,
            images: images.collect(),
            title: self.title.clone(),
            description: self.description.clone(),
        }
    }
}

fn text(x: u32, y: u32, content: &str, anchor: TextAnchor) -> Primitive {
    Primitive::Text {
        x: f64::from(x),
        y: f64::from(y),
        content: content.to_owned(),
        size: TEXT,
        anchor,
        rotate: None,
        bold: false,
        color: None,
    }
}
