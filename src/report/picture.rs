//! A drawing as the two forms of file: SVG and PNG.

use std::{io::Cursor, path::Path};

use anyhow::{Context, anyhow};
use base64::{Engine, prelude::BASE64_STANDARD};
use kuva::backend::{png::PngBackend, svg::SvgBackend};
use kuva::render::render::Scene;

use super::thumbnail::Thumbnail;
use crate::output;

/// Pixels of the PNG for each unit of the SVG: of a figure as wide as two panels, printed at a text
/// width of 17 cm, 300 an inch.
pub const PNG_SCALE: u32 = 2;
/// The PNG's resolution in pixels a metre, which says the same.
const PIXELS_PER_METRE: u32 = 11_811;

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

    /// The picture as PNG, [`PNG_SCALE`] times as large, its letters in the font that the plotting
    /// library brings (DejaVu Sans): no font of the machine is used.
    pub fn png(&self) -> anyhow::Result<Vec<u8>> {
        let backend = PngBackend::new().with_scale(PNG_SCALE as f32);
        let drawn = backend.render_scene(&self.scene).map_err(|problem| anyhow!(problem))?;
        let mut canvas = Canvas::decode(&drawn)?;
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

/// An RGBA picture.
struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    fn decode(png: &[u8]) -> anyhow::Result<Self> {
        let mut reader = png::Decoder::new(Cursor::new(png)).read_info()?;
        let size = reader.output_buffer_size().context("the drawing is too large")?;
        let mut pixels = vec![0; size];
        let info = reader.next_frame(&mut pixels)?;
        anyhow::ensure!(
            (info.color_type, info.bit_depth) == (png::ColorType::Rgba, png::BitDepth::Eight),
            "the drawing is {:?}, not RGBA of 8 bits",
            info.color_type
        );
        Ok(Self { width: info.width as usize, height: info.height as usize, pixels })
    }

    fn put(&mut self, image: &Placed) {
        let side = (image.zoom * PNG_SCALE) as usize;
        let [left, top] = [image.left, image.top].map(|place| (place * PNG_SCALE) as usize);
        let (width, height) = (image.thumbnail.width() as usize, image.thumbnail.height() as usize);
        for y in 0..height * side {
            for x in 0..width * side {
                let [red, green, blue] = image.thumbnail.at(x / side, y / side);
                let start = 4 * ((top + y) * self.width + left + x);
                self.pixels[start..start + 4].copy_from_slice(&[red, green, blue, u8::MAX]);
            }
        }
    }

    fn encode(&self, title: &str, description: &str) -> anyhow::Result<Vec<u8>> {
        let mut file = Vec::new();
        let mut encoder =
            png::Encoder::new(&mut file, u32::try_from(self.width)?, u32::try_from(self.height)?);
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_pixel_dims(Some(png::PixelDimensions {
            xppu: PIXELS_PER_METRE,
            yppu: PIXELS_PER_METRE,
            unit: png::Unit::Meter,
        }));
        encoder.add_itxt_chunk("Title".to_string(), title.to_string())?;
        encoder.add_itxt_chunk("Description".to_string(), description.to_string())?;
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(file)
    }
}
