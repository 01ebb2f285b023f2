//! The directories that hold copies of the metadata.
//!
//! A mirror is in service until the first write or sync in it fails; then it is retired until the next start (a failed
//! sync may have dropped bytes that a later one reports as written: Rebello et al., USENIX ATC 2020). Every start brings
//! all mirrors up to the newest state that any of them has.

mod identity;
mod set;

pub(crate) use set::Mirrors;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use env::{File, Files, OpenMode};

use crate::error::{Error, Result};

/// Marks a mirror that missed writes: it must not be the only one a node starts from.
const RETIRED_FILE: &str = "retired";

/// Marks a mirror of metadata of which something is damaged in every copy.
const DAMAGED_FILE: &str = "damaged";

/// Whether `directory` may hold a copy of some metadata: also where that cannot be read, which is for
/// [`MetaEngine::open`](crate::MetaEngine::open) to judge, who knows the other mirrors. Blocks.
pub fn may_be_mirror(env: &env::Env, directory: &Path) -> bool {
    !matches!(identity::read(env.files.as_ref(), directory), Ok(None))
}

/// Makes the same change in every mirror and returns what came of it where it worked. The other mirrors are retired.
/// But when it worked nowhere, and only for want of room, none is: the change may be tried again.
///
/// # Errors
///
/// The last failure, when it worked nowhere.
pub(crate) fn change_each<I, O>(
    copies: impl IntoIterator<Item = (Arc<Mirror>, I)>,
    mut change: impl FnMut(&Mirror, I) -> Result<O>,
) -> Result<Vec<(Arc<Mirror>, O)>> {
    let mut changed = Vec::new();
    let mut failed = Vec::new();
    for (mirror, copy) in copies {
        match change(&mirror, copy) {
            Ok(copy) => changed.push((mirror, copy)),
            Err(error) => failed.push((mirror, error)),
        }
    }
    let may_pass = changed.is_empty() && failed.iter().all(|(_, error)| error.is_full());
    if !may_pass {
        failed.iter().for_each(|(mirror, error)| mirror.retire(error));
    }
    match failed.pop() {
        Some((_, error)) if changed.is_empty() => Err(error),
        None if changed.is_empty() => Err(Error::Unavailable),
        _ => Ok(changed),
    }
}

/// One directory that holds a copy of the metadata.
pub(crate) struct Mirror {
    files: Arc<dyn Files>,
    directory: PathBuf,
    in_service: AtomicBool,
    /// Whether it has all packs of the newest root record, and so may have the record.
    has_packs: AtomicBool,
    /// Free bytes of the file system beside the reserve, when they were last measured.
    room: AtomicU64,
}

/// Most room that deletes and what the node does on its own have for themselves on a full disk, in bytes.
const RESERVE_MAX: u64 = 128 << 20;
/// The same as a share of a small file system.
const RESERVE_SHARE: u64 = 32;

impl Mirror {
    fn new(files: Arc<dyn Files>, directory: PathBuf) -> Self {
        Self {
            files,
            directory,
            in_service: AtomicBool::new(true),
            has_packs: AtomicBool::new(false),
            room: AtomicU64::new(u64::MAX),
        }
    }

    /// Free bytes beside the reserve, as of the last measurement; no end of them before the first.
    pub(crate) fn room(&self) -> u64 {
        self.room.load(Ordering::Relaxed)
    }

    /// Asks the file system for its free bytes, for all who must not wait for the answer. What cannot be asked is found
    /// out by the next write.
    pub(crate) fn measure_room(&self) {
        if let Ok(space) = self.files.space(&self.directory) {
            let reserve = (space.total / RESERVE_SHARE).min(RESERVE_MAX);
            self.room.store(space.available.saturating_sub(reserve), Ordering::Relaxed);
        }
    }

    /// Empties `directory` to become a mirror; it counts as one only after [`Mirror::confirm`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub(crate) fn vacant(env: &env::Env, directory: PathBuf) -> Result<Arc<Self>> {
        let mirror = Self::new(env.files.clone(), directory);
        mirror.prepare()?;
        Ok(Arc::new(mirror))
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn files(&self) -> &dyn Files {
        self.files.as_ref()
    }

    pub(crate) fn log_directory(&self) -> PathBuf {
        self.directory.join("log")
    }

    pub(crate) fn pack_directory(&self) -> PathBuf {
        self.directory.join("packs")
    }

    /// Whether no write or sync in it has failed since the start.
    pub(crate) fn in_service(&self) -> bool {
        self.in_service.load(Ordering::Acquire)
    }

    /// Takes the mirror out of service because of `error`. Says so once.
    pub(crate) fn retire(&self, error: &Error) {
        if self.in_service.swap(false, Ordering::AcqRel) {
            tracing::error!(directory = %self.directory.display(), %error, source = ?error, "metadata mirror retired");
        }
    }

    /// Whether it has all packs of the newest root record.
    pub(crate) fn has_packs(&self) -> bool {
        self.has_packs.load(Ordering::Acquire)
    }

    /// Notes that it has all packs of the newest root record.
    pub(crate) fn note_packs(&self) {
        self.has_packs.store(true, Ordering::Release);
    }

    /// Leaves a note in the directory, if it takes one, that this copy missed writes.
    pub(crate) fn mark_retired(&self) {
        self.mark(RETIRED_FILE);
    }

