//! The state machine's durable home.
//!
//! ```text
//!            apply (one at a time)                      view (any number)
//!                 │                                         │
//!                 ▼                                         ▼
//!  Core: active overlay ─ frozen overlay ─ base: forest ─► trees      (one immutable `Layers` value)
//!                 │ freeze      │ fold          ▲
//!                 └──► Worker ──┴─► packs ─► root record ─► publish ─► the log may be purged
//! ```
//!
//! An entry that the log has made durable is applied to the active overlay and published at once. When that has grown,
//! the worker freezes it, folds it into the trees, writes the new pages as a pack and then a root record that names them,
//! and only then puts the new trees in the frozen overlay's place. A restart takes the newest root record and the log
//! after it. A node that is behind every log fetches another's newest state, page by page (`offer`, `fetch`), and the
//! worker puts it in place of everything (`install`). Formats: `docs/formats/root-record.md`, `metadata-mirror.md`, `pack.md`.
//!
//! Invariants: readers see whole entries, in order, and never wait; a state depends on the entries alone, not on when it
//! was flushed; a root record names only durable packs; the log is purged only up to the root record before the newest.

mod agreement;
mod base;
mod core;
mod effects;
mod fetch;
mod fold;
mod install;
mod layers;
mod offer;
mod open;
mod regrow;
mod scrub;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transfer_tests;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use env::{Env, Moment, UnixMillis, Worker};
use parking_lot::Mutex;
use prolly::PackId;
use tokio::sync::{mpsc, oneshot, watch};

pub use self::agreement::{Agreement, EffectsMark};
use self::core::{Applier, Core};
use self::effects::{EffectsHash, EntryEffects};
pub use self::fetch::{Fetched, PageSource, PagesFuture};
pub use self::offer::{Offer, PageRequest};
pub use self::scrub::MetaScrub;
use self::scrub::scrub_after;
use self::worker::Job;
use crate::apply::apply;
use crate::command::{Command, LogStamp};
use crate::error::{Error, Result};
use crate::log::{LogId, MetaLog};
use crate::mirror::Mirror;
use crate::outcome::Outcome;
use crate::view::{Edits, View};

/// Requests that may wait for the worker.
const JOBS_MAX: usize = 64;

/// Settings of the engine and its log. The defaults keep an idle node within 64 MiB and a busy one far below 512 MiB.
#[derive(Clone, Copy, Debug)]
pub struct MetaConfig {
    /// Identity of the cluster's metadata, for a node that joins it: trees of different realms cannot be compared. `None`
    /// begins a new realm where there is none. Directories that are mirrors already keep their own.
    pub realm: Option<u128>,
    /// Whether other nodes may have the state: then it opens even where too much of it is damaged to be used, for
    /// [`MetaEngine::regrow`].
    pub may_regrow: bool,
    /// How many of the candidate directories hold copies.
    pub mirror_count: usize,
    /// The overlay may always take this much memory, in bytes; a second one of this size is being folded meanwhile.
    pub overlay_bytes_min: usize,
    /// It may take a twentieth of what the trees take, but never more than this, in bytes.
    pub overlay_bytes_max: usize,
    /// Commands after which the overlay is folded whatever its size: a restart replays at most about twice as many, at
    /// about 10 µs each.
    pub replay_commands_max: usize,
    /// Bytes of entries after which it is folded, too: commands need not have effects.
    pub replay_bytes_max: u64,
    /// Memory for decoded pages, in bytes.
    pub page_cache_bytes: usize,
    /// Largest pack, in bytes.
    pub pack_bytes_max: u32,
    /// Packs are not examined for garbage before they have grown by this many bytes.
    pub collect_bytes_min: u64,
    /// Size of a preallocated segment of the log, in bytes.
    pub log_segment_bytes: u64,
    /// Memory for the newest entries of the log, in bytes.
    pub log_cache_bytes: usize,
    /// Bytes of entries that may wait for the disks before proposers wait.
    pub log_queue_bytes_max: usize,
}

