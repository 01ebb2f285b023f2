//! The background worker: folds overlays into trees, fills mirrors, empties sparse packs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use prolly::{PackId, RootRef, SealedPack};
use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::oneshot;

use super::Durable;
use super::base::{Base, roots_of, state_hash};
use super::core::Core;
use super::fetch::Fetched;
use super::fold::{evacuate, fold};
use super::install::Installed;
use super::layers::Marks;
use crate::error::{Error, Result};
use crate::mirror::{Mirror, change_each};
use crate::roots::{PackList, RootRecord};

/// A pack is sparse when less than this share of it is live, in percent.
const LIVE_PERCENT_MIN: u64 = 70;
/// Packs are examined once they have grown by this share of what was live at the last look, in percent.
const GROWTH_PERCENT: u64 = 50;
/// Or once their number has grown by this: restarts leave small packs.
const GROWTH_PACKS_MIN: usize = 64;
/// Packs below this size count as sparse, so that they are merged.
const SMALL_PACK_SIZE: u64 = 1 << 20;
/// No further pack is emptied once this many live bytes are moved: flushes wait meanwhile.
const EVACUATED_BYTES_MAX: u64 = 64 << 20;

/// Work for the worker.
pub(super) enum Job {
    /// Make durable what is applied. Who asked for it is told.
    Flush(Option<oneshot::Sender<Result<()>>>),
    /// Fill this mirror, which the log has accepted, and tell.
    Fill(Arc<Mirror>, oneshot::Sender<Result<()>>),
    /// Make this state the node's own, and tell.
    Install(Box<Fetched>, oneshot::Sender<Result<Installed>>),
    /// End.
    Close,
}

/// A mirror that lacks packs.
pub(super) struct Fill {
    pub(super) mirror: Arc<Mirror>,
    pub(super) missing: PackList,
    pub(super) done: Option<oneshot::Sender<Result<()>>>,
}

pub(super) struct Worker {
    pub(super) core: Arc<Core>,
    jobs: Receiver<Job>,
    pub(super) fills: Vec<Fill>,
    /// The newest durable record, and the one before; `None` before the first.
    newest: Option<RootRecord>,
    previous: Option<RootRecord>,
    next_number: u64,
    /// Trees that were replaced, while somebody may still read them.
    old_bases: Vec<Weak<Base>>,
    examined: Examined,
}

/// What the last look at the packs found.
#[derive(Default)]
struct Examined {
    live_bytes: u64,
    pack_count: usize,
    forest: Option<RootRef>,
}

/// Where a worker begins.
pub(super) struct Start {
    pub(super) newest: Option<RootRecord>,
    pub(super) previous: Option<RootRecord>,
    pub(super) next_number: u64,
    pub(super) fills: Vec<Fill>,
}

impl Worker {
    pub(super) fn new(core: Arc<Core>, jobs: Receiver<Job>, start: Start) -> Self {
        let Start { newest, previous, next_number, fills } = start;
        let examined = Examined::default();
        Self { core, jobs, fills, newest, previous, next_number, old_bases: Vec::new(), examined }
    }

    /// The worker's work.
    pub(super) async fn run(mut self) {
        loop {
            let job = if self.fills.is_empty() {
                self.jobs.recv().await
            } else {
                match self.jobs.try_recv() {
                    Ok(job) => Some(job),
                    Err(TryRecvError::Empty) => {
                        self.fill_some();
                        tokio::task::yield_now().await;
                        continue;
                    }
                    Err(TryRecvError::Disconnected) => None,
                }
            };
            match job {
                Some(Job::Flush(done)) => self.flush_and_tell(done).await,
                Some(Job::Fill(mirror, done)) => {
                    let missing = self.core.current().base.packs().clone();
                    self.fills.push(Fill { mirror, missing, done: Some(done) });
                }
                Some(Job::Install(fetched, done)) => {
                    // Whoever asked may have gone.
                    let _ = done.send(self.install(*fetched));
                }
                Some(Job::Close) | None => return,
            }
        }
    }

    async fn flush_and_tell(&mut self, done: Option<oneshot::Sender<Result<()>>>) {
        let result = self.flush().await;
        if let Err(error) = &result {
            tracing::error!(%error, source = ?error, "cannot flush the metadata");
            self.core.note_failure();
        }
        if let Some(done) = done {
            // Whoever asked may have gone.
            let _ = done.send(result);
        }
        if let Err(error) = self.collect().await.and_then(|()| self.let_go_of_previous()) {
            tracing::error!(%error, source = ?error, "cannot collect metadata packs");
        }
    }

