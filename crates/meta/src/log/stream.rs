//! The one stream of changes that all mirrors write, and who has written how much of it.
//!
//! Pure bookkeeping under the log's lock: the writers, a worker for each mirror, take operations off the stream and
//! report what is durable. A slow mirror therefore delays acknowledgements only where two copies need it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Done;
use super::record::Sequence;
use super::scan::SegmentName;
use crate::error::{Error, Result};
use crate::mirror::Mirror;

/// Copies that make a record acknowledged, when that many mirrors work.
const COPIES_WANTED: usize = 2;

/// A change of the files, the same in every mirror.
#[derive(Clone)]
pub(super) enum Operation {
    /// Creates a segment of `size` bytes that begins with `bytes`.
    Begin { name: SegmentName, size: u64, bytes: Bytes, last: Sequence },
    /// Writes records into the newest segment.
    Write { offset: u64, bytes: Bytes, last: Sequence },
    /// Removes segments that are not needed any more.
    Remove(Arc<[SegmentName]>),
}

impl Operation {
    fn size(&self) -> usize {
        match self {
            Self::Begin { bytes, .. } | Self::Write { bytes, .. } => bytes.len(),
            Self::Remove(_) => 0,
        }
    }
}

/// Whether a member's copy counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It has the stream from a point on, but not yet what came before.
    Joining,
    Counted,
    Gone,
}

/// One mirror's place in the stream.
struct Member {
    mirror: Arc<Mirror>,
    standing: Standing,
    /// Number of the next operation it takes.
    next: u64,
    durable: Sequence,
    /// When it began the work it has not reported on.
    busy_since: Option<Duration>,
}

/// Identifies a member; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemberId(usize);

/// The stream.
#[derive(Default)]
pub(super) struct Stream {
    operations: VecDeque<Operation>,
    /// Number of the first operation in the queue.
    base: u64,
    queued_bytes: usize,
    members: Vec<Member>,
    acknowledged: Sequence,
    waiters: VecDeque<(Sequence, Done)>,
    closing: bool,
}

/// Callbacks to run once the lock is released, and with what.
#[must_use = "the waiters wait for it"]
pub(super) struct Finished {
    pub(super) waiters: Vec<Done>,
    /// Whether they are told of success.
    pub(super) acknowledged: bool,
}

impl Finished {
    /// Tells the waiters. Never call it under the log's lock.
    pub(super) fn announce(self) {
        for done in self.waiters {
            done(if self.acknowledged { Ok(()) } else { Err(Error::Unavailable) });
        }
    }
}

impl Stream {
    /// A stream whose records up to `acknowledged` are in all mirrors already.
    pub(super) fn new(acknowledged: Sequence) -> Self {
        Self { acknowledged, ..Self::default() }
    }

    /// Adds a mirror that has everything so far.
    pub(super) fn add_counted(&mut self, mirror: Arc<Mirror>) -> MemberId {
        self.add(mirror, Standing::Counted)
    }

    /// Adds a mirror that takes part from the next operation on, and counts after [`Stream::count`].
    pub(super) fn add_joining(&mut self, mirror: Arc<Mirror>) -> MemberId {
        self.add(mirror, Standing::Joining)
    }

    fn add(&mut self, mirror: Arc<Mirror>, standing: Standing) -> MemberId {
        let next = self.base + self.operations.len() as u64;
        self.members.push(Member { mirror, standing, next, durable: self.acknowledged, busy_since: None });
        MemberId(self.members.len() - 1)
    }

    /// Counts a joining member from now on: it has got what came before.
    pub(super) fn count(&mut self, id: MemberId) {
        let member = &mut self.members[id.0];
        if member.standing == Standing::Joining {
            member.standing = Standing::Counted;
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.counted().next().is_some()
    }

    /// Mirrors whose copy counts.
    pub(super) fn counted_mirrors(&self) -> impl Iterator<Item = &Arc<Mirror>> {
        self.counted().map(|member| &member.mirror)
    }

    /// Mirrors whose copy counts, and goes up to before `end`.
    pub(super) fn mirrors_that_have(&self, end: Sequence) -> Vec<Arc<Mirror>> {
        self.counted().filter(|member| end <= member.durable + 1).map(|member| member.mirror.clone()).collect()
    }

    fn counted(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.standing == Standing::Counted)
    }

