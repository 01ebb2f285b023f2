//! A client that works on keys of its own, one operation at a time.

use bytes::Bytes;
use futures_util::TryStreamExt;
use store::bucket::Bucket;
use store::copy::{CopyRequest, CopySource};
use store::get::GetRequest;
use store::list::ListRequest;
use store::multipart::{CompleteRequest, CompletedPart, CreateUploadRequest};
use store::put::{ExpectedBody, PutRequest};
use store::{Deletion, Error, Store};

use crate::dice::Dice;
use crate::oracle::{Oracle, State, Violation, Written};

/// The bucket that everything happens in.
pub(crate) const BUCKET: &str = "disasters";

const KEYS: u64 = 10;
/// Around the borders of inline bodies, blocks and small stripes.
const SIZES: [usize; 8] = [0, 1, 900, 16_384, 16_385, 65_537, 200_000, 700_001];
const PART_SIZE: usize = 5 << 20;

/// A client that works on keys of its own, one operation at a time, and remembers every answer.
pub struct Writer {
    name: u64,
    dice: Dice,
    oracle: Oracle,
    sequence: u64,
    acknowledged: u64,
}

enum Operation {
    Put,
    Delete,
    Copy,
    Multipart,
}

impl Writer {
    /// Writer number `name`, whose choices follow from `seed`.
    pub fn new(name: u64, seed: u64) -> Self {
        Self { name, dice: Dice::new(seed), oracle: Oracle::default(), sequence: 0, acknowledged: 0 }
    }

    /// Operations that the store acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Works until the store fails, which it does when its disks are cut off, or for `operations_max` operations.
    pub async fn work(&mut self, store: &Store, operations_max: u64) {
        for _ in 0..operations_max {
            if self.operate(store).await.is_err() {
                return;
            }
            self.acknowledged += 1;
        }
    }

    async fn operate(&mut self, store: &Store) -> Result<(), Error> {
        let key = format!("{}/{}", self.name, self.dice.below(KEYS));
        let operation = match self.dice.below(40) {
            0 => Operation::Multipart,
            1..=5 => Operation::Copy,
            6..=12 => Operation::Delete,
            _ => Operation::Put,
        };
        let state = match operation {
            Operation::Put => self.put(store, &key).await?,
            Operation::Delete => self.delete(store, &key).await?,
            Operation::Copy => self.copy(store, &key).await?,
            Operation::Multipart => self.multipart(store, &key).await?,
        };
        self.oracle.acknowledge(&key, state);
        Ok(())
    }

    fn fresh(&mut self, size: usize) -> Written {
        self.sequence += 1;
        Written { writer: self.name, sequence: self.sequence, size }
    }

    async fn put(&mut self, store: &Store, key: &str) -> Result<State, Error> {
        let size = self.dice.pick(&SIZES);
        let written = self.fresh(size);
        self.oracle.begin(key, Some(written));
        store.put_object(&bucket(store).await?, key, PutRequest::default(), Box::new(written.content())).await?;
        Ok(Some(written))
    }

    async fn delete(&mut self, store: &Store, key: &str) -> Result<State, Error> {
        self.oracle.begin(key, None);
        store.delete_object(&bucket(store).await?, Deletion::of(key)).await?;
        Ok(None)
    }

    async fn copy(&mut self, store: &Store, key: &str) -> Result<State, Error> {
        let Some((source, written)) = self.oracle.existing(|bound| self.dice.below(bound)) else {
            return self.put(store, key).await;
        };
        self.oracle.begin(key, Some(written));
        let bucket = bucket(store).await?;
        let source = CopySource {
            bucket: bucket.clone(),
            key: source,
            version: None,
            conditions: Default::default(),
            customer_key: None,
        };
        store.copy_object(&source, &bucket, key, CopyRequest::default()).await?;
        Ok(Some(written))
    }

    async fn multipart(&mut self, store: &Store, key: &str) -> Result<State, Error> {
        let written = self.fresh(PART_SIZE + 1000);
        let content = written.content();
        let bucket = bucket(store).await?;
        let upload = store.create_upload(&bucket, key, CreateUploadRequest::default()).await?;
        let mut parts = Vec::new();
        for (number, piece) in [(1, content.slice(..PART_SIZE)), (2, content.slice(PART_SIZE..))] {
            let part = store.put_part(&bucket, &upload.id, number, ExpectedBody::default(), Box::new(piece)).await?;
            parts.push(CompletedPart { number, etag: part.etag.to_string(), checksum: None });
        }
        self.oracle.begin(key, Some(written));
        store.complete_upload(&bucket, &upload.id, CompleteRequest { parts, ..CompleteRequest::default() }).await?;
        Ok(Some(written))
    }

    /// Reads every key and the listing, and compares both with what was acknowledged. Returns how many keys it read.
    ///
    /// # Errors
    ///
    /// [`Violation`] names the key and what was wrong.
    pub async fn verify(&mut self, store: &Store) -> Result<u64, Violation> {
        let failed = |what: &str, error: Error| Violation(format!("{what} cannot be read: {error:?}"));
        let prefix = format!("{}/", self.name);
        let request = ListRequest { prefix, limit: 1000, ..ListRequest::default() };
        let bucket = bucket(store).await.map_err(|error| failed("the bucket", error))?;
        let page = store.list_objects(&bucket, &request).await.map_err(|error| failed("the listing", error))?;
        let listed: Vec<String> = page.objects.into_iter().map(|object| object.key).collect();
        let keys = self.oracle.keys();
        for key in &keys {
            let body = match store.get_object(&bucket, key, GetRequest::default()).await {
                Ok(reader) => Some(collect(reader.body).await.map_err(|error| failed(key, error))?),
                Err(Error::NoSuchKey) => None,
                Err(error) => return Err(failed(key, error)),
            };
            if body.is_some() != listed.contains(key) {
                return Err(Violation(format!("{key}: the listing does not agree with the object")));
            }
            self.oracle.found(key, body.as_ref())?;
        }
        if let Some(stray) = listed.iter().find(|key| !keys.contains(key)) {
            return Err(Violation(format!("{stray} was never written")));
        }
        Ok(keys.len() as u64)
    }
}

async fn collect(body: store::get::ObjectBody) -> Result<Bytes, Error> {
    let whole = body.try_fold(Vec::new(), |mut whole, chunk| async move {
        whole.extend_from_slice(&chunk);
        Ok(whole)
    });
    Ok(whole.await?.into())
}

async fn bucket(store: &Store) -> Result<Bucket, Error> {
    store.head_bucket(BUCKET).await
}
