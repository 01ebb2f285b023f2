//! Decrypting the bytes of a segment that were read.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use encryption::{CHUNK_SIZE, DataKey, Ending, Error, SegmentCipher, SegmentName};
use env::Buffers;
use meta::record::{ObjectRecord, Segment};

use crate::error::Result;
use crate::layout::StripeRange;

/// Some bytes of one segment: which of those that are stored are read, and what is made of them.
#[derive(Clone)]
pub(crate) struct SegmentRead {
    /// Position of the segment in its object.
    pub(crate) position: usize,
    /// The stored bytes.
    pub(crate) stored: Range<u64>,
    /// `None` if they are sent as they are.
    pub(crate) opener: Option<Arc<Opener>>,
}

/// Decrypts a range of one segment.
pub(crate) struct Opener {
    cipher: SegmentCipher,
    stored_size: u64,
    stripe_size: u64,
    /// The plain bytes that are wanted, counted from the segment's start.
    wanted: Range<u64>,
}

/// What to read of each segment of `record` for the bytes `range` of the object, encrypted under `keys` if there are any.
///
/// # Errors
///
/// `Damaged` when the manifest is not one of an encrypted body.
pub(crate) fn segment_reads(
    record: &ObjectRecord,
    keys: Option<&[DataKey]>,
    range: &Range<u64>,
) -> Result<Vec<SegmentRead>> {
    let mut reads = Vec::new();
    let mut start = 0;
    for (position, segment) in record.segments().iter().enumerate() {
        let cipher = keys.map(|keys| SegmentCipher::new(keys, name_of(record, position))).transpose()?;
        let size = match &cipher {
            Some(cipher) => plain_size(cipher, segment)?,
            None => segment.size,
        };
        let within = |byte: u64| byte.clamp(start, start + size) - start;
        let wanted = within(range.start)..within(range.end);
        start += size;
        if wanted.is_empty() {
            continue;
        }
        reads.push(match cipher {
            Some(cipher) => {
                let stored = cipher.format().covering(&wanted, size);
                let (stored_size, stripe_size) = (segment.size, segment.stripe_size());
                let opener = Opener { cipher, stored_size, stripe_size, wanted };
                SegmentRead { position, stored, opener: Some(Arc::new(opener)) }
            }
            None => SegmentRead { position, stored: wanted, opener: None },
        });
    }
    Ok(reads)
}

/// Decrypts a whole small body.
///
/// # Errors
///
/// `Damaged` when it is not what was encrypted.
pub(crate) fn open_small(keys: &[DataKey], sealed: &Bytes) -> Result<Bytes> {
    let cipher = SegmentCipher::new(keys, SegmentName::Whole)?;
    let mut plain = vec![0; sealed.len() + cipher.format().overhead()];
    let size = cipher.open(0, std::slice::from_ref(sealed), Ending::Final, &mut plain)?;
    plain.truncate(size);
    Ok(plain.into())
}

/// What the segment of an object is encrypted as.
fn name_of(record: &ObjectRecord, position: usize) -> SegmentName {
    match record.parts.get(position) {
        Some(_) if position == 0 && record.was_whole => SegmentName::Whole,
        Some(part) => SegmentName::Part { number: part.number, write_id: record.segments()[position].write_id.0 },
        None => SegmentName::Whole,
    }
}

/// How many bytes are encrypted in a segment, whose stripes hold whole chunks.
fn plain_size(cipher: &SegmentCipher, segment: &Segment) -> Result<u64> {
    let format = cipher.format();
    let whole = segment.stripe_size().is_multiple_of(format.sealed_chunk_size() as u64);
    let size = format.plain_size(segment.size).filter(|_| whole);
    Ok(size.ok_or(Error::Damaged { what: "the manifest of an encrypted body" })?)
}

impl Opener {
    /// Decrypts `pieces`, which were read from `stripe`; returns the wanted bytes among them.
    ///
    /// # Errors
    ///
    /// `Damaged` when they are not what was encrypted.
    pub(crate) fn open(&self, buffers: &Buffers, stripe: &StripeRange, pieces: &[Bytes]) -> Result<Bytes> {
        let position = |byte: usize| u64::from(stripe.number) * self.stripe_size + byte as u64;
        let stored = position(stripe.bytes.start)..position(stripe.bytes.end);
        let first = self.cipher.format().chunk_at(stored.start);
        let ending = if stored.end == self.stored_size { Ending::Final } else { Ending::More };
        let mut plain = buffers.take(stripe.bytes.len() + self.cipher.format().overhead());
        let size = self.cipher.open(first, pieces, ending, plain.as_mut())?;
        let start = first * CHUNK_SIZE as u64;
        let within = |byte: u64| {
            let clamped = byte.clamp(start, start + size as u64) - start;
            usize::try_from(clamped).expect("a stripe fits into memory")
        };
        Ok(plain.into_bytes(within(self.wanted.start)..within(self.wanted.end)))
    }
}
