//! Keys that this server has itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use env::Entropy;
use zeroize::Zeroizing;

use crate::data_key::DataKey;
use crate::error::{Error, Result};
use crate::key_name::KeyName;
use crate::service::{KeyFuture, KeyService};
use crate::wrap::{derive, unwrap, wrap};

/// Keys by name, in memory.
pub struct LocalKeys {
    keys: BTreeMap<KeyName, DataKey>,
    entropy: Arc<dyn Entropy>,
}

/// The key that a server generates at its first start, from which those follow that it has of itself.
#[derive(Clone, Debug)]
pub struct MasterKey(DataKey);

impl MasterKey {
    /// A fresh one.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(DataKey::generate(entropy))
    }

    /// Reads what [`MasterKey::encode`] writes.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        parse_key(text).map(Self).ok_or(Error::Damaged { what: "the master key" })
    }

    /// Its 32 bytes in Base64.
    pub fn encode(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.expose()))
    }

    /// The key that follows from it for `purpose`.
    pub(crate) fn derive(&self, purpose: &str) -> DataKey {
        derive(&self.0, purpose.as_bytes())
    }
}

/// Reads a key of 32 bytes in Base64.
pub(crate) fn parse_key(text: &str) -> Option<DataKey> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    DataKey::from_bytes(&bytes).ok()
}

impl LocalKeys {
    /// Serves `keys`.
    pub fn new(keys: BTreeMap<KeyName, DataKey>, entropy: Arc<dyn Entropy>) -> Self {
        Self { keys, entropy }
    }

    fn find(&self, name: &KeyName) -> Result<&DataKey> {
        self.keys.get(name).ok_or_else(|| Error::NoSuchKey { name: name.to_string() })
    }
}

impl KeyService for LocalKeys {
    fn wrap<'a>(&'a self, name: &'a KeyName, key: &'a DataKey, context: &'a [u8]) -> KeyFuture<'a, Vec<u8>> {
        let wrapped = self.find(name).map(|wrapping| wrap(wrapping, key, context, self.entropy.as_ref()));
        Box::pin(std::future::ready(wrapped))
    }

    fn unwrap<'a>(&'a self, name: &'a KeyName, wrapped: &'a [u8], context: &'a [u8]) -> KeyFuture<'a, DataKey> {
        let key = self.find(name).and_then(|wrapping| unwrap(wrapping, wrapped, context));
        Box::pin(std::future::ready(key))
    }

    fn is_remote(&self) -> bool {
        false
    }
}
