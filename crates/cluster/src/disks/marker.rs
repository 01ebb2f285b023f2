//! The file that says of a disk: the metadata of its cluster exists.
//!
//! A start that finds no metadata may begin the cluster only if no disk says that there was some: otherwise disks with
//! the metadata are missing, and beginning anew would lose everything.

use std::path::Path;

use env::{Env, OpenMode};

use crate::error::{Error, Result};

/// Empty; its presence is what it says.
const NAME: &str = "joined";

/// Whether the metadata is known to exist. Blocks.
///
/// # Errors
///
/// [`Error::Io`].
pub(crate) fn is_marked(env: &Env, disk: &Path) -> Result<bool> {
    let path = disk.join(NAME);
    env.files.exists(&path).map_err(|source| Error::Io { operation: "look for", path, source })
}

/// Notes that the metadata exists. Durable on return. Blocks.
///
/// # Errors
///
/// [`Error::Io`].
pub(crate) fn mark(env: &Env, disk: &Path) -> Result<()> {
    let path = disk.join(NAME);
    let made = env.files.open(&path, OpenMode::CreateOrOpen).and_then(|_| env.files.sync_directory(disk));
    made.map_err(|source| Error::Io { operation: "create", path, source })
}
