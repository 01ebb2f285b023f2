//! What waits to be written, and how it becomes the records of one batch.

use std::collections::BTreeSet;

use bytes::Bytes;
use erasure::ShardIdentity;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::Result;
use crate::device::Device;
use crate::disk::Shard;
use crate::extent::Extent;
use crate::index::{Change, Position, State};
use crate::record::{BATCH_ALIGNMENT, BATCH_UNIT, HEADER_SIZE, Header, Kind, Layout, Place, encode_head, encode_tail};

static ZEROS: [u8; BATCH_UNIT] = [0; BATCH_UNIT];

/// Something to be made durable.
pub(crate) enum Task {
    Put(Shard),
    Delete(Vec<ShardIdentity>),
    /// Compaction: writes a shard again if its record is still the one at `source`.
    Move {
        shard: Shard,
        source: Position,
    },
    /// Compaction: writes a tombstone again if it is still the one at `source`.
    Bury {
        identity: ShardIdentity,
        source: Position,
    },
    /// Seals this extent, if it is the open one.
    Seal {
        extent: u32,
    },
    /// Seals the open extent and ends the writer.
    Close,
}

/// A task and who waits for it.
pub(crate) struct Job {
    pub(crate) task: Task,
    pub(crate) done: oneshot::Sender<Result<()>>,
    /// Room in the queue, given back with the answer.
    pub(crate) permits: Vec<OwnedSemaphorePermit>,
}

/// Who may use what room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Shard,
    Copy,
    Tombstone,
}

impl Task {
    /// The most bytes its records take, and what for. `None` for one without records.
    pub(crate) fn need(&self) -> Option<(u64, Purpose)> {
        let shard_size = |shard: &Shard| Layout::shard(shard.framed.payload().len()).size as u64;
        let tombstone_size = Layout::tombstone().size as u64;
        match self {
            Self::Put(shard) => Some((shard_size(shard), Purpose::Shard)),
            Self::Move { shard, .. } => Some((shard_size(shard), Purpose::Copy)),
            Self::Delete(identities) => Some((identities.len() as u64 * tombstone_size, Purpose::Tombstone)),
            Self::Bury { .. } => Some((tombstone_size, Purpose::Tombstone)),
            Self::Seal { .. } | Self::Close => None,
        }
    }
}

/// Records on their way to the disk together.
pub(crate) struct Batch {
    pub(crate) start: u64,
    pub(crate) end: u64,
    extent: Extent,
    pub(crate) buffers: Vec<Bytes>,
    pub(crate) changes: Vec<Change>,
    pub(crate) jobs: Vec<Job>,
    /// Shards with a change in this batch, which the index does not know yet.
    touched: BTreeSet<ShardIdentity>,
    pub(crate) appends: u64,
    pub(crate) appended_bytes: u64,
    pub(crate) deletes: u64,
}

impl Batch {
    pub(crate) fn new(start: u64, extent: Extent) -> Self {
        Self {
            start,
            end: start,
            extent,
            buffers: Vec::new(),
            changes: Vec::new(),
            jobs: Vec::new(),
            touched: BTreeSet::new(),
            appends: 0,
            appended_bytes: 0,
            deletes: 0,
        }
    }

    /// Turns a task into records. What the index says is true for the end of the batch before this one.
    pub(crate) fn add(&mut self, device: &Device, task: &Task) {
        let holds = |identity: &ShardIdentity, state: State, source: Position| {
            let entry = device.index.get(identity);
            entry.is_some_and(|entry| entry.state == state && entry.position == source)
        };
        match task {
            Task::Put(shard) => {
                self.add_shard(shard);
                self.appends += 1;
                self.appended_bytes += shard.framed.payload().len() as u64;
            }
            Task::Move { shard, source } => {
                let identity = shard.framed.identity();
                if !self.touched.contains(&identity) && holds(&identity, State::Live, *source) {
                    self.add_shard(shard);
                }
            }
            Task::Delete(identities) => {
                for identity in identities {
                    let exists = device.index.get(identity).is_some_and(|entry| entry.state != State::Deleted);
                    if exists || self.touched.contains(identity) {
                        self.add_tombstone(*identity);
                        self.deletes += 1;
                    }
                }
            }
            Task::Bury { identity, source } => {
                if !self.touched.contains(identity) && holds(identity, State::Deleted, *source) {
                    self.add_tombstone(*identity);
                }
            }
            Task::Seal { .. } | Task::Close => unreachable!("they have no need of room"),
        }
    }

    fn place(&self) -> Place {
        Place { nonce: self.extent.nonce, offset: self.end, batch: self.start }
    }

    fn position(&self) -> Position {
        Position { extent: self.extent.id, offset: self.end }
    }

    fn add_shard(&mut self, shard: &Shard) {
        let payload = shard.framed.payload();
        let header = Header {
            kind: Kind::Shard,
            place: self.place(),
            identity: shard.framed.identity(),
            group: shard.group,
            epoch: shard.epoch,
            intent_epoch: shard.intent_epoch,
            payload_size: u32::try_from(payload.len()).expect("larger ones were refused at the door"),
        };
        self.changes.push(Change::Put {
            identity: header.identity,
            position: self.position(),
            size: header.payload_size,
            group: header.group,
            intent_epoch: header.intent_epoch,
        });
        self.touched.insert(header.identity);
        let layout = header.layout();
        let head = encode_head(&header, &shard.framed);
        let tail = encode_tail(&head, &layout, payload.len());
        self.buffers.extend([Bytes::from(head), payload.clone(), Bytes::from(tail)]);
        self.end += layout.size as u64;
    }

    /// Fills the last sector with zeros, which no record begins with: direct writes take whole ones.
    pub(crate) fn pad(&mut self) {
        let size = usize::try_from(self.end.next_multiple_of(BATCH_ALIGNMENT) - self.end).expect("less than a sector");
        if 0 < size {
            self.buffers.push(Bytes::from_static(&ZEROS[..size]));
        }
    }

    fn add_tombstone(&mut self, identity: ShardIdentity) {
        let header = Header::tombstone(identity, self.place());
        self.changes.push(Change::Delete { identity, position: self.position() });
        self.touched.insert(identity);
        self.buffers.push(Bytes::copy_from_slice(&header.encode()));
        self.end += HEADER_SIZE as u64;
    }
}
