//! Who still reads what: shards that were retired are freed once no node has a reader of a state that names them.
//!
//! The node that frees asks all others. One that has not been able to tell for [`SILENCE_MAX`] is not waited for any longer:
//! should it serve a reader nevertheless, cut off from the others, that reader finds shards missing and breaks off. It
//! never gets wrong bytes, since shards are verified against their write, which is never used again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use env::Env;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use parking_lot::{Mutex, RwLock};
use placement::NodeId;

use crate::cluster::Cluster;
use crate::rpc::{Answer, Call, Handler, HandlerFuture, Method, Peers};

/// How long a node may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// How long nothing is freed for the sake of a node that does not answer.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Tells the index of the oldest state that a reader of this node may still read from; readers that begin later read
/// from that or a newer one. `None` when that cannot be told now.
pub type OldestReader = Arc<dyn Fn() -> BoxFuture<'static, Option<u64>> + Send + Sync>;

/// Asks other nodes for their oldest readers, and tells them of this node's.
pub(crate) struct Readers {
    env: Env,
    node: NodeId,
    peers: Arc<Peers>,
    own: RwLock<Option<OldestReader>>,
    /// When each node answered last, or was first asked, on the monotonic clock.
    heard: Mutex<BTreeMap<NodeId, Duration>>,
}

impl Readers {
    pub(crate) fn new(env: Env, node: NodeId, peers: Arc<Peers>) -> Self {
        Self { env, node, peers, own: RwLock::default(), heard: Mutex::default() }
    }

    /// See [`Cluster::oldest_reader_elsewhere`].
    async fn oldest_elsewhere(&self) -> Option<u64> {
        let nodes: Vec<NodeId> = self.peers.nodes().into_iter().filter(|node| *node != self.node).collect();
        self.heard.lock().retain(|node, _| nodes.contains(node));
        let answers = join_all(nodes.into_iter().map(|node| self.ask(node))).await;
        answers.into_iter().try_fold(u64::MAX, |oldest, answer| Some(oldest.min(answer?)))
    }

    /// The oldest reader of `node`; `None` while it has to be waited for.
    async fn ask(&self, node: NodeId) -> Option<u64> {
        let asked = self.env.clock.monotonic();
        let answer = self.peers.call(node, Call::new(Method::OldestReader, &(), DEADLINE)).await;
        let oldest = answer.and_then(|answer| answer.parse::<Option<u64>>(node));
        let mut heard = self.heard.lock();
        let last = heard.entry(node).or_insert(asked);
        match oldest {
            Ok(Some(oldest)) => {
                *last = asked;
                Some(oldest)
            }
            Ok(None) | Err(_) if SILENCE_MAX <= asked.saturating_sub(*last) => {
                tracing::debug!(node = node.0, "what a silent node may read is freed");
                Some(u64::MAX)
            }
            Ok(None) | Err(_) => None,
        }
    }
}

impl Handler for Readers {
    fn handle(&self, _: NodeId, _: Call) -> HandlerFuture<'_> {
        async {
            let own = self.own.read().clone();
            let oldest = match own {
                Some(own) => own().await,
                // It serves nobody yet; whoever comes reads what is newest then. But that is not known to be so.
                None => None,
            };
            Some(Answer::new(&oldest))
        }
        .boxed()
    }
}

impl Cluster {
    /// Has this node answer other nodes who ask for its oldest reader.
    pub fn tell_oldest_reader(&self, oldest: OldestReader) {
        *self.readers.own.write() = Some(oldest);
    }

    /// Index of the oldest state that a reader of another node may still read from; `u64::MAX` when there are no other
    /// nodes. `None` when a node does not say: nothing may be freed now.
    pub async fn oldest_reader_elsewhere(&self) -> Option<u64> {
        self.readers.oldest_elsewhere().await
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.readers.node
    }

    /// Whether this node leads the cluster, as far as it knows: it does what one node has to do for all.
    pub fn is_leader(&self) -> bool {
        self.consensus.is_leader()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use env::{Clock, UnixMillis};

    use super::*;
    use crate::testing::{Door, Listening};

    const LEADER: NodeId = NodeId(1);
    const READER: NodeId = NodeId(2);

    /// The real clock, and what the test adds to it.
    struct ShiftedClock {
        real: Arc<dyn Clock>,
        shift_seconds: AtomicU64,
    }

    impl Clock for ShiftedClock {
        fn now(&self) -> UnixMillis {
            self.real.now()
        }

        fn monotonic(&self) -> Duration {
            self.real.monotonic() + Duration::from_secs(self.shift_seconds.load(Ordering::SeqCst))
        }

        fn sleep(&self, span: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
            self.real.sleep(span)
        }
    }

    #[tokio::test]
    async fn others_are_waited_for_until_they_have_been_silent_for_long() {
        let real = Env::real();
        let clock = Arc::new(ShiftedClock { real: real.clock.clone(), shift_seconds: AtomicU64::new(0) });
        let env = Env { clock: clock.clone(), ..real };
        let door = Door::open(env.clone());
        let listening = Listening::start(&door, READER).await;
        let other = Arc::new(Readers::new(env.clone(), READER, Arc::new(Peers::new(env.clone()))));
        listening.server.answer(&[Method::OldestReader], other.clone());
        let peers = door.peers(LEADER, &[(LEADER, "127.0.0.1:1"), (READER, &listening.address)]);

        let readers = Readers::new(env.clone(), LEADER, peers);
        assert_eq!(readers.oldest_elsewhere().await, None, "the other node cannot say yet");
        *other.own.write() = Some(Arc::new(|| async { Some(41) }.boxed()));
        assert_eq!(readers.oldest_elsewhere().await, Some(41));
        listening.stop().await;
        assert_eq!(readers.oldest_elsewhere().await, None, "it is gone, and may be back");
        clock.shift_seconds.store(61, Ordering::SeqCst);
        assert_eq!(readers.oldest_elsewhere().await, Some(u64::MAX), "it has been gone for long");
        let alone = Arc::new(Peers::new(env.clone()));
        assert_eq!(Readers::new(env, LEADER, alone).oldest_elsewhere().await, Some(u64::MAX), "nobody else is there");
    }
}
