//! Remembered results: what makes a proposal that arrives twice take effect once.

use bytes::Bytes;

use super::{Checksum, Etag, Hlc, Record, UnknownFields, VersionName};
use crate::codec::{FieldReader, FieldWriter};
use crate::error::CodecError;
use crate::outcome::{ObjectDeleted, ObjectPut, Reply};

/// The result of a write or of a completed upload.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ResultRecord {
    /// What it answered.
    pub(crate) reply: RememberedReply,
    /// What was asked for, where that can be asked for again under the same identity by mistake.
    pub(crate) fingerprint: Option<u128>,
    /// Fields that newer software wrote.
    pub(crate) unknown: UnknownFields,
}

/// The replies that are remembered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RememberedReply {
    /// [`Reply::ObjectPut`].
    Put(ObjectPut),
    /// [`Reply::ObjectDeleted`].
    Deleted(ObjectDeleted),
}

impl From<RememberedReply> for Reply {
    fn from(remembered: RememberedReply) -> Self {
        match remembered {
            RememberedReply::Put(put) => Self::ObjectPut(put),
            RememberedReply::Deleted(deleted) => Self::ObjectDeleted(deleted),
        }
    }
}

const MODIFIED: u8 = 0;
const ETAG: u8 = 1;
const SIZE: u8 = 2;
const CHECKSUM: u8 = 3;
const EXISTED: u8 = 4;
const VERSION: u8 = 5;
const MARKER: u8 = 6;
const FINGERPRINT: u8 = 40;

impl Record for ResultRecord {
    const KIND: u8 = 0x46;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        match &self.reply {
            RememberedReply::Put(put) => {
                fields.value(MODIFIED, &put.modified);
                fields.value(ETAG, &put.etag);
                fields.value(SIZE, &put.size);
                fields.option(CHECKSUM, put.checksum.as_ref());
                fields.option(VERSION, put.version.as_ref());
            }
            RememberedReply::Deleted(deleted) => {
                fields.value(EXISTED, &u64::from(deleted.existed));
                fields.option(VERSION, deleted.version.as_ref());
                if deleted.is_marker {
                    fields.bytes(MARKER, &[]);
                }
            }
        }
        fields.option(FINGERPRINT, self.fingerprint.as_ref());
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let modified: Option<Hlc> = fields.option(MODIFIED)?;
        let etag: Option<Etag> = fields.option(ETAG)?;
        let size: Option<u64> = fields.option(SIZE)?;
        let checksum: Option<Checksum> = fields.option(CHECKSUM)?;
        let existed: Option<u64> = fields.option(EXISTED)?;
        let version: Option<VersionName> = fields.option(VERSION)?;
        let marker = fields.bytes(MARKER)?;
        let fingerprint = fields.option(FINGERPRINT)?;
        let unknown = fields.finish(encoded)?;
        let reply = match (modified, etag, size, checksum, existed, marker) {
            (Some(modified), Some(etag), Some(size), checksum, None, None) => {
                RememberedReply::Put(ObjectPut { modified, etag, checksum, size, version })
            }
            (None, None, None, None, Some(existed @ 0..=1), None | Some([])) => {
                RememberedReply::Deleted(ObjectDeleted { existed: existed == 1, version, is_marker: marker.is_some() })
            }
            _ => return Err(CodecError::Invalid("remembered result")),
        };
        Ok(Self { reply, fingerprint, unknown })
    }
}

/// One place in a ring of remembered results: whose result it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResultSlotRecord {
    /// Key of the [`ResultRecord`].
    pub(crate) result_key: Bytes,
    /// Fields that newer software wrote.
    pub(crate) unknown: UnknownFields,
}

impl Record for ResultSlotRecord {
    const KIND: u8 = 0x47;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.bytes(0, &self.result_key);
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let result_key = encoded.slice_ref(fields.bytes(0)?.ok_or(CodecError::Missing(0))?);
        let unknown = fields.finish(encoded)?;
        Ok(Self { result_key, unknown })
    }
}
