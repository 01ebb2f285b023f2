//! Content-defined Merkle B-trees (prolly trees) over append-only packs.
//!
//! A [`Tree`] maps keys to values. Where a page ends depends on a keyed hash of the keys alone, so the same records make
//! the same pages, and the same root hash, whatever the order in which they came; a [`RootRef`] is a snapshot. Writers
//! fold sorted edits into new pages ([`Tree::apply`]) and hand these to a [`PageSink`]; readers walk from a root through a
//! [`PageStore`]. [`Packs`] is that store: a [`PackWriter`] writes one pack a flush to a [`pack::PackStorage`], which the
//! caller implements, and decoded pages stay in a bounded cache. [`mark`] and [`collect()`] find and evacuate sparse packs.
//!
//! Invariants: equal records under equal parameters have equal roots; a page, once sealed, never changes; a value over
//! 1 KiB never lies in a leaf. This crate knows nothing of files, buckets or async. Formats: `docs/formats/`.
//!
//! Read `boundary` (the rule), `page`, `path` and `cursor` first; then `edit`, from `build` to `apply`; then `diff`,
//! `merge` and `sync`, which need no more than that; then `pack` and `collect`.

mod boundary;
pub mod collect;
pub mod cursor;
pub mod diff;
mod edit;
mod error;
mod hash;
mod location;
pub mod merge;
pub mod pack;
mod page;
mod params;
mod path;
mod range;
mod root;
mod store;
mod summary;
pub mod sync;
#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the tests' numbers are small")]
mod testing;
#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the tests' numbers are small")]
mod tests;
mod tree;
mod varint;

pub use collect::{collect, mark};
pub use cursor::Cursor;
pub use error::{Error, Result};
pub use hash::Hash;
pub use location::{Location, PackId};
pub use pack::{PackWriter, Packs, PacksConfig, SealedPack};
pub use page::Page;
pub use params::{Params, ParamsHash, Schema, TreeKey};
pub use root::RootRef;
pub use store::{PageSink, PageStore, Written};
pub use summary::{Summarize, Summary};
pub use tree::{Edit, Tree};
