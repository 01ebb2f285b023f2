//! Who answers: hints by SWIM (Das et al., DSN 2002), by the `foca` library, over the calls between nodes.
//!
//! A node that is down here gets no new shards while it is; nothing else follows. Only entries of the consensus change
//! placement or voters, and the steward makes them after longer silences.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU8, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use env::Env;
use foca::{Foca, Identity, NoCustomBroadcast, Notification, PostcardCodec, Runtime, Timer};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use placement::NodeId;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use crate::rpc::{Answer, Call, Handler, HandlerFuture, Method, Peers};

/// Messages that may wait; more are dropped, as the network would.
const QUEUE_LENGTH: usize = 256;

/// Messages under way at once.
const SENDING_MAX: usize = 64;

/// A message that takes longer is of no use.
const SEND_DEADLINE: Duration = Duration::from_millis(800);

/// How often nodes that are not known to be up are greeted again.
const ANNOUNCE_PERIOD: Duration = Duration::from_secs(2);

/// A node that has not been heard within this time after the start is down.
const START_GRACE: Duration = Duration::from_secs(8);

/// What a node adds to its generation when others hold it for dead: a day. A life's generation is the wall clock of its
/// start in milliseconds, and a clock that has been set back must not make the next life look older than the one before.
const GENERATION_STEP: u64 = 24 * 3600 * 1000;

/// One life of a node's process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Life {
    node: u64,
    /// Later lives, and those that contradict their own death, have higher ones.
    generation: u64,
}

impl Identity for Life {
    type Addr = u64;

    fn renew(&self) -> Option<Self> {
        Some(Self { node: self.node, generation: self.generation.saturating_add(GENERATION_STEP) })
    }

    fn addr(&self) -> u64 {
        self.node
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        adversary.generation < self.generation
    }
}

/// What foca wants done after a step.
#[derive(Default)]
struct Effects {
    messages: Vec<(NodeId, Bytes)>,
    timers: Vec<(Duration, Timer<Life>)>,
    up: Vec<NodeId>,
    down: Vec<NodeId>,
}

impl Runtime<Life> for &mut Effects {
    fn notify(&mut self, notification: Notification<'_, Life>) {
        match notification {
            Notification::MemberUp(life) => self.up.push(NodeId(life.node)),
            Notification::MemberDown(life) => self.down.push(NodeId(life.node)),
            _ => {}
        }
    }

    fn send_to(&mut self, to: Life, data: &[u8]) {
        self.messages.push((NodeId(to.node), Bytes::copy_from_slice(data)));
    }

    fn submit_after(&mut self, event: Timer<Life>, after: Duration) {
        self.timers.push((after, event));
    }
}

/// Takes in what other nodes gossip.
pub(crate) struct GossipHandler(mpsc::Sender<Bytes>);

impl Handler for GossipHandler {
    fn handle(&self, _from: NodeId, call: Call) -> HandlerFuture<'_> {
        // Lost messages are what the protocol is made for.
        let _ = self.0.try_send(call.head);
        Box::pin(async { Some(Answer::default()) })
    }
}

/// Listens and probes.
pub(crate) struct Liveness {
    env: Env,
    node: NodeId,
    peers: Arc<Peers>,
    members: watch::Receiver<BTreeSet<NodeId>>,
    down: watch::Sender<BTreeSet<NodeId>>,
    received: mpsc::Receiver<Bytes>,
    foca: Foca<Life, PostcardCodec, ChaCha8Rng, NoCustomBroadcast>,
    /// Ordered by when they are due, on the monotonic clock.
    timers: BTreeMap<(Duration, u64), Timer<Life>>,
    timer_count: u64,
    /// Nodes that answer, by what foca says.
    up: BTreeSet<NodeId>,
    begun: Duration,
}

impl Liveness {
    /// Watches `members`, among them this `node`. Returns the handler of [`Method::Gossip`] and the nodes that are down.
    pub(crate) fn new(
        env: &Env,
        node: NodeId,
        peers: Arc<Peers>,
        members: watch::Receiver<BTreeSet<NodeId>>,
    ) -> (Self, GossipHandler, watch::Receiver<BTreeSet<NodeId>>) {
        let mut seed = [0; 32];
        env.entropy.fill(&mut seed);
        let life = Life { node: node.0, generation: env.clock.now().0 };
        let foca = Foca::new(life, config(), ChaCha8Rng::from_seed(seed), PostcardCodec);
        let (sender, received) = mpsc::channel(QUEUE_LENGTH);
        let down = watch::Sender::new(BTreeSet::new());
        let watched = down.subscribe();
        let begun = env.clock.monotonic();
        let (timers, up) = (BTreeMap::new(), BTreeSet::new());
        let env = env.clone();
        let liveness = Self { env, node, peers, members, down, received, foca, timers, timer_count: 0, up, begun };
        (liveness, GossipHandler(sender), watched)
    }

