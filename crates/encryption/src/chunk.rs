//! How much room encrypted bytes take, and where a range of them is.

use std::ops::Range;

/// Bytes that are sealed at once.
pub const CHUNK_SIZE: usize = 64 * 1024;

/// Bytes that one layer adds to a chunk.
pub const TAG_SIZE: usize = 16;

/// How bytes are cut into chunks: [`CHUNK_SIZE`] of them each, and what is left in the last one. No bytes are no chunk.
/// Every layer adds a tag to every chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkFormat {
    layers: u8,
}

impl ChunkFormat {
    /// Chunks that are sealed `layers` times, once or twice.
    pub fn new(layers: u8) -> Option<Self> {
        matches!(layers, 1 | 2).then_some(Self { layers })
    }

    /// How often each chunk is sealed.
    pub fn layers(self) -> u8 {
        self.layers
    }

    /// Bytes that a chunk grows by.
    pub fn overhead(self) -> usize {
        usize::from(self.layers) * TAG_SIZE
    }

    /// Bytes of a whole sealed chunk.
    pub fn sealed_chunk_size(self) -> usize {
        CHUNK_SIZE + self.overhead()
    }

    /// What `plain_size` bytes become.
    pub fn sealed_size(self, plain_size: u64) -> u64 {
        plain_size + plain_size.div_ceil(CHUNK_SIZE as u64) * self.overhead() as u64
    }

    /// How many bytes became `sealed_size`; `None` if no number of them does.
    pub fn plain_size(self, sealed_size: u64) -> Option<u64> {
        let chunks = sealed_size.div_ceil(self.sealed_chunk_size() as u64);
        let plain_size = sealed_size.checked_sub(chunks * self.overhead() as u64)?;
        (self.sealed_size(plain_size) == sealed_size).then_some(plain_size)
    }

    /// The sealed bytes of the chunks that hold the plain bytes `range`, of `plain_size` in all.
    pub fn covering(self, range: &Range<u64>, plain_size: u64) -> Range<u64> {
        assert!(range.start <= range.end && range.end <= plain_size, "the caller has clamped the range");
        if range.is_empty() {
            return 0..0;
        }
        let (chunk, sealed) = (CHUNK_SIZE as u64, self.sealed_chunk_size() as u64);
        let end = range.end.div_ceil(chunk) * sealed;
        range.start / chunk * sealed..end.min(self.sealed_size(plain_size))
    }

    /// The number of the chunk that begins at this sealed byte.
    pub fn chunk_at(self, sealed_position: u64) -> u64 {
        let size = self.sealed_chunk_size() as u64;
        assert!(sealed_position.is_multiple_of(size), "a chunk begins there");
        sealed_position / size
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_those_of_the_specification() {
        let one = ChunkFormat::new(1).unwrap();
        for (plain, sealed) in [(0, 0), (1, 17), (65536, 65552), (65537, 65569), (1 << 20, (1 << 20) + 256)] {
            assert_eq!((one.sealed_size(plain), one.plain_size(sealed)), (sealed, Some(plain)));
        }
        assert_eq!(ChunkFormat::new(2).unwrap().sealed_size(65537), 65537 + 64);
        assert_eq!((one.plain_size(16), one.plain_size(65553)), (None, None));
        assert_eq!((ChunkFormat::new(0), ChunkFormat::new(3)), (None, None));
    }

    proptest! {
        #[test]
        fn sizes_are_known_from_both_sides(size in 0u64..1 << 42, layers in 1u8..=2) {
            let format = ChunkFormat::new(layers).unwrap();
            prop_assert_eq!(format.plain_size(format.sealed_size(size)), Some(size));
        }

        #[test]
        fn a_range_is_covered_by_whole_chunks(size in 1u64..1 << 22, bounds in (0u64..1 << 22, 0u64..1 << 22)) {
            let format = ChunkFormat::new(1).unwrap();
            let (start, end) = (bounds.0.min(bounds.1) % size, bounds.0.max(bounds.1).min(size));
            prop_assume!(start < end);
            let covering = format.covering(&(start..end), size);
            let first = format.chunk_at(covering.start);
            prop_assert!(first * CHUNK_SIZE as u64 <= start && start < (first + 1) * CHUNK_SIZE as u64);
            let plain = format.plain_size(covering.end).unwrap();
            prop_assert!(end <= plain && plain < end + CHUNK_SIZE as u64);
        }
    }
}
