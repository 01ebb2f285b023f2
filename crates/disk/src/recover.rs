//! Rebuilds what was in memory from what is on the disk: a checkpoint, and the records after it.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use env::{File, Files, OpenMode};

use crate::checkpoint::{self, Checkpoint};
use crate::extent::{self, Extent, ExtentHeader, Extents, RECORDS_START};
use crate::index::{Change, Index, Position, State};
use crate::read::reread_whole;
use crate::record::{BATCH_ALIGNMENT, Header, Kind};
use crate::report::{Damage, Finding, Recovery};
use crate::roots::{Event, History, Known, Roots};
use crate::scan::{Item, Scanner};
use crate::{Error, Result};

/// Records applied to the index at once.
const APPLY_BATCH: usize = 1024;

/// Bytes written again at once.
const REWRITE_SIZE: usize = 1 << 20;

/// What recovery gives to the disk.
pub(crate) struct Recovered {
    pub(crate) index: Index,
    pub(crate) extents: Extents,
    pub(crate) roots: Roots,
    /// Lowest extent number never used.
    pub(crate) next_extent: u32,
    pub(crate) report: Recovery,
}

/// Recovers the extents in `directory`.
pub(crate) fn recover(files: &Arc<dyn Files>, directory: &Path, disk_id: u128) -> Result<Recovered> {
    let (roots, history) = Roots::open(&**files, directory, disk_id)?;
    let checkpoint = checkpoint::read(&**files, directory, disk_id);
    let mut recoverer = Recoverer {
        files: &**files,
        directory,
        disk_id,
        roots,
        history,
        extents: Extents::new(files.clone(), directory.to_path_buf()),
        index: Index::default(),
        place: Position::default(),
        report: Recovery::default(),
    };
    let present = recoverer.remove_retired()?;
    recoverer.start_from(checkpoint, &present)?;
    for &id in &present {
        recoverer.read_extent(id)?;
    }
    recoverer.drop_lost(&present);
    recoverer.finish(&present)
}

struct Recoverer<'a> {
    files: &'a dyn Files,
    directory: &'a Path,
    disk_id: u128,
    roots: Roots,
    history: History,
    extents: Extents,
    index: Index,
    /// All records before it are in the checkpoint.
    place: Position,
    report: Recovery,
}

