//! [`Envelopes`]: fresh data keys for new objects, and the data keys of those that are there.

use std::collections::BTreeMap;
use std::sync::Arc;

use env::{Clock, Entropy, Env};

use crate::cache::{KeyCache, entry_name};
use crate::customer::CustomerKey;
use crate::data_key::{DataKey, DataKeys};
use crate::envelope::{Envelope, KeyUse, Method, WrappedKey, Wrapping};
use crate::error::{Error, Result};
use crate::key_name::{KeyName, MANAGED_KEY};
use crate::local::{LocalKeys, MasterKey};
use crate::service::KeyService;
use crate::wrap::{unwrap, wrap};

/// Under what a client wants an object to be encrypted.
#[derive(Clone, Debug)]
pub enum Protection {
    /// SSE-S3.
    S3,
    /// SSE-KMS.
    Kms(KeyUse),
    /// DSSE-KMS.
    Dual(KeyUse),
    /// SSE-C.
    Customer(CustomerKey),
}

/// What wraps data keys.
pub struct EnvelopeConfig {
    /// The key that this server has of itself.
    pub master: MasterKey,
    /// Where named keys are; `None`: there are none but [`MANAGED_KEY`].
    pub service: Option<Arc<dyn KeyService>>,
    /// The named key of SSE-S3; `None` uses one that follows from the master key.
    pub s3_key: Option<KeyName>,
}

/// Wraps data keys and unwraps them.
pub struct Envelopes {
    master: LocalKeys,
    service: Option<Arc<dyn KeyService>>,
    s3_key: Option<KeyName>,
    /// What the service has unwrapped.
    unwrapped: KeyCache<DataKey>,
    /// Keys of buckets that new objects are wrapped under.
    bucket_keys: KeyCache<BucketKey>,
    entropy: Arc<dyn Entropy>,
    clock: Arc<dyn Clock>,
}

/// A key that stands between a named key and the data keys of a bucket.
#[derive(Clone)]
struct BucketKey {
    key: DataKey,
    wrapped: Vec<u8>,
}

/// The key for SSE-S3 that follows from the master key.
const S3_PURPOSE: &str = "s3";

impl Envelopes {
    /// Wraps by what `config` says.
    pub fn new(env: &Env, config: EnvelopeConfig) -> Self {
        let EnvelopeConfig { master, service, s3_key } = config;
        let own = |purpose| {
            let name = KeyName::parse(purpose).expect("the names of our own keys are names");
            (name, master.derive(purpose))
        };
        let own = BTreeMap::from([own(S3_PURPOSE), own(MANAGED_KEY)]);
        Self {
            master: LocalKeys::new(own, env.entropy.clone()),
            service,
            s3_key,
            unwrapped: KeyCache::default(),
            bucket_keys: KeyCache::default(),
            entropy: env.entropy.clone(),
            clock: env.clock.clone(),
        }
    }

    /// Fresh data keys for an object in `bucket`, and their envelope.
    ///
    /// # Errors
    ///
    /// `NoSuchKey`, `KeyRefused`, `ServiceUnavailable`.
    pub async fn seal(&self, protection: &Protection, bucket: u64) -> Result<(DataKeys, Envelope)> {
        let layers = if matches!(protection, Protection::Dual(_)) { 2 } else { 1 };
        let keys: DataKeys = (0..layers).map(|_| DataKey::generate(self.entropy.as_ref())).collect();
        let envelope = self.wrap(&keys, protection, bucket).await?;
        Ok((keys, envelope))
    }

