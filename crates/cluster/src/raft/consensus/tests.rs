//! Who may read without asking, elections, and what a leader that started again may answer.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use env::SimFiles;
use meta::command::{DocumentState, SetDocument};
use meta::{MetaConfig, query};
use openraft::raft::AppendEntriesRequest;
use openraft::{Membership, StoredMembership};

use super::*;
use crate::rpc::{Answer, Call, Handler, HandlerFuture, Method};
use crate::testing::{CLUSTER, Door, Listening};

fn metrics(voters: &[&[u64]], leader: Option<u64>) -> RaftMetrics<u64, BasicNode> {
    let configs = voters.iter().map(|config| config.iter().copied().collect()).collect();
    let membership = Membership::new(configs, None);
    RaftMetrics {
        current_leader: leader,
        membership_config: Arc::new(StoredMembership::new(None, membership)),
        ..RaftMetrics::new_initial(1)
    }
}

#[test]
fn only_a_leader_without_other_voters_reads_without_a_round() {
    assert!(decides_alone(&metrics(&[&[1]], Some(1))));
    for (voters, leader) in [
        (&[&[1][..]][..], None),
        (&[&[1]], Some(2)),
        (&[&[1, 2, 3]], Some(1)),
        (&[&[1], &[1, 2, 3]], Some(1)),
        (&[&[2]], Some(1)),
        (&[], Some(1)),
    ] {
        assert!(!decides_alone(&metrics(voters, leader)), "{voters:?} {leader:?}");
    }
}

#[test]
fn election_timeouts_of_neighbours_differ() {
    let mut timeouts: Vec<u64> = (1..=7).map(|node| election_millis(NodeId(node))).collect();
    timeouts.sort_unstable();
    assert!(timeouts.windows(2).all(|pair| 15 <= pair[1] - pair[0]), "{timeouts:?}");
    assert!(timeouts.iter().all(|millis| (ELECTION_MILLIS.0..ELECTION_MILLIS.1).contains(millis)));
}

/// Answers Raft's calls; entries are lost while it `loses_entries`, only what confirms a leader gets through.
struct Lossy {
    consensus: ConsensusHandler,
    loses_entries: Arc<AtomicBool>,
}

impl Handler for Lossy {
    fn handle(&self, from: NodeId, call: Call) -> HandlerFuture<'_> {
        if call.method == Method::RaftAppend && self.loses_entries.load(Ordering::SeqCst) {
            let request: AppendEntriesRequest<Types> = call.parse().unwrap();
            if request.prev_log_id.is_some() || !request.entries.is_empty() {
                return Box::pin(std::future::pending::<Option<Answer>>());
            }
        }
        self.consensus.handle(from, call)
    }
}

const FIRST: NodeId = NodeId(1);
const SECOND: NodeId = NodeId(2);

struct Node {
    consensus: Arc<RaftConsensus>,
    listening: Listening,
}

impl Node {
    async fn start(door: &Door, files: SimFiles, node: NodeId, peers: Arc<Peers>, listening: Listening) -> Self {
        let env = Env { files: Arc::new(files), ..door.env.clone() };
        let config = MetaConfig { realm: Some(CLUSTER), ..MetaConfig::default() };
        let opened = MetaEngine::open(&env, &[PathBuf::from("/disk/meta")], config).await.unwrap();
        let consensus = RaftConsensus::start(&env, opened, node, peers, Duration::from_millis(400)).await.unwrap();
        consensus.serve(&listening.server);
        Self { consensus, listening }
    }

    async fn set(&self, expected: u64, value: u8) {
        let expected = if expected == 0 { DocumentState::Absent } else { DocumentState::Version(expected) };
        let set = SetDocument { name: "document".to_owned(), expected, value: Some(vec![value]) };
        self.consensus.propose(Command::SetDocument(set)).await.unwrap().unwrap();
    }

    async fn get(&self) -> meta::Result<Vec<u8>> {
        let view = self.consensus.read().await?.view;
        Ok(query::document(view.as_ref(), "document")?.unwrap().value.to_vec())
    }

