//! The monoid kept for every subtree, and the caller's rule that makes it from a record.

use crate::varint;

/// What a set of records amounts to. Summaries of disjoint sets combine by [`Summary::plus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Records of the tree. Counted by the tree itself; what [`Summarize`] says here is ignored.
    pub records: u64,
    /// Live objects.
    pub objects: u64,
    /// Bytes of live objects.
    pub bytes: u64,
    /// Bytes that are stored but not live, such as noncurrent versions.
    pub other_bytes: u64,
    /// Oldest modification time, in seconds since 1970; `u32::MAX` when there is none.
    pub oldest: u32,
    /// Newest hybrid logical clock; 0 when there is none.
    pub newest: u64,
}

/// The caller's rule for what one record amounts to. Must be a pure function of its arguments.
pub trait Summarize: Send + Sync {
    /// Version of the rule; part of the parameters hash, because summaries are under the root hash.
    fn version(&self) -> u32;

    /// Summary of one record. `value` is the whole value, spilled or not.
    fn summarize(&self, key: &[u8], value: &[u8]) -> Summary;
}

impl Summary {
    /// Summary of no records: the neutral element.
    pub const EMPTY: Summary =
        Summary { records: 0, objects: 0, bytes: 0, other_bytes: 0, oldest: u32::MAX, newest: 0 };

    /// Longest encoding in bytes: four varints, then 4 and 8 bytes.
    pub(crate) const SIZE_MAX: usize = 4 * 10 + 12;

    /// Summary of both sets together. Sums wrap, which keeps the operation associative for any input.
    #[must_use]
    pub fn plus(&self, other: &Summary) -> Summary {
        Summary {
            records: self.records.wrapping_add(other.records),
            objects: self.objects.wrapping_add(other.objects),
            bytes: self.bytes.wrapping_add(other.bytes),
            other_bytes: self.other_bytes.wrapping_add(other.other_bytes),
            oldest: self.oldest.min(other.oldest),
            newest: self.newest.max(other.newest),
        }
    }

    /// Appends the canonical encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for sum in [self.records, self.objects, self.bytes, self.other_bytes] {
            varint::encode(sum, out);
        }
        out.extend_from_slice(&self.oldest.to_le_bytes());
        out.extend_from_slice(&self.newest.to_le_bytes());
    }

    /// Takes one summary off the front of `bytes`; `None` unless it is canonical.
    pub fn decode(bytes: &mut &[u8]) -> Option<Summary> {
        let [records, objects, byte_sum, other_bytes] =
            [varint::decode(bytes)?, varint::decode(bytes)?, varint::decode(bytes)?, varint::decode(bytes)?];
        let (oldest, rest) = bytes.split_first_chunk()?;
        let (newest, rest) = rest.split_first_chunk()?;
        *bytes = rest;
        let oldest = u32::from_le_bytes(*oldest);
        let newest = u64::from_le_bytes(*newest);
        Some(Summary { records, objects, bytes: byte_sum, other_bytes, oldest, newest })
    }
}