impl Default for MetaConfig {
    fn default() -> Self {
        Self {
            realm: None,
            may_regrow: false,
            mirror_count: 3,
            overlay_bytes_min: 32 << 20,
            overlay_bytes_max: 96 << 20,
            replay_commands_max: 40_000,
            replay_bytes_max: 64 << 20,
            page_cache_bytes: 64 << 20,
            pack_bytes_max: 256 << 20,
            collect_bytes_min: 32 << 20,
            log_segment_bytes: 16 << 20,
            log_cache_bytes: 8 << 20,
            log_queue_bytes_max: 32 << 20,
        }
    }
}

/// What [`MetaEngine::open`] gives: the state as of the newest durable root, and the log to replay from there.
pub struct Opened {
    /// The state.
    pub engine: Arc<MetaEngine>,
    /// The log on the same mirrors.
    pub log: Arc<MetaLog>,
}

/// How far the state is durable in itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durable {
    /// Newest entry whose effect is in the newest durable root.
    pub newest: Option<LogId>,
    /// Newest entry that may be purged from the log: its effect is in the durable root before the newest, too.
    pub purgeable: Option<LogId>,
}

/// Condition of one mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorHealth {
    /// Its directory.
    pub directory: PathBuf,
    /// Whether it takes part. One that does not is retried at the next start, or after
    /// [`MetaEngine::replace_mirror`].
    pub in_service: bool,
    /// Whether it has everything: it is being filled otherwise.
    pub complete: bool,
}

/// The state machine over durable trees.
pub struct MetaEngine {
    env: Env,
    core: Arc<Core>,
    jobs: mpsc::Sender<Job>,
    worker: Mutex<Option<Worker>>,
    /// The pack verified last.
    scrubbed: Mutex<PackId>,
}

impl MetaEngine {
    /// Opens the metadata in up to `config.mirror_count` of the `candidates` (directories such as `<DISK>/meta`, in
    /// order of preference; those that are mirrors already come first). Begins anew when none is a mirror and all could
    /// be read.
    ///
    /// # Errors
    ///
    /// Whatever makes the metadata unusable; see [`Error`].
    pub async fn open(env: &Env, candidates: &[PathBuf], config: MetaConfig) -> Result<Opened> {
        let (core, start) = open::open(env, candidates, config).await?;
        let core = Arc::new(core);
        let (jobs, receiver) = mpsc::channel(JOBS_MAX);
        let worker = worker::Worker::new(core.clone(), receiver, start);
        let worker = env.spawn.worker("meta-worker".to_owned(), Box::pin(worker.run()));
        let log = core.log.clone();
        Ok(Opened {
            engine: Arc::new(Self {
                env: env.clone(),
                core,
                jobs,
                worker: Mutex::new(Some(worker)),
                scrubbed: Mutex::new(PackId(0)),
            }),
            log,
        })
    }

    /// The state as of the last applied entry: consistent, immutable, cheap to take. Hold it no longer than a request:
    /// it keeps packs from being removed.
    pub fn view(&self) -> Arc<dyn View> {
        self.core.current()
    }

    /// The entry applied last. A view taken afterwards includes it.
    pub fn applied(&self) -> Option<LogId> {
        self.core.current().marks.applied
    }

    /// The membership applied last, as given to [`MetaEngine::apply_membership`].
    pub fn membership(&self) -> Option<Bytes> {
        self.core.current().marks.membership.clone()
    }

    /// Applies the commands of entry `id` in order; each sees the effects of those before. Readers see all or none.
    /// Blocks on reads of pages that are not cached: call it off the reactor, after [`MetaEngine::wait_for_room`]. What is
    /// in the log can always be applied; [`MetaEngine::admits`] is for keeping it out.
    ///
    /// # Errors
    ///
    /// When the state cannot be read. Nothing is applied then; the node must stop.
    pub fn apply(&self, id: LogId, time: UnixMillis, commands: &[Command]) -> Result<Vec<Outcome>> {
        let stamp = LogStamp { index: id.index, time };
        self.change(id, commands, |view, command| apply(view, command, stamp))
    }

