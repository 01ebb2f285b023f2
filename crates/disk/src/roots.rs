//! The log of extents created, sealed and retired. See `docs/formats/disk.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::{File, Files, OpenMode};

use crate::extent::Extent;
use crate::frame::Frame;
use crate::{Error, Result};

const MAGIC: &[u8; 4] = b"SROT";
const VERSION: u8 = 1;
const ENTRY_SIZE: usize = 64;
const NAME: &str = "roots";
const NEW_NAME: &str = "roots.new";
/// The file grows by this much, ahead of need: entries must fit on a full disk.
const STEP_BYTES: u64 = 64 * 1024;
/// Free entries below which the file grows.
const SPARE_ENTRIES: u64 = 256;

/// An event in the life of an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Created {
        extent: u32,
        nonce: u64,
    },
    Sealed {
        extent: u32,
        nonce: u64,
        end: u64,
    },
    Retired {
        extent: u32,
        nonce: u64,
    },
    /// Every extent below was once created.
    FirstFree {
        extent: u32,
    },
}

/// What the log says of an extent that is not retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) nonce: u64,
    /// End of its records, if it is sealed.
    pub(crate) end: Option<u64>,
}

/// What the whole log says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// Extents that exist.
    pub(crate) extents: BTreeMap<u32, Known>,
    /// Extents whose files may be removed.
    pub(crate) retired: BTreeMap<u32, u64>,
    /// Lowest number never used.
    pub(crate) first_free: u32,
    /// Entries with a wrong checksum.
    pub(crate) damaged: u64,
}

impl History {
    fn apply(&mut self, event: Event) {
        match event {
            Event::Created { extent, nonce } => {
                self.extents.insert(extent, Known { nonce, end: None });
                self.first_free = self.first_free.max(extent + 1);
            }
            Event::Sealed { extent, nonce, end } => {
                self.extents.insert(extent, Known { nonce, end: Some(end) });
                self.first_free = self.first_free.max(extent + 1);
            }
            Event::Retired { extent, nonce } => {
                self.extents.remove(&extent);
                self.retired.insert(extent, nonce);
                self.first_free = self.first_free.max(extent + 1);
            }
            Event::FirstFree { extent } => self.first_free = self.first_free.max(extent),
        }
    }

    /// The shortest log that says the same.
    fn events(&self) -> Vec<Event> {
        let mut events = vec![Event::FirstFree { extent: self.first_free }];
        for (&extent, known) in &self.extents {
            events.push(match known.end {
                None => Event::Created { extent, nonce: known.nonce },
                Some(end) => Event::Sealed { extent, nonce: known.nonce, end },
            });
        }
        events.extend(self.retired.iter().map(|(&extent, &nonce)| Event::Retired { extent, nonce }));
        events
    }
}

fn encode(event: Event, disk_id: u128) -> [u8; ENTRY_SIZE] {
    let (kind, extent, nonce, end) = match event {
        Event::Created { extent, nonce } => (1, extent, nonce, 0),
        Event::Sealed { extent, nonce, end } => (2, extent, nonce, end),
        Event::Retired { extent, nonce } => (3, extent, nonce, 0),
        Event::FirstFree { extent } => (4, extent, 0, 0),
    };
    let mut frame = Frame::new(MAGIC);
    frame.put(4, &[VERSION, kind]);
    frame.put(8, &extent.to_le_bytes());
    frame.put(16, &nonce.to_le_bytes());
    frame.put(24, &end.to_le_bytes());
    frame.put(32, &disk_id.to_le_bytes());
    frame.seal()
}

enum Entry {
    Free,
    Event(Event),
    Damaged,
    OtherVersion(u8),
}

