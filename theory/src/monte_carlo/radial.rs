//! The norm of a sample alone, and its move along the radius.

use super::{Attack, DEPTH, Mixture, MonteCarlo, UNIT};
use crate::counterexample::Region;
use crate::elementary::{exp_m1, open_unit};
use crate::vectorise::vectorise;
use std::f64::consts::LN_2;

/// Samples in one loop: so few that their shifts add up in 64 bits.
pub(super) const RUN: u64 = 1024;
const _: () = assert!(RUN as f64 * UNIT < u64::MAX as f64);

#[derive(Clone, Copy)]
pub(super) struct Radial {
    data: Mixture,
    shell: f64,
    /// ln(1 + shell).
    ln_reach: f64,
    ln_3: f64,
    /// Whether items 1, 2, 3 and 5 hold for a move into the unit ball.
    items_hold: bool,
}

impl Radial {
    pub(super) fn new(attack: &Attack) -> Self {
        let shell = attack.example.shell();
        let items_hold = attack.items_hold(Region::Ball);
        Radial { data: attack.data, shell, ln_reach: shell.ln_1p(), ln_3: 3f64.ln(), items_hold }
    }

    /// Attacks one sample per piece of randomness.
    pub(super) fn attack(&self, pieces: &[[u64; 2]], tally: &mut MonteCarlo) {
        vectorise(|| self.attack_in_lanes(pieces, tally));
    }

    /// Draws the norms and moves them, in one loop without branches. The first word of a sample
    /// chooses the annulus, the second the norm in it.
    ///
    /// Numerics: the room left by the budget, (1 + shell) - ||x||, comes from the draw itself, so it
    /// is positive and exact even where the difference would round to 0. Counts wrap instead of
    /// checking, which no loop does in wide registers; they cannot pass [`RUN`].
    #[inline(always)]
    fn attack_in_lanes(&self, pieces: &[[u64; 2]], tally: &mut MonteCarlo) {
        // Copied: a choice between numbers in memory would become a choice between addresses.
        let Radial { data, shell, ln_reach, ln_3, items_hold } = *self;
        let longest_allowed = shell.next_down();
        let count = |counter: &mut u64, condition: bool| {
            *counter = counter.wrapping_add(u64::from(condition));
        };
        let [mut below_1, mut to_reach, mut below_2, mut to_3] = [0; 4];
        let (mut successes, mut total, mut longest) = (0, 0u64, 0);
        for &[choice, place] in pieces {
            let draw = data.annulus(choice).radius_at(open_unit(place));
            count(&mut below_1, draw.ln_radius < 0.0);
            count(&mut to_reach, draw.ln_radius <= ln_reach);
            count(&mut below_2, draw.ln_radius < LN_2);
            count(&mut to_3, draw.ln_radius <= ln_3);
            let in_shell = (draw.ln_radius >= 0.0) & (draw.ln_radius <= ln_reach);

            let room = (1.0 + shell) * -exp_m1(-draw.ln_outer_ratio);
            let depth = room * DEPTH;
            count(&mut successes, in_shell & (depth > 0.0) & items_hold);
            // ||x|| - (1 - depth), below shell, up to which it may round.
            let shift = shell - (room - depth);
            let shift = if shift < longest_allowed { shift } else { longest_allowed };
            let shift = if in_shell { shift } else { 0.0 };
            total = total.wrapping_add(units(shift / shell));
            // Numbers from 0 are in the order of their bits, whose maximum needs no care for NaN.
            longest = i64::max(longest, shift.to_bits() as i64);
        }
        tally.samples += pieces.len() as u64;
        let in_regions = [below_1, to_reach - below_1, to_3 - below_2];
        for (count, more) in tally.regions.iter_mut().zip(in_regions) {
            *count += more;
        }
        tally.successes += successes;
        tally.moved += in_regions[1];
        tally.longest = tally.longest.max(f64::from_bits(longest as u64));
        tally.total += u128::from(total);
    }
}

/// A fraction in [0, 1] in units of 1 / [`UNIT`]: consecutive numbers from 1 to 2.
#[inline(always)]
fn units(fraction: f64) -> u64 {
    const { assert!(UNIT == 1.0 / f64::EPSILON) };
    (1.0 + fraction).to_bits().wrapping_sub(1f64.to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counterexample::CounterExample;
    use crate::proposition::Proposition;
    use crate::stream::Streams;
    use crate::{Goal, Lambda2, Weight};

    /// The same loop in wide registers, and sample by sample in the platform's: to the last bit.
    #[test]
    fn register_width_does_not_change_the_answer() {
        for (dim, shell) in [(1, 0.9), (500, 0.1), (1_000_000, 1e-300)] {
            let lambda2 = Lambda2::Given(Weight::Value(0.1));
            let example = CounterExample::new(dim, shell, Weight::Value(0.3), lambda2).unwrap();
            let proposition = Proposition::new(&example, Goal::new(0.01, 0.01).unwrap());
            let attack = Attack::new(&proposition).unwrap();
            let radial = Radial::new(&attack);
            let mut pieces = vec![[0; 2]; RUN as usize];
            Streams::new(0, "width test").fill(0, &mut pieces);
            let [mut wide, mut narrow] = [(); 2].map(|()| MonteCarlo::empty(shell));
            radial.attack(&pieces, &mut wide);
            for piece in pieces.chunks(1) {
                radial.attack_in_lanes(piece, &mut narrow);
            }
            assert_eq!(wide, narrow);
            assert!(wide.regions.iter().all(|&count| count > 0));
        }
    }

    #[test]
    fn units_of_both_ends() {
        let all = UNIT as u64;
        assert_eq!([0.0, 0.5, 1f64.next_down(), 1.0].map(units), [0, all / 2, all, all]);
    }
}
