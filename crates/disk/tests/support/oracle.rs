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
    /// All values a shard ever had or may have had.
    past: BTreeMap<u64, BTreeSet<Value>>,
    /// Shards whose records may have rotted: what is read once may be lost at the next look.
    rotten: BTreeSet<u64>,
    versions: u64,
}

impl Oracle {
    fn settle(&mut self, number: u64, value: Value, acknowledged: bool) {
        let possible = self.possible.entry(number).or_insert_with(|| BTreeSet::from([None]));
        if acknowledged {
            possible.clear();
            self.rotten.remove(&number);
        }
        possible.insert(value);
        self.past.entry(number).or_default().insert(value);
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

    /// Bits have flipped: every record may be damaged, and with a tombstone older records may come back. Wrong bytes
    /// stay impossible.
    pub(crate) fn expect_rot(&mut self) {
        for (number, possible) in &mut self.possible {
            possible.extend(self.past.get(number).into_iter().flatten());
            possible.insert(None);
            self.rotten.insert(*number);
        }
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
                Err(Error::NotFound { .. }) => None,
                // A torn record is never taken for a record (I12): only rot damages.
                Err(Error::Corrupt { .. }) if self.rotten.contains(number) => None,
                Err(error) => panic!("{context}: shard {number}: {error}"),
            };
            assert!(possible.contains(&found), "{context}: shard {number} is {found:?}, not one of {possible:?}");
            if !self.rotten.contains(number) {
                *possible = BTreeSet::from([found]);
            }
        }
        let known = disk.inventory(None, usize::MAX).len();
        let expected = self.possible.values().filter(|possible| !possible.contains(&None)).count();
        assert!(expected <= known, "{context}: {known} shards in the inventory, at least {expected} expected");
    }
}

/// How many times the usual number of cases to run: `STONECROP_TEST_CASES`.
#[expect(clippy::disallowed_methods, reason = "how long to test is not configuration")]
pub(crate) fn case_factor() -> u64 {
    std::env::var("STONECROP_TEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}