fn decode(bytes: &[u8], disk_id: u128) -> Entry {
    if bytes.iter().all(|byte| *byte == 0) {
        return Entry::Free;
    }
    let Some(frame) = Frame::<ENTRY_SIZE>::check(bytes, MAGIC) else { return Entry::Damaged };
    if frame.u8(4) != VERSION {
        return Entry::OtherVersion(frame.u8(4));
    }
    let (extent, nonce) = (frame.u32(8), frame.u64(16));
    match frame.u8(5) {
        _ if frame.u128(32) != disk_id => Entry::Damaged,
        1 => Entry::Event(Event::Created { extent, nonce }),
        2 => Entry::Event(Event::Sealed { extent, nonce, end: frame.u64(24) }),
        3 => Entry::Event(Event::Retired { extent, nonce }),
        4 => Entry::Event(Event::FirstFree { extent }),
        _ => Entry::Damaged,
    }
}

/// The log, open for appending.
pub(crate) struct Roots {
    file: Arc<dyn File>,
    path: PathBuf,
    disk_id: u128,
    /// Entries in use, from the start of the file.
    used: u64,
    /// Entries the file has room for.
    capacity: u64,
    /// A failed write or sync: the file takes nothing any more.
    poisoned: bool,
}

impl Roots {
    /// Opens the log in `directory`, creating it when missing, and reads it.
    pub(crate) fn open(files: &dyn Files, directory: &Path, disk_id: u128) -> Result<(Self, History)> {
        let path = directory.join(NAME);
        let exists = files.exists(&path).map_err(|error| Error::io("stat", &path, error))?;
        if !exists {
            let history = History { first_free: 1, ..History::default() };
            return Ok((Self::create(files, directory, disk_id, &history)?, history));
        }
        let file = files.open(&path, OpenMode::ReadWrite).map_err(|error| Error::io("open", &path, error))?;
        let size = file.size().map_err(|error| Error::io("stat", &path, error))?;
        let mut bytes = vec![0; usize::try_from(size).expect("a log of extents fits memory")];
        file.read_exact_at(&mut bytes, 0).map_err(|error| Error::io("read", &path, error))?;

        let mut history = History { first_free: 1, ..History::default() };
        let mut used = 0usize;
        for (number, entry) in (0..).zip(bytes.chunks_exact(ENTRY_SIZE)) {
            match decode(entry, disk_id) {
                Entry::Free => continue,
                Entry::Event(event) => history.apply(event),
                Entry::Damaged => history.damaged += 1,
                Entry::OtherVersion(found) => {
                    return Err(Error::UnknownVersion { path, found: found.into(), supported: VERSION.into() });
                }
            }
            used = number + 1;
        }
        // After a failed sync the kernel may show entries that the device never got, and count them as clean. Nobody
        // may act on those: written again, they are dirty, and this sync covers them.
        let read = &bytes[..used * ENTRY_SIZE];
        file.write_all_at(&[read], 0).map_err(|error| Error::io("write", &path, error))?;
        file.sync_data().map_err(|error| Error::io("sync", &path, error))?;
        let capacity = size / ENTRY_SIZE as u64;
        Ok((Self { file, path, disk_id, used: used as u64, capacity, poisoned: false }, history))
    }

    /// Writes a new log that says what `history` says, in place of any other.
    fn create(files: &dyn Files, directory: &Path, disk_id: u128, history: &History) -> Result<Self> {
        let (path, new_path) = (directory.join(NAME), directory.join(NEW_NAME));
        if files.exists(&new_path).map_err(|error| Error::io("stat", &new_path, error))? {
            files.remove(&new_path).map_err(|error| Error::io("remove", &new_path, error))?;
        }
        let file = files.open(&new_path, OpenMode::CreateNew).map_err(|error| Error::io("create", &new_path, error))?;
        let entries: Vec<u8> = history.events().into_iter().flat_map(|event| encode(event, disk_id)).collect();
        let used = (entries.len() / ENTRY_SIZE) as u64;
        let size = (entries.len() as u64 + SPARE_ENTRIES * ENTRY_SIZE as u64).next_multiple_of(STEP_BYTES);
        file.allocate(size).map_err(|error| Error::io("allocate", &new_path, error))?;
        file.write_all_at(&[&entries], 0).map_err(|error| Error::io("write", &new_path, error))?;
        file.sync_data().map_err(|error| Error::io("sync", &new_path, error))?;
        files.rename(&new_path, &path).map_err(|error| Error::io("rename", &new_path, error))?;
        files.sync_directory(directory).map_err(|error| Error::io("sync", directory, error))?;
        Ok(Self { file, path, disk_id, used, capacity: size / ENTRY_SIZE as u64, poisoned: false })
    }

