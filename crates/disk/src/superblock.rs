//! Who the disk is: two copies of a small file, and the checks that keep us off the wrong directory.

use std::path::{Path, PathBuf};

use env::{Files, OpenMode};

use crate::frame::Frame;
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"STCNDISK";
const VERSION: u32 = 1;
const SIZE: usize = 64;
const FLAG_MOUNT_POINT: u32 = 1;
const COPIES: [&str; 2] = ["superblock-0", "superblock-1"];
const LOCK: &str = "lock";
/// Directory of the extents inside the storage directory.
const EXTENTS: &str = "extents";
/// What a fresh file system may hold.
const LOST_AND_FOUND: &str = "lost+found";

/// Who a disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskIdentity {
    /// The cluster it belongs to.
    pub cluster_id: u128,
    /// The disk.
    pub disk_id: u128,
}

/// What a disk says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// Who it is.
    pub identity: DiskIdentity,
    /// Number of times the superblock was changed, 1 at first.
    pub generation: u64,
    /// Whether the directory was the root of its file system when it was formatted. An empty plain directory in its
    /// place is then an unmounted disk, not a replaced one.
    pub is_mount_point: bool,
}

impl Superblock {
    fn encode(&self) -> [u8; SIZE] {
        let mut frame = Frame::new(MAGIC);
        frame.put(8, &VERSION.to_le_bytes());
        frame.put(12, &if self.is_mount_point { FLAG_MOUNT_POINT } else { 0 }.to_le_bytes());
        frame.put(16, &self.identity.cluster_id.to_le_bytes());
        frame.put(32, &self.identity.disk_id.to_le_bytes());
        frame.put(48, &self.generation.to_le_bytes());
        frame.seal()
    }

    /// The version comes first: what another version means by the rest is not ours to read.
    fn decode(bytes: &[u8]) -> Option<std::result::Result<Self, u32>> {
        let frame = Frame::<SIZE>::check(bytes, MAGIC)?;
        let version = frame.u32(8);
        if version != VERSION {
            return Some(Err(version));
        }
        let identity = DiskIdentity { cluster_id: frame.u128(16), disk_id: frame.u128(32) };
        let is_mount_point = frame.u32(12) & FLAG_MOUNT_POINT != 0;
        Some(Ok(Self { identity, generation: frame.u64(48), is_mount_point }))
    }
}

/// Makes the empty directory `path` (created if missing) a disk. The superblocks come last: without them the
/// directory still counts as empty, so that an interrupted format is simply repeated.
pub(crate) fn format(files: &dyn Files, path: &Path, identity: DiskIdentity) -> Result<()> {
    create_durably(files, path)?;
    let names = files.list(path).map_err(|error| Error::io("list", path, error))?;
    let ours = |name: &str| COPIES.contains(&name) || [LOCK, EXTENTS, LOST_AND_FOUND].contains(&name);
    if let Some(name) = names.iter().find(|name| !ours(name)) {
        return Err(Error::NotEmpty { path: path.to_path_buf(), name: name.clone() });
    }
    let _lock = lock(files, path)?;
    refuse_storage(files, path)?;
    let extents = path.join(EXTENTS);
    create_durably(files, &extents)?;

    let id = files.directory_id(path).map_err(|error| Error::io("stat", path, error))?;
    let superblock = Superblock { identity, generation: 1, is_mount_point: id.is_mount_point };
    for name in COPIES {
        write(files, path, name, &superblock)?;
    }
    Ok(())
}

/// Refuses a directory that holds, or may have held, a disk.
fn refuse_storage(files: &dyn Files, path: &Path) -> Result<()> {
    let formatted = match read(files, path) {
        Ok(_) | Err(Error::UnknownVersion { .. } | Error::DamagedSuperblock { .. }) => true,
        Err(Error::NotFormatted { .. }) => false,
        Err(error) => return Err(error),
    };
    let refused = formatted || has_extents(files, path)?;
    if refused { Err(Error::AlreadyFormatted { path: path.to_path_buf() }) } else { Ok(()) }
}

/// Whether the directory was ever opened as a disk.
fn has_extents(files: &dyn Files, path: &Path) -> Result<bool> {
    let extents = path.join(EXTENTS);
    Ok(files.exists(&extents).map_err(|error| Error::io("stat", &extents, error))?
        && !files.list(&extents).map_err(|error| Error::io("list", &extents, error))?.is_empty())
}

/// Creates a directory so that its name, and those of its missing parents, are durable.
fn create_durably(files: &dyn Files, path: &Path) -> Result<()> {
    let mut parents = vec![parent(path)];
    for ancestor in path.ancestors().skip(1).filter(|ancestor| !ancestor.as_os_str().is_empty()) {
        if files.exists(ancestor).map_err(|error| Error::io("stat", ancestor, error))? {
            break;
        }
        parents.push(parent(ancestor));
    }
    files.create_directories(path).map_err(|error| Error::io("create", path, error))?;
    for directory in parents.into_iter().rev() {
        match files.sync_directory(directory) {
            Ok(()) => {}
            // A directory that we may not even read existed before us, and so did the name in it.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(Error::io("sync", directory, error)),
        }
    }
    Ok(())
}

