//! The optimiser Adam.

/// Adam's moments of a variable of many pixels.
///
/// With g the gradient of step t, counted from 1: m = 0.9 m + 0.1 g, v = 0.999 v + 0.001 g²,
/// and the variable moves by -stepsize m' / (√v' + 1e-8), m' = m / (1 - 0.9^t) and
/// v' = v / (1 - 0.999^t).
///
/// Source: Kingma and Ba, ICLR 2015, with the parameters of Foolbox's Carlini-Wagner attack.
#[derive(Debug, Clone)]
pub(super) struct Adam {
    m: Vec<f32>,
    v: Vec<f32>,
    t: i32,
    stepsize: f32,
}

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

impl Adam {
    pub(super) fn new(pixels: usize, stepsize: f64) -> Self {
        let zeros = || vec![0.0; pixels];
        Self { m: zeros(), v: zeros(), t: 0, stepsize: stepsize as f32 }
    }

    /// Forgets every step.
    pub(super) fn reset(&mut self) {
        self.m.fill(0.0);
        self.v.fill(0.0);
        self.t = 0;
    }

    /// Moves a variable by one step down a gradient.
    pub(super) fn step(&mut self, variable: &mut [f32], gradient: &[f32]) {
        self.t += 1;
        let correction = |beta: f32| (1.0 - f64::from(beta).powi(self.t)) as f32;
        let (first, second) = (correction(BETA1), correction(BETA2));
        let moments = self.m.iter_mut().zip(&mut self.v);
        for ((x, g), (m, v)) in variable.iter_mut().zip(gradient).zip(moments) {
            *m = BETA1 * *m + (1.0 - BETA1) * g;
            *v = BETA2 * *v + (1.0 - BETA2) * g * g;
            *x -= self.stepsize * (*m / first) / ((*v / second).sqrt() + EPSILON);
        }
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    /// By hand: the first step is -stepsize sign(g). For g = 3 then -1, the second has
    /// m' = (0.27 - 0.1)/0.19 and v' = (0.008991 + 0.001)/0.001999.
    #[test]
    fn two_steps_by_hand() {
        let mut adam = Adam::new(1, 0.5);
        let mut x = [10.0];
        adam.step(&mut x, &[3.0]);
        assert_relative_eq!(x[0], 9.5, max_relative = 1e-6);
        adam.step(&mut x, &[-1.0]);
        let (m, v): (f64, f64) = (0.17 / 0.19, 0.009991 / 0.001999);
        assert_relative_eq!(f64::from(x[0]), 9.5 - 0.5 * m / v.sqrt(), max_relative = 1e-6);
        adam.reset();
        adam.step(&mut x, &[-7.0]);
        assert_relative_eq!(f64::from(x[0]), 10.0 - 0.5 * m / v.sqrt(), max_relative = 1e-6);
    }
}
