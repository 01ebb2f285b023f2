//! A simulated machine with one disk.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

pub(crate) mod oracle;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use disk::{Disk, DiskConfig, DiskIdentity, Recovery, Shard, Upkeep};
use env::{Entropy, Env, Files, SeededEntropy, SimFiles};
use erasure::{FramedShard, ShardIdentity};

pub(crate) const CLUSTER: u128 = 0xc1;
pub(crate) const IDENTITY: DiskIdentity = DiskIdentity { cluster_id: CLUSTER, disk_id: 0xd1 };

pub(crate) fn path() -> &'static Path {
    Path::new("/disk")
}

/// The world around a disk whose files are `files`.
pub(crate) fn env(files: &SimFiles) -> Env {
    let (files, entropy) = (Arc::new(files.clone()), Arc::new(SeededEntropy::new(1)));
    Env { files, entropy, ..Env::real() }
}

/// Small extents, and nothing that happens by itself.
pub(crate) fn config() -> DiskConfig {
    DiskConfig { extent_size_max: 64 << 10, upkeep: Upkeep::OnDemand, reader_count: 1, ..DiskConfig::new(CLUSTER) }
}

/// A machine with a formatted disk.
pub(crate) fn formatted(seed: u64) -> SimFiles {
    let files = SimFiles::new(seed);
    Disk::format(&env(&files), path(), IDENTITY).unwrap();
    files
}

pub(crate) fn open(files: &SimFiles) -> (Disk, Recovery) {
    Disk::open(&env(files), path(), &config()).unwrap()
}

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(crate) fn identity(number: u64) -> ShardIdentity {
    ShardIdentity { write_id: u128::from(number) << 64 | 7, stripe: 3, index: 1 }
}

/// Bytes that follow from `number` and `version`.
pub(crate) fn payload(number: u64, version: u64, size: usize) -> Bytes {
    let mut bytes = vec![0; size];
    SeededEntropy::new(number << 32 ^ version).fill(&mut bytes);
    bytes.into()
}

pub(crate) fn shard(number: u64, version: u64, size: usize) -> Shard {
    let framed = FramedShard::new(identity(number), payload(number, version, size));
    Shard { framed, group: 5, epoch: 6, intent_epoch: 7 }
}

/// Paths of the extents, in order.
pub(crate) fn extents(files: &SimFiles) -> Vec<std::path::PathBuf> {
    let directory = path().join("extents");
    let names = files.list(&directory).unwrap();
    names.iter().filter(|name| name.ends_with(".extent")).map(|name| directory.join(name)).collect()
}
