//! Reads a figure's SVG as an eye does: a place is what the ticks beside it say.

use crate::report::{Figure, PNG_SCALE};

/// A curve as drawn: its colour, its dashes and its points by the ticks.
#[derive(Debug, Clone)]
pub(super) struct Path {
    pub colour: String,
    pub dash: Option<String>,
    pub points: Vec<(f64, f64)>,
}

/// What one panel shows.
#[derive(Debug)]
pub(super) struct Panel {
    /// Ticks of the horizontal axis: places on the page, and values.
    pub x_ticks: Vec<(f64, f64)>,
    pub texts: Vec<String>,
    /// Lines without filling.
    pub curves: Vec<Path>,
    /// Areas.
    pub areas: Vec<Path>,
}

/// Every panel of a figure, which is checked to be whole: no NaN, title and description first, and
/// a PNG of the size that the SVG says, with ink on it.
pub(super) fn panels(figure: &Figure) -> Vec<Panel> {
    let svg = figure.svg().unwrap();
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    let (_, first) = svg.split_once('>').unwrap();
    assert!(first.starts_with("<title>") && first.contains("</title><desc>"), "{first}");
    check_png(figure, &svg);
    let parts = svg.split("<g transform=\"translate(");
    // The first is the page's head, the second what moves all panels down.
    parts.skip(2).map(panel).collect()
}

fn check_png(figure: &Figure, svg: &str) {
    let mut reader =
        png::Decoder::new(std::io::Cursor::new(figure.png().unwrap())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let size =
        [number(svg, "width"), number(svg, "height")].map(|units| units * f64::from(PNG_SCALE));
    let drawn = [info.width, info.height].map(f64::from);
    assert!(
        drawn.iter().zip(size).all(|(drawn, size)| (drawn - size).abs() <= 1.0),
        "{drawn:?} {size:?}"
    );
    let dark =
        pixels.chunks_exact(4).filter(|pixel| pixel[..3].iter().all(|byte| *byte < 128)).count();
    let share = dark as f64 / (pixels.len() / 4) as f64;
    assert!((0.002..0.5).contains(&share), "{share} of the PNG is dark");
}

fn panel(svg: &str) -> Panel {
    let (mut x, mut y) = (Vec::new(), Vec::new());
    let (mut line, mut texts) = ((0.0, 0.0), Vec::new());
    for tag in svg.split('<') {
        if tag.starts_with("line") {
            line = (number(tag, "x1"), number(tag, "y1"));
        } else if tag.starts_with("text") {
            let (attributes, text) = tag.split_once('>').unwrap();
            texts.push(text.to_string());
            if let Some(value) = value(text) {
                match attribute(attributes, "text-anchor") {
                    Some("middle") => x.push((line.0, value)),
                    Some("end") => y.push((line.1, value)),
                    _ => {}
                }
            }
        }
    }
    let paths = svg.split("<path ").skip(1).map(|tag| path(tag, &scale(&x), &scale(&y)));
    let (areas, curves) = paths.partition(|(is_area, _)| *is_area);
    let bare = |paths: Vec<(bool, Path)>| paths.into_iter().map(|(_, path)| path).collect();
    let left: f64 = svg.split(',').next().unwrap().parse().unwrap();
    let x_ticks = x.iter().map(|(place, value)| (left + place, *value)).collect();
    Panel { x_ticks, texts, curves: bare(curves), areas: bare(areas) }
}

/// From a place in the drawing to the value there, by the first and the last tick.
fn scale(ticks: &[(f64, f64)]) -> impl Fn(f64) -> f64 {
    let ((from, low), (to, high)) = (ticks[0], ticks[ticks.len() - 1]);
    move |place| low + (place - from) / (to - from) * (high - low)
}

fn path(tag: &str, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) -> (bool, Path) {
    let tag = tag.split_once('>').unwrap().0;
    let fill = attribute(tag, "fill").unwrap();
    let is_area = fill != "none";
    let numbers = attribute(tag, "d").unwrap().split([' ', 'M', 'L', 'Z']);
    let numbers: Vec<f64> = numbers.filter_map(|part| part.parse().ok()).collect();
    let points = numbers.chunks_exact(2).map(|pair| (x(pair[0]), y(pair[1]))).collect();
    let colour = if is_area { fill } else { attribute(tag, "stroke").unwrap() };
    let dash = attribute(tag, "stroke-dasharray").map(str::to_string);
    (is_area, Path { colour: colour.to_uppercase(), dash, points })
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))
        .or(tag.split_once(&format!("{name}=\"")))?
        .1
        .split('"')
        .next()
}

fn number(tag: &str, name: &str) -> f64 {
    attribute(tag, name).unwrap().parse().unwrap()
}

/// What a tick says: a number, or the exponent of a power of ten.
fn value(text: &str) -> Option<f64> {
    let text = text.split('<').next()?;
    let digit = |c: char| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().position(|raised| raised == c);
    match text.strip_prefix("10") {
        Some(raised) if raised.starts_with(|c| c == '⁻' || digit(c).is_some()) => {
            let whole = raised.chars().filter_map(digit).fold(0.0, |sum, d| 10.0 * sum + d as f64);
            Some(if raised.starts_with('⁻') { -whole } else { whole })
        }
        _ => text.parse().ok(),
    }
}

impl Panel {
    /// The points of the curves of this colour, one after the other.
    pub fn points(&self, colour: &str) -> Vec<(f64, f64)> {
        let of = self.curves.iter().filter(|curve| curve.colour == colour);
        of.flat_map(|curve| curve.points.clone()).collect()
    }

    pub fn says(&self, text: &str) -> bool {
        self.texts.iter().any(|said| said.contains(text))
    }
}

/// Whether both are the same points, as near as the drawing's hundredths of a unit are: a share of
/// 1e-4 of each axis.
pub(super) fn assert_near(drawn: &[(f64, f64)], expected: &[(f64, f64)], span: (f64, f64)) {
    assert_eq!(drawn.len(), expected.len(), "{drawn:?}\n{expected:?}");
    for (drawn, expected) in drawn.iter().zip(expected) {
        let near = |one: f64, other: f64, span: f64| (one - other).abs() <= 1e-4 * span;
        let both = near(drawn.0, expected.0, span.0) && near(drawn.1, expected.1, span.1);
        assert!(both, "{drawn:?} in place of {expected:?}");
    }
}
