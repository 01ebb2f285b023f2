//! Objects.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Checksum, EncryptionRecord, Etag, Hlc, Record, Segment, UnknownFields, VersionId, VersionLock};
use crate::codec::{Collection, FieldReader, FieldWriter, Input, Value, write_varint};
use crate::error::CodecError;

/// The metadata of one version of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRecord {
    /// Size of the body, before it is encrypted.
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
    /// Its id; `None` for the null version. Assigned by apply.
    pub version: Option<VersionId>,
    /// Its access control list, which names its owner; the format is the front door's. `None`: it belongs to the owner of
    /// the bucket alone.
    pub acl: Option<String>,
    /// How its body is encrypted; `None`: it is not.
    pub encryption: Option<EncryptionRecord>,
    /// What keeps it from being removed.
    pub lock: VersionLock,
    /// Since when it is not current; absent of current versions, and where there were no lifecycle rules then.
    pub noncurrent_since: Option<Hlc>,
    /// Whether it was put whole and the parts behind the first were appended: its first segment is encrypted as that of an
    /// object without parts.
    pub was_whole: bool,
    /// How many annotations this version has. Assigned by apply.
    pub annotations: u64,
    /// Fields that newer software wrote.
    pub unknown: UnknownFields,
}

/// Where the bytes of an object are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Here: small objects, on their way in a command or out of [`query::object`](crate::query::object).
    Inline(Bytes),
    /// In a record of its own, so that listings and HEAD do not read it: how a tree holds small objects.
    Apart,
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

const SIZE: u8 = 0;
const MODIFIED: u8 = 1;
const ETAG: u8 = 2;
const STORAGE_CLASS: u8 = 3;
const CHECKSUM: u8 = 4;
// The head ends here: listings read no further.
const HEADERS: u8 = 5;
const USER_METADATA: u8 = 6;
const TAGS: u8 = 7;
const PARTS: u8 = 8;
const INLINE: u8 = 9;
const STRIPED: u8 = 10;
const APART: u8 = 11;
const VERSION: u8 = 12;
const ACL: u8 = 13;
const ENCRYPTION: u8 = 14;
const RETENTION: u8 = 15;
const LEGAL_HOLD: u8 = 16;
// 17 to 19 are given out.
const NONCURRENT_SINCE: u8 = 20;
const WAS_WHOLE: u8 = 40;
const ANNOTATIONS: u8 = 41;

impl Record for ObjectRecord {
    const KIND: u8 = 0x10;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.value(SIZE, &self.size);
        fields.value(MODIFIED, &self.modified);
        fields.value(ETAG, &self.etag);
        fields.option(STORAGE_CLASS, self.storage_class.as_ref());
        fields.option(CHECKSUM, self.checksum.as_ref());
        fields.collection(HEADERS, &self.headers);
        fields.collection(USER_METADATA, &self.user_metadata);
        fields.collection(TAGS, &self.tags);
        fields.collection(PARTS, &self.parts);
        match &self.body {
            Body::Inline(bytes) => fields.bytes(INLINE, bytes),
            Body::Striped(segments) => fields.value(STRIPED, segments),
            Body::Apart => fields.bytes(APART, &[]),
        }
        fields.option(VERSION, self.version.as_ref());
        fields.option(ACL, self.acl.as_ref());
        fields.option(ENCRYPTION, self.encryption.as_ref());
        fields.option(RETENTION, self.lock.retention.as_ref());
        fields.option(LEGAL_HOLD, self.lock.hold.as_ref());
        fields.option(NONCURRENT_SINCE, self.noncurrent_since.as_ref());
        if self.was_whole {
            fields.bytes(WAS_WHOLE, &[]);
        }
        if self.annotations != 0 {
            fields.value(ANNOTATIONS, &self.annotations);
        }
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let head = ObjectHead::take(&mut fields)?;
        let headers = fields.collection(HEADERS)?;
        let user_metadata = fields.collection(USER_METADATA)?;
        let tags = fields.collection(TAGS)?;
        let parts = fields.collection(PARTS)?;
        let body = match (fields.bytes(INLINE)?, fields.option(STRIPED)?, fields.bytes(APART)?) {
            (Some(bytes), None, None) => Body::Inline(encoded.slice_ref(bytes)),
            (None, Some(segments), None) => Body::Striped(segments),
            (None, None, Some([])) => Body::Apart,
            (None, None, None) => return Err(CodecError::Missing(INLINE)),
            _ => return Err(CodecError::Invalid("body")),
        };
        let version = fields.option(VERSION)?;
        let acl = fields.option(ACL)?;
        let encryption = fields.option(ENCRYPTION)?;
        let lock = VersionLock { retention: fields.option(RETENTION)?, hold: fields.option(LEGAL_HOLD)? };
        let noncurrent_since = fields.option(NONCURRENT_SINCE)?;
        let was_whole = match fields.bytes(WAS_WHOLE)? {
            None => false,
            Some([]) => true,
            Some(_) => return Err(CodecError::Invalid("flag")),
        };
        let annotations = match fields.option(ANNOTATIONS)? {
            None => 0,
            Some(0) => return Err(CodecError::NotCanonical("no annotations")),
            Some(count) => count,
        };
        let unknown = fields.finish(encoded)?;
        let ObjectHead { size, modified, etag, storage_class, checksum } = head;
        Ok(Self {
            size,
            modified,
            etag,
            storage_class,
            checksum,
            headers,
            user_metadata,
            tags,
            parts,
            body,
            version,
            acl,
            encryption,
            lock,
            noncurrent_since,
            was_whole,
            annotations,
            unknown,
        })
    }
}

