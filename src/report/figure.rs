//! Panels of curves, areas and marks in rows and columns, as one self-contained SVG or PNG.

use std::path::Path;
use std::sync::Arc;

use kuva::plot::line::LineStyle;
use kuva::plot::scatter::MarkerShape;
use kuva::plot::{BandPlot, LegendEntry, LegendPosition, LegendShape, LinePlot, ScatterPlot};
use kuva::render::annotations::ReferenceLine;
use kuva::render::figure::{Figure as Grid, FigureLegendPosition};
use kuva::render::layout::{Layout, TickFormat};
use kuva::render::plots::Plot;
use kuva::render::render::{Primitive, Scene};

use super::axis::Axis;
use super::heading::Heading;
use super::picture::Picture;
use super::strip::Strip;

/// Size of a panel without title and legend, in pixels. Two beside each other printed at a text width
/// of 17 cm, the smallest letters are 6 points.
pub(super) const PANEL: (f64, f64) = (490.0, 290.0);
/// Letters of a panel's title in a line.
const TITLE_LETTERS: usize = 52;
/// Height of a panel's title.
const TITLE_LINE: f64 = 26.0;
/// Height of a legend's line.
const KEY_LINE: f64 = 18.0;
/// Width of a legend's entry: of its sample and gaps, and of each letter, with room to spare.
const KEY_MARGIN: f64 = 38.0;
const KEY_LETTER: f64 = 7.4;
/// A mark at the edge of a panel reaches so far beyond it.
const EDGE: f64 = 5.0;
/// Left and right of each panel, alike for all, so that their axes are above one another.
pub(super) const MARGINS: (f64, f64) = (72.0, 28.0);
/// Around all panels.
pub(super) const PADDING: f64 = 10.0;
/// From one panel to the next.
pub(super) const SPACING: f64 = 15.0;
const TEXT: u32 = 13;
/// Ticks and legends; the plotting library measures the shared legend at this size.
const SMALL_TEXT: u32 = 12;
const TITLE: u32 = 15;
const CURVE_WIDTH: f64 = 2.0;
const MARK_RADIUS: f64 = 3.0;
const RULE_COLOUR: &str = "#444444";

/// Okabe and Ito's colours, which all kinds of colour vision tell apart, darkest first.
const COLOURS: [&str; 5] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000"];
/// From dark to light at even steps of lightness, so that a family reads in grey as well.
const FAMILY: [(f64, f64, f64); 4] =
    [(68.0, 1.0, 84.0), (49.0, 104.0, 142.0), (53.0, 183.0, 121.0), (214.0, 186.0, 22.0)];

/// The colour of the curve at `index` of a panel.
pub fn colour(index: usize) -> String {
    COLOURS[index % COLOURS.len()].to_string()
}

/// Colours for the members of a family that is in order.
pub fn family_colours(count: usize) -> Vec<String> {
    (0..count)
        .map(|i| {
            let at = 3.0 * i as f64 / (count.max(2) - 1) as f64;
            let below = (at as usize).min(2);
            let mix = |a: f64, b: f64| (a + (b - a) * (at - below as f64)).round() as u8;
            let (a, b) = (FAMILY[below], FAMILY[below + 1]);
            format!("#{:02X}{:02X}{:02X}", mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
        })
        .collect()
}

/// How a curve is drawn, so that nothing depends on colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dash {
    /// An unbroken line.
    Solid,
    /// Dashes.
    Dashed,
    /// Dots.
    Dotted,
    /// Dashes and dots in turn.
    DashDotted,
}

impl Dash {
    fn pattern(self) -> Option<&'static str> {
        match self {
            Dash::Solid => None,
            Dash::Dashed => Some("5 3"),
            Dash::Dotted => Some("2 3"),
            Dash::DashDotted => Some("7 2 1 2"),
        }
    }
}

