//! Looks at storage directories without changing them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use disk::{Disk, DiskIdentity};
use env::Env;

use crate::error::{Error, Result};

/// What is at a storage directory.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// A disk of some cluster.
    Disk(DiskIdentity),
    /// A directory that was never formatted, or has been emptied.
    Blank,
    /// Nothing.
    Nothing,
    /// Something that cannot be read: the disk counts as absent.
    Unreadable(disk::Error),
}

/// A storage directory and what is there.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// The directory, absolute and without symbolic links as far as it exists.
    pub(crate) path: PathBuf,
    pub(crate) found: Found,
    /// Whether it is the root of its file system.
    pub(crate) is_mount_point: bool,
}

/// Looks at all `paths`. Blocks.
///
/// # Errors
///
/// What no start can go on with: a directory or a disk named twice, disks of two clusters, a disk of an unknown version,
/// an unmounted disk.
pub(crate) fn survey(env: &Env, paths: &[PathBuf]) -> Result<Vec<Site>> {
    let mut sites: Vec<Site> = Vec::with_capacity(paths.len());
    for path in paths {
        let site = look(env, &resolve(env, path))?;
        if sites.iter().any(|other| other.path == site.path) {
            return Err(Error::DuplicateDirectory { path: site.path });
        }
        sites.push(site);
    }
    let mut seen: BTreeMap<u128, &Path> = BTreeMap::new();
    let mut first: Option<(u128, &Path)> = None;
    for site in &sites {
        let Found::Disk(identity) = &site.found else { continue };
        if let Some(other) = seen.insert(identity.disk_id, &site.path) {
            return Err(Error::DuplicateDisk { first: other.to_path_buf(), second: site.path.clone() });
        }
        let &mut (cluster_id, path) = first.get_or_insert((identity.cluster_id, &site.path));
        if cluster_id != identity.cluster_id {
            return Err(Error::MixedClusters { first: path.to_path_buf(), second: site.path.clone() });
        }
    }
    Ok(sites)
}

/// Looks at one directory, whose path is resolved already. Blocks.
///
/// # Errors
///
/// A disk of an unknown version, or an unmounted one.
pub(crate) fn look(env: &Env, path: &Path) -> Result<Site> {
    let found = match Disk::inspect(env, path) {
        Ok(superblock) => Found::Disk(superblock.identity),
        Err(disk::Error::NotFormatted { .. }) => Found::Blank,
        Err(disk::Error::Missing { .. }) => Found::Nothing,
        Err(error @ (disk::Error::UnknownVersion { .. } | disk::Error::Unmounted { .. })) => return Err(error.into()),
        Err(error) => Found::Unreadable(error),
    };
    // A directory that is not there, or cannot be asked, is no mount point.
    let is_mount_point = env.files.directory_id(path).is_ok_and(|id| id.is_mount_point);
    Ok(Site { path: path.to_path_buf(), found, is_mount_point })
}

/// `path` in the form in which the roster keeps paths. Its last name need not exist.
pub(crate) fn resolve(env: &Env, path: &Path) -> PathBuf {
    if let Ok(canonical) = env.files.canonical(path) {
        return canonical;
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (env.files.canonical(parent), path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        _ => path.to_path_buf(),
    }
}