    /// Waits while a flush lags behind, so that memory stays bounded: await it before each [`MetaEngine::apply`].
    pub async fn wait_for_room(&self) {
        self.core.wait_for_room().await;
    }

    /// Applies `steps` in order as entry `id`: `decide` says what each does in the state that the ones before left.
    fn change<S, T>(
        &self,
        id: LogId,
        steps: &[S],
        decide: impl Fn(&dyn View, &S) -> Result<(T, Edits)>,
    ) -> Result<Vec<T>> {
        let mut applier = self.core.lock();
        // Worked on aside: an error half way leaves the state as it was.
        let mut layers = applier.layers.clone();
        let mut effects = EntryEffects::new(layers.marks.effects, id);
        let mut outcomes = Vec::with_capacity(steps.len());
        for step in steps {
            let (outcome, edits) = decide(&layers, step)?;
            for edit in edits {
                effects.add(&edit);
                layers.active.take(edit);
            }
            outcomes.push(outcome);
        }
        layers.marks.effects = effects.finish();
        layers.marks.applied = Some(id);
        applier.layers = layers;
        applier.command_count += steps.len();
        self.publish(&mut applier);
        Ok(outcomes)
    }

    /// Notes entry `id`, which changes Raft's membership.
    pub fn apply_membership(&self, id: LogId, membership: Bytes) {
        let mut applier = self.core.lock();
        applier.layers.marks.membership = Some(membership);
        self.note_entry(applier, id);
    }

    /// Notes entry `id`, which changes nothing.
    pub fn apply_blank(&self, id: LogId) {
        self.note_entry(self.core.lock(), id);
    }

    fn note_entry(&self, mut applier: parking_lot::MutexGuard<'_, Applier>, id: LogId) {
        let marks = &mut applier.layers.marks;
        marks.effects = EntryEffects::new(marks.effects, id).finish();
        marks.applied = Some(id);
        applier.command_count += 1;
        self.publish(&mut applier);
    }

    fn publish(&self, applier: &mut Applier) {
        applier.note_effects();
        self.core.publish(applier);
        if !applier.flush_requested && applier.wants_flush(&self.core.config, &self.core.log) {
            self.request_flush(applier);
        }
    }

    fn request_flush(&self, applier: &mut Applier) {
        // A full queue contains a flush that has not frozen anything yet.
        applier.flush_requested = self.jobs.try_send(Job::Flush(None)).is_ok();
    }

    /// Whether more commands should be proposed. Not while a flush keeps failing and memory is used up, nor while a disk
    /// has no room for the log, nor once no mirror works: refuse them then. Asking is what has a failed flush tried again.
    pub fn admits(&self) -> bool {
        if !self.core.mirrors.any_in_service() || !self.core.log.admits() {
            return false;
        }
        let mut applier = self.core.lock();
        let is_stuck = applier.flush_failed && applier.is_full(&self.core.config);
        if is_stuck && !applier.flush_requested {
            self.request_flush(&mut applier);
        }
        !is_stuck
    }

    /// Whether the disks have room for commands that add something: enough is left to fold what is in the log, to begin
    /// another segment of it, and for deletes. Where it is not, folding the log and collecting packs may make some.
    pub fn has_room(&self) -> bool {
        let mut applier = self.core.lock();
        let unfolded = self.core.log.appended_bytes() - applier.log_bytes;
        let has_room = self.core.mirrors.have_room(unfolded + self.core.config.log_segment_bytes);
        if !has_room && !applier.flush_requested {
            self.request_flush(&mut applier);
        }
        has_room
    }

    /// Makes all that is applied durable in the trees, so that a restart has nothing to replay.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when no mirror works.
    pub async fn flush(&self) -> Result<()> {
        let (sender, receiver) = oneshot::channel();
        self.jobs.send(Job::Flush(Some(sender))).await.map_err(|_| Error::Unavailable)?;
        receiver.await.unwrap_or(Err(Error::Unavailable))
    }