    /// Runs until `stopping` says so.
    pub(crate) async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        let mut sending = FuturesUnordered::new();
        let mut announce_at = Duration::ZERO;
        loop {
            let now = self.env.clock.monotonic();
            let mut effects = Effects::default();
            if announce_at <= now {
                self.announce(&mut effects);
                announce_at = now + ANNOUNCE_PERIOD;
            }
            self.fire(now, &mut effects);
            self.carry_out(now, &mut effects);
            self.publish(now);
            for (node, data) in effects.messages {
                if sending.len() < SENDING_MAX {
                    let peers = self.peers.clone();
                    let call = Call { head: data, ..Call::new(Method::Gossip, &(), SEND_DEADLINE) };
                    sending.push(async move { peers.call(node, call).await });
                }
            }
            let due = self.timers.keys().next().map_or(announce_at, |(due, _)| (*due).min(announce_at));
            let pause = self.env.clock.sleep(due.saturating_sub(now).max(Duration::from_millis(1)));
            tokio::select! {
                biased;
                () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => return,
                Some(data) = self.received.recv() => self.receive(&data).await,
                // What became of a message is no news: the protocol finds out by itself.
                Some(_) = sending.next() => {}
                () = pause => {}
            }
        }
    }

    async fn receive(&mut self, data: &[u8]) {
        let mut effects = Effects::default();
        if let Err(error) = self.foca.handle_data(data, &mut effects) {
            tracing::debug!(%error, "a gossip message made no sense");
        }
        let now = self.env.clock.monotonic();
        self.carry_out(now, &mut effects);
        self.publish(now);
        let replies = effects.messages.into_iter().map(|(node, data)| {
            let call = Call { head: data, ..Call::new(Method::Gossip, &(), SEND_DEADLINE) };
            let peers = self.peers.clone();
            async move { peers.call(node, call).await }
        });
        // Answers in their own tasks: the one who waits for them is being probed.
        for reply in replies {
            self.env.spawn.task("gossip-reply", Box::pin(async move { drop(reply.await) }));
        }
    }

    fn announce(&mut self, effects: &mut Effects) {
        let members = self.members.borrow().clone();
        for node in members {
            if node != self.node && !self.up.contains(&node) {
                let greeted = self.foca.announce(Life { node: node.0, generation: 0 }, &mut *effects);
                if let Err(error) = greeted {
                    tracing::debug!(%error, "a node could not be greeted");
                }
            }
        }
    }

    fn fire(&mut self, now: Duration, effects: &mut Effects) {
        while let Some(entry) = self.timers.first_entry() {
            if now < entry.key().0 {
                return;
            }
            if let Err(error) = self.foca.handle_timer(entry.remove(), &mut *effects) {
                tracing::debug!(%error, "a gossip timer made no sense");
            }
        }
    }

    fn carry_out(&mut self, now: Duration, effects: &mut Effects) {
        for (after, timer) in effects.timers.drain(..) {
            self.timer_count += 1;
            self.timers.insert((now + after, self.timer_count), timer);
        }
        self.up.extend(effects.up.drain(..));
        for node in effects.down.drain(..) {
            self.up.remove(&node);
        }
    }

    /// Tells who is down: every other member that is not up, except shortly after the start.
    fn publish(&self, now: Duration) {
        if now < self.begun + START_GRACE {
            return;
        }
        let members = self.members.borrow();
        let down: BTreeSet<NodeId> =
            members.iter().copied().filter(|node| *node != self.node && !self.up.contains(node)).collect();
        self.down.send_if_modified(|before| {
            for node in down.difference(before) {
                tracing::warn!(node = node.0, "a node does not answer");
            }
            for node in before.difference(&down) {
                tracing::info!(node = node.0, "a node answers");
            }
            let changed = *before != down;
            *before = down.clone();
            changed
        });
    }
}

fn config() -> foca::Config {
    foca::Config {
        probe_period: Duration::from_secs(1),
        probe_rtt: Duration::from_millis(500),
        num_indirect_probes: NonZeroUsize::new(3).expect("3 is not 0"),
        max_transmissions: NonZeroU8::new(10).expect("10 is not 0"),
        suspect_to_down_after: Duration::from_secs(3),
        // A node that was cut off is told that it was given up, so that it begins another life.
        notify_down_members: true,
        ..foca::Config::simple()
    }
}
