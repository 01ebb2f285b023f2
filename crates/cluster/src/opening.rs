//! Opens what lies in the storage directories: disks side by side, then the metadata on them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use disk::{Disk, DiskConfig};
use env::Env;
use meta::{MetaEngine, Opened};
use placement::DiskId;
use tokio::sync::oneshot;

use crate::config::ClusterConfig;
use crate::disks::{Found, Site, is_marked, meta_directory, open_known, survey};
use crate::error::{Error, Result};

/// Disks that are open.
pub(crate) type OpenDisks = BTreeMap<DiskId, Arc<Disk>>;

/// Looks at all storage directories without changing them.
///
/// # Errors
///
/// What no start can go on with.
pub(crate) async fn survey_all(env: &Env, config: &ClusterConfig) -> Result<Vec<Site>> {
    let (look_env, paths) = (env.clone(), config.disks.clone());
    env.blocking(move || survey(&look_env, &paths)).await
}

/// Opens every disk there is, side by side. One that cannot be read counts as absent from then on.
pub(crate) async fn open_disks(env: &Env, sites: &mut [Site], config: &DiskConfig) -> Result<OpenDisks> {
    let mut pending = Vec::new();
    for site in sites.iter() {
        let Found::Disk(_) = site.found else {
            pending.push(None);
            continue;
        };
        let (sender, receiver) = oneshot::channel();
        let (open_env, path, config) = (env.clone(), site.path.clone(), config.clone());
        env.spawn.blocking(Box::new(move || {
            // Nobody waits any more when another disk has stopped the start.
            let _ = sender.send(open_known(&open_env, &path, &config));
        }));
        pending.push(Some(receiver));
    }
    let mut open = OpenDisks::new();
    let mut refused = None;
    for (site, receiver) in sites.iter_mut().zip(pending) {
        let Some(receiver) = receiver else { continue };
        match receiver.await.unwrap_or(Err(disk::Error::Closed)) {
            Ok(disk) => drop(open.insert(DiskId(disk.identity().disk_id), disk)),
            Err(error) if is_fatal(&error) => refused = Some(error),
            Err(error) => {
                tracing::error!(path = %site.path.display(), %error, "disk cannot be opened");
                site.found = Found::Unreadable(error);
            }
        }
    }
    match refused {
        Some(error) => {
            close_disks(open.into_values()).await;
            Err(error.into())
        }
        None => Ok(open),
    }
}

/// Whether a disk's error stops the start rather than leaving the disk out: the operator named the wrong directory.
fn is_fatal(error: &disk::Error) -> bool {
    matches!(
        error,
        disk::Error::AnotherCluster { .. }
            | disk::Error::InUse { .. }
            | disk::Error::UnknownVersion { .. }
            | disk::Error::Unmounted { .. }
    )
}

/// Opens the metadata on the disks that are there; begins it only when it never existed.
pub(crate) async fn open_metadata(
    env: &Env,
    config: &ClusterConfig,
    sites: &[Site],
    open: &OpenDisks,
) -> Result<Opened> {
    let is_open = |site: &&Site| open.values().any(|disk| disk.path() == site.path);
    let here: Vec<PathBuf> = sites.iter().filter(is_open).map(|site| site.path.clone()).collect();
    let missing: Vec<PathBuf> = sites.iter().filter(|site| !is_open(site)).map(|site| site.path.clone()).collect();
    let look_env = env.clone();
    let candidates = env.blocking(move || metadata_directories(&look_env, &here, missing)).await?;
    Ok(MetaEngine::open(env, &candidates, config.meta).await?)
}

/// Where the metadata is, or will be when it never existed. Blocks.
fn metadata_directories(env: &Env, here: &[PathBuf], missing: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    let candidates: Vec<PathBuf> = here.iter().map(|path| meta_directory(path)).collect();
    let exists = candidates.iter().any(|candidate| meta::may_be_mirror(env, candidate));
    for path in here {
        if !exists && is_marked(env, path)? {
            return Err(Error::MetadataMissing { present: here.len(), missing });
        }
    }
    if candidates.is_empty() {
        return Err(Error::MetadataMissing { present: 0, missing });
    }
    Ok(candidates)
}

pub(crate) async fn close_disks(disks: impl IntoIterator<Item = Arc<Disk>>) {
    for disk in disks {
        if let Err(error) = disk.close().await {
            tracing::warn!(path = %disk.path().display(), %error, "disk did not close cleanly");
        }
    }
}
