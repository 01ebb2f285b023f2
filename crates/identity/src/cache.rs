//! What was found for access keys, kept as long as it is true.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::known::Known;

/// Most keys that are remembered.
const KEYS_MAX: usize = 8192;

/// Holders of access keys under one stamp: every change of an identity changes the stamp, which every look-up compares with
/// the one in the metadata.
#[derive(Default)]
pub(crate) struct Cache {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stamp: u64,
    /// By access key; sessions with the token that they were opened from.
    entries: BTreeMap<String, (Option<String>, Arc<Known>)>,
}

impl Cache {
    /// What was found for a key and a token when the stamp was this one.
    pub(crate) fn find(&self, stamp: u64, access_key: &str, token: Option<&str>) -> Option<Arc<Known>> {
        let state = self.state.lock();
        let (own, known) = state.entries.get(access_key).filter(|_| state.stamp == stamp)?;
        (own.as_deref() == token).then(|| known.clone())
    }

    /// Remembers what was found when the stamp was this one.
    pub(crate) fn keep(&self, stamp: u64, access_key: &str, token: Option<&str>, known: Arc<Known>) {
        let mut state = self.state.lock();
        if stamp < state.stamp {
            return;
        }
        if state.stamp < stamp || KEYS_MAX <= state.entries.len() {
            state.entries.clear();
            state.stamp = stamp;
        }
        state.entries.insert(access_key.to_owned(), (token.map(str::to_owned), known));
    }
}

#[cfg(test)]
mod tests {
    use iam::{AccessKey, Account, Credential, SecretKey};

    use super::*;

    #[test]
    fn entries_count_only_under_their_stamp_and_token() {
        let known = Arc::new(Known::root(Credential {
            access_key: AccessKey::parse("key").unwrap(),
            secret_key: SecretKey::parse("secret-secret").unwrap(),
            account: Account::root(),
        }));
        let cache = Cache::default();
        cache.keep(5, "key", None, known.clone());
        assert!(cache.find(5, "key", None).is_some());
        assert!(cache.find(5, "key", Some("token")).is_none());
        assert!(cache.find(6, "key", None).is_none());
        cache.keep(4, "late", None, known.clone());
        assert!(cache.find(4, "late", None).is_none());
        cache.keep(6, "other", Some("token"), known);
        assert!(cache.find(5, "key", None).is_none() && cache.find(6, "key", None).is_none());
        assert!(cache.find(6, "other", Some("token")).is_some());
    }
}
