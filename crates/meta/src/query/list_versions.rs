//! Listing all versions of the keys of a bucket.
//!
//! Current objects and all other versions lie in two ranges of one tree, each in order of key: a listing merges them.

use bytes::Bytes;

use super::common_prefix;
use super::version::{newest_versions, null_version_place};
use crate::error::{Error, Result};
use crate::keys;
use crate::record::{Hlc, MarkerRecord, ObjectHead, VersionName, is_marker};
use crate::view::{BucketId, Cursor, TreeId, View, decode};

/// What to list. Empty strings are no restriction.
#[derive(Clone, Debug, Default)]
pub struct ListVersions<'a> {
    /// Only keys that start with it.
    pub prefix: &'a str,
    /// Rolls keys up to the first occurrence of it behind the prefix; any string.
    pub delimiter: &'a str,
    /// Only keys and common prefixes above it.
    pub key_marker: &'a str,
    /// Also the versions of the key marker itself that are older than this one, unless a common prefix stands for them.
    pub version_marker: Option<VersionName>,
    /// Most entries, common prefixes included.
    pub limit: usize,
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionEntry {
    /// A version of a key.
    Version {
        /// The key.
        key: String,
        /// How requests name it.
        name: VersionName,
        /// Whether it is the newest of its key.
        is_latest: bool,
        /// What it is.
        version: ListedVersion,
    },
    /// All keys that start with this, delimiter included.
    CommonPrefix(String),
}

/// What a listing shows of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedVersion {
    /// Of an object.
    Object(ObjectHead),
    /// Of a delete marker.
    Marker {
        /// When it was committed.
        modified: Hlc,
    },
}

impl VersionEntry {
    /// The key marker and version marker that continue behind it.
    pub fn marker(&self) -> (String, Option<VersionName>) {
        match self {
            Self::Version { key, name, .. } => (key.clone(), Some(*name)),
            Self::CommonPrefix(prefix) => (prefix.clone(), None),
        }
    }
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionPage {
    /// In order of key, then newest first.
    pub entries: Vec<VersionEntry>,
    /// Key marker and version marker of the next page; `None` when nothing follows. No version marker after a common
    /// prefix.
    pub next: Option<(String, Option<VersionName>)>,
}

/// Lists versions and delete markers. Costs O(entries × log n), however many versions a key has, and however many keys
/// the common prefixes stand for.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn list_versions(view: &dyn View, bucket: BucketId, request: &ListVersions<'_>) -> Result<VersionPage> {
    let mut page = VersionPage::default();
    if request.limit == 0 {
        return Ok(page);
    }
    let mut merge = Merge::start(view, bucket, request)?;
    while let Some((key, found)) = merge.next()? {
        if page.entries.len() == request.limit {
            page.next = page.entries.last().map(VersionEntry::marker);
            break;
        }
        page.entries.push(match common_prefix(&key, request.prefix, request.delimiter) {
            Some(common) => {
                let common = common.to_owned();
                merge.skip(&common)?;
                VersionEntry::CommonPrefix(common)
            }
            None => merge.entry(key, &found)?,
        });
    }
    Ok(page)
}

/// The two ranges, and the next record of each.
struct Merge<'a> {
    tree: TreeId,
    current: Range<'a>,
    others: Range<'a>,
    /// The key whose newest version has been passed last.
    begun: Option<String>,
}

/// A record that was found, still encoded.
struct Found {
    tree_key: Bytes,
    value: Bytes,
}

/// One of the ranges from some position on.
struct Range<'a> {
    cursor: Box<dyn Cursor + 'a>,
    prefix: Vec<u8>,
    parse: fn(&[u8]) -> Option<String>,
    head: Option<(String, Found)>,
}

impl<'a> Range<'a> {
    fn start(
        view: &'a dyn View,
        tree: TreeId,
        prefix: Vec<u8>,
        start: Vec<u8>,
        parse: fn(&[u8]) -> Option<String>,
    ) -> Result<Self> {
        let mut range = Self { cursor: view.cursor(tree)?, prefix, parse, head: None };
        let start = start.max(range.prefix.clone());
        range.seek(&start)?;
        Ok(range)
    }

    fn seek(&mut self, tree_key: &[u8]) -> Result<()> {
        self.cursor.seek(tree_key)?;
        self.advance()
    }

    /// Reads the next record into `head`.
    fn advance(&mut self) -> Result<()> {
        let next = self.cursor.next()?.filter(|(tree_key, _)| tree_key.starts_with(&self.prefix));
        self.head = match next {
            Some((tree_key, value)) => {
                let key = (self.parse)(&tree_key).ok_or(Error::Inconsistent("malformed key of a version"))?;
                Some((key, Found { tree_key, value }))
            }
            None => None,
        };
        Ok(())
    }

    /// Moves to `behind`, the least tree key above those of all keys that start with `common`, unless it is there.
    fn pass(&mut self, common: &str, behind: Vec<u8>) -> Result<()> {
        if self.head.as_ref().is_some_and(|(key, _)| key.starts_with(common)) {
            self.seek(&behind)?;
        }
        Ok(())
    }

    /// The record that `head` was, and reads the next one.
    fn take(&mut self) -> Result<Option<(String, Found)>> {
        let taken = self.head.take();
        if taken.is_some() {
            self.advance()?;
        }
        Ok(taken)
    }
}