    /// Replaces a log that is mostly history, once the files of retired extents are durably gone.
    pub(crate) fn shorten(&mut self, files: &dyn Files, directory: &Path, history: &mut History) -> Result<()> {
        history.retired.clear();
        let needed = history.events().len() as u64;
        if self.used <= 4 * needed + SPARE_ENTRIES {
            return Ok(());
        }
        *self = Self::create(files, directory, self.disk_id, history)?;
        Ok(())
    }

    /// Rereads the log and adds again what it no longer says of `extents`; which of them that were.
    pub(crate) fn restore(&mut self, files: &dyn Files, extents: &[Extent]) -> Result<Vec<u32>> {
        let file = files.open(&self.path, OpenMode::Read).map_err(|error| Error::io("open", &self.path, error))?;
        file.drop_cache();
        let mut bytes = vec![0; usize::try_from(self.used).expect("a log of extents fits memory") * ENTRY_SIZE];
        file.read_exact_at(&mut bytes, 0).map_err(|error| Error::io("read", &self.path, error))?;
        let mut history = History::default();
        for entry in bytes.chunks_exact(ENTRY_SIZE) {
            if let Entry::Event(event) = decode(entry, self.disk_id) {
                history.apply(event);
            }
        }
        let mut restored = Vec::new();
        for &Extent { id: extent, nonce, end, is_sealed } in extents {
            let known = history.extents.get(&extent);
            let is_told = known.is_some_and(|known| known.end.is_some() || !is_sealed);
            if is_told || history.retired.contains_key(&extent) {
                continue;
            }
            let event = if is_sealed { Event::Sealed { extent, nonce, end } } else { Event::Created { extent, nonce } };
            self.append(event)?;
            restored.push(extent);
        }
        Ok(restored)
    }

    /// Adds an event; durable on return. After an error the log refuses everything until it is opened again.
    pub(crate) fn append(&mut self, event: Event) -> Result<()> {
        if self.poisoned {
            let error = std::io::Error::other("an earlier write to it failed");
            return Err(Error::io("append", &self.path, error));
        }
        self.grow_ahead()?;
        let bytes = encode(event, self.disk_id);
        let written = self.file.write_all_at(&[&bytes], self.used * ENTRY_SIZE as u64);
        let synced = written.and_then(|()| self.file.sync_data());
        self.poisoned = synced.is_err();
        synced.map_err(|error| Error::io("append", &self.path, error))?;
        self.used += 1;
        Ok(())
    }

