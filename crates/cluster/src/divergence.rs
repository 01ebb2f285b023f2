//! Whether this node made the same of the same entries as the others (I17): compared now and then. A node that did not serves
//! nobody any more.
//!
//! Nobody knows who is right; what most voters made of the entries counts. A node that a majority of the voters differs
//! from stops, the leader too. When there is no majority either way, because voters do not answer, a node that differs
//! from the leader stops.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use env::Env;
use futures_util::future::join_all;
use meta::{Agreement, EffectsMark};
use placement::NodeId;
use tokio::sync::watch;

use crate::raft::RaftConsensus;
use crate::rpc::{Answer, Call, Handler, HandlerFuture, Method, Peers};

/// How often a node compares itself with the others.
const PERIOD: Duration = Duration::from_secs(20);

/// How long another may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// Tells what this node made of its entries.
pub(crate) struct MarksHandler(pub(crate) Arc<RaftConsensus>);

impl Handler for MarksHandler {
    fn handle(&self, _from: NodeId, _call: Call) -> HandlerFuture<'_> {
        let marks = self.0.engine().effects_marks();
        Box::pin(async move { Some(Answer::new(&marks)) })
    }
}

/// Compares this node with the others.
pub(crate) struct Comparison {
    pub(crate) env: Env,
    pub(crate) node: NodeId,
    pub(crate) consensus: Arc<RaftConsensus>,
    pub(crate) peers: Arc<Peers>,
}

/// What the voters made of the entries, compared with this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    voters: usize,
    /// Voters that made the same of them, this node among them if it votes.
    like: usize,
    /// Voters that made something else of them.
    unlike: usize,
    /// The leader, which is another node, did.
    differs_from_leader: bool,
}

impl Tally {
    /// Whether this node is the one that is wrong, as far as can be told.
    fn condemns(self) -> bool {
        let is_majority = |count: usize| self.voters < 2 * count;
        is_majority(self.unlike) || (self.differs_from_leader && !is_majority(self.like))
    }
}