    /// Folds all that is applied into the trees and makes it durable.
    async fn flush(&mut self) -> Result<()> {
        let (frozen, base) = self.core.freeze();
        let durable = self.newest.as_ref().and_then(|newest| newest.applied);
        if durable == frozen.marks.applied && frozen.overlay.is_empty() {
            self.core.replace_frozen(base);
            return Ok(());
        }
        give_way().await;
        let folded = Arc::new(fold(&base, &frozen.overlay, &self.core.storage)?);
        give_way().await;
        self.write_record(&folded, &frozen.marks)?;
        give_way().await;
        self.core.replace_frozen(folded);
        self.retire_base(base);
        Ok(())
    }

    /// Makes `base` the state that a restart finds.
    pub(super) fn write_record(&mut self, base: &Arc<Base>, marks: &Marks) -> Result<()> {
        let record = RootRecord {
            number: self.next_number,
            forest: *base.forest().root(),
            state_hash: state_hash(base.forest())?,
            effects_hash: marks.effects.0,
            applied: marks.applied,
            membership: marks.membership.as_ref().map(|membership| membership.to_vec()),
            packs: base.packs().clone(),
        };
        // Used up even by a failure: some mirror may have the record.
        self.next_number += 1;
        let complete = self.core.mirrors.in_service().into_iter().filter(|mirror| mirror.has_packs());
        change_each(complete.map(|mirror| (mirror, ())), |mirror, ()| record.write(mirror, self.core.mirrors.realm()))?;
        self.core.offers.set_newest(record.clone(), base.clone());
        self.previous = self.newest.replace(record);
        let applied = |record: &Option<RootRecord>| record.as_ref().and_then(|record| record.applied);
        let durable = Durable { newest: applied(&self.newest), purgeable: applied(&self.previous) };
        self.core.durable.send_replace(durable);
        Ok(())
    }

    /// Remembers that somebody may read `base`, and removes packs that nobody needs any more.
    pub(super) fn retire_base(&mut self, base: Arc<Base>) {
        self.old_bases.push(Arc::downgrade(&base));
        drop(base);
        self.core.offers.expire();
        self.core.fetching.expire();
        self.old_bases.retain(|base| 0 < base.strong_count());
        let mut needed: BTreeMap<PackId, u64> = BTreeMap::new();
        let in_use: Vec<Arc<Base>> = self.old_bases.iter().filter_map(Weak::upgrade).collect();
        let current = self.core.current();
        let lists = in_use.iter().chain([&current.base]).map(|base| base.packs());
        for (id, pack) in
            lists.chain([&self.newest, &self.previous].into_iter().flatten().map(|record| &record.packs)).flatten()
        {
            needed.insert(*id, pack.length);
        }
        let listed: Vec<SealedPack> = needed.into_iter().map(|(id, length)| SealedPack { id, length }).collect();
        if let Err(error) = current.base.ground().packs.discard_unlisted(&listed) {
            tracing::warn!(%error, source = ?error, "cannot remove metadata packs");
        }
    }

    /// Writes the newest record once more on disks that are short of room: what only the record before needs, packs and
    /// the log since, can go then.
    fn let_go_of_previous(&mut self) -> Result<()> {
        let (Some(newest), Some(previous)) = (&self.newest, &self.previous) else { return Ok(()) };
        let is_same = newest.packs == previous.packs && newest.applied == previous.applied;
        if is_same || !self.core.is_short_of_room() {
            return Ok(());
        }
        let (marks, base) = (Marks::of_record(newest), self.core.current().base.clone());
        self.write_record(&base, &marks)?;
        self.retire_base(base);
        Ok(())
    }

