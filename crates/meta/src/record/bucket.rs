//! Buckets.

use bytes::Bytes;

use super::{Hlc, Record, UnknownFields};
use crate::codec::{FieldReader, FieldWriter};
use crate::error::CodecError;
use crate::view::BucketId;

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketRecord {
    /// Its name.
    pub name: String,
    /// When it was created; assigned by apply.
    pub created: Hlc,
    /// Who owns it.
    pub owner: String,
    /// The location constraint that it was created with; `None` is the default region.
    pub region: Option<String>,
    /// Fields that newer software wrote.
    pub unknown: UnknownFields,
}

const NAME: u8 = 0;
const CREATED: u8 = 1;
const OWNER: u8 = 2;
const REGION: u8 = 3;

impl Record for BucketRecord {
    const KIND: u8 = 0x02;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.value(NAME, &self.name);
        fields.value(CREATED, &self.created);
        fields.value(OWNER, &self.owner);
        fields.option(REGION, self.region.as_ref());
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let name = fields.value(NAME)?;
        let created = fields.value(CREATED)?;
        let owner = fields.value(OWNER)?;
        let region = fields.option(REGION)?;
        let unknown = fields.finish(encoded)?;
        Ok(Self { name, created, owner, region, unknown })
    }
}

/// What a bucket's name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BucketNameRecord {
    /// The bucket of this name.
    pub(crate) id: BucketId,
    /// Fields that newer software wrote.
    pub(crate) unknown: UnknownFields,
}

impl Record for BucketNameRecord {
    const KIND: u8 = 0x01;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.value(0, &self.id.0);
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let id = BucketId(fields.value(0)?);
        let unknown = fields.finish(encoded)?;
        Ok(Self { id, unknown })
    }
}
