//! The bytes of records and segment headers: `docs/formats/metadata-log.md`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::entry::{LogEntry, LogId};
use crate::error::{Error, Result};

/// Place of a record in the lineage of the log.
pub(super) type Sequence = u64;

/// Bytes before a record's payload.
pub(super) const RECORD_HEADER_SIZE: usize = 56;
/// Records start at multiples of this.
pub(super) const ALIGNMENT: usize = 8;
/// Bytes before a segment's first record.
pub(super) const SEGMENT_HEADER_SIZE: usize = 64;

const RECORD_MAGIC: [u8; 4] = *b"SCLR";
const SEGMENT_MAGIC: [u8; 8] = *b"SCMLOG\r\n";
const SEGMENT_VERSION: u16 = 1;
const TYPE_ENTRY: u8 = 1;
const TYPE_CONTROL: u8 = 2;

/// A record that is no entry. The order of the variants is part of the format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Control {
    /// Everything but the entries, as of the start of a segment.
    State(HardState),
    /// Entries from this index on are void.
    Truncate(u64),
    /// Entries up to `last` are void, and sequence numbers below `floor` are not needed any more.
    Purge { last: LogId, floor: Sequence },
    /// Replaces the vote.
    Vote(Vec<u8>),
    /// Replaces the committed position.
    Committed(Option<LogId>),
}

/// What the log keeps besides entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HardState {
    /// Sequence numbers below it are not needed any more.
    pub(super) floor: Sequence,
    pub(super) purged: Option<LogId>,
    pub(super) vote: Option<Vec<u8>>,
    pub(super) committed: Option<LogId>,
}

/// What the log gives a record besides its place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) sequence: Sequence,
    /// Highest sequence number known to be acknowledged when the record was written.
    pub(super) acknowledged: Sequence,
}

/// A valid record's header: enough to index it without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) stamp: Stamp,
    pub(super) is_entry: bool,
    pub(super) kind: u8,
    /// Of an entry.
    pub(super) id: LogId,
    pub(super) payload_length: usize,
}

impl RecordHeader {
    /// Bytes the record takes, padding included.
    pub(super) fn size(&self) -> usize {
        record_size(self.payload_length)
    }
}

/// Bytes that a record with a payload of `payload_length` bytes takes, padding included.
pub(super) fn record_size(payload_length: usize) -> usize {
    (RECORD_HEADER_SIZE + payload_length).next_multiple_of(ALIGNMENT)
}

/// Encodes and decodes the records of one realm. Their checksums are salted with the realm's secret, so that the payload
/// of a damaged record, which a user may have chosen, cannot pass for a record itself.
#[derive(Clone, Copy)]
pub(super) struct Records {
    salt: u32,
}

impl Records {
    pub(super) fn of_realm(realm: u128) -> Self {
        let [a, b, c, d, ..] = realm.to_le_bytes();
        Self { salt: u32::from_le_bytes([a, b, c, d]) }
    }

    /// Appends an entry's record to `out`.
    pub(super) fn encode_entry(self, stamp: Stamp, entry: &LogEntry, out: &mut Vec<u8>) {
        self.encode(stamp, [TYPE_ENTRY, entry.kind], entry.id, &entry.payload, out);
    }

    /// Appends a control record to `out`.
    pub(super) fn encode_control(self, stamp: Stamp, control: &Control, out: &mut Vec<u8>) {
        let payload = postcard::to_stdvec(control).expect("control records always encode");
        self.encode(stamp, [TYPE_CONTROL, 0], LogId::default(), &payload, out);
    }

    fn encode(self, stamp: Stamp, type_and_kind: [u8; 2], id: LogId, payload: &[u8], out: &mut Vec<u8>) {
        let length = u32::try_from(payload.len()).expect("append refuses entries of 4 GiB");
        let start = out.len();
        out.extend_from_slice(&RECORD_MAGIC);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&type_and_kind);
        out.extend_from_slice(&[0; 2]);
        for number in [stamp.sequence, stamp.acknowledged, id.index, id.term, id.node] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(payload);
        let checksum = crc_fast::crc32_iscsi(&out[start + 8..]) ^ self.salt;
        out[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
        out.resize(start + record_size(payload.len()), 0);
    }

    /// The record that starts `bytes`, if a whole and valid one does: its header and payload.
    pub(super) fn decode(self, bytes: &[u8]) -> Option<(RecordHeader, &[u8])> {
        let (header, rest) = bytes.split_first_chunk::<RECORD_HEADER_SIZE>()?;
        if header[..4] != RECORD_MAGIC {
            return None;
        }
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| header[at + i]));
        let half = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| header[at + i]));
        let payload_length = usize::try_from(half(8)).ok()?;
        let payload = rest.get(..payload_length)?;
        let checksum = crc_fast::crc32_iscsi(&bytes[8..RECORD_HEADER_SIZE + payload_length]) ^ self.salt;
        let is_entry = match header[12] {
            TYPE_ENTRY => true,
            TYPE_CONTROL => false,
            _ => return None,
        };
        if checksum != half(4) {
            return None;
        }
        let stamp = Stamp { sequence: number(16), acknowledged: number(24) };
        let id = LogId { index: number(32), term: number(40), node: number(48) };
        Some((RecordHeader { stamp, is_entry, kind: header[13], id, payload_length }, payload))
    }
}

/// The control record with this payload.
///
/// # Errors
///
/// [`Error::Unsupported`] for a variant of a newer version.
pub(super) fn decode_control(payload: &[u8], path: &Path) -> Result<Control> {
    postcard::from_bytes(payload)
        .map_err(|_| Error::Unsupported { what: "control record of the log", path: path.to_path_buf() })
}

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) generation: u32,
    pub(super) realm: u128,
    pub(super) nonce: u64,
    pub(super) first: Sequence,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_SIZE] {
        let mut bytes = [0; SEGMENT_HEADER_SIZE];
        bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..10].copy_from_slice(&SEGMENT_VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.generation.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.realm.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.nonce.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.first.to_le_bytes());
        let crc = crc_fast::crc32_iscsi(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header that starts `bytes`; `None` when it is damaged or cut short.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] for an intact header of another version.
    pub(super) fn decode(bytes: &[u8], path: &Path) -> Result<Option<Self>> {
        let Some((header, _)) = bytes.split_first_chunk::<SEGMENT_HEADER_SIZE>() else { return Ok(None) };
        let crc = u32::from_le_bytes(std::array::from_fn(|i| header[60 + i]));
        if header[..8] != SEGMENT_MAGIC || crc_fast::crc32_iscsi(&header[..60]) != crc {
            return Ok(None);
        }
        if header[8..10] != SEGMENT_VERSION.to_le_bytes() {
            return Err(Error::Unsupported { what: "segment of the log", path: path.to_path_buf() });
        }
        Ok(Some(Self {
            generation: u32::from_le_bytes(std::array::from_fn(|i| header[12 + i])),
            realm: u128::from_le_bytes(std::array::from_fn(|i| header[16 + i])),
            nonce: u64::from_le_bytes(std::array::from_fn(|i| header[32 + i])),
            first: u64::from_le_bytes(std::array::from_fn(|i| header[40 + i])),
        }))
    }
}
