//! How redundant a pool is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The most shards a stripe may have: GF(2^8) has 256 elements.
const SHARDS_MAX: u16 = 256;

/// A redundancy profile `k+m`: `data` shards, any `data` of which restore the stripe, and `parity` more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u8, u8)", into = "(u8, u8)")]
pub struct Profile {
    data: u8,
    parity: u8,
}

impl Profile {
    /// Returns `None` unless there is a data shard and the sum fits the code.
    pub const fn new(data: u8, parity: u8) -> Option<Self> {
        if 0 < data && data as u16 + parity as u16 <= SHARDS_MAX { Some(Self { data, parity }) } else { None }
    }

    /// The profile for a fleet of `disks` disks on `nodes` nodes when nobody chose one.
    ///
    /// The wide 8+4 needs three nodes, so that losing one can cost at most four shards of a stripe.
    pub const fn default_for(disks: usize, nodes: usize) -> Self {
        let (data, parity) = match disks {
            0 | 1 => (1, 0),
            2 => (1, 1),
            3 => (1, 2),
            4 | 5 => (2, 2),
            12.. if 3 <= nodes => (8, 4),
            _ => (4, 2),
        };
        Self { data, parity }
    }

    /// Shards that together hold the stripe's bytes; any that many restore it.
    pub const fn data(self) -> u8 {
        self.data
    }

    /// Shards that may be lost.
    pub const fn parity(self) -> u8 {
        self.parity
    }

    /// All shards of a stripe: slots of a group.
    pub const fn shards(self) -> usize {
        self.data as usize + self.parity as usize
    }

    /// Shards that must be durable before a write may be committed: `k + ceil(m / 2)`.
    pub const fn write_quorum(self) -> usize {
        self.data as usize + self.parity.div_ceil(2) as usize
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}+{}", self.data, self.parity)
    }
}

impl FromStr for Profile {
    type Err = Error;

    /// Reads `k+m`, for example `4+2`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let counts = text.split_once('+').and_then(|(data, parity)| Some((data.parse().ok()?, parity.parse().ok()?)));
        counts
            .and_then(|(data, parity)| Self::new(data, parity))
            .ok_or_else(|| Error::Profile { text: text.to_owned() })
    }
}

impl TryFrom<(u8, u8)> for Profile {
    type Error = Error;

    fn try_from((data, parity): (u8, u8)) -> Result<Self, Error> {
        Self::new(data, parity).ok_or_else(|| Error::Profile { text: format!("{data}+{parity}") })
    }
}

impl From<Profile> for (u8, u8) {
    fn from(profile: Profile) -> Self {
        (profile.data, profile.parity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_follows_the_number_of_disks() {
        let cases = [
            (1, 1, "1+0"),
            (2, 1, "1+1"),
            (3, 3, "1+2"),
            (4, 1, "2+2"),
            (5, 5, "2+2"),
            (6, 1, "4+2"),
            (11, 11, "4+2"),
            (12, 2, "4+2"),
            (12, 3, "8+4"),
            (96, 8, "8+4"),
        ];
        for (disks, nodes, expected) in cases {
            assert_eq!(Profile::default_for(disks, nodes).to_string(), expected, "{disks} disks on {nodes} nodes");
        }
    }

    #[test]
    fn text_round_trips_and_nonsense_is_refused() {
        for text in ["1+0", "4+2", "8+4", "255+1"] {
            assert_eq!(text.parse::<Profile>().unwrap().to_string(), text);
        }
        for text in ["", "4", "0+2", "4+", "+2", "256+1", "255+2", "4+2+1", "-1+2"] {
            assert!(text.parse::<Profile>().is_err(), "{text:?} was taken for a profile");
        }
    }

    #[test]
    fn write_quorum_is_data_and_half_the_parity() {
        for (text, quorum) in [("1+0", 1), ("1+1", 2), ("1+2", 2), ("2+2", 3), ("4+2", 5), ("8+4", 10), ("12+4", 14)] {
            assert_eq!(text.parse::<Profile>().unwrap().write_quorum(), quorum, "{text}");
        }
    }
}
