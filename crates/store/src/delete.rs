//! DeleteObject and DeleteObjects.

use crate::error::Result;
use crate::store::Store;
use env::UnixMillis;

/// When to delete an object: S3's conditions for DELETE and for each entry of DeleteObjects. All that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteConditions {
    /// `If-Match`, without quotes; `*` for any.
    pub etag: Option<String>,
    /// `x-amz-if-match-last-modified-time`, compared in whole seconds.
    pub modified: Option<UnixMillis>,
    /// `x-amz-if-match-size`.
    pub size: Option<u64>,
}

impl Store {
    /// Deletes an object. Deleting a key that does not exist succeeds, unless a condition asks for it.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `PreconditionFailed`, `NoSuchKey` (`If-Match` on a missing key).
    pub async fn delete_object(&self, bucket: &str, key: &str, conditions: &DeleteConditions) -> Result<()> {
        let _ = (bucket, key, conditions);
        unimplemented!()
    }

    /// Deletes each of `keys` on its own; the answers come in their order.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket` for all of them at once.
    pub async fn delete_objects(&self, bucket: &str, keys: &[(String, DeleteConditions)]) -> Result<Vec<Result<()>>> {
        let _ = (bucket, keys);
        unimplemented!()
    }
}