    /// Leaves a note in the directory, if it takes one, that something is damaged in every copy.
    pub(crate) fn mark_damaged(&self) {
        self.mark(DAMAGED_FILE);
    }

    fn mark(&self, name: &str) {
        let path = self.directory.join(name);
        let marked = self.files.exists(&self.directory.join(identity::FILE)).and_then(|is_mirror| {
            // Another mirror may be about to begin here.
            if is_mirror {
                self.files.open(&path, OpenMode::CreateOrOpen)?;
                self.files.sync_directory(&self.directory)?;
            }
            Ok(())
        });
        if let Err(error) = marked {
            tracing::warn!(directory = %self.directory.display(), %error, "cannot mark the mirror as {name}");
        }
    }

    fn is_marked_retired(&self) -> Result<bool> {
        self.is_marked(RETIRED_FILE)
    }

    /// Whether [`Mirror::mark_damaged`] has left its note.
    pub(crate) fn is_marked_damaged(&self) -> bool {
        // One that cannot be read is no reason for anything.
        self.is_marked(DAMAGED_FILE).unwrap_or(false)
    }

    fn is_marked(&self, name: &str) -> Result<bool> {
        let path = self.directory.join(name);
        self.files.exists(&path).map_err(|source| Error::Io { operation: "look for", path, source })
    }

    /// Takes back the note of [`Mirror::mark_damaged`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub(crate) fn unmark_damaged(&self) -> Result<()> {
        self.unmark(DAMAGED_FILE)
    }

    fn unmark(&self, name: &str) -> Result<()> {
        if self.is_marked(name)? {
            self.remove(&self.directory.join(name))?;
            self.sync_directory(&self.directory)?;
        }
        Ok(())
    }

    /// Runs `call` on `path` and says which call failed on what.
    pub(crate) fn attempt<T>(
        &self,
        operation: &'static str,
        path: &Path,
        call: impl FnOnce(&dyn Files) -> io::Result<T>,
    ) -> Result<T> {
        call(self.files.as_ref()).map_err(|source| Error::Io { operation, path: path.to_path_buf(), source })
    }

    pub(crate) fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn File>> {
        self.attempt("open", path, |files| files.open(path, mode))
    }

    /// Names in a directory of this mirror; none when it does not exist.
    pub(crate) fn list(&self, directory: &Path) -> Result<Vec<String>> {
        self.attempt("list", directory, |files| match files.list(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            names => names,
        })
    }

    /// Removes a file; durable only after [`Mirror::sync_directory`]. One that is not there is as good as removed.
    pub(crate) fn remove(&self, path: &Path) -> Result<()> {
        self.attempt("remove", path, |files| match files.remove(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        })
    }

    pub(crate) fn sync_directory(&self, directory: &Path) -> Result<()> {
        self.attempt("sync", directory, |files| files.sync_directory(directory))
    }

    /// Reads a whole file; `None` when it does not exist.
    pub(crate) fn read_whole(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        self.attempt("read", path, |files| {
            let file = match files.open(path, OpenMode::Read) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                file => file?,
            };
            let size = usize::try_from(file.size()?).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
            let mut bytes = vec![0; size];
            file.read_exact_at(&mut bytes, 0)?;
            Ok(Some(bytes))
        })
    }

    /// Writes a whole file under a temporary name and moves it into place; durable on return.
    pub(crate) fn replace(&self, path: &Path, buffers: &[&[u8]]) -> Result<()> {
        let temporary = path.with_added_extension("new");
        self.attempt("write", path, |files| {
            let file = files.open(&temporary, OpenMode::CreateOrOpen)?;
            file.set_size(0)?;
            file.write_all_at(buffers, 0)?;
            file.sync_data()?;
            files.rename(&temporary, path)?;
            files.sync_directory(path.parent().unwrap_or(&self.directory))
        })
    }

    /// Makes an empty mirror of whatever the directory was.
    fn prepare(&self) -> Result<()> {
        // A disk that has been taken away must not come back as a directory with nothing but a mirror in it.
        let parent = self.directory.parent().unwrap_or(&self.directory);
        self.attempt("find", parent, |files| match files.exists(parent)? {
            true => Ok(()),
            false => Err(io::ErrorKind::NotFound.into()),
        })?;
        let subdirectories = [self.log_directory(), self.pack_directory()];
        for directory in &subdirectories {
            self.attempt("create", directory, |files| files.create_directories(directory))?;
        }
        for directory in subdirectories.iter().chain([&self.directory]) {
            for name in self.list(directory)? {
                let path = directory.join(name);
                if !subdirectories.contains(&path) {
                    self.remove(&path)?;
                }
            }
            self.sync_directory(directory)?;
        }
        self.sync_directory(parent)
    }

    /// Declares the directory a mirror of `realm` that has everything the log holds.
    pub(crate) fn confirm(&self, realm: u128) -> Result<()> {
        let path = self.directory.join(identity::FILE);
        if self.read_whole(&path)?.as_deref() != Some(&identity::encode(realm)) {
            self.replace(&path, &[&identity::encode(realm)])?;
        }
        self.unmark(RETIRED_FILE)
    }

    /// Ends the directory's time as a mirror and empties it.
    fn release(&self) -> Result<()> {
        // First of all it stops being a mirror: half emptied it would be a damaged one.
        self.remove(&self.directory.join(identity::FILE))?;
        self.sync_directory(&self.directory)?;
        self.prepare()
    }
}