impl<'a> Merge<'a> {
    fn start(view: &'a dyn View, bucket: BucketId, request: &ListVersions<'_>) -> Result<Self> {
        let ListVersions { prefix, delimiter, key_marker, .. } = *request;
        let tree = TreeId::Objects(bucket);
        let start = match (common_prefix(key_marker, prefix, delimiter), request.version_marker) {
            (Some(common), _) => Start::behind_prefix(common),
            (None, _) if key_marker.is_empty() => Start::default(),
            (None, None) => Start::behind_key(key_marker),
            (None, Some(marker)) => Start::behind_version(view, bucket, key_marker, marker)?,
        };
        let parse_version = |tree_key: &[u8]| keys::parse_version(tree_key).map(|(key, _)| key);
        Ok(Self {
            tree,
            current: Range::start(view, tree, keys::object(prefix), start.current, keys::parse_object)?,
            others: Range::start(view, tree, keys::version_prefix(prefix), start.others, parse_version)?,
            begun: start.is_within.then(|| key_marker.to_owned()),
        })
    }

    /// The next version in order of key, then newest first, and its key.
    fn next(&mut self) -> Result<Option<(String, Found)>> {
        let current_first = match (&self.current.head, &self.others.head) {
            (Some((current, _)), Some((other, _))) => current <= other,
            (current, _) => current.is_some(),
        };
        if current_first { self.current.take() } else { self.others.take() }
    }

    /// Passes all keys that start with `common`.
    fn skip(&mut self, common: &str) -> Result<()> {
        self.current.pass(common, behind(keys::object(common)))?;
        self.others.pass(common, behind(keys::version_prefix(common)))
    }

    /// What a listing shows of a version.
    fn entry(&mut self, key: String, found: &Found) -> Result<VersionEntry> {
        let unreadable = |source| Error::Record { tree: self.tree, key: found.tree_key.to_vec(), source };
        let (id, version) = if is_marker(&found.value) {
            let MarkerRecord { modified, version, .. } = decode(self.tree, &found.tree_key, &found.value)?;
            (version, ListedVersion::Marker { modified })
        } else {
            let (head, version) = ObjectHead::decode_version(&found.value).map_err(unreadable)?;
            (version, ListedVersion::Object(head))
        };
        let is_latest = self.begun.as_ref() != Some(&key);
        self.begun = Some(key.clone());
        Ok(VersionEntry::Version { key, name: id.into(), is_latest, version })
    }
}

/// From where on the two ranges are listed.
#[derive(Default)]
struct Start {
    current: Vec<u8>,
    others: Vec<u8>,
    /// Whether newer versions of the key marker lie before that.
    is_within: bool,
}

impl Start {
    fn behind_prefix(common: &str) -> Self {
        let (current, others) = (behind(keys::object(common)), behind(keys::version_prefix(common)));
        Self { current, others, is_within: false }
    }

    fn behind_key(key: &str) -> Self {
        let (current, others) = (keys::just_above(keys::object(key)), behind(keys::versions_of(key)));
        Self { current, others, is_within: false }
    }

    /// Behind a version that was there when the page before was read, and may be gone.
    fn behind_version(view: &dyn View, bucket: BucketId, key: &str, marker: VersionName) -> Result<Self> {
        let tree = TreeId::Objects(bucket);
        let mut start = Self { current: keys::object(key), others: keys::versions_of(key), is_within: false };
        let current = view.get(tree, &start.current)?;
        let current = current.map(|value| current_name(tree, &start.current, &value)).transpose()?;
        if marker == VersionName::Null && current == Some(marker) {
            let current = keys::just_above(start.current);
            return Ok(Self { current, others: start.others, is_within: true });
        }
        let place = match marker {
            VersionName::Id(id) => Some(id),
            VersionName::Null => null_version_place(view, bucket, key)?,
        };
        // Where a null version was that is gone, nobody knows: rather all of the key again than one version too few.
        let Some(place) = place else { return Ok(start) };
        let tree_key = keys::version(key, place);
        let is_passed = match current {
            None => false,
            Some(VersionName::Id(current)) => place <= current,
            // Newer than all others; but not than a marker that is gone, perhaps.
            Some(VersionName::Null) => view.get(tree, &tree_key)?.is_some(),
        };
        start.others = keys::just_above(tree_key);
        start.is_within = match (is_passed, &current) {
            (true, _) => true,
            (false, Some(_)) => false,
            (false, None) => {
                newest_versions(view, bucket, key, 1)?.pop().is_some_and(|(newest, _)| newest < start.others)
            }
        };
        if is_passed {
            start.current = keys::just_above(start.current);
        }
        Ok(start)
    }
}

/// How requests name a current version.
fn current_name(tree: TreeId, tree_key: &[u8], value: &[u8]) -> Result<VersionName> {
    let decoded = ObjectHead::decode_version(value);
    let (_, version) = decoded.map_err(|source| Error::Record { tree, key: tree_key.to_owned(), source })?;
    Ok(version.into())
}

/// The least tree key above those that start with `tree_prefix`.
fn behind(tree_prefix: Vec<u8>) -> Vec<u8> {
    keys::prefix_end(tree_prefix).expect("the kind bytes of versions are not the last")
}
