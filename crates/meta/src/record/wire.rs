//! Commands and replies carry records in their canonical form.

use std::fmt;

use bytes::Bytes;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{BucketLock, BucketRecord, Checksum, Etag, ObjectRecord, PartRecord, Record, Retention, UploadRecord};
use crate::codec::{Value, read_whole};
use crate::lifecycle::LifecycleRules;

/// Takes the bytes that `serialize_bytes` wrote.
struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an encoded record")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes::copy_from_slice(bytes))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(bytes.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Bytes, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = sequence.next_element::<u8>()? {
            bytes.push(byte);
        }
        Ok(bytes.into())
    }
}

macro_rules! serde_as_record {
    ($($record:ty),*) => { $(
        impl Serialize for $record {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.encode())
            }
        }

        impl<'de> Deserialize<'de> for $record {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let encoded = deserializer.deserialize_byte_buf(BytesVisitor)?;
                Self::decode(&encoded).map_err(D::Error::custom)
            }
        }
    )* };
}

serde_as_record!(BucketRecord, ObjectRecord, UploadRecord, PartRecord, LifecycleRules);

macro_rules! serde_as_value {
    ($($value:ty),*) => { $(
        impl Serialize for $value {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut encoded = Vec::new();
                self.write(&mut encoded);
                serializer.serialize_bytes(&encoded)
            }
        }

        impl<'de> Deserialize<'de> for $value {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let encoded = deserializer.deserialize_byte_buf(BytesVisitor)?;
                read_whole(&encoded).map_err(D::Error::custom)
            }
        }
    )* };
}

serde_as_value!(Etag, Checksum, Retention, BucketLock);