/// Values over the panel's axis, which leave the panel where they leave its range.
#[derive(Debug, Clone)]
pub struct Curve {
    /// Places and values, joined by straight lines.
    pub points: Vec<(f64, f64)>,
    /// As #RRGGBB.
    pub colour: String,
    /// How it is drawn.
    pub dash: Dash,
}

/// The shape of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// A dot.
    Circle,
    /// A square.
    Square,
    /// A triangle that points upwards.
    Triangle,
    /// A square on its corner.
    Diamond,
}

impl Marker {
    fn shape(self) -> MarkerShape {
        match self {
            Marker::Circle => MarkerShape::Circle,
            Marker::Square => MarkerShape::Square,
            Marker::Triangle => MarkerShape::Triangle,
            Marker::Diamond => MarkerShape::Diamond,
        }
    }
}

/// Marks at single values.
#[derive(Debug, Clone)]
pub struct Marks {
    /// Places and values.
    pub points: Vec<(f64, f64)>,
    /// As #RRGGBB.
    pub colour: String,
    /// Their shape.
    pub marker: Marker,
}

/// An area between two values at each place, for intervals and regions.
#[derive(Debug, Clone)]
pub struct Band {
    /// Place, lower and upper end.
    pub ends: Vec<(f64, f64, f64)>,
    /// As #RRGGBB.
    pub colour: String,
    /// From 0 to 1.
    pub opacity: f64,
}

/// A line across the panel.
#[derive(Debug, Clone)]
pub enum Rule {
    /// At this place of the axis, with a label and a colour.
    At(f64, String, String),
    /// At this value, with a label.
    Level(f64, String),
}

/// An entry of a legend.
#[derive(Debug, Clone)]
pub struct Key {
    /// What it stands for.
    pub label: String,
    /// As #RRGGBB.
    pub colour: String,
    /// What is drawn beside the label.
    pub sample: Sample,
}

/// What stands in a legend for what is in a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// A piece of a curve.
    Line(Dash),
    /// A square of an area.
    Area,
    /// A mark.
    Mark(Marker),
    /// Nothing, to keep a place free.
    Blank,
}

/// Curves that share both axes.
#[derive(Debug, Clone)]
pub struct Panel {
    /// What is seen; may be empty.
    pub title: String,
    /// The axis of the places.
    pub x: Axis,
    /// The axis of the values.
    pub y: Axis,
    /// Drawn above the bands.
    pub curves: Vec<Curve>,
    /// Drawn on the curves.
    pub marks: Vec<Marks>,
    /// Drawn first.
    pub bands: Vec<Band>,
    /// Drawn across.
    pub rules: Vec<Rule>,
    /// The legend, below the panel.
    pub keys: Vec<Key>,
}

/// Panels in rows and columns.
#[derive(Debug, Clone)]
pub struct Figure {
    /// What holds for every panel.
    pub title: String,
    /// What a reader must know to read it, in small letters under the title: conventions, numbers
    /// of samples. May be empty.
    pub note: String,
    /// What is seen, for who cannot see it; says the numbers that the picture is drawn for.
    pub description: String,
    /// Panels beside each other.
    pub columns: usize,
    /// Images above the panels, one row for each column; empty where there are none.
    pub strips: Vec<Strip>,
    /// Row by row.
    pub panels: Vec<Panel>,
    /// Legend of what all panels share; empty where there is none.
    pub keys: Vec<Key>,
}

impl Figure {
    /// The figure as SVG. It names a generic font and refers to no other file.
    ///
    /// # Errors
    /// Where the drawing cannot be encoded.
    pub fn svg(&self) -> anyhow::Result<String> {
        self.picture().svg()
    }

    /// The figure as PNG, which is drawn alike on every machine: the font is the program's own.
    ///
    /// # Errors
    /// Where the drawing cannot be encoded.
    pub fn png(&self) -> anyhow::Result<Vec<u8>> {
        self.picture().png()
    }

