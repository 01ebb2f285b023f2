//! openraft's state machine on the metadata's engine.

use std::sync::Arc;

use env::{Bug, Env};
use meta::{Command, MetaEngine, Offer, PageSource};
use openraft::storage::RaftStateMachine;
use openraft::{
    AnyError, BasicNode, EntryPayload, ErrorSubject, ErrorVerb, LogId, OptionalSend, RaftSnapshotBuilder, Snapshot,
    SnapshotMeta, StorageError, StorageIOError, StoredMembership,
};
use tokio::sync::watch;

use super::entry::{self, Answers, Entry, StateSnapshot, Types};
use super::log_store::{Recent, failure, invalid};

type StorageResult<T> = Result<T, StorageError<u64>>;

/// The state machine as openraft sees it. Clones share everything.
#[derive(Clone)]
pub(crate) struct StateMachine {
    env: Env,
    engine: Arc<MetaEngine>,
    recent: Recent,
    progress: Arc<Progress>,
}

/// What others wait for.
struct Progress {
    /// Index of the entry applied last.
    applied: watch::Sender<u64>,
    /// Counts the entries that changed documents or the placement table.
    documents: watch::Sender<u64>,
}

impl StateMachine {
    pub(crate) fn new(env: Env, engine: Arc<MetaEngine>, recent: Recent) -> Self {
        let applied = engine.applied().map_or(0, |id| id.index);
        let progress = Progress { applied: watch::Sender::new(applied), documents: watch::Sender::new(0) };
        Self { env, engine, recent, progress: Arc::new(progress) }
    }

    /// Index of the entry applied last, as it moves on.
    pub(crate) fn applied(&self) -> watch::Receiver<u64> {
        self.progress.applied.subscribe()
    }

    /// Changes whenever a document or the placement table may have changed.
    pub(crate) fn documents(&self) -> watch::Receiver<u64> {
        self.progress.documents.subscribe()
    }

    fn membership(&self) -> StorageResult<StoredMembership<u64, BasicNode>> {
        let Some(bytes) = self.engine.membership() else { return Ok(StoredMembership::default()) };
        entry::decode_membership(&bytes).map_err(|error| invalid(ErrorSubject::StateMachine, ErrorVerb::Read, &error))
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
                Ok(Answers(Vec::new()))
            }
            EntryPayload::Normal(batch) => {
                let (engine, content) = (self.engine.clone(), batch.content().clone());
                self.engine.wait_for_room().await;
                let time = if Bug::ClockInState.is_planted() { self.env.clock.now() } else { content.time() };
                let applied = move || engine.apply(id, time, &content.commands);
                let outcomes = self.env.blocking(applied).await;
                let outcomes =
                    outcomes.map_err(|error| failure(ErrorSubject::Apply(entry.log_id), ErrorVerb::Write, error))?;
                if batch.content().commands.iter().any(Command::sets_document) {
                    self.progress.documents.send_modify(|count| *count += 1);
                }
                Ok(Answers(outcomes))
            }
        }
    }

    /// The newest durable state. It takes no building: the engine flushes by its own rules.
    async fn snapshot(&self) -> StorageResult<Option<Snapshot<Types>>> {
        let offer = self.engine.offer().await;
        let offer = offer.map_err(|error| failure(ErrorSubject::StateMachine, ErrorVerb::Read, error))?;
        let Some(offer) = offer else { return Ok(None) };
        Ok(Some(Snapshot { meta: meta_of(&offer)?, snapshot: Box::new(StateSnapshot::Offered(offer)) }))
    }

    /// Makes a snapshot that this node can install of one that another node sent: fetches what it lacks from there.
    ///
    /// To be awaited before the snapshot is handed to openraft, which takes a failed installation for a broken disk, and
    /// applies nothing meanwhile. Dropped or failed, it goes on where it was when it is called again.
    ///
    /// # Errors
    ///
    /// As [`MetaEngine::fetch`].
    pub(crate) async fn receive(&self, offer: &Offer, source: &dyn PageSource) -> meta::Result<Snapshot<Types>> {
        let unreadable = |_| meta::Error::Inconsistent("a snapshot has an unreadable membership");
        let meta = meta_of(offer).map_err(unreadable)?;
        let fetched = self.engine.fetch(offer, source).await?;
        Ok(Snapshot { meta, snapshot: Box::new(StateSnapshot::Fetched(fetched)) })
    }
}

/// What openraft wants to know of a state.
fn meta_of(offer: &Offer) -> StorageResult<SnapshotMeta<u64, BasicNode>> {
    let applied = offer.applied();
    let membership = offer.membership().map(entry::decode_membership).transpose();
    let membership = membership.map_err(|error| invalid(ErrorSubject::StateMachine, ErrorVerb::Read, &error))?;
    Ok(SnapshotMeta {
        last_log_id: Some(entry::raft_log_id(applied)),
        last_membership: membership.unwrap_or_default(),
        snapshot_id: format!("{}-{}", applied.term, applied.index),
    })
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> StorageResult<(Option<LogId<u64>>, StoredMembership<u64, BasicNode>)> {
        let membership = self.membership()?;
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
            self.progress.applied.send_replace(index);
        }
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> StorageResult<Box<StateSnapshot>> {
        let error = AnyError::error("snapshots are sent whole");
        Err(StorageIOError::new(ErrorSubject::Snapshot(None), ErrorVerb::Write, error).into())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<u64, BasicNode>,
        snapshot: Box<StateSnapshot>,
    ) -> StorageResult<()> {
        let subject = || ErrorSubject::Snapshot(Some(meta.signature()));
        let StateSnapshot::Fetched(fetched) = *snapshot else {
            let error = AnyError::error("a snapshot is to be installed that was not fetched");
            return Err(StorageIOError::new(subject(), ErrorVerb::Write, error).into());
        };
        let index = fetched.offer().applied().index;
        let installed = self.engine.install(fetched).await;
        installed.map_err(|error| failure(subject(), ErrorVerb::Write, error))?;
        self.recent.release(index);
        // Whatever the entries changed that this node has never seen.
        self.progress.applied.send_replace(index);
        self.progress.documents.send_modify(|count| *count += 1);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> StorageResult<Option<Snapshot<Types>>> {
        self.snapshot().await
    }
}

impl RaftSnapshotBuilder<Types> for StateMachine {
    async fn build_snapshot(&mut self) -> StorageResult<Snapshot<Types>> {
        if let Some(snapshot) = self.snapshot().await? {
            return Ok(snapshot);
        }
        self.engine.flush().await.map_err(|error| failure(ErrorSubject::StateMachine, ErrorVerb::Write, error))?;
        let none = || {
            let error = AnyError::error("a flush left no durable root");
            StorageIOError::new(ErrorSubject::StateMachine, ErrorVerb::Read, error)
        };
        Ok(self.snapshot().await?.ok_or_else(none)?)
    }
}