    /// Empties the sparsest packs if the packs have grown enough since the last look, or if room is short.
    async fn collect(&mut self) -> Result<()> {
        let base = self.core.current().base.clone();
        let (bytes, count) = (base.stored_bytes(), base.packs().len());
        let live = self.examined.live_bytes;
        let has_grown = live + live * GROWTH_PERCENT / 100 + self.core.config.collect_bytes_min < bytes;
        let is_new = self.examined.forest != Some(*base.forest().root());
        let is_due = has_grown || (is_new && self.core.is_short_of_room());
        if !is_due && count < self.examined.pack_count + GROWTH_PACKS_MIN {
            return Ok(());
        }
        let mut roots: Vec<_> = roots_of(base.forest())?.into_iter().map(|(_, root)| root).collect();
        roots.push(*base.forest().root());
        let live = prolly::mark(base.ground().packs.as_ref(), &roots)?;
        let live_bytes = |id: &PackId| live.packs.get(id).map_or(0, |pack| pack.bytes);
        let live_bytes_all = base.packs().keys().map(live_bytes).sum();
        let forest = Some(*base.forest().root());
        self.examined = Examined { live_bytes: live_bytes_all, pack_count: count, forest };
        let victims = sparse_packs(base.packs(), live_bytes);
        if victims.is_empty() {
            return Ok(());
        }
        let Some(marks) = self.newest.as_ref().map(Marks::of_record) else { return Ok(()) };
        let evacuated = Arc::new(evacuate(&base, &victims, &self.core.storage)?);
        give_way().await;
        self.write_record(&evacuated, &marks)?;
        self.examined.pack_count = evacuated.packs().len();
        tracing::info!(emptied = victims.len(), before = bytes, after = evacuated.stored_bytes(), "collected packs");
        self.core.replace_base(evacuated);
        self.retire_base(base);
        Ok(())
    }

    /// Copies one pack to a mirror that lacks some, or declares it full.
    pub(super) fn fill_some(&mut self) {
        let Some(mut fill) = self.fills.pop() else { return };
        match self.fill_step(&mut fill) {
            Ok(false) => self.fills.push(fill),
            finished => {
                if let Err(error) = &finished {
                    fill.mirror.retire(error);
                }
                if let Some(done) = fill.done {
                    // Whoever asked may have gone.
                    let _ = done.send(finished.map(|_| ()));
                }
            }
        }
    }

    /// Whether the mirror has everything now.
    fn fill_step(&self, fill: &mut Fill) -> Result<bool> {
        if !fill.mirror.in_service() {
            return Err(Error::Unavailable);
        }
        match fill.missing.pop_first() {
            Some((id, pack)) => {
                // Emptied packs are not needed any more.
                if self.core.current().base.packs().get(&id) == Some(&pack) {
                    self.core.storage.copy_to(id, &pack, &fill.mirror)?;
                }
                Ok(false)
            }
            None => {
                if let Some(newest) = &self.newest {
                    newest.write(&fill.mirror, self.core.mirrors.realm())?;
                }
                fill.mirror.confirm(self.core.mirrors.realm())?;
                fill.mirror.note_packs();
                tracing::info!(directory = %fill.mirror.directory().display(), "metadata mirror filled");
                Ok(true)
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Also when it panicked: nobody may wait for a flush that never comes.
        self.core.note_failure();
    }
}

/// Others get on between the steps of a flush: on a thread of its own they do anyway, in a simulation only here, where the
/// worker then pauses for as long as its disks take.
async fn give_way() {
    tokio::task::yield_now().await;
}

/// The packs with the smallest live share, as many as may be moved at a time.
fn sparse_packs(packs: &PackList, live_bytes: impl Fn(&PackId) -> u64) -> BTreeSet<PackId> {
    let is_sparse = |id: &PackId, length: u64| live_bytes(id) * 100 < length * LIVE_PERCENT_MIN;
    let mut small: Vec<PackId> = Vec::new();
    let mut sparse: Vec<(u64, PackId)> = Vec::new();
    for (id, pack) in packs {
        if is_sparse(id, pack.length) {
            sparse.push((live_bytes(id) * 100 / pack.length.max(1), *id));
        } else if pack.length < SMALL_PACK_SIZE {
            small.push(*id);
        }
    }
    // One small pack cannot be merged with anything.
    if small.len() < 2 {
        small.clear();
    }
    sparse.sort_unstable();
    let mut moved = 0;
    let candidates = sparse.into_iter().map(|(_, id)| id).chain(small);
    candidates
        .take_while(|id| {
            let has_room = moved < EVACUATED_BYTES_MAX;
            moved += live_bytes(id);
            has_room
        })
        .collect()
}
