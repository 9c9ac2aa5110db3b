//! The adversarial shift, carried out on samples.

use crate::annulus::{Annulus, norm_of};
use crate::counterexample::{CounterExample, Region, SUPPORT};
use crate::error::Error;
use crate::proportion::Proportion;
use crate::proposition::Proposition;
use crate::stream::Streams;
use crate::verdict::Verdict;
use rayon::prelude::*;

/// How deep into the open unit ball a point is moved, as a share of the room that the budget
/// leaves. The shortest shift ends on the sphere, where Lemma 1 does not apply; this one is longer
/// by at most a millionth of the remaining budget.
const DEPTH: f64 = 1.0 / (1 << 20) as f64;
/// Thinnest shell for coordinates in f64: 2^-30. The depth of a move is then still some units in
/// the last place of the norm.
const MIN_VECTOR_SHELL: f64 = 1.0 / (1u64 << 30) as f64;
/// One shell's width in the fixed-point sum of shifts.
const UNIT: f64 = (1u128 << 64) as f64;

/// What is drawn for each sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampler {
    /// The norm alone, exactly. Regions, densities, posteriors and the shift depend on nothing
    /// else.
    Radial,
    /// All d coordinates; norms and the shift are computed from them.
    Vector,
}

/// What happened to the samples. All counts and the sum are integers, so that the result does not
/// depend on the order in which samples are evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct MonteCarlo {
    /// Samples drawn from p.
    pub samples: u64,
    /// How many of them lay in each region of [`SUPPORT`]; the rest fell outside by rounding.
    pub regions: [u64; 3],
    /// Samples for which the shift met items 1 to 5 together.
    pub successes: u64,
    /// Samples that were moved: those in the shell.
    pub moved: u64,
    shell: f64,
    longest: f64,
    /// Sum of the shifts, in units of shell / 2^64.
    total: u128,
}

impl MonteCarlo {
    /// The share of all samples for which a shift met items 1 to 5 together.
    pub fn attack_success(&self) -> Proportion {
        Proportion { successes: self.successes, trials: self.samples }
    }

    /// The share of all samples whose model density is at most that of a point in the unit ball.
    pub fn density_rank(&self, example: &CounterExample) -> Proportion {
        let level = |region| example.model().ln_relative_density(region);
        let at_most = SUPPORT.iter().zip(self.regions);
        let successes = at_most
            .filter(|&(&region, _)| level(region) <= level(Region::Ball))
            .map(|(_, count)| count)
            .sum();
        Proportion { successes, trials: self.samples }
    }

    /// Mean length of the shift over the samples that were moved, if any.
    pub fn mean_l2(&self) -> Option<f64> {
        (self.moved > 0).then(|| self.shell * (self.total as f64 / UNIT / self.moved as f64))
    }

    /// Longest shift over the samples that were moved, if any.
    pub fn max_l2(&self) -> Option<f64> {
        (self.moved > 0).then_some(self.longest)
    }

    fn empty(shell: f64) -> Self {
        let (samples, successes, moved) = (0, 0, 0);
        MonteCarlo { samples, regions: [0; 3], successes, moved, shell, longest: 0.0, total: 0 }
    }

    fn record(&mut self, outcome: Outcome) {
        self.samples += 1;
        for (count, region) in self.regions.iter_mut().zip(SUPPORT) {
            *count += u64::from(region == outcome.from);
        }
        self.successes += u64::from(outcome.success);
        if let Some(shift) = outcome.shift {
            self.moved += 1;
            self.longest = self.longest.max(shift);
            self.total += (shift / self.shell * UNIT) as u128;
        }
    }

    fn merge(mut self, other: Self) -> Self {
        self.samples += other.samples;
        for (count, more) in self.regions.iter_mut().zip(other.regions) {
            *count += more;
        }
        self.successes += other.successes;
        self.moved += other.moved;
        self.longest = self.longest.max(other.longest);
        self.total += other.total;
        self
    }
}

