//! The bytes of a pack: header, frames, footer.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::location::PackId;

const MAGIC: [u8; 8] = *b"SCPACK\r\n";
const MAGIC_END: [u8; 8] = *b"SCPEND\r\n";
const VERSION: u16 = 1;

pub(super) const HEADER_SIZE: usize = 64;
/// Where the first frame begins.
pub(super) const FRAMES_AT: u32 = 64;
pub(super) const FRAME_HEADER_SIZE: usize = 40;
pub(super) const TAIL_SIZE: usize = 16;
/// Bytes of a footer entry.
const ENTRY_SIZE: usize = 12;
/// Longest frame, exclusive: its length has 24 bits.
pub(super) const FRAME_LENGTH_END: u32 = 1 << 24;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Page = 1,
    Blob = 2,
}

/// A frame that passed its checksum.
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) hash: Hash,
    pub(super) body: Bytes,
}

/// Where a frame with a certain hash begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FooterEntry {
    pub(super) hash64: u64,
    pub(super) offset: u32,
}

impl FooterEntry {
    pub(super) fn new(hash: &Hash, offset: u32) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = *hash.as_bytes();
        FooterEntry { hash64: u64::from_be_bytes([a, b, c, d, e, f, g, h]), offset }
    }
}

pub(super) fn encode_header(pack: PackId, realm: &[u8; 16]) -> [u8; HEADER_SIZE] {
    let mut header = [0; HEADER_SIZE];
    header[..8].copy_from_slice(&MAGIC);
    header[8..10].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&pack.0.to_le_bytes());
    header[16..32].copy_from_slice(realm);
    let crc = crc_fast::crc32_iscsi(&header[..HEADER_SIZE - 4]);
    header[HEADER_SIZE - 4..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// Checks the header of `pack`.
pub(super) fn check_header(header: &[u8], pack: PackId, realm: &[u8; 16]) -> Result<()> {
    let corrupt = |reason| Error::Corrupt { pack, offset: 0, reason };
    let header: &[u8; HEADER_SIZE] = header.try_into().map_err(|_| corrupt("the header is cut short"))?;
    if header[..8] != MAGIC {
        return Err(corrupt("this is not a pack"));
    }
    let version = u16::from_le_bytes([header[8], header[9]]);
    if crc_fast::crc32_iscsi(&header[..HEADER_SIZE - 4]).to_le_bytes() != header[HEADER_SIZE - 4..] {
        return Err(corrupt("the header's checksum differs"));
    }
    if version != VERSION {
        return Err(Error::Unsupported { what: "pack", found: version, supported: VERSION });
    }
    let is_own = header[16..32] == *realm && header[12..16] == pack.0.to_le_bytes();
    if !is_own {
        return Err(Error::ForeignPack { pack });
    }
    if *header == encode_header(pack, realm) { Ok(()) } else { Err(corrupt("reserved bytes of the header are set")) }
}

/// Appends a frame and returns its length; `body` must be short enough.
pub(super) fn encode_frame(kind: Kind, hash: &Hash, body: &[u8], out: &mut Vec<u8>) -> u32 {
    let length = u32::try_from(FRAME_HEADER_SIZE + body.len()).expect("pages and blobs are bounded far below");
    assert!(length < FRAME_LENGTH_END, "pages and blobs are bounded far below");
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(length | (kind as u32) << 24).to_le_bytes());
    out.extend_from_slice(hash.as_bytes());
    out.extend_from_slice(body);
    let crc = crc_fast::crc32_iscsi(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    length
}

/// Length of the frame that begins with `header`; `None` if there can be none.
pub(super) fn frame_length(header: &[u8; FRAME_HEADER_SIZE]) -> Option<u32> {
    let length = u32::from_le_bytes([header[4], header[5], header[6], 0]);
    (FRAME_HEADER_SIZE <= length as usize).then_some(length)
}

/// Checks a frame that fills `bytes`.
pub(super) fn decode_frame(bytes: &Bytes) -> std::result::Result<Frame, &'static str> {
    let header: &[u8; FRAME_HEADER_SIZE] = bytes.first_chunk().ok_or("a frame is cut short")?;
    if frame_length(header).map(|length| length as usize) != Some(bytes.len()) {
        return Err("a frame has another length");
    }
    if crc_fast::crc32_iscsi(&bytes[4..]).to_le_bytes() != header[..4] {
        return Err("a frame's checksum differs");
    }
    let kind = match header[7] {
        1 => Kind::Page,
        2 => Kind::Blob,
        _ => return Err("a frame has an unknown kind"),
    };
    let hash = Hash::from_bytes(std::array::from_fn(|i| header[8 + i]));
    Ok(Frame { kind, hash, body: bytes.slice(FRAME_HEADER_SIZE..) })
}

/// The footer for `entries`, which are put in order.
pub(super) fn encode_footer(entries: &mut [FooterEntry]) -> Vec<u8> {
    entries.sort_unstable();
    let mut footer = Vec::with_capacity(footer_length(entries.len()));
    for entry in entries.iter() {
        footer.extend_from_slice(&entry.hash64.to_le_bytes());
        footer.extend_from_slice(&entry.offset.to_le_bytes());
    }
    let count = u32::try_from(entries.len()).expect("offsets have 32 bits, so entries are fewer");
    footer.extend_from_slice(&count.to_le_bytes());
    footer.extend_from_slice(&crc_fast::crc32_iscsi(&footer).to_le_bytes());
    footer.extend_from_slice(&MAGIC_END);
    footer
}

/// Size of a footer with `count` entries.
pub(super) fn footer_length(count: usize) -> usize {
    count * ENTRY_SIZE + TAIL_SIZE
}

/// Size of the footer that ends with `tail`.
pub(super) fn footer_size(tail: &[u8]) -> Option<usize> {
    let (count, rest) = tail.split_first_chunk()?;
    let is_tail = tail.len() == TAIL_SIZE && rest[4..] == MAGIC_END;
    is_tail.then(|| footer_length(u32::from_le_bytes(*count) as usize))
}

/// Entries of a whole footer; `None` unless its checksum and order are right.
pub(super) fn decode_footer(footer: &[u8]) -> Option<Vec<FooterEntry>> {
    let (checked, end) = footer.split_at_checked(footer.len().checked_sub(TAIL_SIZE - 4)?)?;
    let entries = checked.get(..checked.len().checked_sub(4)?)?.as_chunks::<ENTRY_SIZE>().0;
    let tail = footer.get(footer.len() - TAIL_SIZE..)?;
    let is_whole = footer_size(tail) == Some(footer.len());
    if !is_whole || crc_fast::crc32_iscsi(checked).to_le_bytes() != end[..4] {
        return None;
    }
    let entries: Vec<_> = entries.iter().map(decode_entry).collect();
    entries.is_sorted().then_some(entries)
}

fn decode_entry(bytes: &[u8; ENTRY_SIZE]) -> FooterEntry {
    let [h0, h1, h2, h3, h4, h5, h6, h7, o0, o1, o2, o3] = *bytes;
    FooterEntry {
        hash64: u64::from_le_bytes([h0, h1, h2, h3, h4, h5, h6, h7]),
        offset: u32::from_le_bytes([o0, o1, o2, o3]),
    }
}
