//! A file system in memory that loses power, fails on demand and rots.
//!
//! Every file has its visible bytes and its durable bytes, every directory its visible names and its durable names.
//! [`File::sync_data`] and [`Files::sync_directory`] carry the one over to the other; [`SimFiles::power_cut`] keeps a
//! random part of what was not carried over, torn at sectors, and makes the durable state the visible one. A failed
//! `sync_data` behaves as Linux does: the pages count as clean afterwards, so that a second call succeeds without the
//! bytes (Rebello et al., USENIX ATC 2020).
//!
//! Clones share one file system: a test keeps one clone and gives another to the code under test. Everything random
//! follows from the seeds.

mod contents;
mod control;
mod dice;
mod faults;
mod names;

pub use control::Flip;
pub use faults::Failure;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex, MutexGuard};
use rustix::io::Errno;

use self::contents::Contents;
use self::dice::Dice;
use self::faults::Faults;
use self::names::{Names, Node};
use super::{DirectoryId, File, FileLock, Files, OpenMode, Space};

/// Size that [`Files::space`] reports for a path without a capacity limit.
const UNLIMITED_BYTES: u64 = 1 << 50;

/// One machine's view of the simulated file system, from one start of the machine to the next power cut.
#[derive(Clone)]
pub struct SimFiles {
    world: Arc<World>,
    /// Number of the start this handle belongs to; a handle of an earlier start fails every call.
    start: u64,
}

struct World {
    state: Mutex<State>,
    released: Condvar,
}

struct State {
    names: Names,
    faults: Faults,
    dice: Dice,
    start: u64,
}

/// Locks are taken in this order: the world's state, then a file's contents.
struct SimFile {
    files: SimFiles,
    path: PathBuf,
    mode: OpenMode,
    contents: Arc<Mutex<Contents>>,
}

struct SimFileLock {
    files: SimFiles,
    contents: Arc<Mutex<Contents>>,
}

/// What a call does, as far as faults distinguish it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Look,
    Change,
}

impl SimFiles {
    /// An empty file system. `seed` decides how failed writes and failed syncs leave the bytes.
    pub fn new(seed: u64) -> Self {
        let state = State { names: Names::new(), faults: Faults::default(), dice: Dice::new(seed), start: 0 };
        Self { world: Arc::new(World { state: Mutex::new(state), released: Condvar::new() }), start: 0 }
    }

    /// Counts a call on `path`, lets it wait as the faults say, and tells how it must fail, if it must.
    fn arrive(&self, path: &Path) -> io::Result<(MutexGuard<'_, State>, Option<Failure>)> {
        let mut state = self.world.state.lock();
        let verdict = state.faults.count_call(path);
        while state.faults.hangs(path) && state.start == self.start {
            self.world.released.wait(&mut state);
        }
        if state.start != self.start {
            return Err(Errno::IO.into());
        }
        Ok((state, verdict))
    }

    /// As `arrive`, for a call that fails without effect.
    fn enter(&self, path: &Path, call: Call) -> io::Result<MutexGuard<'_, State>> {
        match self.arrive(path)? {
            (state, None) => Ok(state),
            (state, Some(Failure::NoSpace)) if call == Call::Look => Ok(state),
            (_, Some(failure)) => Err(failure.into()),
        }
    }

    fn handle(&self, path: &Path, mode: OpenMode, contents: Arc<Mutex<Contents>>) -> Arc<dyn File> {
        Arc::new(SimFile { files: self.clone(), path: path.to_path_buf(), mode, contents })
    }
}

impl State {
    /// Refuses growth of `contents` at `path` to `size` bytes that the capacity of its device does not cover.
    fn reserve(&self, path: &Path, contents: &Contents, size: u64) -> io::Result<()> {
        let Some((prefix, capacity)) = self.faults.capacity(path) else { return Ok(()) };
        let growth = size.saturating_sub(contents.allocated());
        // Measured without this file, whose lock the caller holds.
        let others = self.names.allocated_below(prefix, Some(contents));
        let fits = growth == 0 || others + contents.allocated() + growth <= capacity;
        if fits { Ok(()) } else { Err(Errno::NOSPC.into()) }
    }
}

