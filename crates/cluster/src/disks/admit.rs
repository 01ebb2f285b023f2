//! Opens disks, and makes directories disks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::{Disk, DiskConfig, DiskIdentity};
use env::Env;
use placement::{DiskId, NodeId};

use crate::error::Result;
use crate::handle::DiskHandle;
use crate::topology::{Member, MemberState};

/// Bytes in the unit of weights: fine enough to tell disks apart, coarse enough to call equal disks equal.
const WEIGHT_UNIT: u64 = 1 << 30;

/// Where a disk keeps its copy of the metadata, if it has one.
pub(crate) fn meta_directory(disk: &Path) -> PathBuf {
    disk.join("meta")
}

/// Opens the disk at `path`. Blocks.
///
/// # Errors
///
/// As [`Disk::open`].
pub(crate) fn open_known(env: &Env, path: &Path, config: &DiskConfig) -> disk::Result<Arc<Disk>> {
    let (disk, recovery) = Disk::open(env, path, config)?;
    let id = DiskId(disk.identity().disk_id);
    for finding in &recovery.findings {
        tracing::warn!(disk = %id, ?finding, "damage found while opening the disk");
    }
    Ok(Arc::new(disk))
}

/// Makes the blank directory at `path` a disk of a cluster, creating it if it is missing. Blocks.
///
/// # Errors
///
/// As [`Disk::format`].
pub(crate) fn format(env: &Env, path: &Path, cluster_id: u128) -> Result<()> {
    Ok(Disk::format(env, path, DiskIdentity { cluster_id, disk_id: env.random_u128() })?)
}

/// Makes the directory at `path` a disk unless it is one, and opens it. Blocks.
///
/// # Errors
///
/// As [`Disk::format`] and [`Disk::open`].
pub(crate) fn admit(env: &Env, path: &Path, formatted: Option<DiskId>, config: &DiskConfig) -> Result<Arc<Disk>> {
    if formatted.is_none() {
        format(env, path, config.cluster_id)?;
    }
    Ok(open_known(env, path, config)?)
}

/// The share of the data that a disk should hold, relative to others.
pub(crate) async fn weight(disk: &Disk) -> Result<u64> {
    Ok((disk.usage().await?.total / WEIGHT_UNIT).max(1))
}

impl Member {
    /// A disk of this node, `node`, that was just opened.
    pub(crate) fn open(node: NodeId, disk: Arc<Disk>) -> Self {
        let path = disk.path().to_path_buf();
        Self {
            node,
            path,
            state: MemberState::InService,
            full: false,
            leaving: false,
            disk: Some(DiskHandle::Local(disk)),
        }
    }

    /// A disk that is not there.
    pub(crate) fn absent(node: NodeId, path: PathBuf, reason: String) -> Self {
        Self { node, path, state: MemberState::Absent { reason }, full: false, leaving: false, disk: None }
    }
}