impl ObjectHead {
    /// Reads the head of an encoded [`ObjectRecord`], and nothing behind it.
    ///
    /// # Errors
    ///
    /// [`CodecError`] when the head is not canonical.
    pub fn decode(encoded: &[u8]) -> Result<Self, CodecError> {
        Self::take(&mut FieldReader::open(ObjectRecord::KIND, encoded)?)
    }

    /// Reads the head and the id of an encoded [`ObjectRecord`], and skips what is between them.
    ///
    /// # Errors
    ///
    /// [`CodecError`] when they are not canonical.
    pub(crate) fn decode_version(encoded: &[u8]) -> Result<(Self, Option<VersionId>), CodecError> {
        let mut fields = FieldReader::open(ObjectRecord::KIND, encoded)?;
        let head = Self::take(&mut fields)?;
        for number in HEADERS..VERSION {
            fields.bytes(number)?;
        }
        Ok((head, fields.option(VERSION)?))
    }

    fn take(fields: &mut FieldReader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            size: fields.value(SIZE)?,
            modified: fields.value(MODIFIED)?,
            etag: fields.value(ETAG)?,
            storage_class: fields.option(STORAGE_CLASS)?,
            checksum: fields.option(CHECKSUM)?,
        })
    }
}

/// The body of a small object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BodyRecord {
    /// The bytes; as many as the object's record says.
    pub(crate) bytes: Bytes,
    /// Fields that newer software wrote.
    pub(crate) unknown: UnknownFields,
}

impl Record for BodyRecord {
    const KIND: u8 = 0x12;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.bytes(0, &self.bytes);
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let bytes = encoded.slice_ref(fields.bytes(0)?.ok_or(CodecError::Missing(0))?);
        let unknown = fields.finish(encoded)?;
        Ok(Self { bytes, unknown })
    }
}

impl ObjectRecord {
    /// An object of which nothing is known but its bytes.
    pub fn plain(size: u64, etag: Etag, body: Body) -> Self {
        Self {
            size,
            modified: Hlc::ZERO,
            etag,
            storage_class: None,
            checksum: None,
            headers: BTreeMap::new(),
            user_metadata: BTreeMap::new(),
            tags: BTreeMap::new(),
            parts: Vec::new(),
            body,
            version: None,
            acl: None,
            encryption: None,
            lock: VersionLock::default(),
            noncurrent_since: None,
            was_whole: false,
            annotations: 0,
            unknown: UnknownFields::default(),
        }
    }

    /// Size of the body as it is stored.
    pub fn stored_size(&self) -> u64 {
        self.encryption.as_ref().map_or(self.size, |encryption| encryption.sealed_size(self.size))
    }

    /// The segments of a striped body; none of any other.
    pub fn segments(&self) -> &[Segment] {
        match &self.body {
            Body::Inline(_) | Body::Apart => &[],
            Body::Striped(segments) => segments,
        }
    }
}

impl Value for Vec<Segment> {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(self.len() as u64, out);
        self.iter().for_each(|segment| segment.write(out));
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let count = input.count(Segment::ENCODED_SIZE_MIN)?;
        (0..count).map(|_| Segment::read(input)).collect()
    }
}

impl Value for Vec<ObjectPart> {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(self.len() as u64, out);
        for part in self {
            write_varint(u64::from(part.number), out);
            write_varint(part.size, out);
            out.push(u8::from(part.checksum.is_some()));
            if let Some(checksum) = &part.checksum {
                checksum.write(out);
            }
        }
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let count = input.count(3)?;
        let mut parts = Self::with_capacity(count);
        for _ in 0..count {
            let number = input.narrow("part number")?;
            let size = input.varint()?;
            let checksum = match input.u8()? {
                0 => None,
                1 => Some(Checksum::read(input)?),
                _ => return Err(CodecError::Invalid("checksum flag")),
            };
            parts.push(ObjectPart { number, size, checksum });
        }
        Ok(parts)
    }
}

impl Collection for Vec<ObjectPart> {
    fn is_empty(&self) -> bool {
        Vec::is_empty(self)
    }
}
