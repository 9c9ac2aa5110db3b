//! Bernoulli numbers, for Stirling's series.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Zero};
use std::sync::{Mutex, PoisonError};

/// Numbers computed so far.
static KNOWN: Mutex<Vec<BigRational>> = Mutex::new(Vec::new());

/// B_0 to B_n, with B_1 = -1/2, from the recurrence sum over k <= m of binomial(m + 1, k) B_k = 0.
pub(crate) fn bernoulli(n: usize) -> Vec<BigRational> {
    // Each entry is complete when it is pushed, so a panic elsewhere leaves none half done.
    let mut numbers = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if numbers.is_empty() {
        numbers.push(BigRational::one());
    }
    for m in numbers.len()..=n {
        let mut binomial = BigInt::one();
        let mut sum = BigRational::zero();
        for (k, number) in numbers.iter().enumerate() {
            sum += number * &binomial;
            binomial = binomial * (m + 1 - k) / (k + 1);
        }
        numbers.push(-sum / BigInt::from(m + 1));
    }
    numbers[..=n].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_numbers() {
        let expected =
            [(1, 1), (-1, 2), (1, 6), (0, 1), (-1, 30), (0, 1), (1, 42), (0, 1), (-1, 30)];
        let expected: Vec<_> =
            expected.iter().map(|&(n, d)| BigRational::new(n.into(), d.into())).collect();
        assert_eq!(bernoulli(8), expected);
        assert_eq!(bernoulli(12)[12], BigRational::new((-691).into(), 2730.into()));
    }
}