    /// As a killed process: nothing is flushed.
    async fn kill(self) {
        let tasks = std::mem::take(&mut *self.consensus.tasks.lock());
        tasks.iter().for_each(Task::abort);
        self.consensus.raft.shutdown().await.unwrap();
        self.listening.stop().await;
    }
}

/// Two nodes that vote, the leader first, with their disks; entries to the second are lost while the flag is set.
struct Two {
    door: Door,
    disks: [SimFiles; 2],
    leader: Node,
    follower: Node,
    loses_entries: Arc<AtomicBool>,
}

impl Two {
    async fn start() -> Self {
        let door = Door::open(Env::real());
        let disks = [1, 2].map(|seed| {
            let files = SimFiles::new(seed);
            files.mount(Path::new("/disk"));
            files
        });
        let (one, two) = (Listening::start(&door, FIRST).await, Listening::start(&door, SECOND).await);
        let addresses = [(FIRST, one.address.clone()), (SECOND, two.address.clone())];
        let known: Vec<(NodeId, &str)> = addresses.iter().map(|(node, address)| (*node, address.as_str())).collect();
        let leader = Node::start(&door, disks[0].clone(), FIRST, door.peers(FIRST, &known), one).await;
        let follower = Node::start(&door, disks[1].clone(), SECOND, door.peers(SECOND, &known), two).await;
        let loses_entries = Arc::new(AtomicBool::new(false));
        let lossy = Lossy { consensus: follower.consensus.handler(), loses_entries: loses_entries.clone() };
        follower.listening.server.answer(&[Method::RaftAppend], Arc::new(lossy));
        leader.consensus.begin(&addresses[0].1).await.unwrap();
        leader.consensus.add_learner(SECOND, &addresses[1].1).await.unwrap();
        leader.consensus.set_voters([FIRST, SECOND].into()).await.unwrap();
        Self { door, disks, leader, follower, loses_entries }
    }
}

#[tokio::test]
async fn a_leader_that_starts_again_in_its_term_does_not_answer_what_was_before() {
    let Two { door, disks, leader, follower, loses_entries } = Two::start().await;
    leader.set(0, 1).await;
    leader.consensus.engine().flush().await.unwrap();
    leader.set(1, 2).await;
    let peers = leader.consensus.peers.clone();
    leader.kill().await;
    loses_entries.store(true, Ordering::SeqCst);
    let again = Listening::start(&door, FIRST).await;
    let leader = Node::start(&door, disks[0].kill(), FIRST, peers, again).await;
    let early = leader.get().await;
    assert!(matches!(early, Err(meta::Error::NoQuorum)), "what was answered is not committed again yet: {early:?}");
    loses_entries.store(false, Ordering::SeqCst);
    let late = loop {
        match leader.get().await {
            Ok(value) => break value,
            Err(error) => assert!(matches!(error, meta::Error::NoQuorum), "{error}"),
        }
    };
    assert_eq!(late, [2]);
    for node in [leader, follower] {
        node.kill().await;
    }
}

#[tokio::test]
async fn a_leader_whose_mirrors_are_taken_out_of_service_says_that_it_has_failed() {
    let Two { leader, follower, .. } = Two::start().await;
    let engine = leader.consensus.engine();
    engine.mirrors().iter().for_each(|mirror| engine.retire_mirror(&mirror.directory));
    let reason = leader.consensus.failed().await;
    assert!(reason.contains("no mirror of the metadata works"), "{reason}");
    for node in [leader, follower] {
        node.kill().await;
    }
}

#[tokio::test]
async fn a_node_whose_disks_take_no_metadata_says_that_it_has_failed() {
    let Two { disks, leader, follower, .. } = Two::start().await;
    disks[1].fail_path(Path::new("/disk"), env::Failure::Io);
    let failed = follower.consensus.failed();
    let (reason, ()) = tokio::join!(failed, async {
        let set = SetDocument { name: "document".to_owned(), expected: DocumentState::Absent, value: Some(vec![1]) };
        let alone = leader.consensus.propose(Command::SetDocument(set)).await;
        assert!(matches!(alone, Err(meta::Error::Undecided)), "one of two is no majority: {alone:?}");
    });
    assert!(reason.contains("no mirror works"), "{reason}");
    leader.kill().await;
    // Its Raft has ended already.
    follower.listening.stop().await;
}
