//! The adversarial shift, carried out on samples.

mod radial;
mod vector;

use crate::annulus::Annulus;
use crate::counterexample::{CounterExample, Region, SUPPORT};
use crate::elementary::unit;
use crate::error::Error;
use crate::proportion::Proportion;
use crate::proposition::Proposition;
use crate::stream::Streams;
use crate::verdict::Verdict;
use radial::Radial;
use rayon::prelude::*;
use vector::Vector;

/// How deep into the open unit ball a point is moved, as a share of the room that the budget
/// leaves. The shortest shift ends on the sphere, where Lemma 1 does not apply; this one is longer
/// by at most a millionth of the remaining budget.
const DEPTH: f64 = 1.0 / (1 << 20) as f64;
/// Thinnest shell for coordinates in f64: 2^-30. The depth of a move is then still some units in
/// the last place of the norm.
const MIN_VECTOR_SHELL: f64 = 1.0 / (1u64 << 30) as f64;
/// One shell's width in the fixed-point sum of shifts.
const UNIT: f64 = (1u64 << 52) as f64;

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
    /// Sum of the shifts, in units of shell / 2^52.
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
/// Sample i draws from random words of its own, keyed by seed, sampler and i, so the result depends
/// on neither the number of threads nor the order. Runs on the current rayon pool; samples are not
/// kept, so memory does not grow with their number.
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
    let attack = Attack::new(proposition)?;
    Ok(match sampler {
        Sampler::Radial => {
            let (radial, streams) = (Radial::new(&attack), Streams::new(seed, "attack radial"));
            in_runs(&streams, samples, radial::RUN, &attack, |pieces, (): &mut (), tally| {
                radial.attack(pieces, tally);
            })
        }
        Sampler::Vector => {
            let (vector, streams) = (Vector::new(&attack), Streams::new(seed, "attack vector"));
            in_runs(&streams, samples, vector::RUN, &attack, |pieces, x: &mut Vec<f64>, tally| {
                vector.attack(pieces, x, tally);
            })
        }
    })
}

/// Gives runs of samples, by the W random words that belong to each, to `evaluate`, and adds up
/// what it tallies. What else it needs to remember starts as the default, once per thread or more
/// often. How long a run is changes the speed alone.
fn in_runs<const W: usize, M: Default + Send>(
    streams: &Streams,
    samples: u64,
    run: u64,
    attack: &Attack,
    evaluate: impl Fn(&[[u64; W]], &mut M, &mut MonteCarlo) + Sync,
) -> MonteCarlo {
    let empty = || MonteCarlo::empty(attack.example.shell());
    let start = || (empty(), M::default(), vec![[0; W]; run as usize]);
    let runs = (0..samples.div_ceil(run)).into_par_iter();
    let tallies = runs.fold(start, |(mut tally, mut memory, mut pieces), number| {
        let first = number * run;
        let pieces_of_run = &mut pieces[..run.min(samples - first) as usize];
        streams.fill(first, pieces_of_run);
        evaluate(pieces_of_run, &mut memory, &mut tally);
        (tally, memory, pieces)
    });
    tallies.map(|(tally, ..)| tally).reduce(empty, MonteCarlo::merge)
}

/// What both samplers need, computed once.
struct Attack<'a> {
    example: &'a CounterExample,
    data: Mixture,
    /// Whether items 1, 2, 3 and 5 hold for a move from the shell to each region of [`SUPPORT`].
    items: [bool; 3],
}

impl<'a> Attack<'a> {
    fn new(proposition: &Proposition<'a>) -> Result<Self, Error> {
        let example = proposition.example();
        let holds = |to| proposition.attack(Region::Shell, to) == Verdict::Proved;
        Ok(Attack { example, data: Mixture::new(example)?, items: SUPPORT.map(holds) })
    }

    /// Items 1, 2, 3 and 5 for a point moved from the shell to this region.
    fn items_hold(&self, to: Region) -> bool {
        SUPPORT.iter().zip(self.items).any(|(&region, holds)| region == to && holds)
    }
}

/// The marginal p(x): a mixture of three uniform distributions.
#[derive(Clone, Copy)]
struct Mixture {
    /// One annulus per region of [`SUPPORT`].
    annuli: [Annulus; 3],
    /// The probabilities of the first region, and of the first two.
    up_to: [f64; 2],
}

impl Mixture {
    fn new(example: &CounterExample) -> Result<Self, Error> {
        let (dim, data) = (example.dim(), example.data());
        let ball = data.mass(Region::Ball);
        Ok(Mixture {
            annuli: [
                Annulus::new(dim, 0.0, 1.0)?,
                Annulus::with_shell(dim, example.shell(), false)?,
                Annulus::new(dim, 2.0, 3.0)?,
            ],
            up_to: [ball, ball + data.mass(Region::Shell)],
        })
    }

    /// The annulus that a random word chooses, without branches.
    #[inline(always)]
    fn annulus(&self, word: u64) -> Annulus {
        let [ball, shell, outer] = self.annuli;
        let choice = unit(word);
        ball.select(choice < self.up_to[0], shell.select(choice < self.up_to[1], outer))
    }
}
