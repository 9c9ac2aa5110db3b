//! A part of a suite's work, for machines that share it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Shard `index` of `count`: of things in order it takes every `count`-th.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shard {
    /// From 0.
    pub index: usize,
    /// At least 1.
    pub count: usize,
}

impl Shard {
    /// Whether the thing at this place, from 0, is its own.
    pub fn takes(self, place: usize) -> bool {
        place % self.count == self.index
    }
}

impl fmt::Display for Shard {
    /// As [`FromStr`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    /// `I/N`, I from 1 to N.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((i, count)) if (1..=count).contains(&i) => Ok(Self { index: i - 1, count }),
            _ => Err(format!("'{text}' is no shard: write I/N, I from 1 to N, for example 1/4")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thing_is_taken_once() {
        for count in 1..8 {
            let shards: Vec<Shard> =
                (1..=count).map(|i| format!("{i}/{count}").parse().unwrap()).collect();
            for place in 0..50 {
                assert_eq!(shards.iter().filter(|shard| shard.takes(place)).count(), 1);
            }
            assert_eq!(shards[0].to_string(), format!("1/{count}"));
        }
        for bad in ["0/3", "4/3", "1", "a/2", "1/0", "-1/2", ""] {
            assert!(bad.parse::<Shard>().unwrap_err().contains("I/N"), "{bad}");
        }
    }
}
