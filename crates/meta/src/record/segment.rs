//! The manifest of one write: of which stripes it consists, and which of their shards are absent.

use std::collections::{BTreeMap, BTreeSet};

use placement::{DiskId, Epoch, GroupId, StripeId};
use serde::{Deserialize, Serialize};

use super::Hlc;
use crate::codec::{Input, Value, write_varint};
use crate::error::CodecError;

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
    /// Write id, size, three bytes of geometry, shard size, two counts.
    pub(crate) const ENCODED_SIZE_MIN: usize = 23;

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

impl Value for WriteId {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        u128::read(input).map(Self)
    }
}

impl Value for Segment {
    fn write(&self, out: &mut Vec<u8>) {
        self.write_id.write(out);
        write_varint(self.size, out);
        out.extend_from_slice(&[self.code_id, self.data, self.parity]);
        write_varint(u64::from(self.shard_size), out);
        write_slots(&self.slots, out);
        write_varint(self.exceptions.len() as u64, out);
        let mut next = 0;
        for (&number, exception) in &self.exceptions {
            write_varint(u64::from(number) - next, out);
            next = u64::from(number) + 1;
            exception.write(out);
        }
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let write_id = WriteId::read(input)?;
        let size = input.varint()?;
        let [code_id, data, parity] = input.array()?;
        let shard_size = input.narrow("shard size")?;
        let slots = read_slots(input)?;
        let mut exceptions = BTreeMap::new();
        let mut next: u32 = 0;
        for _ in 0..input.count(StripeException::ENCODED_SIZE_MIN)? {
            let skipped: u32 = input.narrow("stripe number")?;
            let number = next.checked_add(skipped).ok_or(CodecError::Invalid("stripe number"))?;
            next = number.checked_add(1).ok_or(CodecError::Invalid("stripe number"))?;
            exceptions.insert(number, StripeException::read(input)?);
        }
        Ok(Self { write_id, size, code_id, data, parity, shard_size, slots, exceptions })
    }
}

impl Segment {
    /// The size of an encoded segment.
    pub(crate) fn read_size(input: &mut Input<'_>) -> Result<u64, CodecError> {
        WriteId::read(input)?;
        input.varint()
    }
}

/// Groups one by one, then epochs as runs: the stripes of a write are spread over all groups, but mostly at one epoch.
fn write_slots(slots: &[StripeSlot], out: &mut Vec<u8>) {
    write_varint(slots.len() as u64, out);
    for slot in slots {
        write_varint(u64::from(slot.group.0), out);
    }
    for run in slots.chunk_by(|left, right| left.epoch == right.epoch) {
        write_varint(run.len() as u64, out);
        write_varint(u64::from(run[0].epoch.0), out);
    }
}

fn read_slots(input: &mut Input<'_>) -> Result<Vec<StripeSlot>, CodecError> {
    let count = input.count(1)?;
    let mut slots = Vec::with_capacity(count);
    for _ in 0..count {
        slots.push(StripeSlot { group: GroupId(input.narrow("group")?), epoch: Epoch(0) });
    }
    let mut rest = slots.as_mut_slice();
    let mut previous = None;
    while !rest.is_empty() {
        let size: usize = input.narrow("run of epochs")?;
        let epoch = Epoch(input.narrow("epoch")?);
        if size == 0 || previous == Some(epoch) {
            return Err(CodecError::NotCanonical("run of epochs"));
        }
        let (run, behind) = rest.split_at_mut_checked(size).ok_or(CodecError::Invalid("run of epochs"))?;
        run.iter_mut().for_each(|slot| slot.epoch = epoch);
        rest = behind;
        previous = Some(epoch);
    }
    Ok(slots)
}

impl StripeException {
    /// With its distance from the one before: one byte, the time, two counts.
    const ENCODED_SIZE_MIN: usize = 11;
}

impl Value for StripeException {
    fn write(&self, out: &mut Vec<u8>) {
        self.since.write(out);
        self.missing.write(out);
        write_varint(self.overrides.len() as u64, out);
        for (&index, disk) in &self.overrides {
            out.push(index);
            disk.0.write(out);
        }
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let since = Hlc::read(input)?;
        let missing = BTreeSet::read(input)?;
        let mut overrides = BTreeMap::new();
        for _ in 0..input.count(17)? {
            let index = input.u8()?;
            if overrides.last_key_value().is_some_and(|(&last, _)| index <= last) {
                return Err(CodecError::NotCanonical("order of shards"));
            }
            overrides.insert(index, DiskId(u128::read(input)?));
        }
        Ok(Self { missing, since, overrides })
    }
}

/// Shard indices.
impl Value for BTreeSet<u8> {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(self.len() as u64, out);
        out.extend(self);
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let count = input.count(1)?;
        let indices = input.take(count)?;
        if !indices.is_sorted_by(|left, right| left < right) {
            return Err(CodecError::NotCanonical("order of shards"));
        }
        Ok(indices.iter().copied().collect())
    }
}
