//! The credentials that this server accepts.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Account, Credential};

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

    /// The same store, which accepts `credential` too.
    #[must_use]
    pub fn with(mut self, credential: Credential) -> Self {
        self.credentials.insert(credential.access_key.as_str().to_owned(), Arc::new(credential));
        self
    }

    /// The account with this canonical id, if a credential acts for it.
    pub fn account(&self, canonical_id: &str) -> Option<&Account> {
        let accounts = self.credentials.values().map(|credential| &credential.account);
        accounts.into_iter().find(|account| account.canonical_id() == canonical_id)
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
    use crate::{AccessKey, SecretKey};

    fn credential(access_key: &str, account: Account) -> Credential {
        let secret_key = SecretKey::parse("not-so-secret").unwrap();
        Credential { access_key: AccessKey::parse(access_key).unwrap(), secret_key, account }
    }

    #[test]
    fn accounts_are_found_by_what_lists_call_them() {
        let (root, other) = (Account::root(), Account::named("other"));
        let store = KeyStore::new(credential("stonecrop", root.clone())).with(credential("granite", other.clone()));
        assert_eq!(store.find("granite").unwrap().account, other);
        assert_eq!(store.account(root.canonical_id()), Some(&root));
        assert_eq!(store.account(other.canonical_id()), Some(&other));
        assert_eq!(store.account(Account::named("third").canonical_id()), None);
    }

    #[test]
    fn only_the_root_key_is_found() {
        let store = KeyStore::new(credential("stonecrop", Account::root()));
        assert_eq!(store.find("stonecrop").unwrap().access_key.as_str(), "stonecrop");
        assert!(store.find("Stonecrop").is_none());
        assert!(store.find("").is_none());
    }
}
