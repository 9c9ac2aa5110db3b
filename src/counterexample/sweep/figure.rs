//! A sweep as a figure: six panels over the dimension.

use super::dims::Dims;
use super::row::Row;
use crate::report::{
    Axis, Band, Curve, Dash, Figure, Key, Marker, Marks, Panel, Rule, Sample, colour,
    family_colours,
};
use std::f64::consts::LN_10;
use undetected_theory::{Error, Goal, Window};

/// Decades below the smallest upper end of the window that its panel shows. The lower end leaves
/// the panel: it falls exponentially in d.
const WINDOW_DECADES: f64 = 3.0;
/// Decades below the smallest delta that the panel of posteriors shows, for the same reason.
const POSTERIOR_DECADES: f64 = 10.0;
/// At how many dimensions the window is drawn, whatever the dimensions of the sweep.
const WINDOW_POINTS: u32 = 300;
/// A sweep over no more dimensions than this has a dot at each.
const MOST_MARKED: usize = 20;
/// Style of a legend's entry that stands for all members of a family.
const ANY_MEMBER: &str = "#444444";
const DASHES: [Dash; 4] = [Dash::Solid, Dash::Dashed, Dash::Dotted, Dash::DashDotted];

/// The rows of one value of the parameter that varies.
pub struct Member<'a> {
    /// Name and value.
    pub label: String,
    /// In order of the dimension, at least one.
    pub rows: &'a [Row],
}

/// The figure of a sweep: in each panel a colour for each quantity or, in a family, each member.
pub fn figure(title: &str, members: &[Member]) -> Result<Figure, Error> {
    let sweep = Sweep { members, colours: family_colours(members.len()) };
    Ok(Figure {
        title: format!("Counter-example: {title}"),
        note: String::new(),
        description: sweep.description(),
        columns: 2,
        strips: Vec::new(),
        panels: vec![
            sweep.window()?,
            sweep.divergences(),
            sweep.posteriors(),
            sweep.success(),
            sweep.shift(),
            sweep.variation(),
        ],
        keys: sweep.member_keys(),
    })
}

struct Sweep<'a> {
    members: &'a [Member<'a>],
    colours: Vec<String>,
}

/// A quantity of a row as its axis shows it: itself, or its logarithm to base 10.
type Pick = fn(&Row) -> Option<f64>;

/// Place of the weights that were chosen, and of the area they lie in, among styles.
const CHOSEN: usize = 2;

