//! CopyObject and UploadPartCopy.

use std::collections::BTreeMap;

use crate::checksum::ChecksumAlgorithm;
use crate::condition::{Precondition, ReadConditions};
use crate::error::Result;
use crate::get::ByteRange;
use crate::multipart::UploadId;
use crate::put::PutResult;
use crate::store::Store;

/// Where a copy reads.
#[derive(Clone, Debug)]
pub struct CopySource {
    /// Bucket of the source.
    pub bucket: String,
    /// Key of the source.
    pub key: String,
    /// `x-amz-copy-source-if-*`. `NotModified` is reported as `PreconditionFailed` here.
    pub conditions: ReadConditions,
}

/// What a copy makes of its source.
#[derive(Clone, Debug, Default)]
pub struct CopyRequest {
    /// `x-amz-metadata-directive: REPLACE` with the new standard headers and user metadata; `None` copies both.
    pub replaced_metadata: Option<(BTreeMap<String, String>, BTreeMap<String, String>)>,
    /// Storage class of the copy; `None` is `STANDARD`.
    pub storage_class: Option<String>,
    /// Checksum to compute for the copy; `None` keeps the source's algorithm (CRC64NVME if it had none).
    pub checksum_algorithm: Option<ChecksumAlgorithm>,
    /// When to write the copy.
    pub condition: Precondition,
}

impl Store {
    /// Copies an object. A copy of an object onto itself must change something (the caller checks that).
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `NoSuchKey`, `PreconditionFailed`, `EntityTooLarge` (5 GiB), and those of [`Store::put_object`].
    pub async fn copy_object(
        &self,
        source: &CopySource,
        bucket: &str,
        key: &str,
        request: CopyRequest,
    ) -> Result<PutResult> {
        let _ = (source, bucket, key, request);
        unimplemented!()
    }

    /// Copies an object, or one range of it, into a part of an upload. A range behind the source's end is
    /// `InvalidRange`.
    ///
    /// # Errors
    ///
    /// Those of [`Store::copy_object`] and [`Store::put_part`].
    pub async fn copy_part(
        &self,
        source: &CopySource,
        range: Option<ByteRange>,
        upload: &UploadId,
        number: u16,
    ) -> Result<PutResult> {
        let _ = (source, range, upload, number);
        unimplemented!()
    }
}
