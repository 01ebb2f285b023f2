//! Configurations of a bucket: read once, kept as long as nothing about them changes.
//!
//! Each is kept in the metadata as the document that a GET answers (`docs/formats/metadata-keys.md` numbers them), so what
//! is understood when it is set is what is stored. [`SettingsCache`] decodes them for the requests that follow.

mod abac;
mod accelerate;
pub(crate) mod acl;
mod cors;
mod document;
mod encryption;
mod lifecycle;
mod logging;
mod ownership;
mod policy;
mod public_access;
mod request_payment;
pub(crate) mod tags;
mod website;

use std::collections::BTreeMap;
use std::sync::Arc;

use iam::acl::Acl;
use iam::{ObjectOwnership, PublicAccessBlock};
use parking_lot::Mutex;
use store::Store;
use store::bucket::{Bucket, BucketId, ConfigurationKind, Hlc};

pub(crate) use abac::Abac;
pub(crate) use accelerate::Acceleration;
pub(crate) use cors::{Allowed, Cors, Crossing};
pub(crate) use document::Document;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use document::check_round_trip;
pub(crate) use encryption::{BucketEncryption, protection};
pub(crate) use lifecycle::Lifecycle;
pub(crate) use logging::{KeyFormat, Logging, LoggingStatus};
pub(crate) use policy::BucketPolicy;
pub(crate) use tags::Tags;
pub(crate) use website::{Elsewhere, Pages, Website};

use crate::error::{ErrorCode, Result};

/// Whether whoever asks for an object pays, who must then say that they know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payer {
    /// The owner of the bucket.
    BucketOwner,
    /// Whoever asks.
    Requester,
}

/// What is configured for one bucket.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Who may do what.
    pub(crate) policy: Option<BucketPolicy>,
    /// What the public may not.
    pub(crate) public_access: Option<PublicAccessBlock>,
    /// Who owns its objects.
    pub(crate) ownership: Option<ObjectOwnership>,
    /// The list of the bucket; without one it is its owner's alone.
    pub(crate) acl: Option<Acl>,
    /// Its tags.
    pub(crate) tags: Option<Tags>,
    /// Which pages of other origins may ask.
    pub(crate) cors: Option<Cors>,
    /// When its objects end.
    pub(crate) lifecycle: Option<Lifecycle>,
    /// Who pays.
    pub(crate) payer: Option<Payer>,
    /// How its new objects are encrypted.
    pub(crate) encryption: Option<BucketEncryption>,
    /// What browsers see.
    pub(crate) website: Option<Website>,
    /// Where the log of its requests goes.
    pub(crate) logging: Option<Arc<Logging>>,
    /// Whether it may be asked for by its accelerated host.
    pub(crate) acceleration: Option<Acceleration>,
    /// Whether policies may decide by its tags.
    pub(crate) abac: Option<Abac>,
}

impl Settings {
    /// Whose its objects are. Buckets without the setting do as all buckets did before there was one.
    pub(crate) fn ownership(&self) -> ObjectOwnership {
        self.ownership.unwrap_or(ObjectOwnership::ObjectWriter)
    }

    /// The tags that policies may decide by.
    pub(crate) fn deciding_tags(&self) -> Option<&BTreeMap<String, String>> {
        let counts = self.abac == Some(Abac::Enabled);
        self.tags.as_ref().filter(|_| counts).map(|Tags(tags)| tags)
    }

    /// The list of the bucket `bucket`.
    pub(crate) fn acl(&self, bucket: &Bucket) -> Acl {
        self.acl.clone().unwrap_or_else(|| Acl::private(&bucket.owner))
    }

    async fn load(store: &Store, bucket: &Bucket) -> Result<Self> {
        Ok(Self {
            policy: read(store, bucket).await?,
            public_access: read(store, bucket).await?,
            ownership: read(store, bucket).await?,
            acl: read(store, bucket).await?,
            tags: read(store, bucket).await?,
            cors: read(store, bucket).await?,
            lifecycle: read(store, bucket).await?,
            payer: read(store, bucket).await?,
            encryption: read(store, bucket).await?,
            website: read(store, bucket).await?,
            logging: read::<LoggingStatus>(store, bucket).await?.and_then(|LoggingStatus(logging)| logging),
            acceleration: read(store, bucket).await?,
            abac: read(store, bucket).await?,
        })
    }
}