    pub(super) fn acknowledged(&self) -> Sequence {
        self.acknowledged
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Queues an operation for all members.
    pub(super) fn push(&mut self, operation: Operation) {
        self.queued_bytes += operation.size();
        self.operations.push_back(operation);
    }

    /// Has `done` called once all records up to `sequence` are acknowledged.
    pub(super) fn wait_for(&mut self, sequence: Sequence, done: Done) {
        assert!(self.waiters.back().is_none_or(|(last, _)| *last <= sequence), "waiters come in order");
        self.waiters.push_back((sequence, done));
    }

    /// Asks the writers to end once they have written everything.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    /// Whether `id` should go on: it is not gone, and the log is not closing.
    pub(super) fn is_wanted(&self, id: MemberId) -> bool {
        self.members[id.0].standing != Standing::Gone && !self.closing
    }

    /// What `id` has to do next, at most `bytes` bytes or one operation; `None` once it should end.
    pub(super) fn take(&mut self, id: MemberId, bytes: usize, now: Duration) -> Option<Vec<Operation>> {
        let base = self.base;
        let member = &mut self.members[id.0];
        if member.standing == Standing::Gone {
            return None;
        }
        let start = usize::try_from(member.next - base).expect("the queue is bounded");
        if self.closing && start == self.operations.len() {
            return None;
        }
        let mut taken = Vec::new();
        let mut taken_bytes = 0;
        for operation in self.operations.range(start..) {
            taken_bytes += operation.size();
            if !taken.is_empty() && bytes < taken_bytes {
                break;
            }
            taken.push(operation.clone());
        }
        if !taken.is_empty() {
            member.busy_since = Some(now);
        }
        Some(taken)
    }

    /// `id` has made `count` operations durable, up to record `durable`.
    pub(super) fn complete(&mut self, id: MemberId, count: usize, durable: Option<Sequence>) -> Finished {
        let member = &mut self.members[id.0];
        member.busy_since = None;
        if member.standing != Standing::Gone {
            member.next += count as u64;
            member.durable = durable.unwrap_or(member.durable);
        }
        self.settle()
    }

    /// `id` failed: the others go on without it.
    pub(super) fn remove(&mut self, id: MemberId) -> Finished {
        self.members[id.0].standing = Standing::Gone;
        self.settle()
    }

    /// Goes on without the mirrors that were retired elsewhere.
    pub(super) fn remove_retired(&mut self) -> Finished {
        for member in self.members.iter_mut().filter(|member| !member.mirror.in_service()) {
            member.standing = Standing::Gone;
        }
        self.settle()
    }

    /// Members that have been at one piece of work since before `since`.
    pub(super) fn stalled(&self, since: Duration) -> Vec<(MemberId, Arc<Mirror>)> {
        let members = self.members.iter().enumerate();
        let stalled = members.filter(|(_, member)| {
            member.standing != Standing::Gone && member.busy_since.is_some_and(|busy_since| busy_since < since)
        });
        stalled.map(|(number, member)| (MemberId(number), member.mirror.clone())).collect()
    }

    /// Whether somebody waits for an acknowledgement.
    pub(super) fn is_awaited(&self) -> bool {
        !self.waiters.is_empty()
    }

    /// Forgets what all have written, finds out what is acknowledged now, and who waited for it.
    fn settle(&mut self) -> Finished {
        let present = self.members.iter().filter(|member| member.standing != Standing::Gone);
        let written = present.map(|member| member.next).min().unwrap_or(self.base + self.operations.len() as u64);
        while self.base < written {
            let operation = self.operations.pop_front().expect("members are within the queue");
            self.queued_bytes -= operation.size();
            self.base += 1;
        }
        let mut durable: Vec<Sequence> = self.counted().map(|member| member.durable).collect();
        durable.sort_unstable_by(|a, b| b.cmp(a));
        if durable.is_empty() {
            let waiters = self.waiters.drain(..).map(|(_, done)| done).collect();
            return Finished { waiters, acknowledged: false };
        }
        let wanted = COPIES_WANTED.min(durable.len());
        self.acknowledged = self.acknowledged.max(durable[wanted - 1]);
        let mut waiters = Vec::new();
        while self.waiters.front().is_some_and(|(sequence, _)| *sequence <= self.acknowledged) {
            let (_, done) = self.waiters.pop_front().expect("checked to have a first one");
            waiters.push(done);
        }
        Finished { waiters, acknowledged: true }
    }
}

/// Makes a [`Done`] and what resolves when it is called.
pub(super) fn completion() -> (Done, impl Future<Output = Result<()>> + Send) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let done: Done = Box::new(move |result| {
        // A caller that went away does not need to know.
        let _ = sender.send(result);
    });
    (done, async move { receiver.await.unwrap_or(Err(Error::Unavailable)) })
}
