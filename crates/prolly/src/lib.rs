//! Content-defined Merkle B-trees (prolly trees) over append-only packs.
//!
//! A [`Tree`] maps keys to values. Where a page ends depends on a keyed hash of the keys alone, so the same records make
//! the same pages, and the same root hash, whatever the order in which they came; a [`RootRef`] is a snapshot. Writers
//! fold sorted edits into new pages ([`Tree::apply`]) and hand these to a [`PageSink`]; readers walk from a root through a
//! [`PageStore`]. [`Packs`] is both: it writes one pack a flush to a [`PackStorage`], which the caller implements, and
//! keeps decoded pages in a bounded cache. [`mark`] and [`collect`] find and evacuate sparse packs.
//!
//! Invariants: equal records under equal parameters have equal roots; a page, once sealed, never changes; a value over
//! 1 KiB never lies in a leaf. This crate knows nothing of files, buckets or async. Formats: `docs/formats/`.

mod boundary;
mod collect;
mod cursor;
mod diff;
mod edit;
mod error;
mod hash;
mod location;
mod merge;
mod pack;
mod page;
mod params;
mod path;
mod range;
mod root;
mod store;
mod summary;
mod sync;
#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the tests' numbers are small")]
mod testing;
#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the tests' numbers are small")]
mod tests;
mod tree;
mod varint;

pub use collect::{Live, LivePack, collect, mark};
pub use cursor::{Cursor, Record};
pub use diff::{Change, Diff};
pub use error::{Error, Result};
pub use hash::Hash;
pub use location::{Location, PackId};
pub use merge::{Conflict, merge};
pub use pack::{Damage, PackFile, PackStorage, PackWriter, Packs, PacksConfig, ScrubReport, SealedPack};
pub use page::Page;
pub use params::{Params, ParamsHash, Schema, TreeKey};
pub use root::RootRef;
pub use store::{PageSink, PageStore, Written};
pub use summary::{Summarize, Summary};
pub use sync::{Pulled, pull};
pub use tree::{Edit, Tree};
