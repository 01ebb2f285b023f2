//! Metadata: buckets, objects, uploads, kept as a deterministic state machine over prolly trees.
//!
//! A change is a [`Command`]. [`Consensus`] puts it into the durable log ([`MetaLog`]); then [`MetaEngine`] has [`apply`]
//! decide it: a pure function of the state and the command, which gives an [`Outcome`] to answer and [`Edits`] to make.
//! The edits go to an overlay in memory, readers see overlay over trees as one [`View`], and a background flush folds the
//! overlay into the trees. Whoever reads asks a view through [`query`].
//!
//! Invariants: the same log gives the same trees, byte for byte (I17); every condition is decided in `apply` and nowhere
//! else; every write that a manifest names is in the index by write, and every stripe that misses shards is in the
//! repair index (I7); an acknowledged command survives the loss of all mirrors but one. This crate knows nothing of
//! shards' bytes, of sockets or of HTTP.
//!
//! Formats: `docs/formats/metadata-keys.md`, `metadata-records.md`, `metadata-log.md`, `metadata-mirror.md`,
//! `root-record.md`.

// The model: what the state is and how it changes.
mod apply;
mod codec;
pub mod command;
mod keys;
pub mod lifecycle;
mod outcome;
pub mod query;
pub mod record;
mod summary;
pub mod testing;
mod view;

// Its home: how the state is kept and agreed on.
mod consensus;
mod engine;
mod log;
mod mirror;
mod overlay;
mod packs;
mod roots;
#[cfg(test)]
mod sim;

mod error;

pub use apply::apply;
pub use command::{Command, LogStamp};
pub use consensus::{Consensus, ConsensusFuture, Reading};
pub use engine::{
    Agreement, Durable, EffectsMark, Fetched, MetaConfig, MetaEngine, MetaScrub, MirrorHealth, Offer, Opened,
    PageRequest, PageSource, PagesFuture,
};
pub use error::{CodecError, Error, Result};
pub use log::{Done, LogEntry, LogId, LogState, MetaLog};
pub use mirror::may_be_mirror;
pub use outcome::{InvalidManifest, ObjectDeleted, ObjectPut, Outcome, Refusal, Reply};
pub use summary::{RecordSummaries, Summary};
pub use view::{BucketId, Cursor, Edit, Edits, InMemory, TreeId, View};
