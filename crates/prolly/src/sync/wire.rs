//! The messages: integers are varints, everything else has its fixed size.
//!
//! A request is a list of wants: kind, hash, location, and the fingerprints of what the asker has there. An answer has one
//! part for each want, in order; it may end before the last one.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::location::Location;
use crate::varint;

/// Stands for a record: the beginning of a hash of its key and payload. Two records may share one; the page that is put
/// together from the wrong one has the wrong hash, and is asked for again as a whole.
pub(super) type Fingerprint = [u8; 4];

/// The fingerprint of a record.
pub(super) fn fingerprint(key: &[u8], payload: &[u8], is_spilled: bool) -> Fingerprint {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[u8::from(is_spilled)]);
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(payload);
    let hash = hasher.finalize();
    std::array::from_fn(|i| hash.as_bytes()[i])
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Page = 1,
    Blob = 2,
}

/// One thing that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) kind: Kind,
    pub(super) hash: Hash,
    pub(super) location: Location,
    /// What the asker has at the page's place.
    pub(super) have: Vec<Fingerprint>,
}

/// What came for one want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A page and its trailer.
    Page(Bytes),
    /// A page's records, those that the asker has left out.
    Records { level: u8, flags: u8, pieces: Vec<Piece> },
    /// A spilled value.
    Blob(Bytes),
    /// It is not there (any more).
    Gone,
}

/// Consecutive records of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Records that the asker has: these of its fingerprints.
    Known { first: usize, count: usize },
    /// One that it does not have. The key begins with `shared` bytes of the key before.
    New { shared: usize, suffix: Bytes, payload: Bytes, is_spilled: bool, location: Option<Location> },
}

const PART_PAGE: u8 = 1;
const PART_RECORDS: u8 = 2;
const PART_BLOB: u8 = 3;
const PART_GONE: u8 = 4;
const PIECE_KNOWN: u8 = 0;
const PIECE_NEW: u8 = 1;
/// Bits beside `PIECE_NEW`.
const IS_SPILLED: u8 = 2;
const HAS_LOCATION: u8 = 4;

impl Wanted {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.kind as u8);
        out.extend_from_slice(self.hash.as_bytes());
        self.location.encode(0, out);
        put_length(self.have.len(), out);
        out.extend_from_slice(self.have.as_flattened());
    }
}

impl Part {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Part::Page(bytes) => put_bytes(PART_PAGE, bytes, out),
            Part::Blob(bytes) => put_bytes(PART_BLOB, bytes, out),
            Part::Gone => out.push(PART_GONE),
            Part::Records { level, flags, pieces } => {
                out.extend_from_slice(&[PART_RECORDS, *level, *flags]);
                put_length(pieces.len(), out);
                pieces.iter().for_each(|piece| piece.encode(out));
            }
        }
    }
}

impl Piece {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Piece::Known { first, count } => {
                out.push(PIECE_KNOWN);
                put_length(*first, out);
                put_length(*count, out);
            }
            Piece::New { shared, suffix, payload, is_spilled, location } => {
                let spilled_bit = if *is_spilled { IS_SPILLED } else { 0 };
                let location_bit = if location.is_some() { HAS_LOCATION } else { 0 };
                out.push(PIECE_NEW | spilled_bit | location_bit);
                put_length(*shared, out);
                put_length(suffix.len(), out);
                out.extend_from_slice(suffix);
                put_length(payload.len(), out);
                out.extend_from_slice(payload);
                if let Some(location) = location {
                    location.encode(0, out);
                }
            }
        }
    }
}

fn put_length(length: usize, out: &mut Vec<u8>) {
    varint::encode(length as u64, out);
}

