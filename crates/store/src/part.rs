//! Storing bytes as a segment of their own: a part of an upload, or what is appended to an object.

use encryption::SegmentName;
use meta::record::{Hlc, PartRecord, UnknownFields};

use crate::active::ActiveWrite;
use crate::body::Body;
use crate::body_writer::{BodyPlan, Content, store_body};
use crate::checksum::ChecksumAlgorithm;
use crate::digests::Digests;
use crate::error::Result;
use crate::put::ExpectedBody;
use crate::retarget::WrittenRows;
use crate::sealing::Seal;
use crate::store::Store;

/// How to store a part.
pub(crate) struct PartPlan<'a> {
    pub(crate) expected: &'a ExpectedBody,
    /// Checksums to compute; the first is kept with the part.
    pub(crate) algorithms: &'a [ChecksumAlgorithm],
    /// Larger parts are refused.
    pub(crate) size_max: u64,
    /// Encrypts it; `None` stores it as it is.
    pub(crate) seal: Option<&'a Seal>,
    /// What it is encrypted as.
    pub(crate) name: SegmentName,
}

/// A part that has been stored and is what the client declared. Nothing names it yet.
pub(crate) struct StoredPart {
    pub(crate) part: PartRecord,
    pub(crate) digests: Digests,
    /// By which rows of the placement table it was written.
    pub(crate) rows: WrittenRows,
}

/// Stores `body` for `write`, in stripes however small it is: it may become the middle of an object, whose body is all
/// stripes or all inline.
///
/// # Errors
///
/// `Body`, `EntityTooLarge`, `BadDigest`, `ChecksumMismatch`, `Key`, `SlowDown`, `DiskFull`, `Unavailable`.
pub(crate) async fn store_part(
    store: &Store,
    write: &ActiveWrite,
    plan: PartPlan<'_>,
    body: Box<dyn Body>,
) -> Result<StoredPart> {
    let PartPlan { expected, algorithms, size_max, seal, name } = plan;
    let sealer = seal.map(|seal| seal.sealer(name)).transpose()?;
    let plan = BodyPlan { expected, algorithms, inline_size_max: 0, size_max, sealer };
    let stored = store_body(store, write, &plan, body).await?;
    let (etag, digests) = (stored.etag(seal), stored.digests);
    let Content::Striped(segment, rows) = stored.content else { unreachable!("nothing is inline up to 0 bytes") };
    let part = PartRecord {
        modified: Hlc::ZERO,
        etag,
        checksum: algorithms.first().map(|algorithm| digests.checksum(*algorithm)),
        segment,
        plain_size: seal.map(|_| stored.size),
        unknown: UnknownFields::default(),
    };
    Ok(StoredPart { part, digests, rows })
}
