//! Buckets.

use std::num::NonZeroU8;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{BucketLock, Hlc, Quota, Record, UnknownFields};
use crate::codec::{FieldReader, FieldWriter, Input, Value};
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
    /// When a configuration of it was last set or removed, zero if never; assigned by apply. What was decoded from its
    /// configurations is good as long as this is the same.
    pub configured: Hlc,
    /// Whether its objects have versions; `None` if they never had.
    pub versioning: Option<Versioning>,
    /// Object lock; `None` if its versions cannot be locked.
    pub lock: Option<BucketLock>,
    /// How much it may hold; `None` is without bounds.
    pub quota: Option<Quota>,
    /// When its lifecycle rules were set, which names their index; `None` if it has none that are enabled.
    pub lifecycle: Option<Hlc>,
    /// Fields that newer software wrote.
    pub unknown: UnknownFields,
}

const NAME: u8 = 0;
const CREATED: u8 = 1;
const OWNER: u8 = 2;
const REGION: u8 = 3;
const CONFIGURED: u8 = 4;
const VERSIONING: u8 = 5;
const LOCK: u8 = 6;
const QUOTA: u8 = 7;
const LIFECYCLE: u8 = 8;

impl Record for BucketRecord {
    const KIND: u8 = 0x02;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.value(NAME, &self.name);
        fields.value(CREATED, &self.created);
        fields.value(OWNER, &self.owner);
        fields.option(REGION, self.region.as_ref());
        fields.option(CONFIGURED, Some(&self.configured).filter(|time| **time != Hlc::ZERO));
        fields.option(VERSIONING, self.versioning.as_ref());
        fields.option(LOCK, self.lock.as_ref());
        fields.option(QUOTA, self.quota.as_ref());
        fields.option(LIFECYCLE, self.lifecycle.as_ref());
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let name = fields.value(NAME)?;
        let created = fields.value(CREATED)?;
        let owner = fields.value(OWNER)?;
        let region = fields.option(REGION)?;
        let configured = match fields.option(CONFIGURED)? {
            Some(Hlc::ZERO) => return Err(CodecError::NotCanonical("time")),
            configured => configured.unwrap_or_default(),
        };
        let versioning = fields.option(VERSIONING)?;
        let lock = fields.option(LOCK)?;
        let quota = fields.option(QUOTA)?;
        let lifecycle = fields.option(LIFECYCLE)?;
        let unknown = fields.finish(encoded)?;
        Ok(Self { name, created, owner, region, configured, versioning, lock, quota, lifecycle, unknown })
    }
}

/// What a write to a bucket does with the version before it. A bucket that has been given one of these never loses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Versioning {
    /// Keeps it.
    Enabled,
    /// Keeps it unless it is the null version, and makes the null version.
    Suspended,
}

impl Value for Versioning {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Enabled => 1,
            Self::Suspended => 2,
        });
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        match input.u8()? {
            1 => Ok(Self::Enabled),
            2 => Ok(Self::Suspended),
            _ => Err(CodecError::Invalid("versioning")),
        }
    }
}

/// Which configuration of a bucket: 1 to 255, as `docs/formats/metadata-keys.md` lists them. Their meaning and their
/// formats are their owners'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConfigurationKind(pub NonZeroU8);

impl ConfigurationKind {
    /// The kind with this number; `None` for 0, which is the bucket's own record.
    pub const fn new(number: u8) -> Option<Self> {
        match NonZeroU8::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }
}

/// The lifecycle rules of a bucket as a GET answers them.
pub const LIFECYCLE_DOCUMENT: ConfigurationKind = ConfigurationKind::new(21).expect("not zero");

/// The lifecycle rules of a bucket as they are followed.
pub(crate) const LIFECYCLE_RULES: ConfigurationKind = ConfigurationKind::new(22).expect("not zero");

/// One configuration of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigurationRecord {
    /// What it says; the format is its owner's.
    pub(crate) value: Bytes,
    /// Fields that newer software wrote.
    pub(crate) unknown: UnknownFields,
}

impl Record for ConfigurationRecord {
    const KIND: u8 = 0x06;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.bytes(0, &self.value);
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let value = encoded.slice_ref(fields.bytes(0)?.ok_or(CodecError::Missing(0))?);
        let unknown = fields.finish(encoded)?;
        Ok(Self { value, unknown })
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
