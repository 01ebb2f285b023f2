//! Erasure coding: a Reed–Solomon codec over GF(2^8) and the checksummed blocks that shards are kept in.
//!
//! A stripe passes through [`Codec::encode`], which fills its parity shards; each shard becomes a [`FramedShard`],
//! whose blocks carry checksums bound to the shard's [`ShardIdentity`]. A reader checks each block with
//! [`verify_block`], and where shards are missing, [`Codec::reconstruct`] computes the wanted ones from any
//! `data_count` others.
//!
//! Invariants: the parity bytes are those of the crate `reed-solomon-erasure` 6 (`galois_8`), whichever [`Kernel`]
//! computes them. This crate does no I/O, knows nothing of disks, and waits for nothing.

mod codec;
mod error;
mod framing;
mod galois;
mod geometry;
mod identity;
mod inverse_cache;
mod kernel;
mod matrix;

pub use codec::Codec;
pub use error::{Error, Result};
pub use framing::{BLOCK_SIZE, BlockChecksum, FramedShard, block_checksum, block_count, verify_block};
pub use geometry::Geometry;
pub use identity::ShardIdentity;
pub use kernel::Kernel;
