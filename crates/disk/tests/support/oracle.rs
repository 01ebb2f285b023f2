//! What a disk may hold, given which operations were acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use disk::{Disk, Error};

use super::{identity, payload, shard};

/// A value a shard may have: version and size, or nothing.
pub(crate) type Value = Option<(u64, usize)>;

/// For each shard the values it may have. One value: that is certain.
#[derive(Clone, Default)]
pub(crate) struct Oracle {
    possible: BTreeMap<u64, BTreeSet<Value>>,
    versions: u64,
}

impl Oracle {
    fn settle(&mut self, number: u64, value: Value, acknowledged: bool) {
        let possible = self.possible.entry(number).or_insert_with(|| BTreeSet::from([None]));
        if acknowledged {
            possible.clear();
        }
        possible.insert(value);
    }

    /// Appends a new version of shard `number` and notes what is known then.
    pub(crate) async fn append(&mut self, disk: &Disk, number: u64, size: usize) -> disk::Result<()> {
        self.versions += 1;
        let version = self.versions;
        let result = disk.append(shard(number, version, size)).await;
        self.settle(number, Some((version, size)), result.is_ok());
        result
    }

    /// Appends new versions of several shards at once.
    pub(crate) async fn append_all(&mut self, disk: &Disk, numbers: &[u64], size: usize) -> disk::Result<()> {
        self.versions += 1;
        let version = self.versions;
        let shards = numbers.iter().map(|number| shard(*number, version, size)).collect();
        let result = disk.append_all(shards).await;
        for number in numbers {
            self.settle(*number, Some((version, size)), result.is_ok());
        }
        result
    }

    pub(crate) async fn delete(&mut self, disk: &Disk, numbers: &[u64]) -> disk::Result<()> {
        let result = disk.delete(numbers.iter().map(|number| identity(*number)).collect()).await;
        for number in numbers {
            self.settle(*number, None, result.is_ok());
        }
        result
    }

    /// The shard may be gone from now on: its bytes were damaged.
    pub(crate) fn allow_loss(&mut self, number: u64) {
        self.possible.entry(number).or_default().insert(None);
    }

    /// Numbers that may exist.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.possible.keys().copied().collect()
    }

    /// Checks every shard against what it may be, and from now on takes what was read as certain.
    pub(crate) async fn check(&mut self, disk: &Disk, context: &str) {
        for (number, possible) in &mut self.possible {
            let found = match disk.read_all(&identity(*number)).await {
                Ok(bytes) => {
                    let matches = |value: &Value| {
                        value.is_some_and(|(version, size)| {
                            size == bytes.len() && bytes == payload(*number, version, size)
                        })
                    };
                    let value = possible.iter().find(|value| matches(value));
                    *value.unwrap_or_else(|| panic!("{context}: shard {number} is not one of {possible:?}"))
                }
                Err(Error::NotFound { .. } | Error::Corrupt { .. }) => None,
                Err(error) => panic!("{context}: shard {number}: {error}"),
            };
            assert!(possible.contains(&found), "{context}: shard {number} is {found:?}, not one of {possible:?}");
            *possible = BTreeSet::from([found]);
        }
        let known = disk.inventory(None, usize::MAX).len();
        let expected = self.possible.values().filter(|possible| !possible.contains(&None)).count();
        assert!(expected <= known, "{context}: {known} shards in the inventory, at least {expected} expected");
    }
}

/// How many times the usual number of cases to run: `STONECROP_TEST_CASES`.
pub(crate) fn case_factor() -> u64 {
    option_env!("STONECROP_TEST_CASES").and_then(|text| text.parse().ok()).unwrap_or(1)
}
