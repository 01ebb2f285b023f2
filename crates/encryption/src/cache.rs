//! Keys that a remote service has unwrapped lately.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use ring::digest::{SHA256, digest};

use crate::key_name::KeyName;

/// How long an unwrapped key is used without asking again: so long a key that was taken away in the service still works.
const AGE_MAX: Duration = Duration::from_secs(300);

/// Most keys that are kept.
const KEYS_MAX: usize = 1024;

/// Unwrapped keys, or what goes with them, by what they depend on.
pub(crate) struct KeyCache<K> {
    entries: Mutex<BTreeMap<[u8; 32], Entry<K>>>,
}

struct Entry<K> {
    key: K,
    /// When it was put here, on the monotonic clock.
    since: Duration,
}

/// Names an entry: a digest of everything that the key depends on.
pub(crate) fn entry_name(name: &KeyName, wrapped: &[u8], context: &[u8]) -> [u8; 32] {
    let mut all = Vec::with_capacity(name.as_str().len() + wrapped.len() + context.len() + 16);
    for part in [name.as_str().as_bytes(), wrapped, context] {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    digest(&SHA256, &all).as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

impl<K> Default for KeyCache<K> {
    fn default() -> Self {
        Self { entries: Mutex::default() }
    }
}

impl<K: Clone> KeyCache<K> {
    /// The key under this name, unless it is too old at `now`.
    pub(crate) fn find(&self, name: &[u8; 32], now: Duration) -> Option<K> {
        let entries = self.entries.lock();
        entries.get(name).filter(|entry| now - entry.since < AGE_MAX).map(|entry| entry.key.clone())
    }

    /// Keeps a key, in place of those that are too old, or of the oldest.
    pub(crate) fn keep(&self, name: [u8; 32], key: K, now: Duration) {
        let mut entries = self.entries.lock();
        if KEYS_MAX <= entries.len() {
            entries.retain(|_, entry| now - entry.since < AGE_MAX);
        }
        if KEYS_MAX <= entries.len() {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.since).map(|(name, _)| *name);
            oldest.map(|name| entries.remove(&name));
        }
        entries.insert(name, Entry { key, since: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_key::DataKey;

    #[test]
    fn keys_are_kept_for_a_while_and_not_too_many() {
        let cache = KeyCache::default();
        let key = DataKey::from_bytes(&[7; 32]).unwrap();
        let now = Duration::from_secs(1000);
        cache.keep([0; 32], key.clone(), now);
        assert!(cache.find(&[0; 32], now + AGE_MAX / 2).is_some());
        assert!(cache.find(&[0; 32], now + AGE_MAX).is_none());
        for number in 0..2 * KEYS_MAX as u64 {
            let mut name = [1; 32];
            name[..8].copy_from_slice(&number.to_be_bytes());
            cache.keep(name, key.clone(), now + Duration::from_millis(number));
        }
        assert_eq!(cache.entries.lock().len(), KEYS_MAX);
    }

    #[test]
    fn entries_are_named_by_all_parts() {
        let name = |text| KeyName::parse(text).unwrap();
        let first = entry_name(&name("a"), b"bc", b"d");
        assert_ne!(first, entry_name(&name("a"), b"b", b"cd"));
        assert_ne!(first, entry_name(&name("ab"), b"c", b"d"));
    }
}
