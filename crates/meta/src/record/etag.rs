//! Entity tags.

use std::fmt;

use crate::codec::{Input, Value, write_prefixed, write_varint};
use crate::error::CodecError;

/// An entity tag without its quotes. Two tags are equal exactly when their texts are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Etag {
    /// MD5 of the body.
    Md5([u8; 16]),
    /// MD5 of the parts' MD5s, and the number of parts.
    Multipart {
        /// MD5 of the concatenated MD5s of the parts.
        md5: [u8; 16],
        /// Number of parts.
        part_count: u16,
    },
    /// Anything else, up to 255 bytes. Made by [`Etag::parse`] only, so that it never hides one of the other forms.
    Opaque(OpaqueEtag),
}

/// The text of an entity tag that is no MD5.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpaqueEtag(String);

impl OpaqueEtag {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Etag {
    /// Most bytes of an opaque tag.
    pub const SIZE_MAX: usize = 255;

    /// Reads a tag from its text without quotes; `None` when it is empty or too long.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(md5) = parse_md5(text) {
            return Some(Self::Md5(md5));
        }
        if let Some((digest, count)) = text.split_once('-')
            && let Some(md5) = parse_md5(digest)
            && let Some(part_count) = parse_part_count(count)
        {
            return Some(Self::Multipart { md5, part_count });
        }
        let valid = !text.is_empty() && text.len() <= Self::SIZE_MAX;
        valid.then(|| Self::Opaque(OpaqueEtag(text.to_owned())))
    }
}

fn parse_md5(text: &str) -> Option<[u8; 16]> {
    let digits: &[u8; 32] = text.as_bytes().try_into().ok()?;
    let mut md5 = [0; 16];
    for (byte, pair) in md5.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (hex_digit(pair[0])? << 4) | hex_digit(pair[1])?;
    }
    Some(md5)
}

/// Lower case only: an upper-case digest is another text, and therefore another tag.
fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn parse_part_count(text: &str) -> Option<u16> {
    let canonical = text.bytes().all(|digit| digit.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok())?
}

impl fmt::Display for Etag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Md5(md5) => write_hex(formatter, md5),
            Self::Multipart { md5, part_count } => {
                write_hex(formatter, md5)?;
                write!(formatter, "-{part_count}")
            }
            Self::Opaque(text) => formatter.write_str(text.as_str()),
        }
    }
}

/// All digits at once: a listing shows a thousand tags.
fn write_hex(formatter: &mut fmt::Formatter<'_>, bytes: &[u8; 16]) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0xf)];
    }
    formatter.write_str(std::str::from_utf8(&text).expect("hexadecimal digits are ASCII"))
}

const MD5: u8 = 1;
const MULTIPART: u8 = 2;
const OPAQUE: u8 = 3;

impl Value for Etag {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Md5(md5) => {
                out.push(MD5);
                out.extend_from_slice(md5);
            }
            Self::Multipart { md5, part_count } => {
                out.push(MULTIPART);
                out.extend_from_slice(md5);
                write_varint(u64::from(*part_count), out);
            }
            Self::Opaque(text) => {
                out.push(OPAQUE);
                write_prefixed(text.as_str().as_bytes(), out);
            }
        }
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        match input.u8()? {
            MD5 => input.array().map(Self::Md5),
            MULTIPART => Ok(Self::Multipart { md5: input.array()?, part_count: input.narrow("part count")? }),
            OPAQUE => match Self::parse(&String::read(input)?) {
                Some(opaque @ Self::Opaque(_)) => Ok(opaque),
                Some(_) => Err(CodecError::NotCanonical("entity tag")),
                None => Err(CodecError::Invalid("entity tag")),
            },
            _ => Err(CodecError::Invalid("kind of entity tag")),
        }
    }
}
