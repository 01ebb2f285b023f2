//! The manifest of one write: of which stripes it consists, and which of their shards are absent.

use std::collections::{BTreeMap, BTreeSet};

use crate::placed::{DiskId, Epoch, GroupId, StripeId};
use serde::{Deserialize, Serialize};

use super::Hlc;

/// Identity of one write: every shard on every disk carries it. Never used twice.
///
/// Begin it with the time (48 bits of milliseconds, then random bits): then the index by write grows at its end, which
/// costs a tree far less than scattered insertions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WriteId(pub u128);

/// Where one stripe was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StripeSlot {
    /// The placement group chosen at write time.
    pub group: GroupId,
    /// The group's epoch at write time.
    pub epoch: Epoch,
}

/// What is unusual about one stripe: shards that are absent or lie elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StripeException {
    /// Indices of the shards that are known to be absent. Not empty exactly when the repair index has an entry.
    pub missing: BTreeSet<u8>,
    /// When the first of them was reported; zero when none is missing. Assigned by apply.
    pub since: Hlc,
    /// Shards that were written to a substitute instead of their slot's disk.
    pub overrides: BTreeMap<u8, DiskId>,
}

/// The stripes of one write: a plain object, or one part of a multipart object.
///
/// Stripe `n` holds the bytes from `n × stripe_size()`; its data shards hold consecutive runs of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The write that made the shards.
    pub write_id: WriteId,
    /// Number of bytes.
    pub size: u64,
    /// The erasure code; 0 is Reed–Solomon.
    pub code_id: u8,
    /// Data shards of each stripe.
    pub data: u8,
    /// Parity shards of each stripe.
    pub parity: u8,
    /// Size of a full stripe's shards, in bytes.
    pub shard_size: u32,
    /// Where each stripe was written; the position is the stripe number.
    pub slots: Vec<StripeSlot>,
    /// Stripes that miss shards or keep some elsewhere, by stripe number. No entry is without effect.
    pub exceptions: BTreeMap<u32, StripeException>,
}

impl Segment {
    /// Bytes of the object in a full stripe.
    pub fn stripe_size(&self) -> u64 {
        u64::from(self.data) * u64::from(self.shard_size)
    }

    /// Number of shards of each stripe.
    pub fn shard_count(&self) -> usize {
        usize::from(self.data) + usize::from(self.parity)
    }

    /// Number of stripes.
    pub fn stripe_count(&self) -> u32 {
        u32::try_from(self.slots.len()).expect("a valid segment has at most u32::MAX stripes")
    }

    /// Identity of a stripe for placement and storage.
    pub fn stripe_id(&self, number: u32) -> StripeId {
        StripeId { write_id: self.write_id.0, number }
    }

    /// Least number of durable shards with which a stripe may be committed: k + ⌈m/2⌉ (`distributed.md` §2.1).
    pub fn write_quorum(&self) -> usize {
        usize::from(self.data) + usize::from(self.parity).div_ceil(2)
    }

    /// Shards that a stripe can still lose; negative when it is unreadable.
    pub fn spare_shards(&self, number: u32) -> i16 {
        let missing = self.exceptions.get(&number).map_or(0, |exception| exception.missing.len());
        i16::from(self.parity) - i16::try_from(missing).expect("at most 256 shards")
    }
}
