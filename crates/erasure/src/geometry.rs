//! The shape of a stripe.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// How many data and parity shards a stripe has. Only `new` makes one, so every holder may trust it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Geometry {
    data_count: u8,
    parity_count: u8,
}

impl Geometry {
    /// Returns `None` unless there is a data shard and the sum fits GF(2^8), which has 256 elements.
    ///
    /// One data shard means replication; no parity shard means that blocks are checksummed but not redundant.
    pub fn new(data_count: u8, parity_count: u8) -> Option<Self> {
        let total = u16::from(data_count) + u16::from(parity_count);
        let valid = 0 < data_count && total <= 256;
        valid.then_some(Self { data_count, parity_count })
    }

    /// Number of data shards, at least one: this many shards restore a stripe.
    pub fn data_count(self) -> usize {
        usize::from(self.data_count)
    }

    /// Number of parity shards: this many shards may be lost.
    pub fn parity_count(self) -> usize {
        usize::from(self.parity_count)
    }

    /// Number of shards of both kinds. Data shards have the indices below `data_count`, parity shards those above.
    pub fn shard_count(self) -> usize {
        self.data_count() + self.parity_count()
    }
}

impl fmt::Display for Geometry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}+{}", self.data_count, self.parity_count)
    }
}

impl FromStr for Geometry {
    type Err = Error;

    /// Parses what `Display` writes, such as `4+2`.
    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (data, parity) = text.split_once('+')?;
            Self::new(data.parse().ok()?, parity.parse().ok()?)
        };
        parse().ok_or_else(|| Error::Geometry { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometry_refuses_what_the_field_cannot_hold() {
        for (data, parity, valid) in [
            (0, 0, false),
            (0, 2, false),
            (1, 0, true),
            (1, 255, true),
            (255, 1, true),
            (255, 2, false),
            (128, 129, false),
        ] {
            assert_eq!(Geometry::new(data, parity).is_some(), valid, "{data}+{parity}");
        }
    }

    #[test]
    fn display_and_parse_are_inverse() {
        for (data, parity) in [(1, 0), (4, 2), (8, 4), (255, 1)] {
            let geometry = Geometry::new(data, parity).unwrap();
            assert_eq!(geometry.to_string().parse(), Ok(geometry));
        }
        for text in ["", "4", "4+", "+2", "0+1", "4+2+1", "256+0", "-1+2", "200+57"] {
            assert_eq!(text.parse::<Geometry>(), Err(Error::Geometry { text: text.to_owned() }));
        }
    }
}
