//! Objects: put, get, copy, multipart, delete and list over erasure-coded shards and metadata.
//!
//! A PUT streams its [`Body`] through `put`: the bytes are cut into stripes (`stripe_writer`), each stripe is encoded
//! and its shards are appended to the disks of one placement group in parallel, and once enough of them are durable
//! one metadata command names them (`distributed.md` §2.1). A GET (`get`) reads the manifest at a read index, then
//! `stripe_reader` fetches only the touched blocks, verifies each, and decodes around what is missing. What is to be
//! encrypted is so between its digests and its stripes (`sealing`), and is decrypted behind them (`opening`). `repair`,
//! `scrub` and `garbage` work in the background; `fsck` checks everything against everything, offline.
//!
//! Invariants: an acknowledged object is durable on at least `k + ⌈m/2⌉` disks; a body is byte-identical to one
//! committed version or it ends in an error; memory grows with stripes in flight, never with object size; a shard
//! that a manifest names is never deleted. This crate knows nothing of HTTP or XML.

pub mod annotation;
pub mod append;
pub mod bucket;
pub mod copy;
pub mod delete;
pub mod get;
pub mod lifecycle;
pub mod list;
pub mod multipart;
pub mod object;
pub mod put;
pub mod rename;
pub mod version;

pub mod body;
pub mod checksum;
pub mod condition;
pub mod etag;

mod active;
mod body_writer;
mod budget;
mod digests;
mod etag_hasher;
mod hedge;
mod keys;
mod latency;
mod layout;
mod opening;
mod part;
mod presence;
mod retarget;
mod row;
mod sealing;
mod shards;
mod store;
mod stripe_reader;
mod stripe_writer;

mod background;
mod census;
mod epochs;
mod error;
mod fsck;
mod garbage;
mod journal;
mod oversight;
mod progress;
mod rebuild;
mod repair;
mod report;
mod scrub;
mod status;
mod throttle;

pub use background::{Background, Queues};
pub use body::{Body, BodyError, StreamBody};
pub use census::Census;
pub use checksum::{Checksum, ChecksumAlgorithm, ChecksumKind, ChecksumRequest, checksum_of};
pub use condition::{EtagCondition, Precondition, ReadConditions};
pub use delete::Deletion;
pub use error::{Error, Result};
pub use etag::Etag;
pub use etag_hasher::{EtagHasher, EtagStream};
pub use fsck::{FsckReport, Problem};
pub use get::{ByteRange, GetRequest, ObjectReader, Selection};
pub use keys::ObjectEncryption;
pub use object::{Attributes, Object, PartSummary};
pub use oversight::{HealReport, NodeWork, RebalanceReport, Waiting};
pub use progress::{Restoring, Tally};
pub use put::{PutRequest, PutResult};
pub use repair::RepairProgress;
pub use report::{CensusReport, ScrubReport, WorkReport};
pub use scrub::ScrubProgress;
pub use status::Status;
pub use store::{Store, StoreConfig};
pub use version::{DeleteMarker, Deleted, VersionName};
