//! Packs in files: one copy in every mirror.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use env::{File, OpenMode};
use parking_lot::Mutex;
use prolly::pack::{Damage, PackFile, PackStorage};
use prolly::{PackId, SealedPack};

use crate::error::{Error, Result};
use crate::mirror::{Mirror, Mirrors, change_each};
use crate::roots::{ListedPack, PackDigest, PackList};

/// Files kept open for reading.
const OPEN_FILES_MAX: usize = 256;
/// How much of a pack is copied or verified at a time.
const COPY_STEP: usize = 1 << 20;

/// The packs of all mirrors.
pub(crate) struct MirroredPacks {
    mirrors: Arc<Mirrors>,
    open: Mutex<BTreeMap<(PackId, PathBuf), Arc<dyn File>>>,
    /// Packs that were sealed and not taken yet.
    sealed: Arc<Mutex<PackList>>,
    /// Whether something is damaged in every copy.
    damaged: AtomicBool,
}

impl MirroredPacks {
    pub(crate) fn new(mirrors: Arc<Mirrors>) -> Self {
        let damaged = mirrors.in_service().iter().any(|mirror| mirror.is_marked_damaged());
        Self { mirrors, open: Mutex::default(), sealed: Arc::default(), damaged: AtomicBool::new(damaged) }
    }

    /// Whether something has been found damaged in every copy, before or after the last start.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Acquire)
    }

    /// Something is damaged in every copy: the next start shall know it before it is read again.
    fn note_damage(&self) {
        if !self.damaged.swap(true, Ordering::AcqRel) {
            tracing::error!("some of the metadata is damaged in every copy");
            self.mirrors.in_service().iter().for_each(|mirror| mirror.mark_damaged());
        }
    }

    /// Nothing is damaged any more: everything was replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub(crate) fn forget_damage(&self) -> Result<()> {
        self.mirrors.in_service().iter().try_for_each(|mirror| mirror.unmark_damaged())?;
        self.damaged.store(false, Ordering::Release);
        Ok(())
    }

    /// Lengths and digests of these packs, which were sealed and not taken before.
    pub(crate) fn take_sealed(&self, packs: &[SealedPack]) -> PackList {
        let mut sealed = self.sealed.lock();
        let take = |pack: &SealedPack| sealed.remove_entry(&pack.id).expect("every sealed pack was written here");
        packs.iter().map(take).collect()
    }

    /// Whether some mirror has the pack with its length.
    pub(crate) fn is_present(&self, id: PackId, pack: &ListedPack) -> bool {
        self.mirrors.all().iter().any(|mirror| has_length(mirror, id, pack.length))
    }

    /// Whether `mirror` has the pack with its length.
    pub(crate) fn is_present_in(&self, mirror: &Mirror, id: PackId, pack: &ListedPack) -> bool {
        has_length(mirror, id, pack.length)
    }

    /// Gives `target` a copy of the pack from another mirror, a verified one if there is any; durable on return.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when no other mirror has all of it, [`Error::Io`] when `target` cannot be written.
    pub(crate) fn copy_to(&self, id: PackId, pack: &ListedPack, target: &Mirror) -> Result<()> {
        let path = path(target, id);
        let temporary = path.with_added_extension("new");
        let mut found = Copied::Nothing;
        for source in self.mirrors.all() {
            if source.directory() != target.directory() && has_length(&source, id, pack.length) {
                found = copy(&source, id, pack, (target, &temporary))?;
                if found == Copied::Intact {
                    break;
                }
                tracing::error!(pack = %id, source = %source.directory().display(), "damaged pack of metadata");
            }
        }
        // A damaged copy still has its intact pages, each under its own checksum.
        if found == Copied::Nothing {
            return Err(Error::Corrupt { what: "pack", path, offset: 0 });
        }
        target.attempt("rename", &path, |files| {
            files.rename(&temporary, &path)?;
            files.sync_directory(&target.pack_directory())
        })?;
        self.open.lock().clear();
        Ok(())
    }

    fn reader(&self, mirror: &Mirror, id: PackId) -> io::Result<Arc<dyn File>> {
        let key = (id, mirror.directory().to_path_buf());
        if let Some(file) = self.open.lock().get(&key) {
            return Ok(file.clone());
        }
        let file = mirror.files().open(&path(mirror, id), OpenMode::Read)?;
        let mut open = self.open.lock();
        if OPEN_FILES_MAX <= open.len() {
            open.clear();
        }
        open.insert(key, file.clone());
        Ok(file)
    }
}

impl PackStorage for MirroredPacks {
    fn copies(&self) -> usize {
        self.mirrors.all().len()
    }

    fn read(&self, pack: PackId, copy: usize, offset: u64, length: usize) -> io::Result<Bytes> {
        let mirror = self.mirrors.all().get(copy).cloned().ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = vec![0; length];
        self.reader(&mirror, pack)?.read_exact_at(&mut bytes, offset)?;
        Ok(bytes.into())
    }

    fn create(&self, pack: PackId) -> io::Result<Box<dyn PackFile>> {
        let mirrors = self.mirrors.in_service().into_iter().map(|mirror| (mirror, ()));
        let copies = change_each(mirrors, |mirror, ()| mirror.open(&path(mirror, pack), OpenMode::CreateNew));
        let copies = copies.map_err(into_io)?;
        let sealed = self.sealed.clone();
        Ok(Box::new(NewPack { id: pack, copies, length: 0, hasher: blake3::Hasher::new(), sealed }))
    }