/// The directory that holds the name `path`.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

fn write(files: &dyn Files, path: &Path, name: &str, superblock: &Superblock) -> Result<()> {
    let file_path = path.join(name);
    let file =
        files.open(&file_path, OpenMode::CreateOrOpen).map_err(|error| Error::io("create", &file_path, error))?;
    file.write_all_at(&[&superblock.encode()], 0).map_err(|error| Error::io("write", &file_path, error))?;
    file.sync_data().map_err(|error| Error::io("sync", &file_path, error))?;
    files.sync_directory(path).map_err(|error| Error::io("sync", path, error))
}

/// Reads the superblock and checks that the directory is where it was: the right version, still mounted.
pub(crate) fn read(files: &dyn Files, path: &Path) -> Result<Superblock> {
    let owned = || path.to_path_buf();
    if !files.exists(path).map_err(|error| Error::io("stat", path, error))? {
        return Err(Error::Missing { path: owned() });
    }
    let (mut best, mut seen): (Option<Superblock>, bool) = (None, false);
    for name in COPIES {
        let file_path = path.join(name);
        let Some(bytes) = read_copy(files, &file_path)? else { continue };
        seen = true;
        match Superblock::decode(&bytes) {
            Some(Err(found)) => {
                return Err(Error::UnknownVersion { path: file_path, found, supported: VERSION });
            }
            Some(Ok(copy)) if best.is_none_or(|other| other.generation < copy.generation) => best = Some(copy),
            _ => {}
        }
    }
    let superblock = match best {
        Some(superblock) => superblock,
        None if seen && has_extents(files, path)? => return Err(Error::DamagedSuperblock { path: owned() }),
        // Nothing, or what an interrupted format left before the first copy was whole.
        None => return Err(Error::NotFormatted { path: owned() }),
    };
    let id = files.directory_id(path).map_err(|error| Error::io("stat", path, error))?;
    if superblock.is_mount_point && !id.is_mount_point {
        return Err(Error::Unmounted { path: owned() });
    }
    Ok(superblock)
}

/// The bytes of one copy, empty if it is damaged beyond reading; `None` if there is none.
fn read_copy(files: &dyn Files, path: &Path) -> Result<Option<Vec<u8>>> {
    let file = match files.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            return Err(Error::NotADirectory { path: parent(path).to_path_buf() });
        }
        Err(error) => return Err(Error::io("open", path, error)),
    };
    let mut bytes = vec![0; SIZE];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot read a superblock copy");
            Ok(Some(Vec::new()))
        }
    }
}

/// Writes damaged or missing copies again. Call with the disk locked.
pub(crate) fn repair(files: &dyn Files, path: &Path, superblock: &Superblock) -> Result<()> {
    for name in COPIES {
        let bytes = read_copy(files, &path.join(name))?;
        let intact = bytes.is_some_and(|bytes| bytes == superblock.encode());
        if !intact {
            tracing::warn!(path = %path.join(name).display(), "writing a damaged superblock copy again");
            write(files, path, name, superblock)?;
        }
    }
    Ok(())
}

/// The directory of the extents. Made again if it is gone: its shards are lost, the disk is not.
pub(crate) fn require_extents(files: &dyn Files, path: &Path) -> Result<PathBuf> {
    let extents = path.join(EXTENTS);
    if !files.exists(&extents).map_err(|error| Error::io("stat", &extents, error))? {
        tracing::error!(path = %extents.display(), "the extents are gone; starting empty");
        create_durably(files, &extents)?;
    }
    Ok(extents)
}

/// Locks the disk for this process.
pub(crate) fn lock(files: &dyn Files, path: &Path) -> Result<Box<dyn env::FileLock>> {
    let lock_path = path.join(LOCK);
    let lock = files.try_lock(&lock_path).map_err(|error| Error::io("lock", &lock_path, error))?;
    lock.ok_or_else(|| Error::InUse { path: path.to_path_buf() })
}

/// A file that exists as long as the disk is in its place.
pub(crate) fn witness(path: &Path) -> PathBuf {
    path.join(COPIES[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_survives_a_round_trip_and_no_flipped_bit_does() {
        let identity = DiskIdentity { cluster_id: 1 << 100, disk_id: 77 };
        let superblock = Superblock { identity, generation: 3, is_mount_point: true };
        let bytes = superblock.encode();
        assert_eq!(Superblock::decode(&bytes), Some(Ok(superblock)));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Superblock::decode(&flipped), None);
        }
    }
}
