//! Canonical records: the values of the trees. `docs/formats/metadata-records.md` specifies their bytes.
//!
//! The same record has the same bytes on every replica and in every version of the software. Fields that this version
//! does not know are kept and written back unchanged.

mod bucket;
mod checksum;
mod etag;
mod hlc;
mod internal;
mod object;
mod segment;
mod upload;

pub use bucket::BucketRecord;
pub use checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
pub use etag::{Etag, OpaqueEtag};
pub use hlc::Hlc;
pub use internal::{
    DocumentRecord, GroupFence, IntentEpoch, PinnedWrite, RepairRecord, RetiredId, RetiredRecord, StateRecord,
    WriteOwner,
};
pub use object::{Body, ObjectHead, ObjectPart, ObjectRecord};
pub use segment::{Segment, StripeException, StripeSlot, WriteId};
pub use upload::{PART_NUMBER_MAX, PART_SIZE_MIN, PartRecord, UploadId, UploadRecord};

pub use crate::codec::{Record, UnknownFields};

/// Length of the start of an encoded record that listings and summaries need; storage keeps at least this much of it
/// in the page. The whole record for all but objects.
pub fn head_size(value: &[u8]) -> usize {
    let _ = value;
    unimplemented!()
}

/// Commands carry records in their canonical form.
macro_rules! serde_as_record {
    ($($record:ty),*) => { $(
        impl serde::Serialize for $record {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let _ = serializer;
                unimplemented!()
            }
        }
        impl<'de> serde::Deserialize<'de> for $record {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let _ = deserializer;
                unimplemented!()
            }
        }
    )* };
}
serde_as_record!(BucketRecord, ObjectRecord, UploadRecord, PartRecord, Etag, Checksum);
