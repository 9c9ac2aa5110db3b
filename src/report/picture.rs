//! A drawing as the two forms of file: SVG and PNG.

use std::path::Path;

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use kuva::backend::svg::SvgBackend;
use kuva::render::render::Scene;

use super::{raster::Canvas, thumbnail::Thumbnail};
use crate::output;

/// An image at its place in the drawing, in units of the SVG.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub left: u32,
    pub top: u32,
    /// Units for each of the image's pixels.
    pub zoom: u32,
    pub thumbnail: Thumbnail,
}

/// Lines, areas and letters, images on top of them, and both in words.
pub(super) struct Picture {
    pub scene: Scene,
    pub images: Vec<Placed>,
    /// For who cannot see the picture: what it is.
    pub title: String,
    /// What it shows.
    pub description: String,
}

impl Picture {
    /// The picture as SVG. It names a generic font and refers to no other file.
    pub fn svg(&self) -> anyhow::Result<String> {
        let drawn = SvgBackend::new().render_scene(&self.scene);
        let (head, body) = drawn.split_once('>').context("the drawing is no SVG")?;
        let body = body.strip_suffix("</svg>").context("the drawing is no whole SVG")?;
        let (width, height) = (self.scene.width, self.scene.height);
        let images =
            self.images.iter().map(Placed::element).collect::<anyhow::Result<Vec<_>>>()?.concat();
        // A title is its parent's first child. Without a viewBox it is cut and not scaled.
        Ok(format!(
            "{head} viewBox=\"0 0 {width} {height}\" role=\"img\"><title>{}</title><desc>{}</desc>\
             {body}{images}</svg>\n",
            escaped(&self.title),
            escaped(&self.description)
        ))
    }

    /// The picture as PNG, [`PNG_SCALE`](super::PNG_SCALE) times as large.
    pub fn png(&self) -> anyhow::Result<Vec<u8>> {
        let mut canvas = Canvas::draw(&SvgBackend::new().render_scene(&self.scene))?;
        self.images.iter().for_each(|image| canvas.put(image));
        canvas.encode(&self.title, &self.description)
    }

    /// Writes both files, each in one step: `stem` with `.svg` and with `.png` after it.
    pub fn write(&self, stem: &Path) -> anyhow::Result<()> {
        let with = |extension: &str| {
            let mut path = stem.as_os_str().to_owned();
            path.push(extension);
            path
        };
        output::write_text(Path::new(&with(".svg")), &self.svg()?)?;
        output::write_bytes(Path::new(&with(".png")), &self.png()?)
    }
}

impl Placed {
    fn element(&self) -> anyhow::Result<String> {
        let (width, height) =
            (self.thumbnail.width() * self.zoom, self.thumbnail.height() * self.zoom);
        let data = BASE64_STANDARD.encode(self.thumbnail.png()?);
        Ok(format!(
            "<image x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{height}\" \
             image-rendering=\"pixelated\" href=\"data:image/png;base64,{data}\"/>",
            self.left, self.top
        ))
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