    fn remove(&self, pack: PackId) -> io::Result<()> {
        self.open.lock().retain(|(id, _), _| *id != pack);
        self.sealed.lock().remove(&pack);
        for mirror in self.mirrors.in_service() {
            if let Err(error) = mirror.remove(&path(&mirror, pack)) {
                mirror.retire(&error);
            }
        }
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<PackId>> {
        let mut found = Vec::new();
        for mirror in self.mirrors.in_service() {
            match mirror.list(&mirror.pack_directory()) {
                Ok(names) => found.extend(names.iter().filter_map(|name| parse(name))),
                Err(error) => mirror.retire(&error),
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn damaged(&self, damage: Damage<'_>) {
        let Some(mirror) = self.mirrors.all().get(damage.copy).cloned() else { return };
        let Damage { pack, offset, intact, .. } = damage;
        let path = path(&mirror, pack);
        let (Some(bytes), true) = (intact, mirror.in_service()) else {
            tracing::warn!(path = %path.display(), offset, "bad copy of metadata");
            // What cannot be read at all may be read again later.
            if intact.is_none() && self.read(pack, damage.copy, offset, 1).is_ok() {
                self.note_damage();
            }
            return;
        };
        // Sealed bytes are never changed but for this: the same bytes are written again.
        let healed = mirror.attempt("heal", &path, |files| {
            let file = match files.open(&path, OpenMode::ReadWrite) {
                // The mirror is being filled, or its directory has vanished.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                file => file?,
            };
            file.write_all_at(&[bytes], offset)?;
            file.sync_data()?;
            Ok(true)
        });
        match healed {
            Ok(true) => tracing::warn!(path = %path.display(), offset, "healed a bad copy of metadata"),
            Ok(false) => {}
            Err(error) => mirror.retire(&error),
        }
    }
}

/// A pack being written to all mirrors in service. A mirror that fails drops out.
struct NewPack {
    id: PackId,
    copies: Vec<(Arc<Mirror>, Arc<dyn File>)>,
    length: u64,
    hasher: blake3::Hasher,
    sealed: Arc<Mutex<PackList>>,
}

impl NewPack {
    /// Does the same to all copies.
    fn on_each(
        &mut self,
        operation: &'static str,
        call: impl Fn(&Mirror, &dyn File) -> io::Result<()>,
    ) -> io::Result<()> {
        let id = self.id;
        let changed = change_each(std::mem::take(&mut self.copies), |mirror, file| {
            mirror.attempt(operation, &path(mirror, id), |_| call(mirror, file.as_ref()))?;
            Ok(file)
        });
        self.copies = changed.map_err(into_io)?;
        Ok(())
    }
}

/// What the trees below are told: the same, if the system said it.
fn into_io(error: Error) -> io::Error {
    match error {
        Error::Io { source, .. } => source,
        error => io::Error::other(error),
    }
}

impl PackFile for NewPack {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let offset = self.length;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        self.on_each("write", |_, file| file.write_all_at(&[bytes], offset))
    }

    fn seal(mut self: Box<Self>) -> io::Result<()> {
        self.on_each("sync", |mirror, file| {
            file.sync_data()?;
            mirror.files().sync_directory(&mirror.pack_directory())
        })?;
        let digest = digest_of(&self.hasher);
        self.sealed.lock().insert(self.id, ListedPack { length: self.length, digest });
        Ok(())
    }
}

fn path(mirror: &Mirror, id: PackId) -> PathBuf {
    mirror.pack_directory().join(format!("{:08x}.pack", id.0))
}

fn parse(name: &str) -> Option<PackId> {
    let digits = name.strip_suffix(".pack").filter(|digits| digits.len() == 8)?;
    u32::from_str_radix(digits, 16).ok().map(PackId)
}

fn has_length(mirror: &Mirror, id: PackId, length: u64) -> bool {
    let size = mirror.files().open(&path(mirror, id), OpenMode::Read).and_then(|file| file.size());
    size.is_ok_and(|size| length <= size)
}

/// What a copy turned out to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Copied {
    Nothing,
    Damaged,
    Intact,
}

/// Copies a pack into a file of the target, and syncs it. Errors are the target's.
fn copy(source: &Mirror, id: PackId, pack: &ListedPack, (target, file): (&Mirror, &Path)) -> Result<Copied> {
    let Ok(input) = source.files().open(&path(source, id), OpenMode::Read) else { return Ok(Copied::Nothing) };
    let mut hasher = blake3::Hasher::new();
    let output = target.open(file, OpenMode::CreateOrOpen)?;
    target.attempt("cut", file, |_| output.set_size(0))?;
    let mut buffer = vec![0; COPY_STEP];
    let mut offset = 0;
    while offset < pack.length {
        let step = usize::try_from(pack.length - offset).map_or(COPY_STEP, |rest| rest.min(COPY_STEP));
        if input.read_exact_at(&mut buffer[..step], offset).is_err() {
            return Ok(Copied::Nothing);
        }
        hasher.update(&buffer[..step]);
        target.attempt("write", file, |_| output.write_all_at(&[&buffer[..step]], offset))?;
        offset += step as u64;
    }
    target.attempt("sync", file, |_| output.sync_data())?;
    Ok(if digest_of(&hasher) == pack.digest { Copied::Intact } else { Copied::Damaged })
}

fn digest_of(hasher: &blake3::Hasher) -> PackDigest {
    let hash = hasher.finalize();
    std::array::from_fn(|i| hash.as_bytes()[i])
}
