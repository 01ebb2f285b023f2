//! DeleteObject and DeleteObjects.

use futures_util::{FutureExt, StreamExt, stream};
use meta::command::DeleteObject;
use meta::{BucketId, Command};

use crate::condition::Precondition;
use crate::error::Result;
use crate::store::Store;

/// Deletions of one request that may wait for the log at once; they share its batches.
const DELETIONS_AT_ONCE: usize = 128;

impl Store {
    /// Deletes an object. Deleting a key that does not exist succeeds, unless a condition asks for it.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `PreconditionFailed`, `NoSuchKey` (`If-Match` on a missing key).
    pub async fn delete_object(&self, bucket: &str, key: &str, conditions: &Precondition) -> Result<()> {
        let bucket = self.bucket_id(bucket).await?;
        self.delete_in(bucket, key, conditions).await
    }

    /// Deletes each of `keys` on its own; the answers come in their order.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket` for all of them at once.
    pub async fn delete_objects(&self, bucket: &str, keys: &[(String, Precondition)]) -> Result<Vec<Result<()>>> {
        let bucket = self.bucket_id(bucket).await?;
        // Owned and boxed: futures that borrow from the closure would not be `Send` in the eyes of the compiler.
        let deletions = keys.iter().cloned().map(|(key, conditions)| {
            let store = self.clone();
            async move { store.delete_in(bucket, &key, &conditions).await }.boxed()
        });
        Ok(stream::iter(deletions.collect::<Vec<_>>()).buffered(DELETIONS_AT_ONCE).collect().await)
    }

    async fn delete_in(&self, bucket: BucketId, key: &str, conditions: &Precondition) -> Result<()> {
        let command = DeleteObject {
            bucket,
            key: key.to_owned(),
            precondition: conditions.clone(),
            write_id: self.new_write_id(),
        };
        let deleted = self.propose(Command::DeleteObject(command)).await;
        deleted.map_err(|error| error.under(conditions))?;
        Ok(())
    }
}