impl Recoverer<'_> {
    /// Finishes what compaction began; numbers of the extents that are left.
    fn remove_retired(&mut self) -> Result<Vec<u32>> {
        let names = self.files.list(self.directory).map_err(|error| Error::io("list", self.directory, error))?;
        let mut present = Vec::new();
        for id in names.iter().filter_map(|name| extent::parse_name(name)) {
            if self.history.retired.contains_key(&id) {
                self.remove(id)?;
            } else {
                present.push(id);
            }
        }
        if !self.history.retired.is_empty() {
            self.files.sync_directory(self.directory).map_err(|error| Error::io("sync", self.directory, error))?;
        }
        Ok(present)
    }

    fn remove(&self, id: u32) -> Result<()> {
        let path = self.extents.path(id);
        self.files.remove(&path).map_err(|error| Error::io("remove", path, error))
    }

    /// Takes over the checkpoint's entries, except those of extents that are other ones now.
    fn start_from(&mut self, checkpoint: Option<Checkpoint>, present: &[u32]) -> Result<()> {
        let Some(mut checkpoint) = checkpoint else { return Ok(()) };
        let mut foreign = Vec::new();
        for id in present {
            let nonce = self.nonce(*id)?;
            let is_other = checkpoint.extents.get(id).is_some_and(|known| Some(*known) != nonce);
            if is_other {
                foreign.push(*id);
            }
        }
        if !foreign.is_empty() {
            checkpoint.entries.retain(|(_, packed)| !foreign.contains(&packed.unpack().position.extent));
        }
        self.place = checkpoint.place;
        let highest = checkpoint.extents.keys().next_back().map_or(0, |id| id + 1);
        self.history.first_free = self.history.first_free.max(highest);
        self.index = Index::from_sorted(checkpoint.entries, checkpoint.place);
        self.report.used_checkpoint = true;
        Ok(())
    }

    /// Nonce of an extent, from the roots log or else its own header.
    fn nonce(&self, id: u32) -> Result<Option<u64>> {
        if let Some(known) = self.history.extents.get(&id) {
            return Ok(Some(known.nonce));
        }
        let file = self.open(id, OpenMode::Read)?;
        let header = ExtentHeader::read(&*file).map_err(|error| self.read_error(id, error))?;
        let own = header.filter(|header| header.id == id && header.disk_id == self.disk_id);
        Ok(own.map(|header| header.nonce))
    }

    fn open(&self, id: u32, mode: OpenMode) -> Result<Arc<dyn File>> {
        let path = self.extents.path(id);
        self.files.open(&path, mode).map_err(|error| Error::io("open", path, error))
    }

    fn read_error(&self, id: u32, error: io::Error) -> Error {
        Error::io("read", self.extents.path(id), error)
    }

    fn read_extent(&mut self, id: u32) -> Result<()> {
        let Some(nonce) = self.nonce(id)? else { return self.read_unknown(id) };
        let known = self.history.extents.get(&id).copied().unwrap_or(Known { nonce, end: None });
        match known.end {
            Some(end) => {
                let extent = Extent { id, nonce, end, is_sealed: true };
                self.extents.insert(extent);
                self.read_sealed(&extent)
            }
            None => self.read_open(id, nonce),
        }
    }

    /// A file that is in no log and says nothing of itself: its creation was interrupted, or it is damaged.
    fn read_unknown(&mut self, id: u32) -> Result<()> {
        let file = self.open(id, OpenMode::Read)?;
        let size = file.size().map_err(|error| self.read_error(id, error))?;
        let first_batch = RECORDS_START.min(size)..(RECORDS_START + BATCH_ALIGNMENT).min(size);
        let mut bytes = vec![0; usize::try_from(first_batch.end - first_batch.start).expect("at most a page")];
        file.read_exact_at(&mut bytes, first_batch.start).map_err(|error| self.read_error(id, error))?;
        let has_records = bytes.iter().any(|byte| *byte != 0);
        if !has_records {
            return self.remove(id);
        }
        tracing::warn!(extent = %self.extents.path(id).display(), "leaving a file alone that is no extent");
        self.find(None, Position { extent: id, offset: 0 }, Damage::Corrupt);
        Ok(())
    }

    /// Where to start reading an extent; `None` if the checkpoint covers it.
    fn start_of(&self, id: u32) -> Option<u64> {
        match id.cmp(&self.place.extent) {
            std::cmp::Ordering::Less => None,
            std::cmp::Ordering::Equal => Some(self.place.offset.max(RECORDS_START)),
            std::cmp::Ordering::Greater => Some(RECORDS_START),
        }
    }

    fn read_sealed(&mut self, extent: &Extent) -> Result<()> {
        let Some(start) = self.start_of(extent.id) else { return Ok(()) };
        let file = self.open(extent.id, OpenMode::Read)?;
        let mut scanner = Scanner::sealed(file, extent, start);
        let mut headers = Vec::new();
        while let Some(item) = scanner.next().map_err(|error| self.read_error(extent.id, error))? {
            match item {
                Item::Record(header) => headers.push(header),
                Item::Damage { range, header } => {
                    self.apply(extent.id, &mut headers);
                    self.note_damage(extent.id, range.start, header);
                }
            }
            if headers.len() == APPLY_BATCH {
                self.apply(extent.id, &mut headers);
            }
        }
        self.apply(extent.id, &mut headers);
        Ok(())
    }

    /// Reads an extent that was never sealed, or of which that is not known any more, drops its torn tail, and seals it.
    fn read_open(&mut self, id: u32, nonce: u64) -> Result<()> {
        let file = self.open(id, OpenMode::ReadWrite)?;
        let size = file.size().map_err(|error| self.read_error(id, error))?;
        let start_of_scan = self.start_of(id);
        let start = start_of_scan.unwrap_or(RECORDS_START);
        let mut scanner = Scanner::open(file.clone(), nonce, start, size);
        // Headers of the batch at hand: it counts once a later one shows that it was synced, or its blocks do.
        let mut batch: Vec<Header> = Vec::new();
        let mut end = start;
        while let Some(item) = scanner.next().map_err(|error| self.read_error(id, error))? {
            match item {
                Item::Record(header) => {
                    if batch.last().is_some_and(|last| last.place.batch != header.place.batch) {
                        self.apply(id, &mut batch);
                    }
                    batch.push(header);
                }
                Item::Damage { range, header } => {
                    self.apply(id, &mut batch);
                    self.note_damage(id, range.start, header);
                }
            }
            end = scanner.position();
        }
        let last_batch_start = batch.first().map(|header| header.place.batch);
        let last_batch = LastBatch::check(&*file, batch).map_err(|error| self.read_error(id, error))?;
        let LastBatch { mut whole, torn_at, unreadable } = last_batch;
        self.apply(id, &mut whole);
        for header in unreadable {
            let position = Position { extent: id, offset: header.place.offset };
            self.index.mark_damaged(&header.identity, position);
            self.find(Some(header), position, Damage::Unreadable);
        }
        // What the checkpoint names was synced: behind it nothing is torn, it is damaged at most.
        let named = if start_of_scan.is_none() { self.index.end_of(id) } else { None };
        let end = torn_at.unwrap_or(end).max(named.unwrap_or_default());
        if end <= RECORDS_START {
            return self.discard(id, nonce);
        }
        if let Some(start) = last_batch_start {
            write_again(&*file, start..end).map_err(|error| Error::io("write", self.extents.path(id), error))?;
        }
        self.seal(id, nonce, end, &*file)
    }

    /// What was read may still be in the page cache only: sync it, then say that it was.
    fn seal(&mut self, id: u32, nonce: u64, end: u64, file: &dyn File) -> Result<()> {
        file.sync_data().map_err(|error| Error::io("sync", self.extents.path(id), error))?;
        self.roots.append(Event::Sealed { extent: id, nonce, end })?;
        if let Err(error) = file.set_size(end) {
            tracing::debug!(%error, extent = id, "cannot give unused room back");
        }
        self.extents.insert(Extent { id, nonce, end, is_sealed: true });
        self.report.open_extents += 1;
        Ok(())
    }

    /// An extent that never got a record.
    fn discard(&mut self, id: u32, nonce: u64) -> Result<()> {
        self.roots.append(Event::Retired { extent: id, nonce })?;
        self.history.retired.insert(id, nonce);
        self.history.extents.remove(&id);
        self.remove(id)
    }

    fn apply(&mut self, extent: u32, headers: &mut Vec<Header>) {
        let changes: Vec<Change> = headers.iter().map(|header| change(extent, header)).collect();
        self.report.records_scanned += headers.len() as u64;
        if let Some(last) = headers.last() {
            let end = last.place.offset + last.layout().size as u64;
            self.index.apply(&changes, Position { extent, offset: end });
        }
        headers.clear();
    }

    /// Takes a damaged record as what its header says, if that is intact, so that it is known to be damaged.
    fn note_damage(&mut self, extent: u32, offset: u64, header: Option<Header>) {
        let position = Position { extent, offset };
        if let Some(header) = header {
            self.apply(extent, &mut vec![header]);
            self.index.mark_damaged(&header.identity, position);
        }
        self.find(header, position, Damage::Corrupt);
    }

    fn find(&mut self, header: Option<Header>, position: Position, damage: Damage) {
        let identity = header.map(|header| header.identity);
        tracing::warn!(extent = position.extent, offset = position.offset, ?damage, ?identity, "damage found");
        let Position { extent, offset } = position;
        self.report.findings.push(Finding { identity, extent, offset, damage });
    }

    /// Drops entries whose extent is gone. With a retired extent they were dead; with a lost one, their shards are.
    fn drop_lost(&mut self, present: &[u32]) {
        let lost: BTreeMap<u32, Known> = self
            .history
            .extents
            .iter()
            .filter(|(id, _)| !present.contains(id))
            .map(|(id, known)| (*id, *known))
            .collect();
        let gone = self.index.extents().into_iter().filter(|id| self.extents.get(*id).is_none()).collect();
        let dropped = self.index.drop_extents(&gone);
        for id in lost.keys() {
            self.find(None, Position { extent: *id, offset: 0 }, Damage::ExtentMissing);
        }
        for (identity, entry) in dropped {
            let is_lost = lost.contains_key(&entry.position.extent) && entry.state != State::Deleted;
            if is_lost {
                let Position { extent, offset } = entry.position;
                let damage = Damage::ExtentMissing;
                self.report.findings.push(Finding { identity: Some(identity), extent, offset, damage });
            }
        }
    }

    fn finish(mut self, present: &[u32]) -> Result<Recovered> {
        if !self.history.retired.is_empty() {
            // Also the ones discarded just now.
            self.files.sync_directory(self.directory).map_err(|error| Error::io("sync", self.directory, error))?;
        }
        let above_present = present.last().map_or(0, |id| id + 1);
        self.history.first_free = self.history.first_free.max(above_present).max(self.place.extent + 1);
        for extent in self.extents.all() {
            let known = Known { nonce: extent.nonce, end: Some(extent.end) };
            self.history.extents.insert(extent.id, known);
        }
        self.roots.shorten(self.files, self.directory, &mut self.history)?;
        self.report.shards = self.index.counts().0;
        Ok(Recovered {
            index: self.index,
            extents: self.extents,
            roots: self.roots,
            next_extent: self.history.first_free,
            report: self.report,
        })
    }
}

