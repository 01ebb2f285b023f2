//! The worker that writes the log's stream into one mirror.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use env::{Bug, File, OpenMode};

use super::record::Sequence;
use super::scan::SegmentName;
use super::shared::Shared;
use super::stream::{Finished, MemberId, Operation};
use crate::error::{Error, Result};
use crate::mirror::Mirror;

/// Most bytes between two syncs: bounds how long a waiter waits for others' bytes.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// A mirror that is at one batch for longer than this is retired, if others work.
const STALL_LIMIT: Duration = Duration::from_secs(10);
/// How often a writer looks after the others when it has nothing else to do.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Resolves when it is time to look after the other mirrors.
type Watch = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Writes one mirror's copy until the log is closed or the mirror fails.
pub(super) struct Writer {
    shared: Arc<Shared>,
    mirror: Arc<Mirror>,
    id: MemberId,
    open: Option<OpenSegment>,
}

struct OpenSegment {
    name: SegmentName,
    file: Arc<dyn File>,
    has_unsynced: bool,
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Also when it panicked: nobody may wait for what it does not write.
        let finished = self.shared.state.lock().stream.remove(self.id);
        finished.announce();
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, mirror: Arc<Mirror>, id: MemberId) -> Self {
        Self { shared, mirror, id, open: None }
    }

    /// The worker's work.
    pub(super) async fn run(mut self) {
        let mut watch = self.shared.clock.sleep(WATCH_INTERVAL);
        while let Some(operations) = self.next_batch(&mut watch).await {
            let in_service = self.mirror.in_service();
            let written = if in_service { self.write(&operations).await } else { Err(Error::Unavailable) };
            self.mirror.measure_room();
            let finished = match written {
                Ok(durable) => self.shared.state.lock().stream.complete(self.id, operations.len(), durable),
                Err(error) => {
                    self.mirror.retire(&error);
                    self.leave()
                }
            };
            finished.announce();
            // Those who wait for room, and idle writers that should see who is gone.
            self.shared.room.notify_waiters();
        }
    }

    /// Leaves the stream to the others.
    fn leave(&self) -> Finished {
        let (finished, others_go_on) = {
            let mut state = self.shared.state.lock();
            (state.stream.remove(self.id), state.stream.is_alive())
        };
        // The last one to fail has everything.
        if others_go_on {
            self.mirror.mark_retired();
        }
        finished
    }

    /// Waits for work; `None` once there will be none. Looks after stalled mirrors meanwhile.
    async fn next_batch(&self, watch: &mut Watch) -> Option<Vec<Operation>> {
        loop {
            let mut work = std::pin::pin!(self.shared.work.notified());
            // Registered before the look, so that work queued in between is not missed.
            work.as_mut().enable();
            let now = self.shared.clock.monotonic();
            let batch = self.shared.state.lock().stream.take(self.id, BATCH_BYTES_MAX, now)?;
            if !batch.is_empty() {
                return Some(batch);
            }
            tokio::select! {
                biased;
                () = work => {}
                () = &mut *watch => {
                    self.look_after_others();
                    *watch = self.shared.clock.sleep(WATCH_INTERVAL);
                }
            }
        }
    }

    fn look_after_others(&self) {
        // Somebody may have made room without any write here.
        self.mirror.measure_room();
        let since = self.shared.clock.monotonic().saturating_sub(STALL_LIMIT);
        let state = self.shared.state.lock();
        let stalled = if state.stream.is_awaited() { state.stream.stalled(since) } else { Vec::new() };
        drop(state);
        for (id, mirror) in stalled {
            mirror.retire(&Error::Stalled { directory: mirror.directory().to_path_buf() });
            let finished = self.shared.state.lock().stream.remove(id);
            finished.announce();
        }
    }

    /// Carries out the operations and makes them durable; the last record's number, if there was one.
    async fn write(&mut self, operations: &[Operation]) -> Result<Option<Sequence>> {
        let mut durable = None;
        let mut rest = operations;
        while let Some((operation, others)) = rest.split_first() {
            match operation {
                Operation::Begin { name, size, bytes, last } => {
                    // A segment that exists proves its predecessor complete.
                    self.sync()?;
                    self.begin(*name, *size, bytes).await?;
                    durable = Some(*last);
                    rest = others;
                }
                Operation::Write { offset, .. } => {
                    let count = rest.iter().take_while(|next| matches!(next, Operation::Write { .. })).count();
                    let (writes, others) = rest.split_at(count);
                    durable = self.write_records(*offset, writes)?.or(durable);
                    rest = others;
                }
                Operation::Remove(names) => {
                    // The record that allows it comes before it in the stream.
                    self.sync()?;
                    self.remove_segments(names)?;
                    rest = others;
                }
            }
        }
        self.sync()?;
        Ok(durable)
    }

    /// Begins a segment, once there is room for it: the file that did not fit is removed, so nothing is tried twice on
    /// the same file.
    async fn begin(&mut self, name: SegmentName, size: u64, bytes: &[u8]) -> Result<()> {
        loop {
            match self.try_begin(name, size, bytes) {
                Err(error) if error.is_full() => {
                    self.mirror.remove(&name.path(&self.mirror.log_directory()))?;
                    if !self.wait_for_space().await {
                        return Err(error);
                    }
                }
                result => return result,
            }
        }
    }

    /// Waits a little; whether to try again.
    async fn wait_for_space(&mut self) -> bool {
        self.shared.state.lock().full_mirrors += 1;
        tokio::select! {
            biased;
            () = self.shared.work.notified() => {}
            () = self.shared.clock.sleep(WATCH_INTERVAL) => {}
        }
        let mut state = self.shared.state.lock();
        state.full_mirrors -= 1;
        state.stream.is_wanted(self.id)
    }

    fn try_begin(&mut self, name: SegmentName, size: u64, bytes: &[u8]) -> Result<()> {
        let directory = self.mirror.log_directory();
        let path = name.path(&directory);
        let file = self.mirror.open(&path, OpenMode::CreateNew)?;
        self.mirror.attempt("write", &path, |_| {
            file.allocate(size)?;
            file.write_all_at(&[bytes], 0)?;
            file.sync_data()
        })?;
        self.mirror.sync_directory(&directory)?;
        self.open = Some(OpenSegment { name, file, has_unsynced: false });
        Ok(())
    }

    fn write_records(&mut self, offset: u64, writes: &[Operation]) -> Result<Option<Sequence>> {
        let mut buffers: Vec<&[u8]> = Vec::with_capacity(writes.len());
        let mut durable = None;
        for write in writes {
            if let Operation::Write { bytes, last, .. } = write {
                buffers.push(bytes);
                durable = Some(*last);
            }
        }
        let open = self.open.as_mut().expect("a segment begins before it is written to");
        open.has_unsynced = true;
        let path = open.name.path(&self.mirror.log_directory());
        self.mirror.attempt("write", &path, |_| open.file.write_all_at(&buffers, offset))?;
        Ok(durable)
    }

    fn sync(&mut self) -> Result<()> {
        let Some(open) = self.open.as_mut().filter(|open| open.has_unsynced) else { return Ok(()) };
        open.has_unsynced = false;
        if Bug::LogSkipsSync.is_planted() {
            return Ok(());
        }
        let path = open.name.path(&self.mirror.log_directory());
        self.mirror.attempt("sync", &path, |_| open.file.sync_data())
    }

    fn remove_segments(&self, names: &[SegmentName]) -> Result<()> {
        let directory = self.mirror.log_directory();
        for name in names {
            self.mirror.remove(&name.path(&directory))?;
        }
        self.mirror.sync_directory(&directory)
    }
}
