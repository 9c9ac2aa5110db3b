//! What a sweep runs over: dimensions, and the values of one parameter.

use std::str::FromStr;

/// The dimensions of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub enum Dims {
    /// From the first to the second, both included, evenly spaced in the logarithm.
    Range(u64, u64),
    /// These, in increasing order.
    List(Vec<u64>),
}

impl Dims {
    /// The dimensions in increasing order, each once; from a range at most `points` of them, both
    /// ends among them.
    pub fn values(&self, points: u32) -> Vec<u64> {
        match *self {
            Dims::List(ref list) => list.clone(),
            Dims::Range(low, high) => {
                let ratio = high as f64 / low as f64;
                let steps = f64::from(points - 1);
                let at = |i: u32| low as f64 * ratio.powf(f64::from(i) / steps);
                let mut dims: Vec<u64> = (0..points).map(|i| at(i).round() as u64).collect();
                dims.dedup();
                dims
            }
        }
    }
}

impl FromStr for Dims {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((low, high)) = text.split_once("..") else {
            let mut list = text.split(',').map(dim).collect::<Result<Vec<_>, _>>()?;
            list.sort_unstable();
            list.dedup();
            return Ok(Dims::List(list));
        };
        match (dim(low)?, dim(high)?) {
            (0, _) => Err("a range in the logarithm starts at 1 or above".to_string()),
            (low, high) if low >= high => Err(format!("{low} is not below {high}")),
            (low, high) => Ok(Dims::Range(low, high)),
        }
    }
}

fn dim(text: &str) -> Result<u64, String> {
    let form = "a range like 10..100000 or a list like 10,100,1000";
    text.trim().parse().map_err(|_| format!("{text:?} is no whole number; expected {form}"))
}

/// A parameter that a sweep can vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    Shell,
    KlEpsilon,
    Delta,
}

impl Parameter {
    /// As the command line spells it.
    pub fn name(self) -> &'static str {
        match self {
            Parameter::Shell => "shell",
            Parameter::KlEpsilon => "kl-epsilon",
            Parameter::Delta => "delta",
        }
    }
}

/// A parameter and the values that it takes, in increasing order.
#[derive(Debug, Clone, PartialEq)]
pub struct Vary {
    pub parameter: Parameter,
    pub values: Vec<f64>,
}

impl FromStr for Vary {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, values) = text.split_once('=').ok_or("expected NAME=VALUE,VALUE,...")?;
        let parameter = [Parameter::Shell, Parameter::KlEpsilon, Parameter::Delta]
            .into_iter()
            .find(|parameter| parameter.name() == name)
            .ok_or_else(|| format!("{name:?} is none of shell, kl-epsilon, delta"))?;
        let number = |text: &str| {
            text.trim().parse::<f64>().map_err(|_| format!("{text:?} is not a number"))
        };
        let mut values = values.split(',').map(number).collect::<Result<Vec<_>, _>>()?;
        values.sort_by(f64::total_cmp);
        values.dedup();
        Ok(Vary { parameter, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str, points: u32) -> Vec<u64> {
        text.parse::<Dims>().unwrap().values(points)
    }

    #[test]
    fn ranges_are_even_in_the_logarithm() {
        assert_eq!(values("10..100000", 5), [10, 100, 1000, 10_000, 100_000]);
        assert_eq!(values("1..4", 60), [1, 2, 3, 4]);
        assert_eq!(values("7..1000000", 2), [7, 1_000_000]);
        let many = values("10..100000", 60);
        assert_eq!((many.len(), many[0], many[59]), (60, 10, 100_000));
        assert!(many.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn lists_are_sorted_and_distinct() {
        assert_eq!(values("100,10, 1000,10", 60), [10, 100, 1000]);
        assert_eq!(values("500", 60), [500]);
    }

    #[test]
    fn nonsense_says_what_is_expected() {
        for text in ["", "x", "10..", "10..5", "0..10", "10...20", "1,,2", "1e3", "-5..10"] {
            assert!(text.parse::<Dims>().is_err(), "{text}");
        }
        assert!("ten".parse::<Dims>().unwrap_err().contains("10..100000"));
    }

    #[test]
    fn a_parameter_is_varied_by_name() {
        let vary: Vary = "kl-epsilon=0.1,0.01,0.1".parse().unwrap();
        assert_eq!(vary, Vary { parameter: Parameter::KlEpsilon, values: vec![0.01, 0.1] });
        for text in ["shell", "lambda1=0.1", "shell=", "shell=0.1,,0.2", "delta=a"] {
            assert!(text.parse::<Vary>().is_err(), "{text}");
        }
    }
}
