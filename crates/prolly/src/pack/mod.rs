//! Packs: pages and blobs in append-only files, one a flush. Format: `docs/formats/pack.md`.

mod cache;
mod format;
mod packs;
mod scrub;
mod storage;
mod writer;

pub use packs::{Packs, PacksConfig, SealedPack};
pub use scrub::ScrubReport;
pub use storage::{Damage, PackFile, PackStorage};
pub use writer::PackWriter;

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the tests' numbers are small")]
mod tests;
