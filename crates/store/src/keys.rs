//! The keys of encrypted objects: where they come from, and who may use them.

use std::sync::Arc;

use encryption::{CustomerKey, DataKeys, Envelope, Envelopes, Method, Protection};
use meta::BucketId;
use meta::command::{ObjectDetail, SetObjectDetail};
use meta::record::EncryptionRecord;
use meta::{Command, Refusal};

use crate::bucket::Bucket;
use crate::error::{Error, ProposeError, Result};
use crate::object::Object;
use crate::sealing::{Seal, record_of};
use crate::store::Store;
use crate::version::VersionName;

/// How an object is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectEncryption {
    /// What the client asked for.
    pub method: Method,
    envelope: Envelope,
    bucket: BucketId,
}

/// How often a change of keys is begun again because the object was replaced meanwhile.
const ATTEMPTS_MAX: usize = 5;

impl ObjectEncryption {
    /// Reads what a record of `bucket` says.
    pub(crate) fn of(record: &EncryptionRecord, bucket: BucketId) -> Result<Self> {
        let envelope = Envelope::decode(&record.envelope)?;
        Ok(Self { method: envelope.method.clone(), envelope, bucket })
    }
}

impl Store {
    /// Gives the store what wraps the keys of encrypted objects. Without it they can be neither read nor written; a second
    /// time it changes nothing.
    pub fn unlock(&self, envelopes: Arc<Envelopes>) {
        // The first ones stay, which is what the caller was told.
        let _ = self.envelopes_cell().set(envelopes);
    }

    fn envelopes(&self) -> Result<&Envelopes> {
        let envelopes = self.envelopes_cell().get();
        let missing = || Error::Unavailable { reason: "the keys of encrypted objects are not there yet".to_owned() };
        envelopes.map(AsRef::as_ref).ok_or_else(missing)
    }

    /// Fresh keys for an object in `bucket`, if it is to be encrypted.
    pub(crate) async fn new_seal(&self, protection: Option<&Protection>, bucket: BucketId) -> Result<Option<Seal>> {
        let Some(protection) = protection else { return Ok(None) };
        let (keys, envelope) = self.envelopes()?.seal(protection, bucket.0).await?;
        Ok(Some(Seal::new(keys, envelope)))
    }

    /// The keys for a part of an upload that is encrypted as `record` says.
    pub(crate) async fn part_seal(
        &self,
        record: Option<&EncryptionRecord>,
        bucket: BucketId,
        customer: Option<&CustomerKey>,
    ) -> Result<Option<Seal>> {
        let encryption = record.map(|record| ObjectEncryption::of(record, bucket)).transpose()?;
        let keys = self.open_keys(encryption.as_ref(), customer).await?;
        Ok(encryption.zip(keys).map(|(encryption, keys)| Seal::new(keys, encryption.envelope)))
    }

    /// The keys that an object was encrypted with, if it was.
    ///
    /// # Errors
    ///
    /// `Key`, also when `customer` is there and should not be.
    pub(crate) async fn open_keys(
        &self,
        encryption: Option<&ObjectEncryption>,
        customer: Option<&CustomerKey>,
    ) -> Result<Option<DataKeys>> {
        match (encryption, customer) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(encryption::Error::CustomerKeyUnexpected.into()),
            (Some(ObjectEncryption { envelope, bucket, .. }), customer) => {
                Ok(Some(self.envelopes()?.open(envelope, bucket.0, customer).await?))
            }
        }
    }

    /// Checks that `customer` is the key that an object needs, or that there is none where it needs none: what may be told
    /// about an object that is encrypted with its customer's key is told to whoever has it.
    ///
    /// # Errors
    ///
    /// `Key`.
    pub async fn check_customer_key(&self, object: &Object, customer: Option<&CustomerKey>) -> Result<()> {
        match (&object.encryption, customer) {
            (Some(encryption), _) if encryption.method == Method::Customer => {
                self.open_keys(Some(encryption), customer).await.map(drop)
            }
            (_, Some(_)) => Err(encryption::Error::CustomerKeyUnexpected.into()),
            (_, None) => Ok(()),
        }
    }

    /// Wraps the keys of an object, a version if one is named, as `protection` says. Its bytes and its tag stay.
    ///
    /// # Errors
    ///
    /// Those of [`Store::head_object`], `Key`, and `InvalidRequest` for an object that is not encrypted under one key of
    /// this server or of its key service.
    pub async fn rewrap_object(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<VersionName>,
        protection: &Protection,
    ) -> Result<()> {
        const REASON: &str = "Only objects that are encrypted with SSE-S3 or SSE-KMS can be given another key";
        for _ in 0..ATTEMPTS_MAX {
            let object = self.head_object(bucket, key, version).await?;
            let encryption = object.encryption.filter(|it| matches!(it.method, Method::S3 | Method::Kms(_)));
            let encryption = encryption.ok_or(Error::InvalidRequest(REASON))?;
            let keys = self.open_keys(Some(&encryption), None).await?.expect("an encrypted object has keys");
            let to = self.envelopes()?.wrap(&keys, protection, encryption.bucket.0).await?;
            let detail =
                ObjectDetail::Envelope { from: encryption.envelope.encode(), to: record_of(&to).envelope.to_vec() };
            let command = SetObjectDetail { bucket: bucket.id, key: key.to_owned(), version, detail };
            match self.propose(Command::SetObjectDetail(command)).await {
                Ok(_) => return Ok(()),
                Err(ProposeError::Refused(Refusal::PreconditionFailed)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::SlowDown)
    }
}
