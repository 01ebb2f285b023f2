//! Where the bytes of a segment lie: which stripe, which shard, which bytes of it.
//!
//! A segment of `size` bytes is cut into stripes of `data_count * unit` bytes. The last stripe holds the rest; its
//! shards are only as long as they must be, and the last of them ends in zeros. Data shards hold consecutive bytes,
//! so that a short range touches one shard.

use std::ops::Range;

use meta::record::Segment;

/// Shape of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    size: u64,
    data_count: usize,
    unit: usize,
}

/// Some consecutive bytes of one stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StripeRange {
    /// Number of the stripe in its segment.
    pub(crate) number: u32,
    /// The bytes, counted from the start of the stripe.
    pub(crate) bytes: Range<usize>,
    /// Length of each of the stripe's shards.
    pub(crate) shard_size: usize,
}

/// Some consecutive bytes of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShardRange {
    /// Index of the shard in its stripe.
    pub(crate) index: u8,
    /// The bytes, counted from the start of the shard.
    pub(crate) bytes: Range<usize>,
}

impl Layout {
    /// Shape of a segment of `size` bytes in data shards of up to `unit` bytes, `data_count` to a stripe.
    pub(crate) fn new(size: u64, data_count: usize, unit: usize) -> Self {
        assert!(0 < data_count && 0 < unit, "a stripe holds something");
        Self { size, data_count, unit }
    }

    /// Shape of a segment that has been written.
    pub(crate) fn of(segment: &Segment) -> Self {
        let unit = usize::try_from(segment.shard_size).expect("a shard fits into memory");
        Self::new(segment.size, usize::from(segment.data), unit)
    }

    /// Length of each shard of stripe `number`.
    pub(crate) fn shard_size(&self, number: u32) -> usize {
        shard_size(self.stripe_size(number), self.data_count)
    }

    /// The stripes that hold the bytes `range` of the segment, in order.
    pub(crate) fn stripes(self, range: Range<u64>) -> impl Iterator<Item = StripeRange> {
        assert!(range.start <= range.end && range.end <= self.size, "the caller has clamped the range");
        let capacity = self.stripe_capacity();
        let numbers = if range.is_empty() { 0..0 } else { range.start / capacity..range.end.div_ceil(capacity) };
        numbers.map(move |number| {
            let start = number * capacity;
            let within = |position: u64| {
                let clamped = position.clamp(start, start + capacity) - start;
                usize::try_from(clamped).expect("a stripe fits into memory")
            };
            let number = u32::try_from(number).expect("a segment has at most 2^32 stripes");
            StripeRange { number, bytes: within(range.start)..within(range.end), shard_size: self.shard_size(number) }
        })
    }

    fn stripe_capacity(&self) -> u64 {
        (self.data_count * self.unit) as u64
    }

    fn stripe_size(&self, number: u32) -> usize {
        let start = u64::from(number) * self.stripe_capacity();
        assert!(start < self.size, "the segment has a stripe {number}");
        usize::try_from((self.size - start).min(self.stripe_capacity())).expect("a stripe fits into memory")
    }
}

/// Length of each shard of a stripe that holds `stripe_size` bytes.
pub(crate) fn shard_size(stripe_size: usize, data_count: usize) -> usize {
    stripe_size.div_ceil(data_count)
}

impl StripeRange {
    /// The bytes as parts of data shards, in order.
    pub(crate) fn shards(&self) -> impl Iterator<Item = ShardRange> + use<> {
        let Self { bytes, shard_size, .. } = self.clone();
        let first = bytes.start / shard_size;
        (first..bytes.end.div_ceil(shard_size)).map(move |index| {
            let start = index * shard_size;
            let within = |position: usize| position.clamp(start, start + shard_size) - start;
            ShardRange {
                index: u8::try_from(index).expect("a stripe has at most 256 shards"),
                bytes: within(bytes.start)..within(bytes.end),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_find_exactly_the_bytes_that_were_laid_out(
            size in 0u64..300, data_count in 1usize..6, unit in 1usize..20, bounds in (0u64..300, 0u64..300),
        ) {
            let object: Vec<u64> = (0..size).collect();
            let layout = Layout::new(size, data_count, unit);
            let stripes: Vec<&[u64]> = object.chunks(data_count * unit).collect();

            let (start, end) = (bounds.0.min(bounds.1).min(size), bounds.0.max(bounds.1).min(size));
            let mut read = Vec::new();
            for stripe in layout.stripes(start..end) {
                let shard_size = layout.shard_size(stripe.number);
                prop_assert_eq!(shard_size, stripe.shard_size);
                prop_assert!(shard_size <= unit);
                let shards: Vec<&[u64]> = stripes[stripe.number as usize].chunks(shard_size).collect();
                prop_assert!(shards.len() <= data_count);
                for shard in stripe.shards() {
                    prop_assert!(!shard.bytes.is_empty());
                    read.extend_from_slice(&shards[usize::from(shard.index)][shard.bytes]);
                }
            }
            prop_assert_eq!(read, (start..end).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_last_stripe_is_padded_by_less_than_a_byte_a_shard() {
        let layout = Layout::new(4 * 100 + 13, 4, 100);
        assert_eq!(layout.shard_size(0), 100);
        assert_eq!(layout.shard_size(1), 4);
    }
}