    /// Writes the figure twice, as `stem` with `.svg` and with `.png` after it.
    ///
    /// # Errors
    /// Where the folder cannot be written, naming the file.
    pub fn write(&self, stem: &Path) -> anyhow::Result<()> {
        self.picture().write(stem)
    }

    fn picture(&self) -> Picture {
        let mut scene = self.grid().render();
        self.widen_clips(&mut scene);
        let mut heading = Heading::new(scene.width, &self.title, &self.note);
        let images = heading.add_strips(&self.strips);
        heading.put_above(&mut scene);
        let (title, description) = (self.title.clone(), self.description.clone());
        Picture { scene, images, title, description }
    }

    fn grid(&self) -> Grid {
        let rows: Vec<GridRow> = self.panels.chunks(self.columns).map(GridRow::new).collect();
        let mut grid = Grid::new(rows.len(), self.columns)
            .with_padding(PADDING)
            .with_spacing(SPACING)
            .with_cell_size(PANEL.0, PANEL.1)
            .with_plots(self.panels.iter().map(Panel::plots).collect())
            .with_layouts(rows.iter().flat_map(GridRow::layouts).collect());
        for (place, row) in rows.iter().enumerate() {
            grid = grid.with_row_height(place, row.height());
        }
        if self.keys.is_empty() {
            return grid;
        }
        grid.with_shared_legend_position(FigureLegendPosition::BottomCenter)
            .with_shared_legend_entries(self.keys.iter().map(Key::entry).collect())
            .with_keep_panel_legends()
    }

    /// Lets curves and marks at the edge of a panel be seen whole, where none leaves it; and names
    /// the areas by their panel, as the library counts them through all figures of a process.
    fn widen_clips(&self, scene: &mut Scene) {
        scene.defs.retain(|def| !def.starts_with("<clipPath"));
        let mut panels = self.panels.iter().enumerate();
        for element in &mut scene.elements {
            let Primitive::ClipStart { x, y, width, height, id } = element else { continue };
            let Some((place, panel)) = panels.next() else { break };
            let edge = if panel.holds_all() { EDGE } else { 0.0 };
            (*x, *y) = (*x - edge, *y - edge);
            (*width, *height) = (*width + 2.0 * edge, *height + 2.0 * edge);
            *id = format!("panel-{place}");
            scene.defs.push(format!(
                "<clipPath id=\"{id}\"><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" \
                 height=\"{height}\"/></clipPath>"
            ));
        }
    }
}

/// Panels side by side: their axes are at one height.
struct GridRow<'a> {
    panels: &'a [Panel],
    /// Entries of the longest legend.
    keys: usize,
    /// Entries of a legend side by side.
    key_columns: usize,
}

impl<'a> GridRow<'a> {
    fn new(panels: &'a [Panel]) -> Self {
        let labels =
            panels.iter().flat_map(|panel| &panel.keys).map(|key| key.label.chars().count());
        let room = PANEL.0 - MARGINS.0 - MARGINS.1;
        let each = KEY_MARGIN + KEY_LETTER * labels.max().unwrap_or(0) as f64;
        Self {
            panels,
            keys: panels.iter().map(|panel| panel.keys.len()).max().unwrap_or(0),
            key_columns: ((room / each) as usize).max(1),
        }
    }

    /// A title and lines of a legend are added to what the axes need.
    fn height(&self) -> f64 {
        let title = self.panels.iter().any(|panel| !panel.title.is_empty());
        let lines = self.keys.div_ceil(self.key_columns);
        PANEL.1 + if title { TITLE_LINE } else { 0.0 } + KEY_LINE * lines as f64
    }

    fn layouts(&self) -> impl Iterator<Item = Layout> {
        self.panels.iter().map(|panel| {
            let free = self.keys - panel.keys.len();
            let keys = panel.keys.iter().cloned().chain(std::iter::repeat_n(Key::blank(), free));
            let layout = panel.layout().with_legend_col_limit(self.key_columns);
            layout.with_legend_entries(keys.map(|key| key.entry()).collect())
        })
    }
}

