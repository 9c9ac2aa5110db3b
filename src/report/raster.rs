//! A drawing as pixels.

use std::sync::{Arc, LazyLock};

use anyhow::Context;
use resvg::{
    tiny_skia::{Color, Pixmap, Transform},
    usvg::{Options, Tree, fontdb},
};

use super::picture::Placed;

/// Pixels for each unit of the drawing: of a figure as wide as two panels, printed at a text width
/// of 17 cm, 300 an inch.
pub const PNG_SCALE: u32 = 2;
/// The resolution in pixels a metre, which says the same.
const PIXELS_PER_METRE: u32 = 11_811;

const FONT: &str = "DejaVu Sans";
/// The one font, under all the names that a drawing can fall back to: none of the machine's is used.
static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(dejavu::sans::regular().to_vec());
    fonts.set_serif_family(FONT);
    fonts.set_sans_serif_family(FONT);
    fonts.set_monospace_family(FONT);
    Arc::new(fonts)
});

/// An RGB picture.
pub(super) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Canvas {
    /// Draws an SVG on white.
    pub fn draw(svg: &str) -> anyhow::Result<Self> {
        let options =
            Options { fontdb: FONTS.clone(), font_family: FONT.to_owned(), ..Options::default() };
        let tree = Tree::from_str(svg, &options)?;
        let size = tree.size().to_int_size();
        let size = size.scale_by(PNG_SCALE as f32).context("the drawing is too large")?;
        let mut drawn =
            Pixmap::new(size.width(), size.height()).context("the drawing is too large")?;
        drawn.fill(Color::WHITE);
        let scale = Transform::from_scale(PNG_SCALE as f32, PNG_SCALE as f32);
        resvg::render(&tree, scale, &mut drawn.as_mut());
        // On white nothing shines through.
        let (pixels, _) = drawn.data().as_chunks();
        let pixels = pixels.iter().map(|&[red, green, blue, _]| [red, green, blue]).collect();
        Ok(Self { width: drawn.width() as usize, height: drawn.height() as usize, pixels })
    }

    /// Puts an image on top.
    pub fn put(&mut self, image: &Placed) {
        let side = (image.zoom * PNG_SCALE) as usize;
        let [left, top] = [image.left, image.top].map(|place| (place * PNG_SCALE) as usize);
        let (width, height) = (image.thumbnail.width() as usize, image.thumbnail.height() as usize);
        for y in 0..height * side {
            for x in 0..width * side {
                let pixel = image.thumbnail.at(x / side, y / side);
                self.pixels[(top + y) * self.width + left + x] = pixel;
            }
        }
    }

    /// As a file that says what it shows.
    pub fn encode(&self, title: &str, description: &str) -> anyhow::Result<Vec<u8>> {
        let mut file = Vec::new();
        let (width, height) = (u32::try_from(self.width)?, u32::try_from(self.height)?);
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(png::ColorType::Rgb);
        // Large areas of one colour: a choice row by row takes longer and saves little.
        encoder.set_filter(png::Filter::Up);
        encoder.set_pixel_dims(Some(png::PixelDimensions {
            xppu: PIXELS_PER_METRE,
            yppu: PIXELS_PER_METRE,
            unit: png::Unit::Meter,
        }));
        encoder.add_itxt_chunk("Title".to_string(), title.to_string())?;
        encoder.add_itxt_chunk("Description".to_string(), description.to_string())?;
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.pixels.as_flattened())?;
        writer.finish()?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Thumbnail;

    fn drawn(body: &str) -> Canvas {
        let head = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"40\" height=\"20\">";
        Canvas::draw(&format!("{head}{body}</svg>")).unwrap()
    }

    impl Canvas {
        /// How many pixels are not white.
        fn inked(&self) -> usize {
            self.pixels.iter().filter(|pixel| **pixel != [u8::MAX; 3]).count()
        }

        fn at(&self, x: usize, y: usize) -> [u8; 3] {
            self.pixels[y * self.width + x]
        }
    }

    #[test]
    fn a_drawing_is_scaled_on_white() {
        let canvas = drawn("<rect x=\"10\" y=\"5\" width=\"10\" height=\"5\" fill=\"#0072B2\"/>");
        assert_eq!((canvas.width, canvas.height), (80, 40));
        assert_eq!([canvas.at(20, 10), canvas.at(39, 19)], [[0x00, 0x72, 0xB2]; 2]);
        assert_eq!([canvas.at(19, 10), canvas.at(40, 19), canvas.at(20, 20)], [[u8::MAX; 3]; 3]);
        assert_eq!(canvas.inked(), 200);
    }

    /// Whatever family is asked for, and for letters beyond ASCII that figures use.
    #[test]
    fn letters_need_no_font_of_the_machine() {
        for (family, letters) in [
            ("sans-serif", "Pixels"),
            ("DejaVu Sans, Arial, sans-serif", "10⁻³"),
            ("No Such Font", "α ≤ ½"),
        ] {
            for letter in letters.chars().filter(|letter| *letter != ' ') {
                let text =
                    format!("<text x=\"9\" y=\"15\" font-family=\"{family}\">{letter}</text>");
                let inked = drawn(&text).inked();
                assert!((20..500).contains(&inked), "{letter} of {family}: {inked} pixels");
            }
        }
    }

    /// A dense curve is dashed along its length, not anew at each point.
    #[test]
    fn dashes_run_along_the_whole_curve() {
        let points: String = (0..=40).map(|x| format!("{x},10 ")).collect();
        let style = "fill=\"none\" stroke=\"black\" stroke-width=\"2\"";
        let whole = drawn(&format!("<polyline points=\"{points}\" {style}/>"));
        let dashed =
            drawn(&format!("<polyline points=\"{points}\" {style} stroke-dasharray=\"5 5\"/>"));
        assert_eq!((whole.inked(), dashed.inked()), (4 * 80, 4 * 40));
    }

    #[test]
    fn images_are_put_pixel_by_pixel() {
        let image = Thumbnail { width: 2, pixels: vec![[1, 2, 3], [4, 5, 6]] };
        let mut canvas = drawn("");
        canvas.put(&Placed { left: 3, top: 4, zoom: 5, thumbnail: image });
        assert_eq!([canvas.at(6, 8), canvas.at(15, 17)], [[1, 2, 3]; 2]);
        assert_eq!([canvas.at(16, 8), canvas.at(25, 17)], [[4, 5, 6]; 2]);
        assert_eq!(canvas.inked(), 200);
    }
}
