//! Objects: put, get, copy, multipart, delete and list over erasure-coded shards and metadata.
//!
//! A PUT streams its [`Body`] through `put`: the bytes are cut into stripes (`stripe_writer`), each stripe is encoded
//! and its shards are appended to the disks of one placement group in parallel, and once enough of them are durable
//! one metadata command names them (`distributed.md` §2.1). A GET (`get`) reads the manifest at a read index, then
//! `stripe_reader` fetches only the touched blocks, verifies each, and decodes around what is missing. `repair`,
//! `scrub` and `garbage` work in the background; `fsck` checks everything against everything, offline.
//!
//! Invariants: an acknowledged object is durable on at least `k + ⌈m/2⌉` disks; a body is byte-identical to one
//! committed version or it ends in an error; memory grows with stripes in flight, never with object size; a shard
//! that a manifest names is never deleted. This crate knows nothing of HTTP or XML.

pub mod body;
pub mod bucket;
pub mod checksum;
pub mod condition;
pub mod copy;
pub mod delete;
mod error;
pub mod etag;
mod etag_hasher;
pub mod get;
pub mod list;
pub mod multipart;
pub mod object;
pub mod put;
mod store;

pub use body::{Body, BodyError, StreamBody};
pub use checksum::{Checksum, ChecksumAlgorithm, ChecksumKind, ChecksumRequest};
pub use condition::{EtagCondition, Precondition, ReadConditions};
pub use error::{Error, Result};
pub use etag::Etag;
pub use etag_hasher::{EtagHasher, EtagStream};
pub use get::{ByteRange, GetRequest, ObjectReader};
pub use object::{Attributes, Object, PartSummary};
pub use put::{PutRequest, PutResult};
pub use store::Store;
