//! What all paths say together.

use undetected_theory::Proportion;

use super::{Path, Point};
use crate::{
    likelihood::rankable,
    statistics::{self, Estimate},
};

/// Ends of a band: it holds the middle 90 % of the paths.
const BAND: (f64, f64) = (0.05, 0.95);

/// A quantity at one alpha, over the paths where it has a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    /// The mean, with its interval.
    pub mean: Estimate,
    /// The 5 % quantile over paths.
    pub low: f64,
    /// The 95 % quantile over paths.
    pub high: f64,
    /// Paths behind it.
    pub n: usize,
}

impl Band {
    fn new(mut values: Vec<f64>) -> Option<Self> {
        let mean = statistics::mean(&values)?;
        values.sort_by(f64::total_cmp);
        let (low, high) =
            (statistics::quantile(&values, BAND.0)?, statistics::quantile(&values, BAND.1)?);
        Some(Self { mean, low: low.value, high: high.value, n: values.len() })
    }
}

/// All paths at one alpha.
#[derive(Debug, Clone, PartialEq)]
pub struct AtAlpha {
    /// Weight of x_1.
    pub alpha: f64,
    /// Negative log p(x), bits/dim; `None` where no path has a finite density.
    pub bits_per_dim: Option<Band>,
    /// p(y_0 given x); `None` where no path has a finite density.
    pub p_first: Option<Band>,
    /// p(y_1 given x); `None` where no path has a finite density.
    pub p_second: Option<Band>,
    /// Paths accepted here.
    pub accepted: Proportion,
    /// Paths whose log p(x) is NaN or infinite here: in `accepted`'s trials, in no band.
    pub not_finite: u64,
}

/// Figures 4 and 6 in numbers. Shares are of all paths, those without a finite density included.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The grid, from alpha = 0 to 1.
    pub grid: Vec<AtAlpha>,
    /// alpha = 1/2.
    pub midpoint: AtAlpha,
    /// Paths of whose grid every point is accepted, the ends included.
    pub paths_accepted: Proportion,
    /// Paths of which both ends are accepted under the path's own noise.
    pub ends_accepted: Proportion,
    /// Paths whose midpoint is likelier than both ends.
    pub midpoints_likelier: Proportion,
    /// Paths whose midpoint or an end has no finite density: counted as not likelier.
    pub not_comparable: u64,
    /// Bits/dim of the midpoint minus the mean of the ends', over comparable paths: below 0 where
    /// midpoints are likelier than real images on average.
    pub midpoint_minus_ends: Option<Estimate>,
    /// log p(x) of every midpoint, nats, as scores to rank against real images'
    /// ([`rankable`]).
    pub midpoint_scores: Vec<f64>,
}

/// Takes paths in; holds three numbers a path and alpha.
pub(super) struct Accumulator {
    grid: Vec<Values>,
    midpoint: Values,
    paths: u64,
    paths_accepted: u64,
    ends_accepted: u64,
    midpoints_likelier: u64,
    not_comparable: u64,
    differences: Vec<f64>,
    midpoint_scores: Vec<f64>,
}

impl Accumulator {
    pub(super) fn new(alphas: &[f64]) -> Self {
        Self {
            grid: alphas.iter().map(|alpha| Values::new(*alpha)).collect(),
            midpoint: Values::new(0.5),
            paths: 0,
            paths_accepted: 0,
            ends_accepted: 0,
            midpoints_likelier: 0,
            not_comparable: 0,
            differences: vec![],
            midpoint_scores: vec![],
        }
    }

    pub(super) fn push(&mut self, path: &Path) {
        self.paths += 1;
        self.paths_accepted += u64::from(path.is_accepted());
        self.ends_accepted += u64::from(path.ends().iter().all(|end| end.accepted));
        self.midpoints_likelier += u64::from(path.midpoint_is_likelier());
        self.not_comparable += u64::from(!path.is_comparable());
        self.midpoint_scores.push(rankable(path.midpoint.log_px));
        self.differences.extend(difference(path));
        self.grid.iter_mut().zip(&path.points).for_each(|(values, point)| values.push(point));
        self.midpoint.push(&path.midpoint);
    }

    pub(super) fn summary(self) -> Summary {
        let share = |successes| Proportion { successes, trials: self.paths };
        Summary {
            paths_accepted: share(self.paths_accepted),
            ends_accepted: share(self.ends_accepted),
            midpoints_likelier: share(self.midpoints_likelier),
            not_comparable: self.not_comparable,
            midpoint_minus_ends: statistics::mean(&self.differences),
            grid: self.grid.into_iter().map(|values| values.summary(self.paths)).collect(),
            midpoint: self.midpoint.summary(self.paths),
            midpoint_scores: self.midpoint_scores,
        }
    }
}

/// Bits/dim of the midpoint minus the mean of the ends'; `None` unless all three are finite.
fn difference(path: &Path) -> Option<f64> {
    let [first, last] = path.ends();
    Some(path.midpoint.bits_per_dim? - (first.bits_per_dim? + last.bits_per_dim?) / 2.0)
}

struct Values {
    alpha: f64,
    bits_per_dim: Vec<f64>,
    p_first: Vec<f64>,
    p_second: Vec<f64>,
    accepted: u64,
}

impl Values {
    fn new(alpha: f64) -> Self {
        Self { alpha, bits_per_dim: vec![], p_first: vec![], p_second: vec![], accepted: 0 }
    }

    fn push(&mut self, point: &Point) {
        self.accepted += u64::from(point.accepted);
        self.bits_per_dim.extend(point.bits_per_dim);
        if let Some([first, second]) = point.posterior {
            self.p_first.push(first);
            self.p_second.push(second);
        }
    }

    fn summary(self, paths: u64) -> AtAlpha {
        AtAlpha {
            alpha: self.alpha,
            accepted: Proportion { successes: self.accepted, trials: paths },
            not_finite: paths - self.bits_per_dim.len() as u64,
            bits_per_dim: Band::new(self.bits_per_dim),
            p_first: Band::new(self.p_first),
            p_second: Band::new(self.p_second),
        }
    }
}