/// Writes bytes of the last batch again as they are. After a failed sync the kernel may show bytes that the device
/// never got, and count them as clean: only dirty ones are covered by the sync before sealing.
fn write_again(file: &dyn File, range: Range<u64>) -> io::Result<()> {
    let mut start = range.start;
    while start < range.end {
        let size = (range.end - start).min(REWRITE_SIZE as u64);
        let mut buffer = vec![0; usize::try_from(size).expect("at most REWRITE_SIZE")];
        // What cannot be read was not shown either.
        if file.read_exact_at(&mut buffer, start).is_ok() {
            file.write_all_at(&[&buffer], start)?;
        }
        start += size;
    }
    Ok(())
}

fn change(extent: u32, header: &Header) -> Change {
    let position = Position { extent, offset: header.place.offset };
    match header.kind {
        Kind::Shard => Change::Put {
            identity: header.identity,
            position,
            size: header.payload_size,
            group: header.group,
            intent_epoch: header.intent_epoch,
        },
        Kind::Tombstone => Change::Delete { identity: header.identity, position },
    }
}

/// The last batch of an extent that was never sealed, after a look at its blocks.
struct LastBatch {
    whole: Vec<Header>,
    /// Where the first record starts whose blocks are not whole.
    torn_at: Option<u64>,
    /// Records among the whole ones that cannot be read: the device may have had them.
    unreadable: Vec<Header>,
}

impl LastBatch {
    fn check(file: &dyn File, headers: Vec<Header>) -> io::Result<Self> {
        let mut checked = Self { whole: Vec::new(), torn_at: None, unreadable: Vec::new() };
        for header in headers {
            let is_whole = match header.kind {
                // Its header is all of it.
                Kind::Tombstone => true,
                Kind::Shard => match reread_whole(file, &header) {
                    Ok(shard) => shard.is_some(),
                    Err(_) => {
                        // One bad place, or the whole device?
                        ExtentHeader::read(file)?;
                        checked.unreadable.push(header);
                        true
                    }
                },
            };
            if !is_whole {
                checked.torn_at = Some(header.place.offset);
                break;
            }
            checked.whole.push(header);
        }
        Ok(checked)
    }
}
