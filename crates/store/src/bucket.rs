//! Buckets.

use std::collections::BTreeMap;

use bytes::Bytes;
use env::UnixMillis;
pub use meta::BucketId;
use meta::command::{
    ChangeBucketConfiguration, CreateBucket, DeleteBucket, SetBucketConfiguration, SetBucketLock, SetBucketQuota,
    SetBucketVersioning,
};
use meta::record::BucketRecord;
pub use meta::record::{BucketLock, ConfigurationKind, DefaultRetention, Hlc, Quota, RetentionPeriod, Versioning};
use meta::{Command, Reading, query};

use crate::error::{Error, Result};
use crate::store::Store;

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Names it for as long as it exists: a bucket created again under the same name has another id.
    pub id: BucketId,
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created: UnixMillis,
    /// The location constraint that it was created with; `None` is the default region.
    pub region: Option<String>,
    /// Canonical id of the account that owns it.
    pub owner: String,
    /// When a configuration of it was last set or removed: as long as this is the same, so are they.
    pub configured: Hlc,
    /// Whether its objects have versions; `None` if they never had.
    pub versioning: Option<Versioning>,
    /// Object lock; `None` if its versions cannot be locked.
    pub lock: Option<BucketLock>,
    /// How much it may hold; `None` is without bounds.
    pub quota: Option<Quota>,
    /// Index of a state that shows it like this: what is read in it is as new, or newer.
    pub found_at: u64,
}

/// A bucket to be.
#[derive(Clone, Debug)]
pub struct NewBucket {
    /// Its name.
    pub name: String,
    /// Canonical id of the account that will own it.
    pub owner: String,
    /// Location constraint; `None` is the default region.
    pub region: Option<String>,
    /// Whether its versions can be locked; versioning is enabled then.
    pub has_lock: bool,
    /// What it is configured with from the beginning.
    pub configurations: BTreeMap<ConfigurationKind, Vec<u8>>,
}

impl NewBucket {
    /// A plain bucket.
    pub fn new(name: &str, owner: &str) -> Self {
        let (name, owner) = (name.to_owned(), owner.to_owned());
        Self { name, owner, region: None, has_lock: false, configurations: BTreeMap::new() }
    }
}

/// What a bucket, or all of them, hold; exact at one moment, straight from the metadata tree's summaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of objects, each key once.
    pub objects: u64,
    /// Sum of the sizes of all their versions.
    pub bytes: u64,
}

impl Bucket {
    fn of(bucket: query::Bucket, found_at: u64) -> Self {
        let BucketRecord { name, created, owner, region, configured, versioning, lock, quota, .. } = bucket.record;
        Self {
            id: bucket.id,
            name,
            created: created.millis(),
            region,
            owner,
            configured,
            versioning,
            lock,
            quota,
            found_at,
        }
    }
}

impl Store {
    /// Creates a bucket. The caller has checked what it is to be.
    ///
    /// # Errors
    ///
    /// `BucketExists`, `EntityTooLarge` (a configuration of more than 2 MiB).
    pub async fn create_bucket(&self, bucket: NewBucket) -> Result<Bucket> {
        let NewBucket { name, owner, region, has_lock, configurations } = bucket;
        let command = CreateBucket { name: name.clone(), owner, region, has_lock, configurations };
        self.propose(Command::CreateBucket(command)).await?;
        self.head_bucket(&name).await
    }

    /// Deletes an empty bucket.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `BucketNotEmpty`.
    pub async fn delete_bucket(&self, bucket: &Bucket) -> Result<()> {
        self.propose(Command::DeleteBucket(DeleteBucket { bucket: bucket.id })).await?;
        Ok(())
    }

    /// Looks a bucket up. What is then done in it is done in this one, or fails with `NoSuchBucket`: never in another that
    /// has taken its name.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`.
    pub async fn head_bucket(&self, name: &str) -> Result<Bucket> {
        let reading = self.read_metadata().await?;
        self.bucket_in(reading, name).await
    }

    /// As [`Store::head_bucket`], in a state not older than that of `index`: for requests that have read such a state since
    /// they came in, and need not ask the cluster again how far it is.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`.
    pub async fn head_bucket_since(&self, name: &str, index: u64) -> Result<Bucket> {
        let reading = self.read_since(index).await?;
        self.bucket_in(reading, name).await
    }