    /// Grows the file before it is full. With entries to spare, a full disk may refuse that.
    fn grow_ahead(&mut self) -> Result<()> {
        if self.used + SPARE_ENTRIES <= self.capacity {
            return Ok(());
        }
        let size = (self.capacity * ENTRY_SIZE as u64 + 1).next_multiple_of(STEP_BYTES);
        match self.file.allocate(size) {
            Ok(()) => {
                self.capacity = size / ENTRY_SIZE as u64;
                Ok(())
            }
            Err(_) if self.used < self.capacity => Ok(()),
            Err(error) => Err(Error::io("allocate", &self.path, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use env::SimFiles;

    use super::*;

    fn directory() -> &'static Path {
        Path::new("/extents")
    }

    fn prepared() -> SimFiles {
        let files = SimFiles::new(1);
        files.create_directories(directory()).unwrap();
        files.sync_directory(Path::new("/")).unwrap();
        files
    }

    #[test]
    fn the_log_remembers_what_exists() {
        let files = prepared();
        let (mut roots, history) = Roots::open(&files, directory(), 5).unwrap();
        assert_eq!(history.first_free, 1);
        for event in [
            Event::Created { extent: 1, nonce: 11 },
            Event::Sealed { extent: 1, nonce: 11, end: 8192 },
            Event::Created { extent: 2, nonce: 22 },
            Event::Created { extent: 3, nonce: 33 },
            Event::Retired { extent: 2, nonce: 22 },
        ] {
            roots.append(event).unwrap();
        }
        let files = files.power_cut(9);
        let (_, history) = Roots::open(&files, directory(), 5).unwrap();
        let expected = [(1, Known { nonce: 11, end: Some(8192) }), (3, Known { nonce: 33, end: None })];
        assert_eq!(history.extents, BTreeMap::from(expected));
        assert_eq!(history.retired, BTreeMap::from([(2, 22)]));
        assert_eq!(history.first_free, 4);
    }

    #[test]
    fn a_damaged_entry_is_skipped_and_never_overwritten() {
        let files = prepared();
        let (mut roots, _) = Roots::open(&files, directory(), 5).unwrap();
        roots.append(Event::Created { extent: 1, nonce: 11 }).unwrap();
        roots.append(Event::Created { extent: 2, nonce: 22 }).unwrap();
        // Entry 0 names the first free extent, entry 2 is the last.
        files.flip_bit(&env::Flip { path: directory().join(NAME), offset: 2 * 64 + 20, bit: 3 });
        let (mut roots, history) = Roots::open(&files, directory(), 5).unwrap();
        assert_eq!((history.damaged, history.extents.len(), roots.used), (1, 1, 3));
        roots.append(Event::Created { extent: 3, nonce: 33 }).unwrap();
        assert_eq!(Roots::open(&files, directory(), 5).unwrap().1.extents.len(), 2);
    }

    /// After a failed sync the next process sees an entry that the device may not have; once it acted on it, it must
    /// stay.
    #[test]
    fn what_was_read_once_is_read_again() {
        for seed in 0..40 {
            let files = SimFiles::new(seed);
            files.create_directories(directory()).unwrap();
            files.sync_directory(Path::new("/")).unwrap();
            let (mut roots, _) = Roots::open(&files, directory(), 5).unwrap();
            roots.append(Event::Created { extent: 1, nonce: 11 }).unwrap();
            files.fail_call(files.calls() + 1, env::Failure::Io);
            roots.append(Event::Retired { extent: 1, nonce: 11 }).unwrap_err();
            roots.append(Event::Created { extent: 2, nonce: 22 }).unwrap_err();
            let files = files.kill();
            let (_, seen) = Roots::open(&files, directory(), 5).unwrap();
            let (_, again) = Roots::open(&files.power_cut(seed), directory(), 5).unwrap();
            assert_eq!(seen, again, "seed {seed}");
        }
    }

    #[test]
    fn a_log_of_history_is_shortened() {
        let files = prepared();
        let (mut roots, _) = Roots::open(&files, directory(), 5).unwrap();
        for extent in 1..1500 {
            roots.append(Event::Created { extent, nonce: 1 }).unwrap();
            roots.append(Event::Retired { extent, nonce: 1 }).unwrap();
        }
        let (mut roots, mut history) = Roots::open(&files, directory(), 5).unwrap();
        assert_eq!(roots.used, 2999);
        roots.shorten(&files, directory(), &mut history).unwrap();
        assert_eq!(roots.used, 1);
        roots.append(Event::Created { extent: 1500, nonce: 2 }).unwrap();
        let (_, history) = Roots::open(&files.power_cut(4), directory(), 5).unwrap();
        assert_eq!((history.first_free, history.extents.len()), (1501, 1));
    }

    #[test]
    fn entries_fit_on_a_full_disk() {
        let files = prepared();
        let (mut roots, _) = Roots::open(&files, directory(), 5).unwrap();
        files.set_capacity(directory(), files.used(directory()));
        for extent in 1..=200 {
            roots.append(Event::Created { extent, nonce: 1 }).unwrap();
        }
    }
}
