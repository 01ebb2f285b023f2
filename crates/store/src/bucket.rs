//! Buckets.

use env::UnixMillis;

use crate::error::Result;
use crate::store::Store;

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created: UnixMillis,
    /// The location constraint that it was created with; `None` is the default region.
    pub region: Option<String>,
}

/// What a bucket, or all of them, hold; exact at one moment, straight from the metadata tree's summaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of objects.
    pub objects: u64,
    /// Their sizes' sum.
    pub bytes: u64,
}

impl Store {
    /// Creates a bucket. The caller has checked the name and the region.
    ///
    /// # Errors
    ///
    /// `BucketExists`.
    pub async fn create_bucket(&self, name: &str, owner: &str, region: Option<&str>) -> Result<Bucket> {
        let _ = (name, owner, region);
        unimplemented!()
    }

    /// Deletes an empty bucket.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `BucketNotEmpty`.
    pub async fn delete_bucket(&self, name: &str) -> Result<()> {
        let _ = name;
        unimplemented!()
    }

    /// Looks a bucket up.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`.
    pub async fn head_bucket(&self, name: &str) -> Result<Bucket> {
        let _ = name;
        unimplemented!()
    }

    /// At most `limit` buckets whose names start with `prefix` and come after `after`, in order of name.
    ///
    /// # Errors
    ///
    /// Only ours.
    pub async fn list_buckets(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Bucket>> {
        let _ = (prefix, after, limit);
        unimplemented!()
    }

    /// Counts a bucket's objects and bytes.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`.
    pub async fn usage(&self, bucket: &str) -> Result<Usage> {
        let _ = bucket;
        unimplemented!()
    }
}