impl Panel {
    /// Whether no curve, mark or area leaves the panel.
    fn holds_all(&self) -> bool {
        let curves = self.curves.iter().map(|curve| &curve.points);
        let points = curves.chain(self.marks.iter().map(|marks| &marks.points)).flatten();
        let areas = self.bands.iter().flat_map(|band| &band.ends);
        points
            .copied()
            .chain(areas.flat_map(|&(x, low, high)| [(x, low), (x, high)]))
            .all(|(x, y)| self.x.holds(x) && self.y.holds(y))
    }

    fn plots(&self) -> Vec<Plot> {
        // A panel without anything would lose its axes.
        let nothing = LinePlot::new().into();
        let bands = self.bands.iter().map(Band::plot);
        let curves = self.curves.iter().map(Curve::plot);
        let marks = self.marks.iter().map(Marks::plot);
        std::iter::once(nothing).chain(bands).chain(curves).chain(marks).collect()
    }

    fn layout(&self) -> Layout {
        let x = &self.x;
        let mut layout = Layout::new((x.low, x.high), (self.y.low, self.y.high))
            .with_title_size(TITLE)
            .with_title_wrap(TITLE_LETTERS)
            .with_x_label(&x.label)
            .with_y_label(&self.y.label)
            .with_label_size(TEXT)
            .with_tick_size(SMALL_TEXT)
            .with_body_size(SMALL_TEXT)
            .with_x_axis_min(x.low)
            .with_x_axis_max(x.high)
            .with_x_tick_step(x.step)
            .with_y_axis_min(self.y.low)
            .with_y_axis_max(self.y.high)
            .with_y_tick_step(self.y.step)
            .with_clamp_axis()
            .with_force_margins(MARGINS.0, MARGINS.1)
            .with_legend_position(LegendPosition::OutsideBottomColumns)
            .with_legend_box(false);
        if !self.title.is_empty() {
            layout = layout.with_title(&self.title);
        }
        if x.is_log {
            layout = layout.with_x_tick_format(powers_of_ten());
        }
        if self.y.is_log {
            layout = layout.with_y_tick_format(powers_of_ten());
        }
        self.rules.iter().fold(layout, |layout, rule| layout.with_reference_line(rule.line()))
    }
}

impl Curve {
    fn plot(&self) -> Plot {
        let style = self
            .dash
            .pattern()
            .map_or(LineStyle::Solid, |dash| LineStyle::Custom(dash.to_string()));
        LinePlot::new()
            .with_data(self.points.iter().copied())
            .with_color(&self.colour)
            .with_stroke_width(CURVE_WIDTH)
            .with_line_style(style)
            .into()
    }
}

impl Marks {
    fn plot(&self) -> Plot {
        ScatterPlot::new()
            .with_data(self.points.iter().copied())
            .with_color(&self.colour)
            .with_size(MARK_RADIUS)
            .with_marker(self.marker.shape())
            .into()
    }
}

impl Band {
    fn plot(&self) -> Plot {
        let column = |pick: fn(&(f64, f64, f64)) -> f64| self.ends.iter().map(pick).collect();
        let [x, low, high]: [Vec<f64>; 3] =
            [column(|ends| ends.0), column(|ends| ends.1), column(|ends| ends.2)];
        let band = BandPlot::new(x, low, high);
        band.with_color(&self.colour).with_opacity(self.opacity).into()
    }
}

impl Rule {
    fn line(&self) -> ReferenceLine {
        match self {
            Rule::At(x, label, colour) => {
                ReferenceLine::vertical(*x).with_label(label).with_color(colour)
            }
            Rule::Level(y, label) => {
                ReferenceLine::horizontal(*y).with_label(label).with_color(RULE_COLOUR)
            }
        }
    }
}

impl Key {
    /// Takes a place in a legend, and says nothing.
    fn blank() -> Self {
        Key { label: String::new(), colour: "none".to_string(), sample: Sample::Blank }
    }

