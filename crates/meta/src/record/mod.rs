//! Canonical records: the values of the trees. `docs/formats/metadata-records.md` specifies their bytes.
//!
//! The same record has the same bytes on every replica and in every version of the software. Fields that this version
//! does not know are kept and written back unchanged.

mod bucket;
mod checksum;
mod encryption;
mod etag;
mod hlc;
mod internal;
mod lifecycle;
mod lock;
mod object;
mod quota;
mod result;
#[cfg(test)]
pub(crate) mod samples;
mod segment;

#[cfg(test)]
mod tests;
mod text_map;
mod upload;
mod version;
mod wire;

pub(crate) use bucket::LIFECYCLE_RULES;
pub(crate) use bucket::{BucketNameRecord, ConfigurationRecord};
pub use bucket::{BucketRecord, ConfigurationKind, LIFECYCLE_DOCUMENT, Versioning};
pub use checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
pub use encryption::EncryptionRecord;
pub use etag::{Etag, OpaqueEtag};
pub use hlc::Hlc;
pub use internal::{
    DocumentRecord, GroupFence, IntentEpoch, PinnedWrite, RepairRecord, RetiredId, RetiredRecord, StateRecord,
    WriteOwner,
};
pub(crate) use internal::{DrainingRecord, FenceRecord};
pub use lifecycle::LifecycleIndex;
pub(crate) use lifecycle::{DueRecord, LifecycleIndexRecord};
pub use lock::{
    BucketLock, DefaultRetention, Governance, LegalHold, Retention, RetentionMode, RetentionPeriod, VersionLock,
};
pub(crate) use object::BodyRecord;
pub use object::{Body, ObjectHead, ObjectPart, ObjectRecord};
pub use quota::Quota;
pub(crate) use quota::UsageRecord;
pub(crate) use result::{RememberedReply, ResultRecord, ResultSlotRecord};
pub use segment::{Segment, StripeException, StripeSlot, WriteId};
pub use upload::{PART_NUMBER_MAX, PART_SIZE_MIN, PartRecord, UploadId, UploadRecord};
pub use version::{MarkerRecord, VersionId, VersionName, VersionRecord};
pub(crate) use version::{NullVersionRecord, is_marker};

pub use crate::codec::{Record, UnknownFields};
