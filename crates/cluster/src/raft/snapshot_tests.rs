//! A snapshot from one node's state machine to another's, as openraft moves it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::{Env, SeededEntropy, SimFiles};
use meta::{MetaConfig, MetaEngine, Offer, Opened, PageRequest, PageSource, PagesFuture};
use openraft::storage::{RaftLogStorage, RaftStateMachine};
use openraft::{BasicNode, EntryPayload, Membership, RaftLogReader, RaftSnapshotBuilder};

use super::entry::{Entry, StateSnapshot, raft_log_id};
use super::log_store::{LogStore, Recent};
use super::state_machine::StateMachine;

/// A node's storage, as openraft sees it.
struct Node {
    opened: Opened,
    machine: StateMachine,
    log: LogStore,
}

async fn node(number: u64) -> Node {
    let files = SimFiles::new(number);
    files.mount(Path::new("/disk"));
    let env = Env { files: Arc::new(files), entropy: Arc::new(SeededEntropy::new(number)), ..Env::real() };
    let config = MetaConfig { realm: Some(7), ..MetaConfig::default() };
    let opened = MetaEngine::open(&env, &[PathBuf::from("/disk/meta")], config).await.unwrap();
    let recent = Recent::default();
    let log = LogStore::new(env.clone(), opened.log.clone(), recent.clone(), opened.engine.durable());
    let machine = StateMachine::new(env, opened.engine.clone(), recent);
    Node { opened, machine, log }
}

fn entry(index: u64, payload: EntryPayload<super::entry::Types>) -> Entry {
    Entry { log_id: raft_log_id(meta::LogId { term: 1, node: 1, index }), payload }
}

/// The way to another node's engine.
struct Road(Arc<MetaEngine>);

impl PageSource for Road {
    fn pages(&self, request: PageRequest) -> PagesFuture<'_> {
        Box::pin(self.0.serve(request))
    }
}

/// What is sent of a snapshot: it travels as its encoding.
fn sent(snapshot: &StateSnapshot) -> Offer {
    let StateSnapshot::Offered(offer) = snapshot else { panic!("what is built is offered") };
    postcard::from_bytes(&postcard::to_stdvec(offer).unwrap()).unwrap()
}

#[tokio::test]
async fn a_snapshot_is_received_installed_and_the_log_goes_on_behind_it() {
    let (mut leader, mut follower) = (node(1).await, node(2).await);
    let members = Membership::new(vec![[1, 2].into()], None);
    let entries = [entry(1, EntryPayload::Membership(members)), entry(2, EntryPayload::Blank)];
    leader.machine.apply(entries).await.unwrap();
    let built = leader.machine.build_snapshot().await.unwrap();
    let offer = sent(&built.snapshot);

    let snapshot = follower.machine.receive(&offer, &Road(leader.opened.engine.clone())).await.unwrap();
    assert_eq!(snapshot.meta, built.meta);
    let last = raft_log_id(offer.applied());
    let (mut documents, applied) = (follower.machine.documents(), follower.machine.applied());
    documents.borrow_and_update();
    // openraft asks for the purge at once; it waits for the state that makes up for the entries.
    let install = follower.machine.install_snapshot(&snapshot.meta, snapshot.snapshot);
    let (purged, installed) = tokio::join!(follower.log.purge(last), install);
    purged.unwrap();
    installed.unwrap();
    assert_eq!(*applied.borrow(), last.index, "who waits for an entry need not wait any more");
    assert!(documents.has_changed().unwrap(), "who follows the documents looks at them again");
    let state = follower.log.get_log_state().await.unwrap();
    assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(last), Some(last)));
    assert_eq!(follower.machine.applied_state().await.unwrap(), leader.machine.applied_state().await.unwrap());
    let own = follower.machine.get_current_snapshot().await.unwrap().unwrap();
    assert_eq!((own.meta, sent(&own.snapshot).state_hash()), (built.meta, offer.state_hash()));
    for opened in [leader.opened, follower.opened] {
        opened.engine.close().await;
    }
}

#[tokio::test]
async fn entries_whose_first_is_purged_are_not_sent_at_all() {
    let mut node = node(1).await;
    let entries = (0..8).map(|index| super::entry::encode(&entry(index, EntryPayload::Blank)).unwrap());
    node.opened.log.append(entries.collect(), Box::new(|durable| durable.unwrap())).await.unwrap();
    node.opened.log.purge(meta::LogId { term: 1, node: 1, index: 4 }).await.unwrap();
    for (start, expected) in [(5, vec![5, 6, 7]), (6, vec![6, 7]), (4, vec![]), (0, vec![]), (8, vec![])] {
        let sent = node.log.limited_get_log_entries(start, 9).await.unwrap();
        assert_eq!(sent.iter().map(|entry| entry.log_id.index).collect::<Vec<_>>(), expected, "from {start}");
    }
    node.opened.engine.close().await;
}

#[tokio::test]
async fn a_snapshot_that_was_not_fetched_is_refused() {
    let (mut leader, mut follower) = (node(1).await, node(2).await);
    leader.machine.apply([entry(1, EntryPayload::Blank)]).await.unwrap();
    let built = leader.machine.build_snapshot().await.unwrap();
    assert!(follower.machine.install_snapshot(&built.meta, built.snapshot).await.is_err());
    let before: openraft::StoredMembership<u64, BasicNode> = Default::default();
    assert_eq!(follower.machine.applied_state().await.unwrap(), (None, before));
    for opened in [leader.opened, follower.opened] {
        opened.engine.close().await;
    }
}
