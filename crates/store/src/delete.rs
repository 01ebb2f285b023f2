//! DeleteObject and DeleteObjects.

use crate::condition::Precondition;
use crate::error::Result;
use crate::store::Store;

impl Store {
    /// Deletes an object. Deleting a key that does not exist succeeds, unless a condition asks for it.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `PreconditionFailed`, `NoSuchKey` (`If-Match` on a missing key).
    pub async fn delete_object(&self, bucket: &str, key: &str, conditions: &Precondition) -> Result<()> {
        let _ = (bucket, key, conditions);
        unimplemented!()
    }

    /// Deletes each of `keys` on its own; the answers come in their order.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket` for all of them at once.
    pub async fn delete_objects(&self, bucket: &str, keys: &[(String, Precondition)]) -> Result<Vec<Result<()>>> {
        let _ = (bucket, keys);
        unimplemented!()
    }
}
