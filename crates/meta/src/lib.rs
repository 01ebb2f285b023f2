//! Metadata: buckets, objects, uploads, kept as a deterministic state machine over prolly trees.
//!
//! Commands are made durable in the [`log`](MetaLog) first, then applied.

mod error;
mod log;

pub use error::{Error, Result};
pub use log::{LogEntry, LogId, LogState, MetaLog};
