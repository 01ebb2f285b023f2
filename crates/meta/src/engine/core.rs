//! What the engine's callers and its worker share: the current state and the right to change it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use env::{Bug, Clock, Moment};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};

use super::agreement::EffectsMarks;
use super::base::Base;
use super::fetch::Fetching;
use super::layers::{Frozen, Layers, Marks};
use super::offer::Offers;
use super::{Durable, MetaConfig};
use crate::log::MetaLog;
use crate::mirror::Mirrors;
use crate::overlay::Overlay;
use crate::packs::MirroredPacks;

/// The active overlay may take one part in this many of what the trees take: that share decides how many bytes a
/// flush writes for each byte of changes (18 at 1 %, 8 at 10 %, for scattered keys).
const TREE_SHARE: u64 = 20;

pub(super) struct Core {
    pub(super) config: MetaConfig,
    pub(super) mirrors: Arc<Mirrors>,
    pub(super) storage: Arc<MirroredPacks>,
    pub(super) log: Arc<MetaLog>,
    /// What readers take.
    current: ArcSwap<Layers>,
    applier: Mutex<Applier>,
    /// The one who applies waits on it while two overlays are full.
    room: Notify,
    pub(super) durable: watch::Sender<Durable>,
    /// What other nodes may fetch.
    pub(super) offers: Offers,
    /// What is fetched from another node.
    pub(super) fetching: Fetching,
}

/// The newest state. Whoever holds it may change it.
pub(super) struct Applier {
    pub(super) layers: Layers,
    /// Commands whose effects are in the active overlay only.
    pub(super) command_count: usize,
    /// What [`MetaLog::appended_bytes`] was at the last freeze.
    pub(super) log_bytes: u64,
    /// Whether the worker has been asked for a flush since the last freeze.
    pub(super) flush_requested: bool,
    /// Whether the last flush failed: waiting for room is in vain then, and the frozen overlay stays.
    pub(super) flush_failed: bool,
    /// For comparisons with other nodes.
    pub(super) effects: EffectsMarks,
}

impl Applier {
    pub(super) fn new(layers: Layers) -> Self {
        let effects = EffectsMarks::default();
        let mut applier =
            Self { layers, command_count: 0, log_bytes: 0, flush_requested: false, flush_failed: false, effects };
        applier.note_effects();
        applier
    }

    /// Remembers the state after the entry applied last.
    pub(super) fn note_effects(&mut self) {
        if let Some(applied) = self.layers.marks.applied {
            self.effects.note(applied, self.layers.marks.effects);
        }
    }

    /// Whether the active overlay takes as much memory as it may.
    pub(super) fn is_full(&self, config: &MetaConfig) -> bool {
        let share = self.layers.base.stored_bytes() / TREE_SHARE;
        let limit = usize::try_from(share).unwrap_or(usize::MAX).min(config.overlay_bytes_max);
        limit.max(config.overlay_bytes_min) <= self.layers.active.size()
    }

    /// Whether the next commands must wait for the flush that is under way.
    fn must_wait(&self, config: &MetaConfig) -> bool {
        self.is_full(config) && self.layers.frozen.is_some() && !self.flush_failed
    }

    /// Whether a flush is due: for want of memory, or so that a restart need not replay too much.
    pub(super) fn wants_flush(&self, config: &MetaConfig, log: &MetaLog) -> bool {
        self.is_full(config)
            || config.replay_commands_max <= self.command_count
            || config.replay_bytes_max <= log.appended_bytes() - self.log_bytes
    }
}

impl Core {
    pub(super) fn new(
        config: MetaConfig,
        storage: (Arc<Mirrors>, Arc<MirroredPacks>),
        log: Arc<MetaLog>,
        applier: Applier,
        durable: Durable,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let (mirrors, storage) = storage;
        Self {
            config,
            mirrors,
            storage,
            log,
            current: ArcSwap::from_pointee(applier.layers.clone()),
            applier: Mutex::new(applier),
            room: Notify::new(),
            durable: watch::Sender::new(durable),
            offers: Offers::new(clock.clone()),
            fetching: Fetching::new(clock.clone()),
        }
    }

    pub(super) fn current(&self) -> Arc<Layers> {
        self.current.load_full()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Applier> {
        self.applier.lock()
    }

    /// Waits while the active overlay is full and the frozen one is being folded. When that failed it waits no more: what
    /// is in the log must be applied, and [`MetaEngine::admits`](super::MetaEngine::admits) keeps more from getting there.
    pub(super) async fn wait_for_room(&self) {
        loop {
            let mut freed = std::pin::pin!(self.room.notified());
            // Registered before the look, so that a flush that ends in between is not missed.
            freed.as_mut().enable();
            if !self.applier.lock().must_wait(&self.config) {
                return;
            }
            Moment::FlushAwaited.note();
            freed.await;
        }
    }

    /// Whether so little room is left that what could go should go.
    pub(super) fn is_short_of_room(&self) -> bool {
        !self.mirrors.have_room(2 * self.config.log_segment_bytes)
    }

    /// Makes the applier's state the readers' state.
    pub(super) fn publish(&self, applier: &Applier) {
        self.current.store(Arc::new(applier.layers.clone()));
    }

    /// Freezes the active overlay, unless one is frozen still because its flush failed: then that one is due again.
    pub(super) fn freeze(&self) -> (Arc<Frozen>, Arc<Base>) {
        let mut applier = self.applier.lock();
        applier.flush_requested = false;
        let frozen = match applier.layers.frozen.clone() {
            Some(frozen) => frozen,
            None => {
                let overlay = std::mem::take(&mut applier.layers.active);
                let frozen = Arc::new(Frozen { overlay, marks: applier.layers.marks.clone() });
                applier.layers.frozen = Some(frozen.clone());
                applier.command_count = 0;
                applier.log_bytes = self.log.appended_bytes();
                self.publish(&applier);
                frozen
            }
        };
        (frozen, applier.layers.base.clone())
    }

    /// Puts trees that contain the frozen overlay in its place.
    pub(super) fn replace_frozen(&self, base: Arc<Base>) {
        let mut applier = self.applier.lock();
        applier.layers.base = base;
        applier.layers.frozen = None;
        if Bug::FlushDropsChanges.is_planted() {
            applier.layers.active = Overlay::default();
        }
        applier.flush_failed = false;
        self.publish(&applier);
        drop(applier);
        self.room.notify_waiters();
    }

    /// Puts trees with the same records in place of the present ones.
    pub(super) fn replace_base(&self, base: Arc<Base>) {
        let mut applier = self.applier.lock();
        applier.layers.base = base;
        self.publish(&applier);
    }

    /// Puts another state in place of everything; the trees that were replaced.
    pub(super) fn replace_all(&self, base: Arc<Base>, marks: Marks) -> Arc<Base> {
        let mut applier = self.applier.lock();
        let replaced = std::mem::replace(&mut applier.layers.base, base);
        applier.layers.marks = marks;
        applier.layers.active = Overlay::default();
        applier.effects = EffectsMarks::default();
        applier.note_effects();
        applier.layers.frozen = None;
        applier.command_count = 0;
        applier.log_bytes = self.log.appended_bytes();
        applier.flush_failed = false;
        self.publish(&applier);
        drop(applier);
        self.room.notify_waiters();
        replaced
    }

    /// The flush failed: those who wait for room wait in vain.
    pub(super) fn note_failure(&self) {
        self.applier.lock().flush_failed = true;
        self.room.notify_waiters();
    }
}