    async fn bucket_in(&self, reading: Reading, name: &str) -> Result<Bucket> {
        let name = name.to_owned();
        let found_at = reading.index;
        let bucket = self.ask_little(reading, move |view| query::bucket(view, &name)).await?;
        bucket.map(|bucket| Bucket::of(bucket, found_at)).ok_or(Error::NoSuchBucket)
    }

    /// At most `limit` buckets whose names start with `prefix` and come after `after`, in order of name.
    ///
    /// # Errors
    ///
    /// Only ours.
    pub async fn list_buckets(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Bucket>> {
        let (prefix, after) = (prefix.to_owned(), after.unwrap_or_default().to_owned());
        let reading = self.read_metadata().await?;
        let found_at = reading.index;
        let page = self.ask(reading, move |view| query::list_buckets(view, &prefix, &after, limit)).await?;
        Ok(page.buckets.into_iter().map(|bucket| Bucket::of(bucket, found_at)).collect())
    }

    /// What a configuration of a bucket says; `None` when there is none of this kind.
    ///
    /// # Errors
    ///
    /// Only ours.
    pub async fn bucket_configuration(&self, bucket: &Bucket, kind: ConfigurationKind) -> Result<Option<Bytes>> {
        let (id, reading) = (bucket.id, self.read_since(bucket.found_at).await?);
        self.ask_little(reading, move |view| query::bucket_configuration(view, id, kind)).await
    }

    /// Sets a configuration of a bucket, or removes it. The caller has checked it.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `EntityTooLarge` (2 MiB).
    pub async fn set_bucket_configuration(
        &self,
        bucket: &Bucket,
        kind: ConfigurationKind,
        value: Option<Vec<u8>>,
    ) -> Result<()> {
        let command = SetBucketConfiguration { bucket: bucket.id, kind, value };
        self.propose(Command::SetBucketConfiguration(command)).await?;
        Ok(())
    }

    /// Sets a configuration of a bucket, or removes it, unless any of it was set since `bucket` was read.
    ///
    /// # Errors
    ///
    /// As [`Store::set_bucket_configuration`]; `ConcurrentChange` when one was: read the bucket and decide again.
    pub async fn change_bucket_configuration(
        &self,
        bucket: &Bucket,
        kind: ConfigurationKind,
        value: Option<Vec<u8>>,
    ) -> Result<()> {
        let change = SetBucketConfiguration { bucket: bucket.id, kind, value };
        let command = ChangeBucketConfiguration { change, configured: bucket.configured };
        self.propose(Command::ChangeBucketConfiguration(command)).await?;
        Ok(())
    }

    /// Has a bucket keep the versions of its objects, or not any more.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `InvalidBucketState` for suspending it in a bucket with object lock.
    pub async fn set_versioning(&self, bucket: &Bucket, versioning: Versioning) -> Result<()> {
        let command = SetBucketVersioning { bucket: bucket.id, versioning };
        self.propose(Command::SetBucketVersioning(command)).await?;
        Ok(())
    }

    /// Has the versions of a bucket be locked, which they can be from then on, and sets the default for new ones.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `InvalidBucketState` unless its versioning is enabled.
    pub async fn set_bucket_lock(&self, bucket: &Bucket, lock: BucketLock) -> Result<()> {
        self.propose(Command::SetBucketLock(SetBucketLock { bucket: bucket.id, lock })).await?;
        Ok(())
    }

    /// Bounds what a bucket may hold from now on, or not any more: exactly, whoever writes to it where.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`.
    pub async fn set_bucket_quota(&self, bucket: &Bucket, quota: Option<Quota>) -> Result<()> {
        self.propose(Command::SetBucketQuota(SetBucketQuota { bucket: bucket.id, quota })).await?;
        Ok(())
    }

    /// Counts a bucket's objects and bytes.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`.
    pub async fn usage(&self, bucket: &Bucket) -> Result<Usage> {
        let (id, reading) = (bucket.id, self.read_since(bucket.found_at).await?);
        let summary = self.ask(reading, move |view| query::bucket_usage(view, id)).await?;
        Ok(Usage { objects: summary.objects, bytes: summary.bytes })
    }
}