/// Reads one configuration. One that cannot be read, which newer software may have written, lets nobody in.
async fn read<D: Document>(store: &Store, bucket: &Bucket) -> Result<Option<D>> {
    let Some(stored) = store.bucket_configuration(bucket, kind::<D>()).await? else { return Ok(None) };
    match D::parse(&stored, &bucket.name) {
        Ok(document) => Ok(Some(document)),
        Err(error) => {
            tracing::error!(bucket = bucket.name, kind = D::KIND, %error, "a configuration of a bucket cannot be read");
            Err(ErrorCode::InternalError.into())
        }
    }
}

/// Names the configuration `D` in the metadata.
pub(crate) fn kind<D: Document>() -> ConfigurationKind {
    ConfigurationKind::new(D::KIND).expect("kinds are not zero")
}

/// Most buckets whose settings are kept in memory.
const BUCKETS_MAX: usize = 4096;

/// Settings of the buckets that were asked for lately.
///
/// An entry counts only for the stamp it was read under, which every request compares with the bucket's record: what is
/// set through one node acts at once on all of them.
#[derive(Default)]
pub(crate) struct SettingsCache {
    entries: Mutex<BTreeMap<BucketId, (Hlc, Arc<Settings>)>>,
}

impl SettingsCache {
    /// The settings of `bucket`, not older than its record.
    ///
    /// # Errors
    ///
    /// `InternalError` for one that cannot be read, and what the store fails with.
    pub(crate) async fn settings(&self, store: &Store, bucket: &Bucket) -> Result<Arc<Settings>> {
        if let Some(settings) = self.find(bucket) {
            return Ok(settings);
        }
        let settings = match bucket.configured {
            Hlc::ZERO => Arc::default(),
            _ => Arc::new(Settings::load(store, bucket).await?),
        };
        self.keep(bucket, settings.clone());
        Ok(settings)
    }

    fn find(&self, bucket: &Bucket) -> Option<Arc<Settings>> {
        let entries = self.entries.lock();
        let (configured, settings) = entries.get(&bucket.id)?;
        (*configured == bucket.configured).then(|| settings.clone())
    }

    fn keep(&self, bucket: &Bucket, settings: Arc<Settings>) {
        let mut entries = self.entries.lock();
        if BUCKETS_MAX <= entries.len() && !entries.contains_key(&bucket.id) {
            // Any other will do: with so many buckets in use, none is much likelier to be asked for than another.
            let after = entries.range(bucket.id..).next().or_else(|| entries.iter().next());
            if let Some(victim) = after.map(|(id, _)| *id) {
                entries.remove(&victim);
            }
        }
        entries.insert(bucket.id, (bucket.configured, settings));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use env::UnixMillis;

    fn bucket(id: u64, configured: u64) -> Bucket {
        Bucket {
            id: BucketId(id),
            name: "bucket".to_owned(),
            created: UnixMillis(0),
            region: None,
            owner: "owner".to_owned(),
            configured: Hlc::from_bits(configured),
            versioning: None,
            found_at: 0,
            lock: None,
            quota: None,
        }
    }

    #[test]
    fn settings_count_only_under_the_stamp_they_were_read_with() {
        let cache = SettingsCache::default();
        cache.keep(&bucket(1, 5), Arc::default());
        assert!(cache.find(&bucket(1, 5)).is_some());
        for (id, configured) in [(1, 4), (1, 6), (2, 5)] {
            assert!(cache.find(&bucket(id, configured)).is_none());
        }
    }

    #[test]
    fn the_cache_stays_small() {
        let cache = SettingsCache::default();
        for id in 0..2 * BUCKETS_MAX as u64 {
            cache.keep(&bucket(id, 1), Arc::default());
            assert!(cache.find(&bucket(id, 1)).is_some(), "the newest is there");
        }
        assert_eq!(cache.entries.lock().len(), BUCKETS_MAX);
    }
}
