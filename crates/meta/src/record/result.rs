//! Remembered results: what makes a proposal that arrives twice take effect once.

use bytes::Bytes;

use super::{Checksum, Etag, Hlc, Record, UnknownFields};
use crate::codec::{FieldReader, FieldWriter};
use crate::error::CodecError;
use crate::outcome::{ObjectPut, Reply};

/// The result of a write or of a completed upload.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ResultRecord {
    /// What it answered.
    pub(crate) reply: RememberedReply,
    /// Fields that newer software wrote.
    pub(crate) unknown: UnknownFields,
}

/// The replies that are remembered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RememberedReply {
    /// [`Reply::ObjectPut`].
    Put(ObjectPut),
    /// [`Reply::ObjectDeleted`].
    Deleted {
        /// Whether the key had an object.
        existed: bool,
    },
}

impl From<RememberedReply> for Reply {
    fn from(remembered: RememberedReply) -> Self {
        match remembered {
            RememberedReply::Put(put) => Self::ObjectPut(put),
            RememberedReply::Deleted { existed } => Self::ObjectDeleted { existed },
        }
    }
}

const MODIFIED: u8 = 0;
const ETAG: u8 = 1;
const SIZE: u8 = 2;
const CHECKSUM: u8 = 3;
const EXISTED: u8 = 4;

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
            }
            RememberedReply::Deleted { existed } => fields.value(EXISTED, &u64::from(*existed)),
        }
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let modified: Option<Hlc> = fields.option(MODIFIED)?;
        let etag: Option<Etag> = fields.option(ETAG)?;
        let size: Option<u64> = fields.option(SIZE)?;
        let checksum: Option<Checksum> = fields.option(CHECKSUM)?;
        let existed: Option<u64> = fields.option(EXISTED)?;
        let unknown = fields.finish(encoded)?;
        let reply = match (modified, etag, size, checksum, existed) {
            (Some(modified), Some(etag), Some(size), checksum, None) => {
                RememberedReply::Put(ObjectPut { modified, etag, checksum, size })
            }
            (None, None, None, None, Some(existed @ 0..=1)) => RememberedReply::Deleted { existed: existed == 1 },
            _ => return Err(CodecError::Invalid("remembered result")),
        };
        Ok(Self { reply, unknown })
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
