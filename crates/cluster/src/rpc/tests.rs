//! Two nodes that call each other over loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use env::{Env, Listener, Net, NetFuture, Stream};
use placement::NodeId;

use super::*;
use crate::security::fingerprint;
use crate::testing::{Door, Listening};

const DEADLINE: Duration = Duration::from_secs(10);

/// Answers with what it was sent, and who sent it.
struct Echo;

impl Handler for Echo {
    fn handle(&self, from: NodeId, call: Call) -> HandlerFuture<'_> {
        Box::pin(async move { Some(Answer { body: call.body, ..Answer::new(&(from, call.head.to_vec())) }) })
    }
}

/// Never answers.
struct Silent;

impl Handler for Silent {
    fn handle(&self, _: NodeId, _: Call) -> HandlerFuture<'_> {
        Box::pin(std::future::pending())
    }
}

/// Counts the connections made.
struct Counted {
    net: Arc<dyn Net>,
    made: AtomicUsize,
}

impl Net for Counted {
    fn connect(&self, address: String) -> NetFuture<'static, Box<dyn Stream>> {
        self.made.fetch_add(1, Ordering::Relaxed);
        self.net.connect(address)
    }

    fn listen(&self, address: String) -> NetFuture<'static, Box<dyn Listener>> {
        self.net.listen(address)
    }
}

/// Node 2, which echoes shards and is silent about pages.
async fn start(door: &Door) -> Listening {
    let listening = Listening::start(door, NodeId(2)).await;
    listening.server.answer(&[Method::ShardRead], Arc::new(Echo));
    listening.server.answer(&[Method::Pages], Arc::new(Silent));
    listening.server.admit(Arc::new(Echo));
    listening
}

/// Node 1, which expects nodes 2 and 3 where node 2 is.
fn caller(door: &Door, running: &Listening) -> Arc<Peers> {
    door.peers(NodeId(1), &[(NodeId(2), &running.address), (NodeId(3), &running.address)])
}

fn call(method: Method) -> Call {
    let body = vec![Bytes::from_static(b"first "), Bytes::from(vec![7; 1 << 20])];
    Call { body, ..Call::new(method, &"question", DEADLINE) }
}

#[tokio::test]
async fn a_call_reaches_its_handler_with_the_caller_s_identity_and_comes_back() {
    let door = Door::open(Env::real());
    let running = start(&door).await;
    let peers = caller(&door, &running);
    for _ in 0..3 {
        let answer = peers.call(NodeId(2), call(Method::ShardRead)).await.unwrap();
        let (from, head): (NodeId, Vec<u8>) = answer.parse(NodeId(2)).unwrap();
        assert_eq!((from, head), (NodeId(1), postcard::to_stdvec(&"question").unwrap()));
        assert_eq!(answer.body.concat().len(), 6 + (1 << 20));
    }
    running.stop().await;
    let gone = peers.call(NodeId(2), call(Method::ShardRead)).await;
    assert!(matches!(gone, Err(CallError::Unreachable { .. } | CallError::Broken { .. })), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_follow_each_other_share_a_connection() {
    let env = Env::real();
    let counted = Arc::new(Counted { net: env.net.clone(), made: AtomicUsize::new(0) });
    let door = Door::open(Env { net: counted.clone(), ..env });
    let running = start(&door).await;
    let peers = caller(&door, &running);
    for _ in 0..200 {
        peers.call(NodeId(2), call(Method::ShardRead)).await.unwrap();
    }
    assert_eq!(counted.made.load(Ordering::Relaxed), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_node_that_is_not_the_one_expected_is_not_told_anything() {
    let door = Door::open(Env::real());
    let running = start(&door).await;
    let peers = caller(&door, &running);
    let refused = peers.call(NodeId(3), call(Method::ShardRead)).await;
    assert!(matches!(refused, Err(CallError::Unreachable { .. })), "{refused:?}");
    let unknown = peers.call(NodeId(9), call(Method::ShardRead)).await;
    assert!(matches!(unknown, Err(CallError::Unreachable { .. })), "{unknown:?}");
    let other = Door::open(Env::real());
    let foreign = caller(&other, &running).call(NodeId(2), call(Method::ShardRead)).await;
    assert!(foreign.is_err(), "a certificate of another cluster with the same id");
    running.stop().await;
}

#[tokio::test]
async fn whoever_has_no_certificate_can_only_ask_to_join() {
    let door = Door::open(Env::real());
    let running = start(&door).await;
    let right = fingerprint(door.authority.certificate());
    let ask = |fingerprint, method| {
        let (env, address) = (door.env.clone(), running.address.clone());
        let call = Call::new(method, &"question", DEADLINE);
        async move { ask_to_join(&env, &address, fingerprint, call).await }
    };
    assert!(ask(right, Method::Join).await.is_ok());
    assert!(matches!(ask([0; 32], Method::Join).await, Err(DoorFault::AnotherCluster)));
    let refused = ask(right, Method::ShardRead).await;
    assert!(matches!(&refused, Err(DoorFault::Failed(reason)) if reason.contains("403")), "{refused:?}");
    running.server.ban(vec![NodeId(1)]);
    let banned = caller(&door, &running);
    let refused = banned.call(NodeId(2), call(Method::ShardRead)).await;
    assert!(matches!(refused, Err(CallError::Forbidden { .. })), "{refused:?}");
    assert!(banned.say_removed().await);
    assert!(!door.peers(NodeId(3), &[(NodeId(2), &running.address)]).say_removed().await);
    running.stop().await;
}

#[tokio::test]
async fn a_silent_node_costs_no_more_than_the_deadline_and_an_unknown_method_nothing() {
    let door = Door::open(Env::real());
    let running = start(&door).await;
    let peers = caller(&door, &running);
    let late = Call { deadline: Duration::from_millis(300), ..call(Method::Pages) };
    assert!(matches!(peers.call(NodeId(2), late).await, Err(CallError::Expired { .. } | CallError::Broken { .. })));
    let unanswered = peers.call(NodeId(2), call(Method::Propose)).await;
    assert!(matches!(unanswered, Err(CallError::Overloaded { .. })), "{unanswered:?}");
    assert!(peers.call(NodeId(2), call(Method::ShardRead)).await.is_ok());
    running.stop().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_used_without_a_restart() {
    let door = Door::open(Env::real());
    let running = start(&door).await;
    let tls = door.tls(NodeId(1));
    let peers = Peers::new(door.env.clone());
    peers.use_tls(tls.clone());
    peers.set_addresses([(NodeId(2), running.address.clone())].into());
    tls.renew(&door.passport(NodeId(5))).unwrap();
    let answer = peers.call(NodeId(2), call(Method::ShardRead)).await.unwrap();
    let (from, _): (NodeId, Vec<u8>) = answer.parse(NodeId(2)).unwrap();
    assert_eq!(from, NodeId(5));
    running.stop().await;
}