/// Draws x from p and moves each x in the shell along its radius into the open unit ball, by the
/// shortest shift up to a millionth of the remaining budget. Items 1 to 5 of Proposition 1 are
/// evaluated at x and at the point it is moved to.
///
/// No other x can be attacked, whatever the weights. In the unit ball p and q disagree, or they
/// agree on a label that q changes only in regions where p changes it too. From the outer annulus
/// the unit ball is at least 1 > shell away, and elsewhere p and q agree.
///
/// Sample i has its own random stream, keyed by seed, sampler and i, so the result depends on
/// neither the number of threads nor the order. Runs on the current rayon pool.
///
/// Errors: `samples` is 0, or the vector sampler is asked for a shell below 2^-30, which
/// coordinates in f64 do not resolve.
///
/// ```
/// use undetected_theory::*;
///
/// let goal = Goal::new(0.01, 0.01).unwrap();
/// let lambda1 = feasible_lambda1(500, 0.1, &goal).unwrap();
/// let example = CounterExample::new(500, 0.1, lambda1, Lambda2::Matched { delta: 0.01 }).unwrap();
/// let result = simulate(&Proposition::new(&example, goal), Sampler::Radial, 10_000, 0).unwrap();
/// let interval = result.attack_success().interval(0.99);
/// assert!(interval.low < example.attackable_mass() && example.attackable_mass() < interval.high);
/// assert!(result.max_l2().unwrap() < 0.1);
/// ```
pub fn simulate(
    proposition: &Proposition,
    sampler: Sampler,
    samples: u64,
    seed: u64,
) -> Result<MonteCarlo, Error> {
    let example = proposition.example();
    let shell = example.shell();
    if samples == 0 {
        return Err(Error::NoSamples);
    }
    if sampler == Sampler::Vector && shell < MIN_VECTOR_SHELL {
        return Err(Error::UnresolvedShell { shell, min: MIN_VECTOR_SHELL });
    }
    let task = match sampler {
        Sampler::Radial => "attack radial",
        Sampler::Vector => "attack vector",
    };
    let streams = Streams::new(seed, task);
    let attack = Attack::new(proposition)?;
    let empty = || (MonteCarlo::empty(shell), Vec::new());
    let tallies = (0..samples).into_par_iter().fold(empty, |(mut tally, mut buffer), index| {
        let outcome = match sampler {
            Sampler::Radial => attack.radial(&mut streams.get(index)),
            Sampler::Vector => attack.vector(&mut streams.get(index), &mut buffer),
        };
        tally.record(outcome);
        (tally, buffer)
    });
    Ok(tallies.map(|(tally, _)| tally).reduce(|| MonteCarlo::empty(shell), MonteCarlo::merge))
}

/// One sample, after the attempt to move it.
struct Outcome {
    from: Region,
    success: bool,
    shift: Option<f64>,
}

/// What the evaluation of a sample needs, computed once.
struct Attack<'a> {
    example: &'a CounterExample,
    annuli: [Annulus; 3],
    /// Whether items 1, 2, 3 and 5 hold for a move from the shell to each region of [`SUPPORT`].
    items: [bool; 3],
}

impl<'a> Attack<'a> {
    fn new(proposition: &Proposition<'a>) -> Result<Self, Error> {
        let example = proposition.example();
        let holds = |to| proposition.attack(Region::Shell, to) == Verdict::Proved;
        Ok(Attack {
            example,
            annuli: [
                Annulus::new(example.dim(), 0.0, 1.0)?,
                Annulus::with_shell(example.dim(), example.shell(), false)?,
                Annulus::new(example.dim(), 2.0, 3.0)?,
            ],
            items: SUPPORT.map(holds),
        })
    }

    fn annulus(&self, region: Region) -> &Annulus {
        match region {
            Region::Ball => &self.annuli[0],
            Region::Shell => &self.annuli[1],
            _ => &self.annuli[2],
        }
    }

    /// Draws the norm and moves it. The room left by the budget comes from the draw itself, so it
    /// is positive and exact even where 1 + shell - ||x|| would round to 0.
    fn radial<R: rand::Rng>(&self, rng: &mut R) -> Outcome {
        let drawn = self.example.data().sample_region(rng);
        let draw = self.annulus(drawn).sample_radius(rng);
        let from = self.example.region(draw.ln_radius);
        if from != Region::Shell {
            return Outcome { from, success: false, shift: None };
        }
        let room = (1.0 + self.example.shell()) * -(-draw.ln_outer_ratio).exp_m1();
        let depth = room * DEPTH;
        let success = room - depth > 0.0 && self.items_hold((-depth).ln_1p());
        // The shift is shell - (room - depth), below shell; the sum may round up to it.
        let shift = (draw.ln_radius.exp_m1() + depth).min(self.example.shell().next_down());
        Outcome { from, success, shift: Some(shift) }
    }

    /// Draws the coordinates, moves them, and measures norms and shift from the coordinates.
    fn vector<R: rand::Rng>(&self, rng: &mut R, x: &mut Vec<f64>) -> Outcome {
        x.resize(self.example.dim() as usize, 0.0);
        let drawn = self.example.data().sample_region(rng);
        self.annulus(drawn).fill_point(rng, x);
        let radius = norm_of(x, |value| value);
        let from = self.example.region(radius.ln());
        if from != Region::Shell {
            return Outcome { from, success: false, shift: None };
        }
        let room = 1.0 + self.example.shell() - radius;
        let scale = (1.0 - room * DEPTH) / radius;
        let shift = norm_of(x, |value| value - value * scale);
        let moved = norm_of(x, |value| value * scale);
        let success = shift < self.example.shell() && self.items_hold(moved.ln());
        Outcome { from, success, shift: Some(shift) }
    }

    /// Items 1, 2, 3 and 5 for a point moved from the shell to this norm.
    fn items_hold(&self, ln_radius: f64) -> bool {
        let to = self.example.region(ln_radius);
        SUPPORT.iter().zip(self.items).any(|(&region, holds)| region == to && holds)
    }
}
