//! The credentials that this server accepts.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Credential;

/// Access keys and what belongs to them.
pub struct KeyStore {
    credentials: BTreeMap<String, Arc<Credential>>,
}

impl KeyStore {
    /// A store that accepts `root` alone.
    pub fn new(root: Credential) -> Self {
        let credentials = BTreeMap::from([(root.access_key.as_str().to_owned(), Arc::new(root))]);
        Self { credentials }
    }

    /// The credential named `access_key`, if there is one.
    ///
    /// Access keys are public, so the look-up need not run in constant time; comparing what a secret signs must.
    pub fn find(&self, access_key: &str) -> Option<Arc<Credential>> {
        self.credentials.get(access_key).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccessKey, Account, SecretKey};

    #[test]
    fn only_the_root_key_is_found() {
        let root = Credential {
            access_key: AccessKey::parse("stonecrop").unwrap(),
            secret_key: SecretKey::parse("not-so-secret").unwrap(),
            account: Account::root(),
        };
        let store = KeyStore::new(root);
        assert_eq!(store.find("stonecrop").unwrap().access_key.as_str(), "stonecrop");
        assert!(store.find("Stonecrop").is_none());
        assert!(store.find("").is_none());
    }
}
