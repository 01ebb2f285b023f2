//! Names of the things that placement relates.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One disk: one storage directory, for as long as its contents live. An emptied disk gets a new identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DiskId(pub u128);

/// One server process of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u64);

/// One placement group: its row in the [`Table`](crate::Table).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupId(pub u32);

/// Version of the table; a group's epoch is the version of the table at the group's last change.
///
/// Epochs are therefore comparable across groups, and a manifest's epoch tells which splits came after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u32);

/// One stripe of one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StripeId {
    /// Random identity of the write (an object, or a part of a multipart upload).
    pub write_id: u128,
    /// Position of the stripe in that write.
    pub number: u32,
}

impl StripeId {
    /// The fixed 64-bit hash that places the stripe; part of the format, the same on every machine.
    ///
    /// The first eight bytes, little-endian, of BLAKE3 over `write_id` and `number`, both little-endian.
    pub fn hash(self) -> u64 {
        let mut input = [0; 20];
        input[..16].copy_from_slice(&self.write_id.to_le_bytes());
        input[16..].copy_from_slice(&self.number.to_le_bytes());
        let digest = blake3::hash(&input);
        let mut first = [0; 8];
        first.copy_from_slice(&digest.as_bytes()[..8]);
        u64::from_le_bytes(first)
    }
}

impl fmt::Display for DiskId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl fmt::Debug for DiskId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DiskId({:032x})", self.0)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripe_hash_is_fixed_for_ever() {
        assert_eq!(StripeId { write_id: 0, number: 0 }.hash(), 5_914_264_683_490_736_992);
        assert_eq!(StripeId { write_id: 1, number: 2 }.hash(), 3_518_529_368_094_529_946);
    }
}