impl Comparison {
    /// Compares, until `stopping` says so or this node is found to have diverged.
    pub(crate) async fn run(self, mut stopping: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return,
                () = self.env.clock.sleep(PERIOD) => {}
            }
            if self.compare().await.condemns() {
                tracing::error!(
                    "this node's metadata differs from the others': it serves nobody any more. Stop it, keep its disks for \
                     inspection, and let the cluster go on without it"
                );
                self.consensus.condemn().await;
                return;
            }
        }
    }

    /// Asks the voters, and the leader, what they made of the entries.
    async fn compare(&self) -> Tally {
        let (voters, leader): (BTreeSet<NodeId>, Option<NodeId>) = {
            let metrics = self.consensus.metrics();
            let metrics = metrics.borrow();
            let voters = metrics.membership_config.voter_ids().map(NodeId).collect();
            (voters, metrics.current_leader.map(NodeId))
        };
        let like = usize::from(voters.contains(&self.node));
        let mut tally = Tally { voters: voters.len(), like, ..Tally::default() };
        let others = voters.into_iter().filter(|voter| *voter != self.node);
        let found = join_all(others.map(|other| async move { (other, self.compare_with(other).await) })).await;
        for (other, agreement) in found {
            match agreement {
                Agreement::Equal { .. } => tally.like += 1,
                Agreement::Diverged { index } => {
                    tracing::error!(index, other = other.0, "two nodes made different things of the same entries");
                    tally.unlike += 1;
                    tally.differs_from_leader |= leader == Some(other);
                }
                Agreement::Unknown => {}
            }
        }
        tally
    }

    async fn compare_with(&self, other: NodeId) -> Agreement {
        let answer = self.peers.call(other, Call::new(Method::EffectsMarks, &(), DEADLINE)).await;
        match answer.and_then(|answer| answer.parse::<Vec<EffectsMark>>(other)) {
            Ok(theirs) => self.consensus.engine().compare_effects(&theirs),
            Err(_) => Agreement::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicBool, Ordering};

    use env::{ManualClock, SimFiles, UnixMillis};
    use futures_util::FutureExt;
    use meta::command::CreateBucket;
    use meta::{Command, Consensus, MetaConfig, MetaEngine};

    use super::*;
    use crate::testing::{CLUSTER, Door, Listening};

    #[test]
    fn the_minority_stops_and_without_a_majority_whoever_differs_from_the_leader() {
        let tally = |voters, like, unlike, differs_from_leader| Tally { voters, like, unlike, differs_from_leader };
        for (name, tally, expected) in [
            ("all agree", tally(3, 3, 0, false), false),
            ("one other of three differs", tally(3, 2, 1, false), false),
            ("the leader of three differs from both others", tally(3, 2, 1, true), false),
            ("this leader differs from both others", tally(3, 1, 2, false), true),
            ("this follower differs from both others", tally(3, 1, 2, true), true),
            ("one of three is down, this follower differs from the leader", tally(3, 1, 1, true), true),
            ("one of three is down, this leader differs from the follower", tally(3, 1, 1, false), false),
            ("a learner differs from the only voter", tally(1, 0, 1, true), true),
            ("a learner agrees with two of three, not with the leader", tally(3, 2, 1, true), false),
            ("nobody answers", tally(5, 1, 0, false), false),
            ("two of five differ", tally(5, 3, 2, true), false),
            ("three of five differ", tally(5, 2, 3, false), true),
        ] {
            assert_eq!(tally.condemns(), expected, "{name}");
        }
    }

    /// As [`MarksHandler`], of a node that made something else of its entries while `lies`.
    struct Liar {
        marks: MarksHandler,
        lies: Arc<AtomicBool>,
    }

    impl Handler for Liar {
        fn handle(&self, _from: NodeId, _call: Call) -> HandlerFuture<'_> {
            let mut marks = self.marks.0.engine().effects_marks();
            if self.lies.load(Ordering::SeqCst) {
                marks.iter_mut().for_each(|mark| mark.effects[0] ^= 1);
            }
            Box::pin(async move { Some(Answer::new(&marks)) })
        }
    }

    struct Node {
        listening: Listening,
        consensus: Arc<RaftConsensus>,
        comparison: Comparison,
        lies: Arc<AtomicBool>,
    }

    /// Three nodes that vote, the first of which leads.
    async fn three_nodes() -> Vec<Node> {
        let door = Door::open(Env::real());
        let ids = [1, 2, 3].map(NodeId);
        let mut listening = Vec::new();
        for id in ids {
            listening.push(Listening::start(&door, id).await);
        }
        let addresses: Vec<String> = listening.iter().map(|node| node.address.clone()).collect();
        let known: Vec<(NodeId, &str)> = ids.into_iter().zip(addresses.iter().map(String::as_str)).collect();
        let mut nodes = Vec::new();
        for (id, listening) in ids.into_iter().zip(listening) {
            let files = SimFiles::new(id.0);
            files.mount(Path::new("/disk"));
            let env = Env { files: Arc::new(files), ..door.env.clone() };
            let config = MetaConfig { realm: Some(CLUSTER), ..MetaConfig::default() };
            let opened = MetaEngine::open(&env, &[PathBuf::from("/disk/meta")], config).await.unwrap();
            let peers = door.peers(id, &known);
            let consensus =
                RaftConsensus::start(&env, opened, id, peers.clone(), Duration::from_secs(10)).await.unwrap();
            consensus.serve(&listening.server);
            let lies = Arc::new(AtomicBool::new(false));
            let liar = Liar { marks: MarksHandler(consensus.clone()), lies: lies.clone() };
            listening.server.answer(&[Method::EffectsMarks], Arc::new(liar));
            let clock = Arc::new(ManualClock::new(UnixMillis(0)));
            let comparison = Comparison { env: Env { clock, ..env }, node: id, consensus: consensus.clone(), peers };
            nodes.push(Node { listening, consensus, comparison, lies });
        }
        nodes[0].consensus.begin(&addresses[0]).await.unwrap();
        for id in [2, 3] {
            nodes[0].consensus.add_learner(NodeId(id), &addresses[usize::try_from(id).unwrap() - 1]).await.unwrap();
        }
        nodes[0].consensus.set_voters(ids.into()).await.unwrap();
        nodes
    }

    async fn create_bucket(consensus: &RaftConsensus, name: &str) -> meta::Result<()> {
        let bucket = CreateBucket {
            name: name.to_owned(),
            owner: "owner".to_owned(),
            region: None,
            has_lock: false,
            configurations: Default::default(),
        };
        consensus.propose(Command::CreateBucket(bucket)).await.map(drop)
    }

    #[tokio::test]
    async fn a_leader_that_differs_from_the_others_stops_and_the_others_go_on() {
        let mut nodes = three_nodes().await;
        create_bucket(&nodes[0].consensus, "before").await.unwrap();
        // Read, and therefore applied, everywhere.
        for node in &nodes {
            node.consensus.read().await.unwrap();
        }
        for node in &nodes {
            let tally = node.comparison.compare().await;
            assert_eq!(tally, Tally { voters: 3, like: 3, unlike: 0, differs_from_leader: false });
        }

        // One follower is found to differ: the others go on.
        nodes[2].lies.store(true, Ordering::SeqCst);
        assert!(!nodes[0].comparison.compare().await.condemns());
        assert!(!nodes[1].comparison.compare().await.condemns());

        // For the leader, both others differ.
        nodes[1].lies.store(true, Ordering::SeqCst);
        let Node { listening, consensus, comparison, .. } = nodes.remove(0);
        let stopping = watch::Sender::new(false);
        comparison.run(stopping.subscribe()).await;
        let refused = create_bucket(&consensus, "after").await;
        assert!(matches!(refused, Err(meta::Error::Inconsistent(_))), "{refused:?}");
        assert!(consensus.read().await.is_err() && !consensus.is_running());
        // Started again it would serve what is wrong.
        assert!(consensus.failed().now_or_never().is_none(), "it is to stay as it is, for inspection");
        // Commands that were on their way to the former leader are undecided; another leads soon.
        let goes_on = async { while create_bucket(&nodes[0].consensus, "after").await.is_err() {} };
        assert!(tokio::time::timeout(Duration::from_secs(30), goes_on).await.is_ok(), "the others elect nobody");
        for node in nodes {
            let _closed = node.consensus.close().await;
            node.listening.stop().await;
        }
        listening.stop().await;
    }
}
