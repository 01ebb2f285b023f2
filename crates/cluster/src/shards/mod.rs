//! Shards on disks of other nodes: [`RemoteDisk`] asks, [`ShardService`] answers on the node that owns the disk.
//!
//! A shard is verified where it arrives: its blocks against their checksums and its identity before it is stored, the
//! bytes of a read against a checksum over them, after the owner has verified their blocks. A write to a disk that has
//! lost the shard's slot is refused early; that no such write is ever committed is the metadata's care. A node that does
//! not answer is not asked for a while (`breaker`), so that it costs a request little; a disk that hangs absorbs only its
//! own calls.

mod breaker;
mod budget;
mod message;
mod remote;
mod serve;
#[cfg(test)]
mod tests;

pub use remote::RemoteDisk;
pub(crate) use remote::RemoteDisks;
pub(crate) use serve::ShardService;
