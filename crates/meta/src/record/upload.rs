//! Multipart uploads and their parts.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::hlc::{format_stamp, parse_stamp};
use super::{
    Checksum, ChecksumAlgorithm, ChecksumKind, EncryptionRecord, Etag, Hlc, Record, Segment, UnknownFields, VersionLock,
};
use crate::codec::{FieldReader, FieldWriter, Input, Value};
use crate::error::CodecError;

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
        parse_stamp(text).map(|(initiated, site)| Self { initiated, site })
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        format_stamp(self.initiated, self.site, formatter)
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
    /// Access control list of the object to be.
    pub acl: Option<String>,
    /// How the parts, and so the object to be, are encrypted; `None`: they are not.
    pub encryption: Option<EncryptionRecord>,
    /// Lock of the object to be.
    pub lock: VersionLock,
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
    /// Where the bytes are.
    pub segment: Segment,
    /// Size of the part before it was encrypted; `None`: it is not encrypted, and its size is the segment's.
    pub plain_size: Option<u64>,
    /// Fields that newer software wrote.
    pub unknown: UnknownFields,
}

const STORAGE_CLASS: u8 = 0;
const UPLOAD_CHECKSUM: u8 = 1;
const HEADERS: u8 = 2;
const USER_METADATA: u8 = 3;
const TAGS: u8 = 4;
const ACL: u8 = 5;
const ENCRYPTION: u8 = 6;
const RETENTION: u8 = 7;
const LEGAL_HOLD: u8 = 8;

impl Record for UploadRecord {
    const KIND: u8 = 0x20;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.option(STORAGE_CLASS, self.storage_class.as_ref());
        fields.option(UPLOAD_CHECKSUM, self.checksum.as_ref());
        fields.collection(HEADERS, &self.headers);
        fields.collection(USER_METADATA, &self.user_metadata);
        fields.collection(TAGS, &self.tags);
        fields.option(ACL, self.acl.as_ref());
        fields.option(ENCRYPTION, self.encryption.as_ref());
        fields.option(RETENTION, self.lock.retention.as_ref());
        fields.option(LEGAL_HOLD, self.lock.hold.as_ref());
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let storage_class = fields.option(STORAGE_CLASS)?;
        let checksum = fields.option(UPLOAD_CHECKSUM)?;
        let headers = fields.collection(HEADERS)?;
        let user_metadata = fields.collection(USER_METADATA)?;
        let tags = fields.collection(TAGS)?;
        let acl = fields.option(ACL)?;
        let encryption = fields.option(ENCRYPTION)?;
        let lock = VersionLock { retention: fields.option(RETENTION)?, hold: fields.option(LEGAL_HOLD)? };
        let unknown = fields.finish(encoded)?;
        Ok(Self { storage_class, checksum, headers, user_metadata, tags, acl, encryption, lock, unknown })
    }
}

impl Value for (ChecksumAlgorithm, ChecksumKind) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok((ChecksumAlgorithm::read(input)?, ChecksumKind::read(input)?))
    }
}

const MODIFIED: u8 = 0;
const ETAG: u8 = 1;
const PART_CHECKSUM: u8 = 2;
const SEGMENT: u8 = 3;
const PLAIN_SIZE: u8 = 4;

impl Record for PartRecord {
    const KIND: u8 = 0x21;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.value(MODIFIED, &self.modified);
        fields.value(ETAG, &self.etag);
        fields.option(PART_CHECKSUM, self.checksum.as_ref());
        fields.value(SEGMENT, &self.segment);
        fields.option(PLAIN_SIZE, self.plain_size.as_ref());
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let modified = fields.value(MODIFIED)?;
        let etag = fields.value(ETAG)?;
        let checksum = fields.option(PART_CHECKSUM)?;
        let segment = fields.value(SEGMENT)?;
        let plain_size = fields.option(PLAIN_SIZE)?;
        let unknown = fields.finish(encoded)?;
        Ok(Self { modified, etag, checksum, segment, plain_size, unknown })
    }
}

impl PartRecord {
    /// Size of the part, before it was encrypted.
    pub fn size(&self) -> u64 {
        self.plain_size.unwrap_or(self.segment.size)
    }

    /// Size and time of an encoded part, without reading its manifest.
    pub(crate) fn decode_size(encoded: &[u8]) -> Result<(u64, Hlc), CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let modified = fields.value(MODIFIED)?;
        fields.bytes(ETAG)?;
        fields.bytes(PART_CHECKSUM)?;
        let segment = fields.bytes(SEGMENT)?.ok_or(CodecError::Missing(SEGMENT))?;
        let size = match fields.option(PLAIN_SIZE)? {
            Some(plain_size) => plain_size,
            None => Segment::read_size(&mut Input(segment))?,
        };
        Ok((size, modified))
    }
}
