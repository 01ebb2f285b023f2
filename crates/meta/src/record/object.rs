//! Objects.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Checksum, Etag, Hlc, Segment, UnknownFields};

/// The metadata of one version of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRecord {
    /// Size of the body.
    pub size: u64,
    /// When it was committed; assigned by apply, above the previous version's.
    pub modified: Hlc,
    /// Entity tag.
    pub etag: Etag,
    /// Storage class as the client named it; `None` is `STANDARD`.
    pub storage_class: Option<String>,
    /// Checksum of the whole body.
    pub checksum: Option<Checksum>,
    /// System headers (`content-type`, `cache-control`, `website-redirect-location`, ...), names in lower case.
    pub headers: BTreeMap<String, String>,
    /// User metadata, names in lower case and without their prefix.
    pub user_metadata: BTreeMap<String, String>,
    /// Object tags.
    pub tags: BTreeMap<String, String>,
    /// The parts of a multipart object in order; empty for an object that was put whole.
    pub parts: Vec<ObjectPart>,
    /// Where the bytes are.
    pub body: Body,
    /// Fields that newer software wrote.
    pub unknown: UnknownFields,
}

/// Where the bytes of an object are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// In the record itself: small objects.
    Inline(Bytes),
    /// On the disks, one segment after the other. A multipart object has one segment a part, in the parts' order.
    Striped(Vec<Segment>),
}

/// One part of a multipart object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectPart {
    /// The number that the client chose.
    pub number: u16,
    /// Its size.
    pub size: u64,
    /// Checksum of the part's bytes.
    pub checksum: Option<Checksum>,
}

/// What a listing shows of an object: the fields at the start of its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectHead {
    /// Size of the body.
    pub size: u64,
    /// When it was committed.
    pub modified: Hlc,
    /// Entity tag.
    pub etag: Etag,
    /// Storage class as the client named it; `None` is `STANDARD`.
    pub storage_class: Option<String>,
    /// Checksum of the whole body.
    pub checksum: Option<Checksum>,
}