impl Files for SimFiles {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let creates = matches!(mode, OpenMode::CreateNew | OpenMode::CreateNewDirect | OpenMode::CreateOrOpen);
        let mut state = self.enter(path, if creates { Call::Change } else { Call::Look })?;
        match (state.names.find(path), mode) {
            (Some(Node::Directory), _) => Err(Errno::ISDIR.into()),
            (Some(Node::File(_)), OpenMode::CreateNew | OpenMode::CreateNewDirect) => Err(Errno::EXIST.into()),
            (Some(Node::File(contents)), _) => Ok(self.handle(path, mode, contents)),
            (None, _) if creates => Ok(self.handle(path, mode, state.names.create_file(path)?)),
            (None, _) => Err(Errno::NOENT.into()),
        }
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        self.enter(path, Call::Change)?.names.create_directories(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.enter(path, Call::Change)?.names.sync_directory(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.enter(path, Call::Look)?.names.list(path)
    }

    fn rename(&self, source: &Path, target: &Path) -> io::Result<()> {
        self.enter(source, Call::Change)?.names.rename(source, target)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        // Freeing room needs none: only a failure that is not about space stops it.
        self.enter(path, Call::Look)?.names.remove(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.enter(path, Call::Look)?.names.find(path).is_some())
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let state = self.enter(path, Call::Look)?;
        if state.names.find(path).is_none() {
            return Err(Errno::NOENT.into());
        }
        let Some((prefix, total)) = state.faults.capacity(path) else {
            return Ok(Space { total: UNLIMITED_BYTES, available: UNLIMITED_BYTES });
        };
        let used = state.names.allocated_below(prefix, None);
        Ok(Space { total, available: total.saturating_sub(used) })
    }

    fn directory_id(&self, path: &Path) -> io::Result<DirectoryId> {
        self.enter(path, Call::Look)?.names.directory_id(path)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        let state = self.enter(path, Call::Look)?;
        match state.names.find(path) {
            Some(_) => Ok(names::normal(path)),
            None => Err(Errno::NOENT.into()),
        }
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        let mut state = self.enter(path, Call::Change)?;
        let contents = match state.names.find(path) {
            Some(Node::File(contents)) => contents,
            Some(Node::Directory) => return Err(Errno::ISDIR.into()),
            None => state.names.create_file(path)?,
        };
        let free = contents.lock().lock_for(self.start);
        Ok(free.then(|| -> Box<dyn FileLock> { Box::new(SimFileLock { files: self.clone(), contents }) }))
    }
}

impl FileLock for SimFileLock {}

impl Drop for SimFileLock {
    fn drop(&mut self) {
        self.contents.lock().unlock_for(self.files.start);
    }
}

impl File for SimFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let _state = self.files.enter(&self.path, Call::Look)?;
        self.contents.lock().read(buffer, offset)
    }

    fn write_all_at(&self, buffers: &[&[u8]], offset: u64) -> io::Result<()> {
        let mut bytes = buffers.concat();
        if self.mode == OpenMode::CreateNewDirect {
            super::assert_direct(offset, bytes.len());
        }
        let (mut state, verdict) = self.files.arrive(&self.path)?;
        let mut contents = self.contents.lock();
        match verdict {
            None => {
                state.reserve(&self.path, &contents, offset + bytes.len() as u64)?;
                contents.write(offset, bytes);
                Ok(())
            }
            Some(Failure::Crash) => Err(Failure::Crash.into()),
            Some(failure) => {
                // A failed write leaves any prefix behind.
                let kept = state.dice.below(bytes.len() as u64 + 1);
                bytes.truncate(usize::try_from(kept).expect("at most the length"));
                contents.write(offset, bytes);
                Err(failure.into())
            }
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        let (mut state, verdict) = self.files.arrive(&self.path)?;
        let mut contents = self.contents.lock();
        match verdict {
            None => {
                contents.sync();
                Ok(())
            }
            Some(Failure::Crash) => Err(Failure::Crash.into()),
            Some(failure) => {
                contents.fail_sync(&mut state.dice);
                Err(failure.into())
            }
        }
    }

    fn size(&self) -> io::Result<u64> {
        let _state = self.files.enter(&self.path, Call::Look)?;
        Ok(self.contents.lock().size())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let _state = self.files.enter(&self.path, Call::Look)?;
        self.contents.lock().set_size(size);
        Ok(())
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        let state = self.files.enter(&self.path, Call::Change)?;
        let mut contents = self.contents.lock();
        state.reserve(&self.path, &contents, size)?;
        contents.allocate(size);
        Ok(())
    }

    fn drop_cache(&self) {}
}
