//! RenameObject: metadata only, whatever the size of the object.

use meta::Command;
pub use meta::command::RenameCondition;
use meta::command::RenameObject;
use meta::record::WriteId;
use serde::Serialize;

use crate::bucket::{Bucket, BucketId};
use crate::error::{Error, Result};
use crate::put::PutResult;
use crate::store::Store;

/// What to rename, and when.
#[derive(Clone, Debug, Default)]
pub struct RenameRequest {
    /// The key that the object has.
    pub source: String,
    /// What must hold of the object.
    pub source_condition: RenameCondition,
    /// What must hold of the object that it replaces.
    pub target_condition: RenameCondition,
    /// Names the request, so that it has its effect once however often it is sent.
    pub token: Option<String>,
}

impl Store {
    /// Gives an object the key `target`, in one step. In a bucket with versioning its version becomes one of `target`, and a
    /// delete marker takes its place.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `NoSuchKey`, `PreconditionFailed`, `Locked` (the object, or the one that it replaces),
    /// `TokenReused`, `InvalidRequest` when both keys are the same.
    pub async fn rename_object(&self, bucket: &Bucket, target: &str, request: RenameRequest) -> Result<PutResult> {
        let RenameRequest { source, source_condition, target_condition, token } = request;
        if source == target {
            return Err(Error::InvalidRequest("An object cannot be renamed to the name that it has"));
        }
        let bucket = bucket.id;
        let fingerprint = digest_of(&(bucket.0, &source, &source_condition, target, &target_condition));
        let write_id = token.map_or_else(|| self.new_write_id(), |token| token_id(bucket, &token));
        let command = RenameObject {
            bucket,
            source,
            source_condition,
            target: target.to_owned(),
            target_condition,
            write_id,
            fingerprint,
        };
        PutResult::of(self.propose(Command::RenameObject(Box::new(command))).await?)
    }
}

/// The identity that a client's token stands for.
fn token_id(bucket: BucketId, token: &str) -> WriteId {
    WriteId(digest_of(&("rename", bucket.0, token)))
}

fn digest_of(value: &impl Serialize) -> u128 {
    let encoded = postcard::to_stdvec(value).expect("strings and numbers can be encoded");
    let digest = blake3::hash(&encoded);
    let (first, _) = digest.as_bytes().split_first_chunk::<16>().expect("a digest has 32 bytes");
    u128::from_be_bytes(*first)
}
