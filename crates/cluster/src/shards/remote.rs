//! [`RemoteDisk`]: asks the node that owns a disk.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use disk::{Shard, ShardEntry};
use env::Env;
use erasure::ShardIdentity;
use parking_lot::Mutex;
use placement::{DiskId, Epoch, GroupId, NodeId};
use serde::de::DeserializeOwned;

use super::breaker::Breaker;
use super::budget::RetryBudget;
use super::message::{Append, DELETE_MAX, Delete, Entry, LOOKUP_MAX, Lookup, Outcome, Read, encode_checksums};
use crate::handle::{Destination, DiskHandle, ShardError};
use crate::rpc::{Answer, Call, CallError, Method, Peers};

/// How long a disk elsewhere may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Makes the handles of disks of other nodes. They share what is known of each node.
pub(crate) struct RemoteDisks {
    env: Env,
    peers: Arc<Peers>,
    links: Mutex<BTreeMap<NodeId, Arc<Link>>>,
}

impl RemoteDisks {
    pub(crate) fn new(env: Env, peers: Arc<Peers>) -> Self {
        Self { env, peers, links: Mutex::default() }
    }

    /// The disk `disk` of another node, `node`.
    pub(crate) fn handle(&self, node: NodeId, disk: DiskId) -> DiskHandle {
        let link = || {
            let (env, peers) = (self.env.clone(), self.peers.clone());
            Arc::new(Link { env, peers, node, breaker: Mutex::default(), retries: Mutex::default() })
        };
        let link = self.links.lock().entry(node).or_insert_with(link).clone();
        DiskHandle::Remote(RemoteDisk { disk, link })
    }
}

/// A disk of another node.
#[derive(Clone)]
pub struct RemoteDisk {
    disk: DiskId,
    link: Arc<Link>,
}

/// What all disks of a node have in common.
struct Link {
    env: Env,
    peers: Arc<Peers>,
    node: NodeId,
    breaker: Mutex<Breaker>,
    retries: Mutex<RetryBudget>,
}

impl RemoteDisk {
    /// See [`DiskHandle::append`].
    pub(crate) async fn append(&self, shard: Shard, destination: Destination) -> Result<(), ShardError> {
        let Shard { framed, group, epoch, intent_epoch } = shard;
        let head = Append {
            disk: self.disk,
            shard: framed.identity().into(),
            group: GroupId(group),
            epoch: Epoch(epoch),
            intent_epoch,
            destination,
        };
        let mut call = Call::new(Method::ShardAppend, &head, DEADLINE);
        call.body = vec![encode_checksums(framed.checksums()).into(), framed.payload().clone()];
        let answer = self.link.call(call).await?;
        self.link.outcome(&answer)
    }

    /// See [`DiskHandle::read`].
    pub(crate) async fn read(&self, shard: &ShardIdentity, range: Range<u64>) -> Result<Bytes, ShardError> {
        let size = range.end.saturating_sub(range.start);
        let head = Read { disk: self.disk, shard: (*shard).into(), start: range.start, end: range.end };
        let answer = self.link.call_again(Call::new(Method::ShardRead, &head, DEADLINE)).await?;
        let expected: u64 = self.link.outcome(&answer)?;
        let body = answer.body.into_iter().next().unwrap_or_default();
        if body.len() as u64 != size || crc_fast::crc64_nvme(&body) != expected {
            return Err(self.link.unavailable("the shard was damaged on its way"));
        }
        Ok(body)
    }

    /// See [`DiskHandle::lookup`].
    pub(crate) async fn lookup(&self, shards: &[ShardIdentity]) -> Result<Vec<Option<ShardEntry>>, ShardError> {
        let mut entries = Vec::with_capacity(shards.len());
        for shards in shards.chunks(LOOKUP_MAX) {
            let names = shards.iter().map(|shard| (*shard).into()).collect();
            let head = Lookup { disk: self.disk, shards: names };
            let answer = self.link.call_again(Call::new(Method::ShardLookup, &head, DEADLINE)).await?;
            let found: Vec<Option<Entry>> = self.link.outcome(&answer)?;
            if found.len() != shards.len() {
                return Err(self.link.unavailable("it answered another question"));
            }
            entries.extend(found.into_iter().map(|entry| entry.map(ShardEntry::from)));
        }
        Ok(entries)
    }

    /// See [`DiskHandle::delete_writes`].
    pub(crate) async fn delete_writes(&self, writes: &[u128]) -> Result<u64, ShardError> {
        let mut count = 0;
        for writes in writes.chunks(DELETE_MAX) {
            let head = Delete { disk: self.disk, writes: writes.to_vec() };
            let answer = self.link.call(Call::new(Method::ShardDelete, &head, DEADLINE)).await?;
            count += self.link.outcome::<u64>(&answer)?;
        }
        Ok(count)
    }
}

/// A call that the breaker counts until this is dropped.
struct Counted<'a> {
    link: &'a Link,
    answered: Option<bool>,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.link.breaker.lock().end(self.link.env.clock.monotonic(), self.answered);
    }
}

impl Link {
    /// Calls the node, unless it is known not to answer.
    async fn call(&self, call: Call) -> Result<Answer, ShardError> {
        self.attempt(call).await.map_err(|error| self.unavailable(error))
    }

    /// As [`Link::call`], for what may be asked twice: once more when a connection broke, as far as the budget goes.
    async fn call_again(&self, call: Call) -> Result<Answer, ShardError> {
        match self.attempt(call.clone()).await {
            Ok(answer) => {
                self.retries.lock().earn();
                Ok(answer)
            }
            Err(CallError::Broken { .. }) if self.retries.lock().spend() => {
                metrics::counter!("stonecrop_node_calls_repeated_total").increment(1);
                self.call(call).await
            }
            Err(error) => Err(self.unavailable(error)),
        }
    }

    async fn attempt(&self, call: Call) -> Result<Answer, CallError> {
        let node = self.node;
        if !self.breaker.lock().begin(self.env.clock.monotonic()) {
            metrics::counter!("stonecrop_node_calls_spared_total").increment(1);
            return Err(CallError::Unreachable { node, reason: "it has not answered of late".to_owned() });
        }
        let mut counted = Counted { link: self, answered: None };
        let answer = self.peers.call(node, call).await;
        // A node that refuses more is alive.
        counted.answered = Some(matches!(answer, Ok(_) | Err(CallError::Overloaded { .. })));
        answer
    }

    fn outcome<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, ShardError> {
        answer.parse::<Outcome<T>>(self.node).unwrap_or_else(|error| Err(self.unavailable(error)))
    }

    fn unavailable(&self, reason: impl ToString) -> ShardError {
        ShardError::Unavailable { reason: reason.to_string() }
    }
}
