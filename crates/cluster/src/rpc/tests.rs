//! Two nodes that call each other over loopback.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use env::{Env, Task};
use placement::NodeId;
use tokio::sync::watch;

use super::*;
use crate::security::{Authority, NodeKey, Passport, fingerprint};

const CLUSTER: u128 = 77;
const DEADLINE: Duration = Duration::from_secs(10);

struct Door {
    env: Env,
    authority: Authority,
}

impl Door {
    fn open() -> Self {
        let env = Env::real();
        let authority = Authority::create(&env, CLUSTER).unwrap();
        Self { env, authority }
    }

    fn passport(&self, node: u64) -> Passport {
        let key = NodeKey::generate(&self.env);
        let node = NodeId(node);
        let certificate = self.authority.sign(&self.env, CLUSTER, node, &key.public_key().unwrap()).unwrap();
        Passport { cluster_id: CLUSTER, node, key, certificate, authority: self.authority.certificate().to_vec() }
    }

    fn tls(&self, node: u64) -> Arc<Tls> {
        Arc::new(Tls::new(&self.env, &self.passport(node)).unwrap())
    }
}

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

struct Running {
    server: Arc<Server>,
    address: String,
    stopping: watch::Sender<bool>,
    task: Task,
}

impl Running {
    /// Node 2, which echoes shards and is silent about pages.
    async fn start(door: &Door) -> Self {
        let listener = door.env.net.listen("127.0.0.1:0".to_owned()).await.unwrap();
        let address = listener.local_address().unwrap().to_string();
        let server = Server::new(door.env.clone(), door.tls(2));
        server.answer(&[Method::ShardRead], Arc::new(Echo));
        server.answer(&[Method::Pages], Arc::new(Silent));
        server.admit(Arc::new(Echo));
        let stopping = watch::Sender::new(false);
        let task = door.env.spawn.task("server", Box::pin(server.clone().run(listener, stopping.subscribe())));
        Self { server, address, stopping, task }
    }

    fn caller(&self, door: &Door, tls: Arc<Tls>) -> Peers {
        let peers = Peers::new(door.env.clone());
        peers.use_tls(tls);
        peers.set_addresses([(NodeId(2), self.address.clone()), (NodeId(3), self.address.clone())].into());
        peers
    }

    async fn stop(self) {
        self.stopping.send_replace(true);
        self.task.join().await.unwrap();
    }
}

fn call(method: Method) -> Call {
    let body = vec![Bytes::from_static(b"first "), Bytes::from(vec![7; 1 << 20])];
    Call { body, ..Call::new(method, &"question", DEADLINE) }
}

#[tokio::test]
async fn a_call_reaches_its_handler_with_the_caller_s_identity_and_comes_back() {
    let door = Door::open();
    let running = Running::start(&door).await;
    let peers = running.caller(&door, door.tls(1));
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

#[tokio::test]
async fn a_node_that_is_not_the_one_expected_is_not_told_anything() {
    let door = Door::open();
    let running = Running::start(&door).await;
    let peers = running.caller(&door, door.tls(1));
    let refused = peers.call(NodeId(3), call(Method::ShardRead)).await;
    assert!(matches!(refused, Err(CallError::Unreachable { .. })), "{refused:?}");
    let unknown = peers.call(NodeId(9), call(Method::ShardRead)).await;
    assert!(matches!(unknown, Err(CallError::Unreachable { .. })), "{unknown:?}");
    let other = Door::open();
    let foreign = running.caller(&door, other.tls(1)).call(NodeId(2), call(Method::ShardRead)).await;
    assert!(foreign.is_err(), "a certificate of another cluster with the same id");
    running.stop().await;
}

#[tokio::test]
async fn whoever_has_no_certificate_can_only_ask_to_join() {
    let door = Door::open();
    let running = Running::start(&door).await;
    let right = fingerprint(door.authority.certificate());
    let ask = |fingerprint, method| {
        let (env, address) = (door.env.clone(), running.address.clone());
        let call = Call::new(method, &"question", DEADLINE);
        async move { ask_to_join(&env, &address, fingerprint, call).await }
    };
    assert!(ask(right, Method::Join).await.is_ok());
    assert!(ask([0; 32], Method::Join).await.is_err(), "of another cluster");
    assert!(ask(right, Method::ShardRead).await.unwrap_err().contains("403"));
    running.server.ban(vec![NodeId(1)]);
    let banned = running.caller(&door, door.tls(1)).call(NodeId(2), call(Method::ShardRead)).await;
    assert!(matches!(banned, Err(CallError::Broken { .. })), "{banned:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_silent_node_costs_no_more_than_the_deadline_and_an_unknown_method_nothing() {
    let door = Door::open();
    let running = Running::start(&door).await;
    let peers = running.caller(&door, door.tls(1));
    let late = Call { deadline: Duration::from_millis(300), ..call(Method::Pages) };
    assert!(matches!(peers.call(NodeId(2), late).await, Err(CallError::Expired { .. } | CallError::Broken { .. })));
    let unanswered = peers.call(NodeId(2), call(Method::Propose)).await;
    assert!(matches!(unanswered, Err(CallError::Overloaded { .. })), "{unanswered:?}");
    assert!(peers.call(NodeId(2), call(Method::ShardRead)).await.is_ok());
    running.stop().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_used_without_a_restart() {
    let door = Door::open();
    let running = Running::start(&door).await;
    let tls = door.tls(1);
    let peers = running.caller(&door, tls.clone());
    tls.renew(&door.passport(5)).unwrap();
    let answer = peers.call(NodeId(2), call(Method::ShardRead)).await.unwrap();
    let (from, _): (NodeId, Vec<u8>) = answer.parse(NodeId(2)).unwrap();
    assert_eq!(from, NodeId(5));
    running.stop().await;
}