    fn entry(&self) -> LegendEntry {
        let (shape, dash) = match self.sample {
            Sample::Line(dash) => (LegendShape::Line, dash.pattern()),
            Sample::Area | Sample::Blank => (LegendShape::Rect, None),
            Sample::Mark(marker) => (LegendShape::Marker(marker.shape()), None),
        };
        LegendEntry {
            label: self.label.clone(),
            color: self.colour.clone(),
            shape,
            dasharray: dash.map(str::to_string),
        }
    }
}

/// Labels ticks, which are whole exponents, as powers of ten.
///
/// The logarithmic axes of the plotting library end at 1e-10; these are linear in the exponent.
fn powers_of_ten() -> TickFormat {
    TickFormat::Custom(Arc::new(|exponent: f64| {
        let raised = format!("{exponent:.0}").chars().map(superscript).collect::<String>();
        format!("10{raised}")
    }))
}

fn superscript(digit: char) -> char {
    match digit {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => char::from_u32('⁰' as u32 + digit as u32 - '0' as u32).unwrap_or(digit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure() -> Figure {
        let curve =
            |dash| Curve { points: vec![(1.0, -400.0), (2.0, -399.5)], colour: colour(0), dash };
        Figure {
            title: "p < q & more".to_string(),
            note: "a note".to_string(),
            description: "falls".to_string(),
            columns: 1,
            strips: Vec::new(),
            panels: vec![Panel {
                title: "one".to_string(),
                x: Axis::decades("d", [1.0, 2.0]),
                y: Axis::decades("value", [-400.0, -399.5]),
                curves: vec![curve(Dash::Solid), curve(Dash::Dashed)],
                marks: Vec::new(),
                bands: Vec::new(),
                rules: vec![Rule::Level(-399.25, "limit".to_string())],
                keys: Vec::new(),
            }],
            keys: Vec::new(),
        }
    }

    #[test]
    fn axes_reach_beyond_the_range_of_f64() {
        let svg = figure().svg().unwrap();
        for part in [
            "10⁻⁴⁰⁰",
            "10⁻³⁹⁹",
            "10²",
            "limit",
            "stroke-dasharray=\"5 3\"",
            "clip-path",
            "p &lt; q &amp; more",
        ] {
            assert!(svg.contains(part), "{part} is missing:\n{svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn figures_do_not_depend_on_those_before_them() {
        assert_eq!(figure().svg().unwrap(), figure().svg().unwrap());
    }

    /// A mark at an edge is seen whole; a curve that leaves the panel ends at it.
    #[test]
    fn only_what_leaves_a_panel_is_cut() {
        let cut = |high: f64| {
            let mut figure = figure();
            figure.panels[0].curves[0].points[1].1 = high;
            let svg = figure.svg().unwrap();
            let (_, clip) = svg.split_once("<clipPath id=\"panel-0\"><rect x=\"").unwrap();
            clip.split('"').next().unwrap().parse::<f64>().unwrap()
        };
        assert_eq!((cut(-399.0), cut(-398.9)), (MARGINS.0 - EDGE, MARGINS.0));
    }

    #[test]
    fn a_panel_without_data_keeps_its_axes() {
        let mut figure = figure();
        figure.panels[0].curves.clear();
        figure.panels[0].rules.clear();
        assert!(figure.svg().unwrap().contains("10⁻⁴⁰⁰"));
    }

    /// Lightness as the eye sees it grows along a family, so that it reads in grey.
    #[test]
    fn families_grow_lighter() {
        let lightness = |colour: &String| {
            let channel = |i| f64::from(u8::from_str_radix(&colour[i..i + 2], 16).unwrap());
            0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
        };
        for count in 1..9 {
            let family = family_colours(count);
            assert_eq!(family.len(), count);
            assert!(family.iter().map(lightness).is_sorted_by(|a, b| a < b), "{family:?}");
        }
    }
}
