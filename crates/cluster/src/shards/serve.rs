//! [`ShardService`]: answers other nodes' calls about the shards on this node's disks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use disk::{Disk, Shard};
use env::Env;
use erasure::{FramedShard, ShardIdentity};
use futures_util::FutureExt;
use parking_lot::Mutex;
use placement::{DiskId, NodeId, StripeId};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::message::{
    Append, DELETE_MAX, Delete, Entry, LOOKUP_MAX, Lookup, Outcome, Read, encode_checksums, payload_offset,
};
use crate::handle::{self, Destination, ShardError};
use crate::rpc::{Answer, Call, Handler, HandlerFuture, Method};
use crate::topology::{Publisher, Topology};

/// Calls that may be under way to one disk: one that hangs absorbs no more.
const CALLS_PER_DISK: usize = 64;

/// Share of the caller's patience after which a disk is given up, so that the caller hears that the node is alive.
const PATIENCE_PERCENT: u32 = 90;

/// Verifying less than this is done on the reactor; it takes less than 50 µs.
const INLINE_VERIFY_SIZE_MAX: usize = 256 << 10;

/// Largest read: a whole shard.
const READ_SIZE_MAX: u64 = 64 << 20;

/// Answers the calls about shards.
pub(crate) struct ShardService {
    env: Env,
    publisher: Arc<Publisher>,
    gates: Mutex<BTreeMap<DiskId, Arc<Semaphore>>>,
}

/// What a call makes of a disk; `None` when the call makes no sense.
type Answered = Option<Answer>;

impl ShardService {
    /// The methods that it answers.
    pub(crate) const METHODS: [Method; 4] =
        [Method::ShardAppend, Method::ShardRead, Method::ShardLookup, Method::ShardDelete];

    /// Answers for the disks of `publisher`'s topology that are this node's.
    pub(crate) fn new(env: Env, publisher: Arc<Publisher>) -> Self {
        Self { env, publisher, gates: Mutex::default() }
    }

    async fn append(&self, head: Append, mut body: Bytes) -> Answered {
        let payload = body.split_off(payload_offset(body.len())?);
        let work = async {
            let (disk, _turn) = self.enter(head.disk).await?;
            check_epoch(&self.publisher.current(), &head)?;
            let framed = self.frame(head.shard.into(), payload, body).await?;
            let Append { group, epoch, intent_epoch, .. } = head;
            let shard = Shard { framed, group: group.0, epoch: epoch.0, intent_epoch };
            Ok::<(), ShardError>(disk.append(shard).await?)
        };
        Some(answer(work.await))
    }

    async fn read(&self, head: Read) -> Answered {
        let size = head.end.checked_sub(head.start).filter(|size| *size <= READ_SIZE_MAX);
        size?;
        let work = async {
            let (disk, _turn) = self.enter(head.disk).await?;
            Ok::<Bytes, ShardError>(disk.read(&head.shard.into(), head.start..head.end).await?)
        };
        let read = work.await;
        let mut answer = answer(read.as_ref().map(|bytes| crc_fast::crc64_nvme(bytes)));
        answer.body = read.into_iter().collect();
        Some(answer)
    }

    async fn lookup(&self, head: Lookup) -> Answered {
        if LOOKUP_MAX < head.shards.len() {
            return None;
        }
        let found = self.disk(head.disk).map(|disk| {
            let entries = head.shards.into_iter().map(|shard| disk.lookup(&shard.into()).map(Entry::from));
            entries.collect::<Vec<_>>()
        });
        Some(answer(found))
    }

    async fn delete(&self, head: Delete) -> Answered {
        if DELETE_MAX < head.writes.len() {
            return None;
        }
        let work = async {
            let (disk, _turn) = self.enter(head.disk).await?;
            handle::delete_writes(&disk, &head.writes).await
        };
        Some(answer(work.await))
    }

    fn disk(&self, disk: DiskId) -> Outcome<Arc<Disk>> {
        let topology = self.publisher.current();
        let local = topology.disk(disk).and_then(|handle| handle.local()).cloned();
        local.ok_or_else(|| unavailable("the disk is not in service here"))
    }

    /// Waits for a turn at the disk.
    async fn enter(&self, id: DiskId) -> Outcome<(Arc<Disk>, OwnedSemaphorePermit)> {
        let disk = self.disk(id)?;
        let gate = {
            let mut gates = self.gates.lock();
            gates.entry(id).or_insert_with(|| Arc::new(Semaphore::new(CALLS_PER_DISK))).clone()
        };
        let turn = gate.acquire_owned().await.map_err(|_| unavailable("the node is closing"))?;
        Ok((disk, turn))
    }

    /// Checks that `payload` is the shard that the checksums were made of.
    async fn frame(&self, identity: ShardIdentity, payload: Bytes, checksums: Bytes) -> Outcome<FramedShard> {
        let framed = if payload.len() <= INLINE_VERIFY_SIZE_MAX {
            FramedShard::new(identity, payload)
        } else {
            self.env.blocking(move || FramedShard::new(identity, payload)).await
        };
        if encode_checksums(framed.checksums()) == *checksums {
            Ok(framed)
        } else {
            tracing::warn!(shard = %identity, "a shard was damaged before it arrived");
            Err(unavailable("the shard was damaged on its way"))
        }
    }

    async fn respond(&self, call: Call) -> Answered {
        let body = call.body.first().cloned().unwrap_or_default();
        match call.method {
            Method::ShardAppend => self.append(call.parse()?, body).await,
            Method::ShardRead => self.read(call.parse()?).await,
            Method::ShardLookup => self.lookup(call.parse()?).await,
            Method::ShardDelete => self.delete(call.parse()?).await,
            _ => None,
        }
    }
}

impl Handler for ShardService {
    fn handle(&self, _: NodeId, call: Call) -> HandlerFuture<'_> {
        let patience: Duration = call.deadline * PATIENCE_PERCENT / 100;
        async move {
            tokio::select! {
                biased;
                answered = self.respond(call) => answered,
                () = self.env.clock.sleep(patience) => Some(answer(Err::<(), _>(unavailable("the disk is too slow")))),
            }
        }
        .boxed()
    }
}

/// Refuses a shard for a slot that the disk no longer has, as far as this node knows.
fn check_epoch(topology: &Topology, head: &Append) -> Outcome<()> {
    let table = topology.table();
    let shard = ShardIdentity::from(head.shard);
    let stripe = StripeId { write_id: shard.write_id, number: shard.stripe };
    // A split may have given the stripe to another group.
    let group = table.group(head.group).and_then(|_| table.group(table.resolve(stripe, head.group, head.epoch)));
    let Some(row) = group else { return Ok(()) };
    let holder = row.slots.get(usize::from(shard.index)).and_then(|slot| slot.write_target());
    let is_stale = head.destination == Destination::Slot && head.epoch < row.epoch && holder != Some(head.disk);
    if is_stale { Err(ShardError::StaleEpoch { epoch: row.epoch }) } else { Ok(()) }
}

fn unavailable(reason: &str) -> ShardError {
    ShardError::Unavailable { reason: reason.to_owned() }
}

fn answer<T: Serialize, E: Serialize>(outcome: Result<T, E>) -> Answer {
    Answer::new(&outcome)
}
