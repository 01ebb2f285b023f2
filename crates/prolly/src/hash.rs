//! The identity of pages and blobs.

use std::fmt;

const PAGE_CONTEXT: &str = "stonecrop 2026 prolly page v1";
const BLOB_CONTEXT: &str = "stonecrop 2026 prolly blob v1";

/// BLAKE3 of a page's or blob's canonical bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hash([u8; Hash::SIZE]);

impl Hash {
    /// Size in bytes.
    pub const SIZE: usize = 32;
    /// Stands for "no page" in the root reference of an empty tree.
    pub const ZERO: Hash = Hash([0; Hash::SIZE]);

    /// Identity of the page with these canonical bytes (trailer excluded).
    pub fn of_page(page: &[u8]) -> Self {
        Hash(blake3::derive_key(PAGE_CONTEXT, page))
    }

    /// Identity of a spilled value.
    pub fn of_blob(value: &[u8]) -> Self {
        Hash(blake3::derive_key(BLOB_CONTEXT, value))
    }

    /// The hash whose bytes are these.
    pub const fn from_bytes(bytes: [u8; Hash::SIZE]) -> Self {
        Hash(bytes)
    }

    /// The bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; Hash::SIZE] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}