fn put_bytes(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    put_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// A message that is being read from front to back.
pub(super) struct Message {
    rest: Bytes,
}

impl Message {
    pub(super) fn new(bytes: Bytes) -> Self {
        Message { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes the next want of a request.
    pub(super) fn wanted(&mut self) -> Result<Wanted> {
        let kind = match self.byte()? {
            byte if byte == Kind::Page as u8 => Kind::Page,
            byte if byte == Kind::Blob as u8 => Kind::Blob,
            _ => return Err(malformed("unknown kind of want")),
        };
        let hash = Hash::from_bytes(self.array()?);
        let location = self.location()?;
        let count = self.length()?;
        let have = self.take(count.checked_mul(size_of::<Fingerprint>()).ok_or(malformed("cut short"))?)?;
        Ok(Wanted { kind, hash, location, have: have.as_chunks().0.to_vec() })
    }

    /// Takes the next part of an answer.
    pub(super) fn part(&mut self) -> Result<Part> {
        match self.byte()? {
            PART_PAGE => Ok(Part::Page(self.bytes()?)),
            PART_BLOB => Ok(Part::Blob(self.bytes()?)),
            PART_GONE => Ok(Part::Gone),
            PART_RECORDS => {
                let (level, flags) = (self.byte()?, self.byte()?);
                let count = self.length()?;
                // Each piece takes a byte at least, so a lie about their number ends soon.
                let pieces = (0..count).map(|_| self.piece()).collect::<Result<_>>()?;
                Ok(Part::Records { level, flags, pieces })
            }
            _ => Err(malformed("unknown kind of part")),
        }
    }

    fn piece(&mut self) -> Result<Piece> {
        let tag = self.byte()?;
        if tag == PIECE_KNOWN {
            return Ok(Piece::Known { first: self.length()?, count: self.length()? });
        }
        if tag & PIECE_NEW == 0 || PIECE_NEW | IS_SPILLED | HAS_LOCATION < tag {
            return Err(malformed("unknown kind of piece"));
        }
        let shared = self.length()?;
        let (suffix, payload) = (self.bytes()?, self.bytes()?);
        let location = if tag & HAS_LOCATION == 0 { None } else { Some(self.location()?) };
        Ok(Piece::New { shared, suffix, payload, is_spilled: tag & IS_SPILLED != 0, location })
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn array<const SIZE: usize>(&mut self) -> Result<[u8; SIZE]> {
        let taken = self.take(SIZE)?;
        Ok(*taken.first_chunk().expect("as many bytes as asked for"))
    }

    fn location(&mut self) -> Result<Location> {
        Ok(Location::decode(&self.array()?).0)
    }

    fn length(&mut self) -> Result<usize> {
        let mut rest = &self.rest[..];
        let length = varint::decode(&mut rest).and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or(malformed("a length is not canonical"))?;
        self.rest = self.rest.slice_ref(rest);
        Ok(length)
    }

    fn bytes(&mut self) -> Result<Bytes> {
        let length = self.length()?;
        self.take(length)
    }

    fn take(&mut self, length: usize) -> Result<Bytes> {
        if self.rest.len() < length {
            return Err(malformed("cut short"));
        }
        Ok(self.rest.split_to(length))
    }
}

pub(super) fn malformed(reason: &'static str) -> Error {
    Error::Malformed { what: "message about pages", reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PackId;

    const PLACE: Location = Location { pack: PackId(7), offset: 300, length: 4000 };

    fn parts() -> Vec<Part> {
        let new = |location| Piece::New {
            shared: 3,
            suffix: Bytes::from_static(b"suffix"),
            payload: Bytes::from_static(b"payload"),
            is_spilled: location != Some(PLACE),
            location,
        };
        let pieces = vec![Piece::Known { first: 200, count: 3 }, new(None), new(Some(PLACE)), new(None)];
        vec![
            Part::Page(Bytes::from_static(b"page")),
            Part::Records { level: 2, flags: 3, pieces },
            Part::Blob(Bytes::from(vec![1; 300])),
            Part::Gone,
        ]
    }

    #[test]
    fn messages_round_trip_and_no_cut_or_flip_panics() {
        let wanted =
            Wanted { kind: Kind::Page, hash: Hash::of_blob(b"x"), location: PLACE, have: vec![[1, 2, 3, 4]; 9] };
        let (mut request, mut answer) = (Vec::new(), Vec::new());
        wanted.encode(&mut request);
        parts().iter().for_each(|part| part.encode(&mut answer));
        let read = |bytes: &[u8]| {
            let mut message = Message::new(Bytes::copy_from_slice(bytes));
            let mut parts = Vec::new();
            while !message.is_empty() {
                parts.push(message.part()?);
            }
            Ok::<_, Error>(parts)
        };
        assert_eq!(Message::new(request.clone().into()).wanted().unwrap(), wanted);
        assert_eq!(read(&answer).unwrap(), parts());
        for cut in 0..request.len() {
            assert!(Message::new(request[..cut].to_vec().into()).wanted().is_err());
        }
        for position in 0..answer.len() {
            // Refused or read as something else; what that is the hash decides.
            let _ = read(&answer[..position]);
            let mut flipped = answer.clone();
            flipped[position] ^= 0x91;
            let _ = read(&flipped);
        }
    }
}
