//! PutObject.

use std::collections::BTreeMap;

use env::UnixMillis;

use crate::body::Body;
use crate::checksum::{Checksum, ChecksumRequest};
use crate::condition::Precondition;
use crate::error::Result;
use crate::etag::Etag;
use crate::store::Store;

/// What goes with the body of a PUT.
#[derive(Clone, Debug, Default)]
pub struct PutRequest {
    /// Standard headers to keep (`content-type`, `cache-control`, ...), names in lower case.
    pub headers: BTreeMap<String, String>,
    /// User metadata, names in lower case and without `x-amz-meta-`.
    pub user_metadata: BTreeMap<String, String>,
    /// Storage class to echo; `None` is `STANDARD`.
    pub storage_class: Option<String>,
    /// What must hold of the current version.
    pub condition: Precondition,
    /// What the body must be.
    pub expected: ExpectedBody,
}

/// What the client declared about a body. A body that differs is not stored.
#[derive(Clone, Debug, Default)]
pub struct ExpectedBody {
    /// Number of bytes after decoding any transfer or chunk encoding.
    pub size: Option<u64>,
    /// `Content-MD5`.
    pub md5: Option<[u8; 16]>,
    /// `x-amz-checksum-*` and its relatives.
    pub checksum: ChecksumRequest,
}

/// What a PUT, a part, a copy or a completion made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutResult {
    /// Entity tag.
    pub etag: Etag,
    /// Stored checksum.
    pub checksum: Option<Checksum>,
    /// Size.
    pub size: u64,
    /// When it was committed.
    pub modified: UnixMillis,
}

impl Store {
    /// Stores `body` under `key`, whole or not at all.
    ///
    /// Durable on return. Dropped before it resolves, the object may or may not be stored.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `PreconditionFailed`, `NoSuchKey` (`If-Match` on a missing key), `BadDigest`,
    /// `ChecksumMismatch`, `EntityTooLarge` (5 GiB), `Body`, `SlowDown`, `DiskFull`, `Unavailable`.
    pub async fn put_object(
        &self,
        bucket: &str,
        key: &str,
        request: PutRequest,
        body: Box<dyn Body>,
    ) -> Result<PutResult> {
        let _ = (bucket, key, request, body);
        unimplemented!()
    }
}
