//! Versions of objects: how they are named, and delete markers.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::hlc::{format_stamp, parse_stamp};
use super::{Hlc, ObjectRecord, Record, Segment, UnknownFields};
use crate::codec::{FieldReader, FieldWriter, Input, Value};
use crate::error::CodecError;

/// The only site so far.
const SITE: u16 = 0;

/// Identity of a version of a key: when and where it was committed. Never used twice. `Display` and [`VersionId::parse`]
/// are the form that clients see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VersionId {
    /// When it was committed. Unique within the site.
    pub committed: Hlc,
    /// The site that committed it.
    pub site: u16,
}

/// How a request names a version of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum VersionName {
    /// The version that was written while the bucket's versioning was not enabled: at most one a key. `null` to clients.
    Null,
    /// One that was written while it was.
    Id(VersionId),
}

impl VersionId {
    /// The version that is committed here at this time.
    pub(crate) const fn at(committed: Hlc) -> Self {
        Self { committed, site: SITE }
    }

    /// Reads what `Display` writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        parse_stamp(text).map(|(committed, site)| Self { committed, site })
    }
}

impl VersionName {
    /// Reads what `Display` writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "null" { Some(Self::Null) } else { VersionId::parse(text).map(Self::Id) }
    }

    /// The id of every version but the null version.
    pub fn id(self) -> Option<VersionId> {
        match self {
            Self::Null => None,
            Self::Id(id) => Some(id),
        }
    }
}

impl From<Option<VersionId>> for VersionName {
    fn from(version: Option<VersionId>) -> Self {
        version.map_or(Self::Null, Self::Id)
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        format_stamp(self.committed, self.site, formatter)
    }
}

impl fmt::Display for VersionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("null"),
            Self::Id(id) => id.fmt(formatter),
        }
    }
}

impl Value for VersionId {
    fn write(&self, out: &mut Vec<u8>) {
        self.committed.write(out);
        out.extend_from_slice(&self.site.to_be_bytes());
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self { committed: Hlc::read(input)?, site: u16::from_be_bytes(input.array()?) })
    }
}

/// Ten bytes, or none for the null version: only as a whole field.
impl Value for VersionName {
    fn write(&self, out: &mut Vec<u8>) {
        if let Self::Id(id) = self {
            id.write(out);
        }
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        if input.0.is_empty() { Ok(Self::Null) } else { VersionId::read(input).map(Self::Id) }
    }
}

/// A delete marker: a version without an object, that makes its key look deleted while it is the newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkerRecord {
    /// When it was committed.
    pub modified: Hlc,
    /// Its id; `None` if it is the null version.
    pub version: Option<VersionId>,
    /// Since when it is not the newest version; absent while it is, and where there were no lifecycle rules then.
    pub noncurrent_since: Option<Hlc>,
    /// Fields that newer software wrote.
    pub unknown: UnknownFields,
}

impl Record for MarkerRecord {
    const KIND: u8 = 0x11;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.value(0, &self.modified);
        fields.option(1, self.version.as_ref());
        fields.option(20, self.noncurrent_since.as_ref());
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let modified = fields.value(0)?;
        let version = fields.option(1)?;
        let noncurrent_since = fields.option(20)?;
        let unknown = fields.finish(encoded)?;
        Ok(Self { modified, version, noncurrent_since, unknown })
    }
}

/// A version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "few are held at once, and most are objects")]
pub enum VersionRecord {
    /// An object.
    Object(ObjectRecord),
    /// A delete marker.
    Marker(MarkerRecord),
}

impl VersionRecord {
    /// How requests name it.
    pub fn name(&self) -> VersionName {
        let version = match self {
            Self::Object(object) => object.version,
            Self::Marker(marker) => marker.version,
        };
        version.into()
    }

    /// The segments of a striped body; none of any other, and of a delete marker.
    pub fn segments(&self) -> &[Segment] {
        match self {
            Self::Object(object) => object.segments(),
            Self::Marker(_) => &[],
        }
    }

    /// The object, unless it is a delete marker.
    pub fn object(self) -> Option<ObjectRecord> {
        match self {
            Self::Object(object) => Some(object),
            Self::Marker(_) => None,
        }
    }

    /// Reads either record; the first byte tells which.
    pub(crate) fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        if is_marker(encoded) {
            MarkerRecord::decode(encoded).map(Self::Marker)
        } else {
            ObjectRecord::decode(encoded).map(Self::Object)
        }
    }
}

/// Whether an encoded version is a delete marker.
pub(crate) fn is_marker(encoded: &[u8]) -> bool {
    encoded.first() == Some(&MarkerRecord::KIND)
}

/// Where the null version of a key is among its noncurrent versions and delete markers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NullVersionRecord {
    /// Its place in their order.
    pub(crate) place: VersionId,
    /// Fields that newer software wrote.
    pub(crate) unknown: UnknownFields,
}

impl Record for NullVersionRecord {
    const KIND: u8 = 0x13;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.value(0, &self.place);
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let place = fields.value(0)?;
        let unknown = fields.finish(encoded)?;
        Ok(Self { place, unknown })
    }
}
