//! What a call consists of.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use placement::NodeId;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Which pool of connections a call uses, and how many may be under way to one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Heartbeats, votes, liveness: small, and never late.
    Control,
    /// Log entries, commands, questions.
    Metadata,
    /// Shards and pages.
    Bulk,
}

/// What a node can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Method {
    /// Become a member. The only method for whom has no certificate.
    Join,
    /// Raft: replicate entries.
    RaftAppend,
    /// Raft: elect.
    RaftVote,
    /// Raft: take over a state; its pages are fetched with [`Method::Pages`].
    RaftSnapshot,
    /// Have commands decided by the leader.
    Propose,
    /// Learn from the leader up to which entry a read must see.
    ReadIndex,
    /// Offer the metadata's durable state; its pages are fetched with [`Method::Pages`].
    Offer,
    /// Pages of the metadata's trees.
    Pages,
    /// Liveness hints.
    Gossip,
    /// What the node made of the entries that it applied.
    EffectsMarks,
    /// The oldest state that a reader of the node may still read from.
    OldestReader,
    /// Make a directory one of the node's disks.
    AddDisk,
    /// How much the node's disks hold, and how much more they take.
    DiskRooms,
    /// A question about background work, or an order to it.
    Work,
    /// Operations on a disk's shards; which one is in the head.
    ShardAppend,
    /// See [`Method::ShardAppend`].
    ShardRead,
    /// See [`Method::ShardAppend`].
    ShardLookup,
    /// See [`Method::ShardAppend`].
    ShardDelete,
}

impl Method {
    /// All of them.
    pub(crate) const ALL: [Self; 18] = [
        Self::Join,
        Self::RaftAppend,
        Self::RaftVote,
        Self::RaftSnapshot,
        Self::Propose,
        Self::ReadIndex,
        Self::Offer,
        Self::Pages,
        Self::Gossip,
        Self::EffectsMarks,
        Self::OldestReader,
        Self::AddDisk,
        Self::DiskRooms,
        Self::Work,
        Self::ShardAppend,
        Self::ShardRead,
        Self::ShardLookup,
        Self::ShardDelete,
    ];

    /// Its path in the request line.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Join => "/1/join",
            Self::RaftAppend => "/1/raft/append",
            Self::RaftVote => "/1/raft/vote",
            Self::RaftSnapshot => "/1/raft/snapshot",
            Self::Propose => "/1/meta/propose",
            Self::ReadIndex => "/1/meta/read-index",
            Self::Offer => "/1/meta/offer",
            Self::Pages => "/1/meta/pages",
            Self::Gossip => "/1/node/gossip",
            Self::EffectsMarks => "/1/meta/effects-marks",
            Self::OldestReader => "/1/node/oldest-reader",
            Self::AddDisk => "/1/node/add-disk",
            Self::DiskRooms => "/1/node/disk-rooms",
            Self::Work => "/1/node/work",
            Self::ShardAppend => "/1/shard/append",
            Self::ShardRead => "/1/shard/read",
            Self::ShardLookup => "/1/shard/lookup",
            Self::ShardDelete => "/1/shard/delete",
        }
    }

    /// The method of a path; `None` for an unknown one.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.path() == path)
    }

    /// The pool that it uses.
    pub(crate) fn class(self) -> Class {
        match self {
            Self::Join | Self::RaftVote | Self::Gossip | Self::EffectsMarks | Self::OldestReader => Class::Control,
            Self::RaftAppend | Self::RaftSnapshot | Self::Propose | Self::ReadIndex => Class::Metadata,
            Self::AddDisk | Self::DiskRooms | Self::Work => Class::Metadata,
            Self::Offer | Self::Pages | Self::ShardAppend | Self::ShardRead | Self::ShardLookup | Self::ShardDelete => {
                Class::Bulk
            }
        }
    }
}

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// What is asked.
    pub(crate) method: Method,
    /// The method's own postcard value.
    pub(crate) head: Bytes,
    /// Bytes that go with it, in pieces that follow each other.
    pub(crate) body: Vec<Bytes>,
    /// How long the caller waits, and the callee works at most.
    pub(crate) deadline: Duration,
}

/// The answer to a call. Whatever the method itself can refuse is in its head.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// The method's own postcard value.
    pub(crate) head: Bytes,
    /// Bytes that go with it, in pieces that follow each other; received, it is one piece or none.
    pub(crate) body: Vec<Bytes>,
}

/// Why a call has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// No connection, or it broke before the call was sent: it had no effect. Try another node, or later.
    #[error("node {} cannot be reached: {reason}", node.0)]
    Unreachable {
        /// The node.
        node: NodeId,
        /// What failed.
        reason: String,
    },
    /// The call was sent, and no answer came in time: it may have an effect.
    #[error("node {} did not answer in time", node.0)]
    Expired {
        /// The node.
        node: NodeId,
    },
    /// The call was sent and the connection broke, or what came was no answer: it may have an effect.
    #[error("the call to node {} broke off: {reason}", node.0)]
    Broken {
        /// The node.
        node: NodeId,
        /// What was wrong.
        reason: String,
    },
    /// The node does not take this one for a member: it was removed from the cluster. The call had no effect.
    #[error("node {} takes this node for none of the cluster", node.0)]
    Forbidden {
        /// The node.
        node: NodeId,
    },
    /// Too many calls are under way to the node, or it refuses more: it had no effect. Try later.
    #[error("node {} is overloaded", node.0)]
    Overloaded {
        /// The node.
        node: NodeId,
    },
}

impl CallError {
    /// Whether the call can have had an effect.
    pub(crate) fn may_have_effect(&self) -> bool {
        matches!(self, Self::Expired { .. } | Self::Broken { .. })
    }
}

impl Call {
    /// A call with a head and no body.
    ///
    /// # Panics
    ///
    /// Panics when the head has no encoding, which only a mistake in its type can cause.
    pub(crate) fn new(method: Method, head: &impl Serialize, deadline: Duration) -> Self {
        Self { method, head: encode(head), body: Vec::new(), deadline }
    }

    /// The head as its method's type; `None` when the caller sent something else.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Option<T> {
        postcard::from_bytes(&self.head).ok()
    }
}

impl Answer {
    /// An answer with a head and no body.
    pub(crate) fn new(head: &impl Serialize) -> Self {
        Self { head: encode(head), body: Vec::new() }
    }

    /// The head as its method's type.
    ///
    /// # Errors
    ///
    /// [`CallError::Broken`] when `node` sent something else.
    pub(crate) fn parse<T: DeserializeOwned>(&self, node: NodeId) -> Result<T, CallError> {
        postcard::from_bytes(&self.head).map_err(|error| CallError::Broken { node, reason: error.to_string() })
    }
}

fn encode(head: &impl Serialize) -> Bytes {
    postcard::to_stdvec(head).expect("heads are plain values, which always encode").into()
}

/// What a [`Handler`] returns; `None` answers that the call makes no sense.
pub(crate) type HandlerFuture<'a> = Pin<Box<dyn Future<Output = Option<Answer>> + Send + 'a>>;

/// Answers the calls of some methods.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Answers `call` of the node `from`, whose certificate was checked. A received body is one piece or none. Dropped
    /// when the caller's deadline has passed.
    fn handle(&self, from: NodeId, call: Call) -> HandlerFuture<'_>;
}
