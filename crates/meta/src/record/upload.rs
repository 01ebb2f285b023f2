//! Multipart uploads and their parts.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Checksum, ChecksumAlgorithm, ChecksumKind, Etag, Hlc, Segment, UnknownFields};

/// Highest part number.
pub const PART_NUMBER_MAX: u16 = 10_000;

/// Least size of every part but the last, in bytes.
pub const PART_SIZE_MIN: u64 = 5 << 20;

/// Identity of a multipart upload within its bucket: when and where it was begun. `Display` and [`UploadId::parse`]
/// are the form that clients see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UploadId {
    /// When it was begun. Unique within the site.
    pub initiated: Hlc,
    /// The site that began it.
    pub site: u16,
}

impl UploadId {
    /// Reads what `Display` writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let canonical = text.len() == 20 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if !canonical {
            return None;
        }
        let initiated = Hlc::from_bits(u64::from_str_radix(&text[..16], 16).ok()?);
        let site = u16::from_str_radix(&text[16..], 16).ok()?;
        Some(Self { initiated, site })
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}{:04x}", self.initiated.bits(), self.site)
    }
}

/// A multipart upload that is neither completed nor aborted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadRecord {
    /// Storage class of the object to be; `None` is `STANDARD`.
    pub storage_class: Option<String>,
    /// The checksum that the client announced for parts and object.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// System headers of the object to be.
    pub headers: BTreeMap<String, String>,
    /// User metadata of the object to be.
    pub user_metadata: BTreeMap<String, String>,
    /// Tags of the object to be.
    pub tags: BTreeMap<String, String>,
    /// Fields that newer software wrote.
    pub unknown: UnknownFields,
}

/// One uploaded part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartRecord {
    /// When it was committed; assigned by apply.
    pub modified: Hlc,
    /// Entity tag of the part.
    pub etag: Etag,
    /// Checksum of the part's bytes.
    pub checksum: Option<Checksum>,
    /// Where the bytes are; its size is the part's.
    pub segment: Segment,
    /// Fields that newer software wrote.
    pub unknown: UnknownFields,
}
