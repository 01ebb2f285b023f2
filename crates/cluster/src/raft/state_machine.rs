//! openraft's state machine on the metadata's engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use env::Env;
use meta::MetaEngine;
use openraft::storage::RaftStateMachine;
use openraft::{
    AnyError, BasicNode, EntryPayload, ErrorSubject, ErrorVerb, LogId, OptionalSend, RaftSnapshotBuilder, Snapshot,
    SnapshotMeta, StorageError, StorageIOError, StoredMembership,
};

use super::entry::{self, Answers, Entry, RootReference, Types};
use super::log_store::{Recent, failure, invalid};

type StorageResult<T> = Result<T, StorageError<u64>>;

/// The state machine as openraft sees it. Clones share everything.
#[derive(Clone)]
pub(crate) struct StateMachine {
    env: Env,
    engine: Arc<MetaEngine>,
    recent: Recent,
    node: u64,
    sole_voter: Arc<AtomicBool>,
}

impl StateMachine {
    pub(crate) fn new(env: Env, engine: Arc<MetaEngine>, recent: Recent, node: u64) -> Self {
        Self { env, engine, recent, node, sole_voter: Arc::new(AtomicBool::new(false)) }
    }

    /// Whether the membership applied last has this node as its only voter.
    ///
    /// Nobody else can commit anything then, and whatever was answered has been applied here: reads need no round.
    pub(crate) fn is_sole_voter(&self) -> bool {
        self.sole_voter.load(Ordering::Acquire)
    }

    fn membership(&self) -> StorageResult<StoredMembership<u64, BasicNode>> {
        let Some(bytes) = self.engine.membership() else { return Ok(StoredMembership::default()) };
        entry::decode_membership(&bytes).map_err(|error| invalid(ErrorSubject::StateMachine, ErrorVerb::Read, &error))
    }

    fn note_voters(&self, membership: &StoredMembership<u64, BasicNode>) {
        let sole = membership.membership().voter_ids().eq([self.node]);
        self.sole_voter.store(sole, Ordering::Release);
    }

    async fn apply_entry(&self, entry: Entry) -> StorageResult<Answers> {
        let id = entry::log_id(&entry.log_id);
        match entry.payload {
            EntryPayload::Blank => {
                self.engine.apply_blank(id);
                Ok(Answers(Vec::new()))
            }
            EntryPayload::Membership(membership) => {
                let stored = StoredMembership::new(Some(entry.log_id), membership);
                let fail = |error| invalid(ErrorSubject::Apply(entry.log_id), ErrorVerb::Write, &error);
                self.engine.apply_membership(id, entry::encode_membership(&stored).map_err(fail)?);
                self.note_voters(&stored);
                Ok(Answers(Vec::new()))
            }
            EntryPayload::Normal(batch) => {
                let (engine, content) = (self.engine.clone(), batch.content().clone());
                self.engine.wait_for_room().await;
                let applied = move || engine.apply(id, content.time(), &content.commands);
                let outcomes = self.env.blocking(applied).await;
                let outcomes =
                    outcomes.map_err(|error| failure(ErrorSubject::Apply(entry.log_id), ErrorVerb::Write, error))?;
                Ok(Answers(outcomes))
            }
        }
    }

    /// The newest durable root. It takes no building: the engine flushes by its own rules.
    fn snapshot(&self) -> StorageResult<Option<Snapshot<Types>>> {
        let durable = *self.engine.durable().borrow();
        let Some(newest) = durable.newest else { return Ok(None) };
        let meta = SnapshotMeta {
            last_log_id: Some(entry::raft_log_id(newest)),
            last_membership: self.membership()?,
            snapshot_id: format!("{}-{}", newest.term, newest.index),
        };
        Ok(Some(Snapshot { meta, snapshot: Box::new(RootReference) }))
    }
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> StorageResult<(Option<LogId<u64>>, StoredMembership<u64, BasicNode>)> {
        let membership = self.membership()?;
        self.note_voters(&membership);
        Ok((self.engine.applied().map(entry::raft_log_id), membership))
    }

    async fn apply<I>(&mut self, entries: I) -> StorageResult<Vec<Answers>>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        // Collected first: the iterator of a generic caller may not be held across an await.
        let entries: Vec<Entry> = entries.into_iter().collect();
        let mut answers = Vec::with_capacity(entries.len());
        for entry in entries {
            let index = entry.log_id.index;
            answers.push(self.apply_entry(entry).await?);
            self.recent.release(index);
        }
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> StorageResult<Box<RootReference>> {
        Ok(Box::new(RootReference))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<u64, BasicNode>,
        _snapshot: Box<RootReference>,
    ) -> StorageResult<()> {
        // Only a leader elsewhere sends snapshots, and a group of one voter has none.
        let subject = ErrorSubject::Snapshot(Some(meta.signature()));
        let error = AnyError::error("a node that is its own only voter was sent a snapshot");
        Err(StorageIOError::new(subject, ErrorVerb::Write, error).into())
    }

    async fn get_current_snapshot(&mut self) -> StorageResult<Option<Snapshot<Types>>> {
        self.snapshot()
    }
}

impl RaftSnapshotBuilder<Types> for StateMachine {
    async fn build_snapshot(&mut self) -> StorageResult<Snapshot<Types>> {
        if let Some(snapshot) = self.snapshot()? {
            return Ok(snapshot);
        }
        self.engine.flush().await.map_err(|error| failure(ErrorSubject::StateMachine, ErrorVerb::Write, error))?;
        let none = || {
            let error = AnyError::error("a flush left no durable root");
            StorageIOError::new(ErrorSubject::StateMachine, ErrorVerb::Read, error)
        };
        Ok(self.snapshot()?.ok_or_else(none)?)
    }
}
