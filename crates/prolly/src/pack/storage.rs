//! What packs ask of the file system below, as a trait.

use std::io;

use bytes::Bytes;

use crate::location::PackId;

/// Bytes of packs, kept in one or more copies (one a mirror). All calls block.
pub trait PackStorage: Send + Sync {
    /// How many copies a read may choose from: copies are numbered from 0.
    fn copies(&self) -> usize;

    /// Reads exactly `length` bytes at `offset` of one copy.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when the copy ends before; otherwise as the file system. The next copy is tried then.
    fn read(&self, pack: PackId, copy: usize, offset: u64, length: usize) -> io::Result<Bytes>;

    /// Creates a pack that does not exist. It need not be durable, or listed after a crash, before it is sealed.
    ///
    /// # Errors
    ///
    /// As the file system.
    fn create(&self, pack: PackId) -> io::Result<Box<dyn PackFile>>;

    /// Removes every copy of a pack. Removing one that is not there succeeds.
    ///
    /// # Errors
    ///
    /// As the file system.
    fn remove(&self, pack: PackId) -> io::Result<()>;

    /// Every pack of which at least one copy exists, whole or not, in any order.
    ///
    /// # Errors
    ///
    /// As the file system.
    fn list(&self) -> io::Result<Vec<PackId>>;

    /// Hears of a copy that could not be read or did not verify. May rewrite it, count it, take a mirror out of use.
    fn damaged(&self, damage: Damage<'_>);
}

/// A pack that is being written, to all copies at once.
pub trait PackFile: Send {
    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// When too few copies can be written. The pack is then abandoned, never retried.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes the bytes and the name durable. Dropped without it, the pack is abandoned and may be removed.
    ///
    /// # Errors
    ///
    /// As [`PackFile::append`].
    fn seal(self: Box<Self>) -> io::Result<()>;
}

/// A copy of some bytes of a pack that is not what was written.
#[derive(Clone, Copy, Debug)]
pub struct Damage<'a> {
    /// The pack.
    pub pack: PackId,
    /// Number of the bad copy.
    pub copy: usize,
    /// Byte at which the damaged piece begins.
    pub offset: u64,
    /// What belongs there, when another copy is intact.
    pub intact: Option<&'a [u8]>,
}
