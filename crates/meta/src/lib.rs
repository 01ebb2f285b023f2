//! Metadata: buckets, objects, uploads, kept as a deterministic state machine over prolly trees.
//!
//! Commands are made durable in the [`log`](MetaLog) first, then applied.

mod apply;
mod codec;
pub mod command;
mod consensus;
mod engine;
mod error;
mod keys;
mod log;
mod mirror;
mod outcome;
mod overlay;
mod packs;
pub mod query;
pub mod record;
mod roots;
#[cfg(test)]
mod sim;
mod summary;
pub mod testing;
mod view;

pub use apply::apply;
pub use command::{Command, LogStamp};
pub use consensus::{Consensus, ConsensusFuture, Reading};
pub use engine::{Durable, MetaConfig, MetaEngine, MirrorHealth, Opened};
pub use error::{CodecError, Error, Result};
pub use log::{Done, LogEntry, LogId, LogState, MetaLog};
pub use mirror::is_mirror;
pub use outcome::{InvalidManifest, ObjectPut, Outcome, Refusal, Reply};
pub use summary::{RecordSummaries, Summary};
pub use view::{BucketId, Cursor, Edit, Edits, TreeId, View};
