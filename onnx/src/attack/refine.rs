//! Bisection of the line from the original to an answer.

/// Looks between an original and a point that meets a criterion for a closer one that does.
///
/// Halves the share of the line between one that met it and one that did not, the original being
/// such a one. Where the region is not convex it finds some crossing of its border. An answer that
/// lies off the shortest direction by an angle a is left with a distance of 1/cos(a) of the optimum
/// where the border is straight: the overshoot is gone, the direction stays.
#[derive(Debug, Clone)]
pub(super) struct Refine {
    end: Vec<f32>,
    met: f64,
    not_met: f64,
    left: u32,
}

impl Refine {
    /// `steps` halvings towards `original` from `end`.
    pub(super) fn new(end: &[f32], steps: u32) -> Self {
        Self { end: end.to_vec(), met: 1.0, not_met: 0.0, left: steps }
    }

    pub(super) fn ask(&self, original: &[f32], x: &mut [f32]) {
        let share = (self.middle()) as f32;
        for ((x, from), to) in x.iter_mut().zip(original).zip(&self.end) {
            *x = from + share * (to - from);
        }
    }

    /// Whether that was the last.
    pub(super) fn tell(&mut self, met: bool) -> bool {
        *if met { &mut self.met } else { &mut self.not_met } = self.middle();
        self.left -= 1;
        self.left == 0
    }

    fn middle(&self) -> f64 {
        0.5 * (self.met + self.not_met)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_crossing() {
        let mut refine = Refine::new(&[4.0, 0.0], 12);
        let mut x = [0.0; 2];
        loop {
            refine.ask(&[0.0, 0.0], &mut x);
            if refine.tell(x[0] >= 1.3) {
                break;
            }
        }
        assert!((x[0] - 1.3).abs() < 4.0 / 2f32.powi(12), "{x:?}");
    }
}