    /// Wraps the data keys of an object as `protection` says: its bytes stay as they are.
    ///
    /// # Errors
    ///
    /// `NoSuchKey`, `KeyRefused`, `ServiceUnavailable`.
    ///
    /// # Panics
    ///
    /// Panics unless there are as many keys as `protection` has layers.
    pub async fn wrap(&self, keys: &[DataKey], protection: &Protection, bucket: u64) -> Result<Envelope> {
        let method = match protection {
            Protection::S3 => Method::S3,
            Protection::Kms(key_use) => Method::Kms(key_use.clone()),
            Protection::Dual(key_use) => Method::Dual(key_use.clone()),
            Protection::Customer(_) => Method::Customer,
        };
        let layers = if matches!(method, Method::Dual(_)) { 2 } else { 1 };
        assert_eq!(keys.len(), layers, "the caller has a key for each layer");
        let mut wrapped = Vec::with_capacity(layers);
        for (key, layer) in keys.iter().zip(0..) {
            let context = context(&method, layer, bucket);
            let key = match (protection, layer) {
                (Protection::Customer(customer), _) => WrappedKey {
                    under: Wrapping::Customer,
                    bytes: wrap(&customer.key, key, &context, self.entropy.as_ref()),
                },
                (Protection::Kms(key_use) | Protection::Dual(key_use), 0) => {
                    self.wrap_under_named(key_use, key, &context).await?
                }
                _ => self.wrap_under(self.s3_wrapping(), key, &context).await?,
            };
            wrapped.push(key);
        }
        Ok(Envelope { method, keys: wrapped })
    }

    /// The data keys of an object in `bucket`, of which `customer` is the key that its client has sent, if any.
    ///
    /// # Errors
    ///
    /// `CustomerKeyMissing`, `CustomerKeyWrong`, `CustomerKeyUnexpected`, and of the service `NoSuchKey`, `KeyRefused`,
    /// `ServiceUnavailable`; `Damaged`.
    pub async fn open(&self, envelope: &Envelope, bucket: u64, customer: Option<&CustomerKey>) -> Result<DataKeys> {
        let mut keys = DataKeys::new();
        for (key, layer) in envelope.keys.iter().zip(0..) {
            let context = context(&envelope.method, layer, bucket);
            let opened = match (&key.under, customer) {
                (Wrapping::Customer, None) => return Err(Error::CustomerKeyMissing),
                (Wrapping::Customer, Some(customer)) => {
                    unwrap(&customer.key, &key.bytes, &context).map_err(|_| Error::CustomerKeyWrong)?
                }
                (_, Some(_)) => return Err(Error::CustomerKeyUnexpected),
                (Wrapping::Bucket { name, key: bucket_key }, None) => {
                    let named = Wrapping::Named(name.clone());
                    let bucket_key = self.unwrap_under(&named, bucket_key, &context).await?;
                    unwrap(&bucket_key, &key.bytes, &context)?
                }
                (under, None) => self.unwrap_under(under, &key.bytes, &context).await?,
            };
            keys.push(opened);
        }
        Ok(keys)
    }

    fn s3_wrapping(&self) -> Wrapping {
        match &self.s3_key {
            Some(name) => Wrapping::Named(name.to_string()),
            None => Wrapping::Master(S3_PURPOSE.to_owned()),
        }
    }

    async fn wrap_under_named(&self, key_use: &KeyUse, key: &DataKey, context: &[u8]) -> Result<WrappedKey> {
        let name = KeyName::parse(&key_use.key_id)?;
        if name.as_str() == MANAGED_KEY {
            return self.wrap_under(Wrapping::Master(MANAGED_KEY.to_owned()), key, context).await;
        }
        let named = Wrapping::Named(name.to_string());
        // A key that this server has itself is asked faster than another key is looked up.
        let is_remote = self.service.as_ref().is_some_and(|service| service.is_remote());
        if !(key_use.bucket_key && is_remote) {
            return self.wrap_under(named, key, context).await;
        }
        let entry = entry_name(&name, &[], context);
        let now = self.clock.monotonic();
        let bucket_key = match self.bucket_keys.find(&entry, now) {
            Some(bucket_key) => bucket_key,
            None => {
                let bucket_key = DataKey::generate(self.entropy.as_ref());
                let wrapped = self.wrap_under(named, &bucket_key, context).await?.bytes;
                let bucket_key = BucketKey { key: bucket_key, wrapped };
                self.bucket_keys.keep(entry, bucket_key.clone(), now);
                bucket_key
            }
        };
        let bytes = wrap(&bucket_key.key, key, context, self.entropy.as_ref());
        Ok(WrappedKey { under: Wrapping::Bucket { name: name.to_string(), key: bucket_key.wrapped }, bytes })
    }

    async fn wrap_under(&self, under: Wrapping, key: &DataKey, context: &[u8]) -> Result<WrappedKey> {
        let (service, name) = self.service_of(&under)?;
        let bytes = service.wrap(&name, key, context).await?;
        Ok(WrappedKey { under, bytes })
    }

