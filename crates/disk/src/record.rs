//! What is appended to an extent: a shard with its checksums, or a tombstone. See `docs/formats/disk.md`.

use erasure::{BlockChecksum, FramedShard, ShardIdentity, block_count};

use crate::frame::{Frame, crc};

pub(crate) const HEADER_SIZE: usize = 80;
pub(crate) const FOOTER_SIZE: usize = 24;
/// Records start at multiples of this.
pub(crate) const RECORD_ALIGNMENT: u8 = 8;
/// Batches start at multiples of this: the largest sector of current devices.
pub(crate) const BATCH_ALIGNMENT: u64 = BATCH_UNIT as u64;
/// The same as a size in memory.
pub(crate) const BATCH_UNIT: usize = 4096;
const _: () = assert!(BATCH_UNIT.is_multiple_of(env::DIRECT_ALIGNMENT), "batches are written directly");
/// Largest payload of a record, in bytes.
pub(crate) const PAYLOAD_SIZE_MAX: usize = 1 << 26;

const MAGIC: &[u8; 4] = b"SREC";
const FOOTER_MAGIC: &[u8; 4] = b"SEND";
const VERSION: u8 = 1;
const CHECKSUM_SIZE: usize = size_of::<BlockChecksum>();

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Shard,
    Tombstone,
}

/// Where a record stands in its extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Nonce of the extent.
    pub(crate) nonce: u64,
    /// Offset of the record in the extent, in bytes.
    pub(crate) offset: u64,
    /// Offset of the first record of its batch.
    pub(crate) batch: u64,
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    pub(crate) identity: ShardIdentity,
    pub(crate) group: u32,
    pub(crate) epoch: u32,
    pub(crate) intent_epoch: u64,
    pub(crate) payload_size: u32,
}

impl Header {
    pub(crate) fn tombstone(identity: ShardIdentity, place: Place) -> Self {
        Self { kind: Kind::Tombstone, place, identity, group: 0, epoch: 0, intent_epoch: 0, payload_size: 0 }
    }

    pub(crate) fn encode(&self) -> [u8; HEADER_SIZE] {
        let kind = match self.kind {
            Kind::Shard => 1,
            Kind::Tombstone => 2,
        };
        let mut frame = Frame::new(MAGIC);
        frame.put(4, &[VERSION, kind]);
        frame.put(8, &self.place.nonce.to_le_bytes());
        frame.put(16, &to_units(self.place.offset).to_le_bytes());
        frame.put(20, &to_units(self.place.batch).to_le_bytes());
        frame.put(24, &self.identity.encode());
        frame.put(48, &self.group.to_le_bytes());
        frame.put(52, &self.epoch.to_le_bytes());
        frame.put(56, &self.intent_epoch.to_le_bytes());
        frame.put(64, &self.payload_size.to_le_bytes());
        frame.seal()
    }

    /// Decodes a header; `None` for anything that is not one of this version.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let frame = Frame::<HEADER_SIZE>::check(bytes, MAGIC)?;
        let kind = match (frame.u8(4), frame.u8(5)) {
            (VERSION, 1) => Kind::Shard,
            (VERSION, 2) => Kind::Tombstone,
            _ => return None,
        };
        let place = Place { nonce: frame.u64(8), offset: from_units(frame.u32(16)), batch: from_units(frame.u32(20)) };
        let payload_size = frame.u32(64);
        let sound = payload_size as usize <= PAYLOAD_SIZE_MAX
            && (kind == Kind::Shard || payload_size == 0)
            && place.batch <= place.offset;
        sound.then(|| Self {
            kind,
            place,
            identity: ShardIdentity::decode(&frame.array(24)),
            group: frame.u32(48),
            epoch: frame.u32(52),
            intent_epoch: frame.u64(56),
            payload_size,
        })
    }

    pub(crate) fn layout(&self) -> Layout {
        match self.kind {
            Kind::Shard => Layout::shard(self.payload_size as usize),
            Kind::Tombstone => Layout::tombstone(),
        }
    }
}

/// Sizes of a record's pieces, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Header and checksum table; the payload starts here.
    pub(crate) head_size: usize,
    /// Offset of the footer; for a tombstone the record's end.
    pub(crate) footer_offset: usize,
    /// The whole record, a multiple of [`RECORD_ALIGNMENT`].
    pub(crate) size: usize,
}

impl Layout {
    pub(crate) fn shard(payload_size: usize) -> Self {
        let head_size = HEADER_SIZE + CHECKSUM_SIZE * block_count(payload_size);
        let footer_offset = (head_size + payload_size).next_multiple_of(usize::from(RECORD_ALIGNMENT));
        Self { head_size, footer_offset, size: footer_offset + FOOTER_SIZE }
    }

