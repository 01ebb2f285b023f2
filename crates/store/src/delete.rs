//! DeleteObject and DeleteObjects.

use futures_util::{FutureExt, StreamExt, stream};
use meta::command::{DeleteObject, DeleteVersion};
use meta::{BucketId, Command, Reply};

use crate::bucket::Bucket;
use crate::condition::Precondition;
use crate::error::{Error, Result};
use crate::object::Governance;
use crate::store::Store;
use crate::version::{Deleted, VersionName};

/// Deletions of one request that may wait for the log at once; they share its batches.
const DELETIONS_AT_ONCE: usize = 128;

/// What to delete.
#[derive(Clone, Debug)]
pub struct Deletion {
    /// The key.
    pub key: String,
    /// The version to remove for good. `None` deletes the key: in a versioned bucket its versions stay, below a delete
    /// marker.
    pub version: Option<VersionName>,
    /// What must hold: of the named version, otherwise of the newest one.
    pub conditions: Precondition,
    /// Whether a retention in governance mode keeps the version. The caller has asked who may bypass it.
    pub governance: Governance,
}

impl Store {
    /// Deletes an object or a version. Deleting what does not exist succeeds, unless a condition asks for it.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `PreconditionFailed`, `NoSuchKey` (`If-Match` on a missing key), `Locked`.
    pub async fn delete_object(&self, bucket: &Bucket, deletion: Deletion) -> Result<Deleted> {
        self.delete_in(bucket.id, deletion).await
    }

    /// Performs each deletion on its own; the answers come in their order.
    pub async fn delete_objects(&self, bucket: &Bucket, deletions: Vec<Deletion>) -> Vec<Result<Deleted>> {
        let bucket = bucket.id;
        // Owned and boxed: futures that borrow from the closure would not be `Send` in the eyes of the compiler.
        let deletions = deletions.into_iter().map(|deletion| {
            let store = self.clone();
            async move { store.delete_in(bucket, deletion).await }.boxed()
        });
        stream::iter(deletions.collect::<Vec<_>>()).buffered(DELETIONS_AT_ONCE).collect().await
    }

    async fn delete_in(&self, bucket: BucketId, deletion: Deletion) -> Result<Deleted> {
        let Deletion { key, version, conditions, governance } = deletion;
        let (precondition, write_id) = (conditions.clone(), self.new_write_id());
        let command = match version {
            None => Command::DeleteObject(DeleteObject { bucket, key, precondition, write_id }),
            Some(version) => {
                Command::DeleteVersion(DeleteVersion { bucket, key, version, precondition, governance, write_id })
            }
        };
        match self.propose(command).await.map_err(|error| error.under(&conditions))? {
            Reply::ObjectDeleted(deleted) => Ok(Deleted::of(&deleted)),
            _ => Err(Error::unexpected_reply()),
        }
    }
}

impl Deletion {
    /// The deletion of a key, whatever it holds.
    pub fn of(key: &str) -> Self {
        let key = key.to_owned();
        Self { key, version: None, conditions: Precondition::default(), governance: Governance::Observed }
    }
}