    async fn unwrap_under(&self, under: &Wrapping, wrapped: &[u8], context: &[u8]) -> Result<DataKey> {
        let (service, name) = self.service_of(under)?;
        if !service.is_remote() {
            return service.unwrap(&name, wrapped, context).await;
        }
        let (entry, now) = (entry_name(&name, wrapped, context), self.clock.monotonic());
        if let Some(key) = self.unwrapped.find(&entry, now) {
            return Ok(key);
        }
        let key = service.unwrap(&name, wrapped, context).await?;
        self.unwrapped.keep(entry, key.clone(), now);
        Ok(key)
    }

    fn service_of(&self, under: &Wrapping) -> Result<(&dyn KeyService, KeyName)> {
        match under {
            Wrapping::Master(purpose) => Ok((&self.master, KeyName::parse(purpose)?)),
            Wrapping::Named(name) => {
                let service = self.service.as_deref().ok_or_else(|| Error::NoSuchKey { name: name.clone() })?;
                Ok((service, KeyName::parse(name)?))
            }
            Wrapping::Bucket { .. } | Wrapping::Customer => Err(Error::Damaged { what: "an envelope" }),
        }
    }
}

/// What a data key is wrapped for: nothing else unwraps it. The key of the object is not part of it, since objects are
/// renamed without their customer's key at hand.
fn context(method: &Method, layer: u8, bucket: u64) -> Vec<u8> {
    let (number, client) = match method {
        Method::S3 => (0, None),
        Method::Kms(key_use) => (1, key_use.context.as_deref()),
        Method::Dual(key_use) => (2, key_use.context.as_deref()),
        Method::Customer => (3, None),
    };
    let mut context = b"stonecrop envelope v1".to_vec();
    context.extend_from_slice(&bucket.to_be_bytes());
    context.extend_from_slice(&[number, layer]);
    context.extend_from_slice(client.unwrap_or_default().as_bytes());
    context
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::service::KeyFuture;

    /// Keys that are asked over a network, as far as the caller can tell.
    struct Remote {
        keys: LocalKeys,
        questions: AtomicUsize,
    }

    impl KeyService for Remote {
        fn wrap<'a>(&'a self, name: &'a KeyName, key: &'a DataKey, context: &'a [u8]) -> KeyFuture<'a, Vec<u8>> {
            self.questions.fetch_add(1, Ordering::Relaxed);
            self.keys.wrap(name, key, context)
        }

        fn unwrap<'a>(&'a self, name: &'a KeyName, wrapped: &'a [u8], context: &'a [u8]) -> KeyFuture<'a, DataKey> {
            self.questions.fetch_add(1, Ordering::Relaxed);
            self.keys.unwrap(name, wrapped, context)
        }

        fn is_remote(&self) -> bool {
            true
        }
    }

    fn remote() -> Arc<Remote> {
        let env = Env::real();
        let key = |name| (KeyName::parse(name).unwrap(), DataKey::generate(env.entropy.as_ref()));
        let keys = LocalKeys::new(BTreeMap::from([key("one"), key("two")]), env.entropy.clone());
        Arc::new(Remote { keys, questions: AtomicUsize::new(0) })
    }

    fn envelopes(service: Option<Arc<dyn KeyService>>) -> Envelopes {
        let env = Env::real();
        let master = MasterKey::generate(env.entropy.as_ref());
        Envelopes::new(&env, EnvelopeConfig { master, service, s3_key: None })
    }

    fn key_use(key_id: &str) -> KeyUse {
        KeyUse { key_id: key_id.to_owned(), context: None, bucket_key: false }
    }

    fn customer(byte: char) -> CustomerKey {
        CustomerKey::parse(&format!("{}=", byte.to_string().repeat(43))).unwrap()
    }

    fn same(left: &[DataKey], right: &[DataKey]) -> bool {
        left.iter().map(DataKey::expose).eq(right.iter().map(DataKey::expose))
    }

    #[tokio::test]
    async fn what_was_sealed_opens_in_its_bucket_only() {
        let envelopes = envelopes(Some(remote()));
        let context = KeyUse { context: Some(r#"{"a":"b"}"#.to_owned()), ..key_use("one") };
        for protection in [
            Protection::S3,
            Protection::Kms(key_use(MANAGED_KEY)),
            Protection::Kms(key_use("alias/one")),
            Protection::Kms(context),
            Protection::Dual(key_use("two")),
            Protection::Customer(customer('A')),
        ] {
            let own = match &protection {
                Protection::Customer(key) => Some(key),
                _ => None,
            };
            let (keys, envelope) = envelopes.seal(&protection, 7).await.unwrap();
            let envelope = Envelope::decode(&envelope.encode()).unwrap();
            assert_eq!(keys.len(), usize::from(envelope.format().layers()));
            assert!(same(&keys, &envelopes.open(&envelope, 7, own).await.unwrap()), "{protection:?}");
            assert!(envelopes.open(&envelope, 8, own).await.is_err(), "{protection:?}");
            let (others, _) = envelopes.seal(&protection, 7).await.unwrap();
            assert!(!same(&keys, &others), "each object has keys of its own");
        }
    }

    #[tokio::test]
    async fn the_encryption_context_is_part_of_the_envelope() {
        let envelopes = envelopes(Some(remote()));
        let (_, mut envelope) = envelopes.seal(&Protection::Kms(key_use("one")), 7).await.unwrap();
        let Method::Kms(key_use) = &mut envelope.method else { unreachable!("sealed as KMS") };
        key_use.context = Some("{}".to_owned());
        assert!(envelopes.open(&envelope, 7, None).await.is_err());
    }

    #[tokio::test]
    async fn customers_keys_are_asked_for_and_compared() {
        let envelopes = envelopes(None);
        let (_, own) = envelopes.seal(&Protection::Customer(customer('A')), 1).await.unwrap();
        let (_, plain) = envelopes.seal(&Protection::S3, 1).await.unwrap();
        let (wrong, right) = (customer('E'), customer('A'));
        let error = |opened: Result<DataKeys>| opened.map(|_| ()).unwrap_err();
        assert_eq!(error(envelopes.open(&own, 1, None).await), Error::CustomerKeyMissing);
        assert_eq!(error(envelopes.open(&own, 1, Some(&wrong)).await), Error::CustomerKeyWrong);
        assert_eq!(error(envelopes.open(&plain, 1, Some(&right)).await), Error::CustomerKeyUnexpected);
    }

    #[tokio::test]
    async fn unknown_keys_are_named() {
        for service in [None, Some(remote() as Arc<dyn KeyService>)] {
            let sealed = envelopes(service).seal(&Protection::Kms(key_use("three")), 1).await;
            assert_eq!(sealed.map(|_| ()).unwrap_err(), Error::NoSuchKey { name: "three".to_owned() });
        }
    }

    #[tokio::test]
    async fn bucket_keys_spare_the_service_most_questions() {
        let service = remote();
        let envelopes = envelopes(Some(service.clone()));
        let asked = || service.questions.load(Ordering::Relaxed);
        let mut sealed = Vec::new();
        for _ in 0..20 {
            let protection = Protection::Kms(KeyUse { bucket_key: true, ..key_use("one") });
            sealed.push(envelopes.seal(&protection, 5).await.unwrap());
        }
        assert_eq!(asked(), 1);
        for (keys, envelope) in &sealed {
            assert!(same(keys, &envelopes.open(envelope, 5, None).await.unwrap()));
        }
        assert_eq!(asked(), 2);
        let (_, other) = envelopes.seal(&Protection::Kms(key_use("one")), 5).await.unwrap();
        assert_eq!(asked(), 3);
        for _ in 0..3 {
            envelopes.open(&other, 5, None).await.unwrap();
        }
        assert_eq!(asked(), 4, "what was unwrapped is remembered");
    }

    #[tokio::test]
    async fn rewrapped_keys_are_the_same_keys() {
        let envelopes = envelopes(Some(remote()));
        let (keys, _) = envelopes.seal(&Protection::S3, 5).await.unwrap();
        let envelope = envelopes.wrap(&keys, &Protection::Kms(key_use("two")), 5).await.unwrap();
        assert!(same(&keys, &envelopes.open(&envelope, 5, None).await.unwrap()));
    }
}
