//! A drawing as pixels.

use std::io::Cursor;

use anyhow::{Context, anyhow, ensure};
use kuva::backend::png::PngBackend;
use kuva::render::render::{PathData, Primitive, Scene};

use super::picture::Placed;

/// Pixels for each unit of the drawing: of a figure as wide as two panels, printed at a text width
/// of 17 cm, 300 an inch.
pub const PNG_SCALE: u32 = 2;
/// The resolution in pixels a metre, which says the same.
const PIXELS_PER_METRE: u32 = 11_811;
/// Each pixel is the mean of this many squared: the library's turned letters are rough.
const FINER: usize = 2;
/// Length of a dash that is no longer than the line is wide: its round ends make it a dot.
const DOT: f64 = 0.01;

/// An RGBA picture.
pub(super) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    /// Draws the scene, with the font that the plotting library brings (DejaVu Sans): none of the
    /// machine's is used.
    pub fn draw(scene: &Scene) -> anyhow::Result<Self> {
        let backend = PngBackend::new().with_scale((PNG_SCALE as usize * FINER) as f32);
        let drawn = backend.render_scene(&dashed(scene)).map_err(|problem| anyhow!(problem))?;
        Ok(Self::decode(&drawn)?.reduced())
    }

    fn decode(png: &[u8]) -> anyhow::Result<Self> {
        let mut reader = png::Decoder::new(Cursor::new(png)).read_info()?;
        let size = reader.output_buffer_size().context("the drawing is too large")?;
        let mut pixels = vec![0; size];
        let info = reader.next_frame(&mut pixels)?;
        ensure!(
            (info.color_type, info.bit_depth) == (png::ColorType::Rgba, png::BitDepth::Eight),
            "the drawing is {:?}, not RGBA of 8 bits",
            info.color_type
        );
        Ok(Self { width: info.width as usize, height: info.height as usize, pixels })
    }

    /// Means over squares of [`FINER`] pixels; an incomplete square at an edge is left out.
    fn reduced(self) -> Self {
        let (width, height) = (self.width / FINER, self.height / FINER);
        let squared = (FINER * FINER) as u16;
        let mut sums = vec![0u16; 4 * width];
        let mut pixels = Vec::with_capacity(4 * width * height);
        for rows in self.pixels.chunks_exact(4 * self.width * FINER) {
            sums.fill(squared / 2);
            for row in rows.chunks_exact(4 * self.width) {
                for (sum, square) in sums.chunks_exact_mut(4).zip(row.chunks_exact(4 * FINER)) {
                    for pixel in square.chunks_exact(4) {
                        sum.iter_mut().zip(pixel).for_each(|(sum, byte)| *sum += u16::from(*byte));
                    }
                }
            }
            pixels.extend(sums.iter().map(|sum| (sum / squared) as u8));
        }
        Self { width, height, pixels }
    }

    /// Puts an image on top.
    pub fn put(&mut self, image: &Placed) {
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

    /// As a file that says what it shows.
    pub fn encode(&self, title: &str, description: &str) -> anyhow::Result<Vec<u8>> {
        let mut file = Vec::new();
        let (width, height) = (u32::try_from(self.width)?, u32::try_from(self.height)?);
        let mut encoder = png::Encoder::new(&mut file, width, height);
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

/// The scene with every dash as a line of its own: the library's raster starts a pattern anew at
/// each point of a curve, which makes dense curves solid.
fn dashed(scene: &Scene) -> Scene {
    let mut copy = Scene::new(scene.width, scene.height);
    copy.background_color.clone_from(&scene.background_color);
    copy.text_color.clone_from(&scene.text_color);
    copy.elements = scene.elements.iter().flat_map(dashes_of).collect();
    copy
}

fn dashes_of(element: &Primitive) -> Vec<Primitive> {
    let (points, stroke, width, pattern) = match element {
        Primitive::Line { x1, y1, x2, y2, stroke, stroke_width, stroke_dasharray: Some(dash) } => {
            (vec![(*x1, *y1), (*x2, *y2)], stroke, *stroke_width, dash)
        }
        Primitive::PolyLine { points, stroke, stroke_width, stroke_dasharray: Some(dash) } => {
            (points.clone(), stroke, *stroke_width, dash)
        }
        Primitive::Path(path) => match path.as_ref() {
            PathData { d, stroke, stroke_width, stroke_dasharray: Some(dash), .. } => {
                (points_of(d), stroke, *stroke_width, dash)
            }
            _ => return vec![element.clone()],
        },
        _ => return vec![element.clone()],
    };
    let lengths: Vec<f64> =
        pattern.split([' ', ',']).filter_map(|part| part.parse().ok()).collect();
    let line = |points| Primitive::PolyLine {
        points,
        stroke: stroke.clone(),
        stroke_width: width,
        stroke_dasharray: None,
    };
    dashes(&points, &lengths, width).into_iter().map(line).collect()
}

/// The points of a path of straight lines, `M x y L x y L x y`.
fn points_of(path: &str) -> Vec<(f64, f64)> {
    let numbers = path.split(['M', 'L', ' ', ',']);
    let numbers: Vec<f64> = numbers.filter_map(|part| part.parse().ok()).collect();
    numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

/// Pieces of a curve: on for the first length of the pattern, off for the second, and so on. As the
/// ends of a line are round, each dash is shorter by the line's width.
fn dashes(points: &[(f64, f64)], pattern: &[f64], width: f64) -> Vec<Vec<(f64, f64)>> {
    let period: f64 = pattern.iter().sum();
    if period <= 0.0 || pattern.len() % 2 == 1 {
        return vec![points.to_vec()];
    }
    let ends: Vec<f64> = points
        .windows(2)
        .scan(0.0, |sum, two| {
            *sum += (two[1].0 - two[0].0).hypot(two[1].1 - two[0].1);
            Some(*sum)
        })
        .collect();
    let length = ends.last().copied().unwrap_or(0.0);
    let (mut pieces, mut start, mut place) = (Vec::new(), 0.0, 0);
    while start < length {
        let on = pattern[place % pattern.len()];
        let middle = start + on / 2.0;
        let half = ((on - width) / 2.0).max(DOT / 2.0);
        let (from, to) = ((middle - half).min(length), (middle + half).min(length));
        pieces.push(between(points, &ends, from, to));
        start += on + pattern[(place + 1) % pattern.len()];
        place += 2;
    }
    pieces
}

/// The part of a curve between two lengths along it; `ends` are the lengths up to each point.
fn between(points: &[(f64, f64)], ends: &[f64], from: f64, to: f64) -> Vec<(f64, f64)> {
    let at = |length: f64| {
        let i = ends.partition_point(|end| *end < length).min(ends.len() - 1);
        let start = if i == 0 { 0.0 } else { ends[i - 1] };
        let share = if ends[i] > start { (length - start) / (ends[i] - start) } else { 0.0 };
        let (one, other) = (points[i], points[i + 1]);
        (one.0 + share * (other.0 - one.0), one.1 + share * (other.1 - one.1))
    };
    let inner = points[1..].iter().zip(ends).filter(|(_, end)| (from..to).contains(*end));
    std::iter::once(at(from)).chain(inner.map(|(point, _)| *point)).chain([at(to)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A straight line of ten points is dashed as one of two points is.
    #[test]
    fn dashes_run_along_the_whole_curve() {
        let dense: Vec<(f64, f64)> = (0..=24).map(|x| (f64::from(x), 0.0)).collect();
        let ends = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
            let pieces = dashes(points, &[8.0, 4.0], 2.0);
            pieces.iter().map(|piece| (piece[0].0, piece[piece.len() - 1].0)).collect()
        };
        assert_eq!(ends(&dense), [(1.0, 7.0), (13.0, 19.0)]);
        assert_eq!(ends(&[(0.0, 0.0), (24.0, 0.0)]), [(1.0, 7.0), (13.0, 19.0)]);
    }

    #[test]
    fn dashes_turn_corners() {
        let pieces = dashes(&[(0.0, 0.0), (3.0, 0.0), (3.0, 9.0)], &[6.0, 6.0], 2.0);
        assert_eq!(pieces[0], [(1.0, 0.0), (3.0, 0.0), (3.0, 2.0)]);
    }

    #[test]
    fn short_dashes_are_dots() {
        let pieces = dashes(&[(0.0, 0.0), (9.0, 0.0)], &[2.0, 3.0], 2.0);
        assert_eq!(pieces.len(), 2);
        assert!((pieces[1][1].0 - 6.0).abs() <= DOT);
    }

    #[test]
    fn paths_are_read_as_their_points() {
        assert_eq!(points_of("M 1 2.5 L -3 4e1 "), [(1.0, 2.5), (-3.0, 40.0)]);
    }

    #[test]
    fn pixels_are_means_of_squares() {
        let pixels: Vec<u8> = [0, 100, 200, 101].iter().flat_map(|v| [*v, 0, 255, 255]).collect();
        let canvas = Canvas { width: 2, height: 2, pixels }.reduced();
        assert_eq!((canvas.width, canvas.height), (1, 1));
        assert_eq!(canvas.pixels, [100, 0, 255, 255]);
    }
}