impl Sweep<'_> {
    fn is_family(&self) -> bool {
        self.members.len() > 1
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.members.iter().flat_map(|member| member.rows)
    }

    /// In a family the colour is the member's, otherwise the quantity's.
    fn colour(&self, member: usize, quantity: usize) -> String {
        if self.is_family() { self.colours[member].clone() } else { colour(quantity) }
    }

    fn keys(&self, labels: &[&str]) -> Vec<Key> {
        let key = |(i, label): (usize, &&str)| Key {
            label: label.to_string(),
            colour: if self.is_family() { ANY_MEMBER.to_string() } else { colour(i) },
            sample: Sample::Line(DASHES[i]),
        };
        labels.iter().enumerate().map(key).collect()
    }

    /// The members with the dimensions in which they work.
    fn member_keys(&self) -> Vec<Key> {
        if !self.is_family() {
            return Vec::new();
        }
        let key = |(member, colour): (&Member, &String)| {
            let opens = member.rows[0].min_dim.map_or("never".into(), |dim| format!("d ≥ {dim}"));
            let label = format!("{}: {opens}", member.label);
            Key { label, colour: colour.clone(), sample: Sample::Line(Dash::Solid) }
        };
        self.members.iter().zip(&self.colours).map(key).collect()
    }

    /// What the panels show, for who cannot see them.
    fn description(&self) -> String {
        let dims = || self.rows().map(|row| row.dim);
        format!(
            "Six panels over dimensions {} to {}, for {} setting(s): the weights of class 0 that \
             work, the divergences between p and q with the bounds of their lemmas, the posteriors \
             of both classes, the share of points that fool q, the mean length of the shift, and \
             the total variation.",
            dims().min().unwrap_or(0),
            dims().max().unwrap_or(0),
            self.members.len()
        )
    }

    fn dimensions(&self) -> Axis {
        Axis::decades("dimension d", self.rows().map(|row| (row.dim as f64).log10()))
    }

    /// Values of a quantity in the dimensions of a member that have it.
    fn points(&self, member: usize, pick: Pick) -> Vec<(f64, f64)> {
        let rows = self.members[member].rows.iter();
        rows.filter_map(|row| Some(((row.dim as f64).log10(), pick(row)?))).collect()
    }

    /// For each member and quantity: the colour, the dash and the values.
    fn each<T>(
        &self,
        quantities: &[Pick],
        draw: impl Fn(String, Dash, Vec<(f64, f64)>) -> T,
    ) -> Vec<T> {
        let members = 0..self.members.len();
        let pairs = members.flat_map(|m| (0..quantities.len()).map(move |q| (m, q)));
        let draw = |(m, q)| draw(self.colour(m, q), DASHES[q], self.points(m, quantities[q]));
        pairs.map(draw).collect()
    }

    fn curves(&self, quantities: &[Pick]) -> Vec<Curve> {
        self.each(quantities, |colour, dash, points| Curve { points, colour, dash })
    }

    /// Dots at the values, where there are few of them.
    fn marks(&self, quantities: &[Pick]) -> Vec<Marks> {
        if self.members.iter().any(|member| member.rows.len() > MOST_MARKED) {
            return Vec::new();
        }
        self.each(quantities, |colour, _, points| Marks { points, colour, marker: Marker::Circle })
    }

    fn panel(&self, title: &str, y: Axis, quantities: &[Pick], labels: &[&str]) -> Panel {
        Panel {
            title: title.to_string(),
            x: self.dimensions(),
            curves: self.curves(quantities),
            marks: self.marks(quantities),
            bands: Vec::new(),
            rules: Vec::new(),
            keys: self.keys(labels),
            y,
        }
    }

    /// The logarithm to base 10 of a level that each member sets for itself, drawn once where all
    /// agree.
    fn levels(&self, name: &str, pick: fn(&Row) -> f64) -> Vec<Rule> {
        let mut levels: Vec<f64> = self.members.iter().map(|m| pick(&m.rows[0]).log10()).collect();
        levels.dedup();
        let label = |i| if i == 0 { name.to_string() } else { String::new() };
        levels.into_iter().enumerate().map(|(i, level)| Rule::Level(level, label(i))).collect()
    }

    fn window(&self) -> Result<Panel, Error> {
        let least = self.rows().map(|row| row.ln_lambda1_max / LN_10).fold(0.0, f64::min);
        let y = Axis::decades("λ₁", [least.floor() - WINDOW_DECADES, 0.0]);
        let labels = ["must exceed", "must stay below", "λ₁ of the other panels"];
        // In a family the weights that were chosen would be too many curves.
        let labels = if self.is_family() { &labels[..2] } else { &labels[..] };
        let mut panel = self.panel("Weights λ₁ that work", y, &[], labels);
        let shade = if self.is_family() { ANY_MEMBER.to_string() } else { colour(CHOSEN) };
        panel.keys.push(Key { label: "works".to_string(), colour: shade, sample: Sample::Area });
        if !self.is_family() {
            self.draw_chosen(&mut panel);
        }
        for member in 0..self.members.len() {
            self.draw_window(member, &mut panel)?;
        }
        panel.rules = self.least_dimensions();
        Ok(panel)
    }

    fn draw_chosen(&self, panel: &mut Panel) {
        let chosen: [Pick; 1] = [|row| log10(row.ln_lambda1)];
        for curve in self.curves(&chosen) {
            panel.curves.push(Curve { colour: colour(CHOSEN), dash: DASHES[CHOSEN], ..curve });
        }
        for marks in self.marks(&chosen) {
            panel.marks.push(Marks { colour: colour(CHOSEN), ..marks });
        }
    }

    /// Both ends of a member's window, and the area between them from its least dimension on.
    fn draw_window(&self, member: usize, panel: &mut Panel) -> Result<(), Error> {
        let ends = window_ends(self.members[member].rows)?;
        let lower = ends.iter().map(|&(x, lower, _)| (x, lower)).collect();
        let upper = ends.iter().map(|&(x, _, upper)| (x, upper)).collect();
        for (q, points) in [(0, lower), (1, upper)] {
            let colour = self.colour(member, q);
            panel.curves.push(Curve { points, colour, dash: DASHES[q] });
        }
        let ends = ends.into_iter().filter(|&(_, lower, upper)| lower < upper).collect();
        let opacity = if self.is_family() { 0.08 } else { 0.25 };
        panel.bands.push(Band { ends, colour: self.colour(member, CHOSEN), opacity });
        Ok(())
    }

    /// Lines at the least dimensions that work; a family names them in its legend.
    fn least_dimensions(&self) -> Vec<Rule> {
        let x = self.dimensions();
        let rule = |(m, member): (usize, &Member)| {
            let dim = member.rows[0].min_dim?;
            let (label, colour) = if self.is_family() {
                (String::new(), self.colours[m].clone())
            } else {
                (format!("d = {dim}"), "#000000".to_string())
            };
            let least = (dim as f64).log10();
            (x.low..=x.high).contains(&least).then_some(Rule::At(least, label, colour))
        };
        self.members.iter().enumerate().filter_map(rule).collect()
    }

    fn divergences(&self) -> Panel {
        let quantities: [Pick; 4] = [
            |row| log10(row.ln_kl_q_p_joint_nats),
            |row| log10(row.ln_kl_q_p_class0_bound_nats),
            |row| log10(row.ln_kl_p_q_joint_nats),
            |row| log10(row.ln_kl_p_q_class0_bound_nats),
        ];
        let values = self.rows().flat_map(|row| {
            // Half a decade of room for the name of the limit.
            let limit = Some(row.kl_epsilon_nats.log10() + 0.5);
            quantities.iter().map(|pick| pick(row)).chain([limit]).flatten().collect::<Vec<_>>()
        });
        let y = Axis::decades("divergence, nats", values);
        let labels = ["KL(q, p)", "its bound (class 0)", "KL(p, q)", "its bound (class 0)"];
        let title = "Divergences and the bounds of Lemmas 2 and 3";
        let rules = self.levels("kl-epsilon", |row| row.kl_epsilon_nats);
        Panel { rules, ..self.panel(title, y, &quantities, &labels) }
    }

    fn posteriors(&self) -> Panel {
        let quantities: [Pick; 2] =
            [|row| log10(row.ln_q_class0_in_ball), |row| log10(row.ln_p_class1_in_ball)];
        let least = self.rows().map(|row| row.delta.log10()).fold(0.0, f64::min);
        let y = Axis::decades("probability", [least.floor() - POSTERIOR_DECADES, 0.0]);
        let labels = ["q(0|x′), falls to 0", "p(1|x′)"];
        let title = "Doubt of p and q, which label x′ differently";
        let rules = self.levels("delta", |row| row.delta);
        Panel { rules, ..self.panel(title, y, &quantities, &labels) }
    }

    fn success(&self) -> Panel {
        let quantities: [Pick; 2] = [|row| row.attack_success, |row| row.attackable_mass];
        let y = Axis::linear("share of all x", 0.0, 0.6, 0.1);
        let labels = ["samples, with interval", "mass of the shell"];
        let interval = |m: usize| {
            let (low, high): (Pick, Pick) =
                (|row| row.attack_success_low, |row| row.attack_success_high);
            let ends = self.points(m, low).into_iter().zip(self.points(m, high));
            let ends = ends.map(|((x, low), (_, high))| (x, low, high)).collect();
            Band { ends, colour: self.colour(m, 0), opacity: 0.3 }
        };
        Panel {
            bands: (0..self.members.len()).map(interval).collect(),
            rules: vec![Rule::Level(1.0 / 3.0, "1/3, as claimed".to_string())],
            ..self.panel("Points that fool q, items 1 to 5", y, &quantities, &labels)
        }
    }

    fn shift(&self) -> Panel {
        let y = Axis::linear("mean ‖x − x′‖ / shell", 0.0, 1.0, 0.2);
        let relative: Pick = |row| Some(row.mean_l2? / row.shell);
        self.panel("Mean length of the shift", y, &[relative], &["samples"])
    }

    fn variation(&self) -> Panel {
        let quantities: [Pick; 3] = [
            |row| log10(row.ln_total_variation_p_per_length),
            |row| log10(row.ln_total_variation_q_per_length),
            |row| log10(Some(row.ln_total_variation_least_per_length)),
        ];
        let values = self.rows().flat_map(|row| quantities.iter().filter_map(|pick| pick(row)));
        let y = Axis::decades("total variation, 1/length", values);
        let labels = ["p(x)", "q(x)", "d/3, the least possible"];
        self.panel("Total variation grows; item 7 says it vanishes", y, &quantities, &labels)
    }
}

/// From a natural logarithm to that to base 10.
fn log10(ln: Option<f64>) -> Option<f64> {
    ln.map(|ln| ln / LN_10)
}

/// The logarithms of a dimension and of both ends of its window, over the span of these rows and
/// at their least dimension that works.
fn window_ends(rows: &[Row]) -> Result<Vec<(f64, f64, f64)>, Error> {
    let (first, last) = (&rows[0], &rows[rows.len() - 1]);
    let goal = Goal::new(first.kl_epsilon_nats, first.delta)?;
    let mut dims = Dims::Range(first.dim, last.dim).values(WINDOW_POINTS);
    dims.extend(first.min_dim.filter(|least| (first.dim..=last.dim).contains(least)));
    dims.sort_unstable();
    let ends = |dim: u64| {
        let window = Window::new(dim, first.shell, &goal)?;
        let [lower, upper] = [window.ln_lambda1_min, window.ln_lambda1_max].map(|ln| ln / LN_10);
        Ok(((dim as f64).log10(), lower, upper))
    };
    dims.into_iter().map(ends).collect()
}
