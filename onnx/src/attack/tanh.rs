//! The hyperbolic tangent of many numbers, vectorised.

/// ln 2 in two parts, of which n times the first is exact for |n| < 2^15.
const LN_2: (f32, f32) = (0.693_145_75, 1.428_606_8e-6);
/// Adding it to a number below 2^22 leaves the nearest integer in the lowest bits.
const TO_INTEGER: f32 = 12_582_912.0;
/// From here on tanh rounds to 1.
const SATURATED: f32 = 9.1;

/// tanh x = ±(1 - 2/(e^(2|x|) + 1)), with the sign of x.
///
/// e^y = 2^n e^r for n the integer nearest to y/ln 2, and |r| <= 0.35 so that a Taylor polynomial of
/// degree 7 is exact to float32.
///
/// # Numerics
/// Within 1.2e-7 of tanh, absolutely: an ulp at 1, and the rounding of a pixel near the middle of its
/// range. Without branches, so that loops over it vectorise.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let y = 2.0 * x.abs().min(SATURATED);
    let shifted = y * std::f32::consts::LOG2_E + TO_INTEGER;
    let n = shifted - TO_INTEGER;
    let r = (y - n * LN_2.0) - n * LN_2.1;
    let tail = 1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0));
    let series = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * tail))));
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    (1.0 - 2.0 / (series * power + 1.0)).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_hyperbolic_tangent() {
        for step in -200_000..=200_000 {
            let x = step as f32 * 1e-4;
            let expected = f64::from(x).tanh();
            assert!((f64::from(tanh(x)) - expected).abs() < 1.2e-7, "{x}: {}", tanh(x));
        }
        assert_eq!((tanh(f32::INFINITY), tanh(-50.0)), (1.0, -1.0));
        assert_eq!(tanh(0.0), 0.0);
    }
}