    pub(crate) fn tombstone() -> Self {
        Self { head_size: HEADER_SIZE, footer_offset: HEADER_SIZE, size: HEADER_SIZE }
    }
}

/// Header and checksum table of a shard's record.
pub(crate) fn encode_head(header: &Header, shard: &FramedShard) -> Vec<u8> {
    let mut head = header.encode().to_vec();
    for checksum in shard.checksums() {
        head.extend_from_slice(checksum);
    }
    head
}

/// What follows the payload of the record that begins with `head`: padding and footer.
pub(crate) fn encode_tail(head: &[u8], layout: &Layout, payload_size: usize) -> Vec<u8> {
    let mut tail = vec![0; layout.footer_offset - layout.head_size - payload_size];
    tail.extend_from_slice(&encode_footer(head));
    tail
}

fn encode_footer(head: &[u8]) -> [u8; FOOTER_SIZE] {
    let mut footer = [0; FOOTER_SIZE];
    footer[..16].copy_from_slice(&blake3::hash(head).as_bytes()[..16]);
    footer[16..20].copy_from_slice(FOOTER_MAGIC);
    let crc = footer_crc(head, &footer);
    footer[20..].copy_from_slice(&crc.to_le_bytes());
    footer
}

fn footer_crc(head: &[u8], footer: &[u8]) -> u32 {
    let mut covered = Vec::with_capacity(head.len() + 20);
    covered.extend_from_slice(head);
    covered.extend_from_slice(&footer[..20]);
    crc(&covered)
}

/// Whether `footer` closes the record that begins with `head`, by the CRC: enough to find the end of a log.
pub(crate) fn footer_closes(head: &[u8], footer: &[u8]) -> bool {
    footer.len() == FOOTER_SIZE
        && footer[16..20] == FOOTER_MAGIC[..]
        && footer[20..] == footer_crc(head, footer).to_le_bytes()
}

/// Whether `footer` is that of `head`, by CRC and hash: what scrubbing asks.
pub(crate) fn footer_matches(head: &[u8], footer: &[u8]) -> bool {
    *footer == encode_footer(head)
}

/// Checksum of block `number` in the checksum table of `head`.
pub(crate) fn checksum_of(head: &[u8], number: usize) -> BlockChecksum {
    let start = HEADER_SIZE + number * CHECKSUM_SIZE;
    *head[start..].first_chunk().expect("the table has an entry for each block")
}

/// Bytes to the units in which records are addressed.
pub(crate) fn to_units(offset: u64) -> u32 {
    debug_assert!(offset.is_multiple_of(RECORD_ALIGNMENT.into()));
    u32::try_from(offset / u64::from(RECORD_ALIGNMENT)).expect("extents are smaller than 32 GiB")
}

/// Units in which records are addressed to bytes.
pub(crate) fn from_units(units: u32) -> u64 {
    u64::from(units) * u64::from(RECORD_ALIGNMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: Kind, payload_size: u32) -> Header {
        Header {
            kind,
            place: Place { nonce: 7, offset: 8192 + 104, batch: 8192 },
            identity: ShardIdentity { write_id: 0x1234, stripe: 5, index: 6 },
            group: 9,
            epoch: 10,
            intent_epoch: 1 << 40,
            payload_size,
        }
    }

    #[test]
    fn headers_survive_a_round_trip() {
        for header in [header(Kind::Shard, 0), header(Kind::Shard, 1 << 26), header(Kind::Tombstone, 0)] {
            assert_eq!(Header::decode(&header.encode()), Some(header));
        }
    }

    #[test]
    fn no_flipped_bit_passes_for_a_header() {
        let bytes = header(Kind::Shard, 100_000).encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&flipped), None, "bit {bit}");
        }
        assert_eq!(Header::decode(&bytes[..79]), None);
    }

    #[test]
    fn no_flipped_bit_passes_for_a_footer() {
        let mut head = header(Kind::Shard, 3).encode().to_vec();
        head.extend([5; 16]);
        let layout = Layout::shard(3);
        let tail = encode_tail(&head, &layout, 3);
        assert_eq!(layout.head_size + 3 + tail.len(), layout.size);
        let footer = &tail[tail.len() - FOOTER_SIZE..];
        assert!(footer_closes(&head, footer) && footer_matches(&head, footer));
        for bit in 0..FOOTER_SIZE * 8 {
            let mut flipped = footer.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!footer_closes(&head, &flipped) && !footer_matches(&head, &flipped), "bit {bit}");
        }
    }

    #[test]
    fn records_of_any_size_are_aligned() {
        for payload_size in [0, 1, 7, 8, 65_535, 65_536, 65_537, PAYLOAD_SIZE_MAX] {
            let layout = Layout::shard(payload_size);
            assert!(layout.size.is_multiple_of(RECORD_ALIGNMENT.into()));
            assert!(layout.head_size + payload_size <= layout.footer_offset);
        }
    }
}
