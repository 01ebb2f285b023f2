//! The reference that names a whole tree.

use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::location::Location;
use crate::params::{FORMAT, LEVEL_COUNT_MAX, ParamsHash};
use crate::summary::Summary;

/// Names one state of one tree. Two trees with equal parameters have equal `hash`es iff they hold the same records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootRef {
    /// Parameters under which the tree was made.
    pub params_hash: ParamsHash,
    /// Level of the root page.
    pub level: u8,
    /// Hash of the root page; [`Hash::ZERO`] for the empty tree.
    pub hash: Hash,
    /// Where the root page lies. The one field that two equal trees may differ in.
    pub location: Location,
    /// Whether a leaf of the tree has spilled values.
    pub spills: bool,
    /// Summary of all records.
    pub summary: Summary,
}

impl RootRef {
    const FIXED_SIZE: usize = 62;
    const SPILLS: u8 = 1;

    /// The root of a tree without records.
    pub fn empty(params_hash: ParamsHash) -> Self {
        let (hash, location, summary) = (Hash::ZERO, Location::default(), Summary::EMPTY);
        RootRef { params_hash, level: 0, hash, location, spills: false, summary }
    }

    /// Whether the tree has no records.
    pub fn is_empty(&self) -> bool {
        self.hash == Hash::ZERO
    }

    /// Appends the canonical encoding, at most 114 bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[FORMAT, self.level]);
        out.extend_from_slice(&self.params_hash.0);
        out.extend_from_slice(self.hash.as_bytes());
        self.location.encode(u8::from(self.spills), out);
        self.summary.encode(out);
    }

    /// Takes one root reference off the front of `bytes`.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] for another format, [`Error::Malformed`] unless the bytes are canonical.
    pub fn decode(bytes: &mut &[u8]) -> Result<Self> {
        let malformed = |reason| Error::Malformed { what: "root reference", reason };
        let (fixed, mut rest) = bytes.split_first_chunk::<{ Self::FIXED_SIZE }>().ok_or(malformed("cut short"))?;
        if fixed[0] != FORMAT {
            let (found, supported) = (u16::from(fixed[0]), u16::from(FORMAT));
            return Err(Error::Unsupported { what: "root reference", found, supported });
        }
        let level = fixed[1];
        let params_hash = ParamsHash(std::array::from_fn(|i| fixed[2 + i]));
        let hash = Hash::from_bytes(std::array::from_fn(|i| fixed[18 + i]));
        let (location, flags) = Location::decode(&std::array::from_fn(|i| fixed[50 + i]));
        let summary = Summary::decode(&mut rest).ok_or(malformed("summary is not canonical"))?;
        if LEVEL_COUNT_MAX <= level || Self::SPILLS < flags {
            return Err(malformed("impossible level or flags"));
        }
        let root = RootRef { params_hash, level, hash, location, spills: flags == Self::SPILLS, summary };
        if root.is_empty() && root != RootRef::empty(params_hash) {
            return Err(malformed("an empty tree with a page or records"));
        }
        *bytes = rest;
        Ok(root)
    }
}
