//! Quotas: how much a bucket may hold, and what it holds.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Record, UnknownFields};
use crate::codec::{FieldReader, FieldWriter, Input, Value, write_varint};
use crate::error::CodecError;

/// How much a bucket may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Sum of the sizes of all versions of its objects.
    pub bytes: Option<u64>,
    /// Number of its current objects.
    pub objects: Option<u64>,
}

const BYTES: u8 = 1;
const OBJECTS: u8 = 1 << 1;

impl Value for Quota {
    fn write(&self, out: &mut Vec<u8>) {
        let present = self.bytes.map_or(0, |_| BYTES) | self.objects.map_or(0, |_| OBJECTS);
        out.push(present);
        self.bytes.into_iter().chain(self.objects).for_each(|limit| write_varint(limit, out));
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let present = input.u8()?;
        if BYTES | OBJECTS < present {
            return Err(CodecError::Invalid("quota"));
        }
        let bytes = if present & BYTES != 0 { Some(input.varint()?) } else { None };
        let objects = if present & OBJECTS != 0 { Some(input.varint()?) } else { None };
        Ok(Self { bytes, objects })
    }
}

/// What a bucket with a quota holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UsageRecord {
    /// As [`Quota::bytes`] counts.
    pub(crate) bytes: u64,
    /// As [`Quota::objects`] counts.
    pub(crate) objects: u64,
    /// Fields that newer software wrote.
    pub(crate) unknown: UnknownFields,
}

impl Record for UsageRecord {
    const KIND: u8 = 0x4d;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.value(0, &self.bytes);
        fields.value(1, &self.objects);
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let bytes = fields.value(0)?;
        let objects = fields.value(1)?;
        let unknown = fields.finish(encoded)?;
        Ok(Self { bytes, objects, unknown })
    }
}