    /// How far the state is durable in itself; changes after every flush.
    pub fn durable(&self) -> watch::Receiver<Durable> {
        self.core.durable.subscribe()
    }

    /// Hash of all effects since the metadata began: equal on replicas that have applied the same entries.
    pub fn effects_hash(&self) -> (Option<LogId>, [u8; 32]) {
        let current = self.core.current();
        let EffectsHash(hash) = current.marks.effects;
        (current.marks.applied, hash)
    }

    /// Condition of the mirrors. Fewer than two in service and complete is degraded (on a node with several disks).
    pub fn mirrors(&self) -> Vec<MirrorHealth> {
        let health = |mirror: &Arc<Mirror>| MirrorHealth {
            directory: mirror.directory().to_path_buf(),
            in_service: mirror.in_service(),
            complete: mirror.has_packs(),
        };
        self.core.mirrors.all().iter().map(health).collect()
    }

    /// Takes the mirror in `directory`, if it is one, out of service: its disk has failed or was pulled out, which writes
    /// to files that are open do not always notice.
    pub fn retire_mirror(&self, directory: &Path) {
        self.core.mirrors.retire_at(directory);
    }

    /// Empties `directory` and makes it a mirror, in place of the one that was there or of one that is out of service, and
    /// waits until it has everything.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when no other mirror works and has everything: nothing is emptied then, for what is out of
    /// service may be the last copy. [`Error::Io`] when it cannot be written.
    pub async fn replace_mirror(&self, directory: &Path) -> Result<()> {
        let others = self.core.mirrors.in_service();
        if !others.iter().any(|other| other.directory() != directory && other.has_packs()) {
            return Err(Error::Unavailable);
        }
        self.core.mirrors.retire_at(directory);
        let (env, directory) = (self.env.clone(), directory.to_path_buf());
        let mirror = self.env.blocking(move || Mirror::vacant(&env, directory)).await?;
        self.core.log.join(&mirror).await?;
        Moment::MirrorReplaced.note();
        self.core.mirrors.replace(mirror.clone());
        let (sender, receiver) = oneshot::channel();
        self.jobs.send(Job::Fill(mirror, sender)).await.map_err(|_| Error::Unavailable)?;
        receiver.await.unwrap_or(Err(Error::Unavailable))
    }

    /// Rereads the next pack in all its copies, down to the hashes, and heals what one copy has whole. Blocks, for as long
    /// as reading [`MetaConfig::pack_bytes_max`] bytes from each mirror takes at most. `None` when there is nothing to
    /// read now.
    ///
    /// # Errors
    ///
    /// [`Error::Trees`] when the pack cannot be read at all; the next call goes on behind it.
    pub fn scrub_next(&self) -> Result<Option<MetaScrub>> {
        let mut last = self.scrubbed.lock();
        let found = scrub_after(*last, &self.core.current(), &self.core.mirrors);
        *last = match &found {
            Ok(Some((id, _))) => *id,
            Ok(None) => PackId(0),
            Err(_) => PackId(last.0.saturating_add(1)),
        };
        Ok(found?.map(|(_, found)| found))
    }

    /// Rereads the log in all its copies and heals what one copy has whole; how many segments of mirrors were damaged.
    ///
    /// # Errors
    ///
    /// [`Error::LogHole`] when something is damaged in every copy: this node would not start again as who it is.
    /// [`Error::Unavailable`] once no mirror works.
    pub async fn reread_log(&self) -> Result<usize> {
        self.core.log.reread().await
    }

    /// When the last [`MetaEngine::reread_log`] began after which every copy was whole, since the start.
    pub fn log_reread_at(&self) -> Option<UnixMillis> {
        self.core.log.reread_at()
    }

    /// Ends the background work and the log's. Call [`MetaEngine::flush`] before for a quick restart.
    pub async fn close(&self) {
        // The channel is closed only once the worker has ended.
        let _ = self.jobs.send(Job::Close).await;
        let worker = self.worker.lock().take();
        if let Some(worker) = worker {
            worker.join().await;
        }
        self.core.log.close().await;
    }
}
