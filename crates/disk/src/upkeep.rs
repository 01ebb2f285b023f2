//! The worker that keeps the disk tidy: compaction and checkpoints.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;

use crate::Result;
use crate::checkpoint;
use crate::compact::Compactor;
use crate::config::{DiskConfig, Upkeep};
use crate::device::Device;
use crate::queue::{EndWithWorker, Queue};

/// Work for the caretaker.
pub(crate) enum Chore {
    /// Something changed: see whether anything is worth doing.
    Look,
    /// Compact, and tell how many extents were removed.
    Compact(oneshot::Sender<Result<u64>>),
    /// Write the last checkpoint and end.
    Close(oneshot::Sender<Result<()>>),
}

/// Wakes the caretaker, at most once until it looks.
#[derive(Clone)]
pub(crate) struct Nudge {
    queue: Arc<Queue<Chore>>,
    is_pending: Arc<AtomicBool>,
    is_wanted: bool,
}

impl Nudge {
    pub(crate) fn new(queue: Arc<Queue<Chore>>, upkeep: Upkeep) -> Self {
        let is_wanted = upkeep == Upkeep::Background;
        Self { queue, is_pending: Arc::default(), is_wanted }
    }

    pub(crate) fn now(&self) {
        if self.is_wanted && !self.is_pending.swap(true, Ordering::AcqRel) {
            // A caretaker that has ended needs no waking.
            let _ = self.queue.push(Chore::Look);
        }
    }
}

/// The worker's work.
pub(crate) struct Caretaker {
    device: Arc<Device>,
    queue: Arc<Queue<Chore>>,
    compactor: Compactor,
    nudge: Nudge,
    checkpoint_records_min: u64,
    /// Records written before the last checkpoint.
    checkpointed: u64,
}

impl Caretaker {
    pub(crate) fn new(
        device: Arc<Device>,
        queue: Arc<Queue<Chore>>,
        compactor: Compactor,
        nudge: Nudge,
        config: &DiskConfig,
    ) -> Self {
        let checkpoint_records_min = config.checkpoint_records_min;
        Self { device, queue, compactor, nudge, checkpoint_records_min, checkpointed: 0 }
    }

    /// Works until the queue ends.
    pub(crate) async fn run(mut self) {
        let _end = EndWithWorker(self.queue.clone());
        while let Some(chore) = self.queue.take().await {
            match chore {
                Chore::Look => {
                    self.nudge.is_pending.store(false, Ordering::Release);
                    self.look().await;
                }
                Chore::Compact(done) => {
                    let result = self.compactor.run().await;
                    // A caller that went away needs no answer.
                    let _ = done.send(result);
                }
                Chore::Close(done) => {
                    let _ = done.send(checkpoint::write(&self.device));
                    return;
                }
            }
        }
    }

    async fn look(&mut self) {
        let disk = self.device.path.display();
        if self.device.health.require_service().is_err() {
            return;
        }
        if let Err(error) = self.compactor.run().await {
            tracing::warn!(%disk, %error, "compaction stopped");
        }
        let written = self.device.counters.records.value();
        let (_, entries) = self.device.index.counts();
        if written - self.checkpointed < self.checkpoint_records_min.max(entries / 4) {
            return;
        }
        match checkpoint::write(&self.device) {
            Ok(()) => self.checkpointed = written,
            Err(error) => tracing::warn!(%disk, %error, "no checkpoint written"),
        }
    }
}
