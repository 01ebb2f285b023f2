//! For tests of this crate: nodes with certificates that call each other over loopback, and placement tables.

use std::sync::Arc;

use env::{Env, Task};
use placement::{DiskId, DiskSpec, DiskState, NodeId, Profile, RackId, Table};
use tokio::sync::watch;

use crate::rpc::{Peers, Server, Tls};
use crate::security::{Authority, NodeKey, Passport};

pub(crate) const CLUSTER: u128 = 77;

/// What makes nodes members of one cluster.
pub(crate) struct Door {
    pub(crate) env: Env,
    pub(crate) authority: Authority,
}

impl Door {
    /// A new cluster.
    pub(crate) fn open(env: Env) -> Self {
        let authority = Authority::create(&env, CLUSTER).unwrap();
        Self { env, authority }
    }

    pub(crate) fn passport(&self, node: NodeId) -> Passport {
        let key = NodeKey::generate(&self.env);
        let certificate = self.authority.sign(&self.env, CLUSTER, node, &key.public_key().unwrap()).unwrap();
        Passport { cluster_id: CLUSTER, node, key, certificate, authority: self.authority.certificate().to_vec() }
    }

    pub(crate) fn tls(&self, node: NodeId) -> Arc<Tls> {
        Arc::new(Tls::new(&self.env, &self.passport(node)).unwrap())
    }

    /// The connections of `node`, which knows the others by these addresses.
    pub(crate) fn peers(&self, node: NodeId, addresses: &[(NodeId, &str)]) -> Arc<Peers> {
        let peers = Peers::new(self.env.clone());
        peers.use_tls(self.tls(node));
        peers.set_addresses(addresses.iter().map(|(node, address)| (*node, (*address).to_owned())).collect());
        Arc::new(peers)
    }
}

/// A server that runs.
pub(crate) struct Listening {
    pub(crate) server: Arc<Server>,
    pub(crate) address: String,
    stopping: watch::Sender<bool>,
    task: Task,
}

impl Listening {
    /// `node` listens; what it answers is up to the test.
    pub(crate) async fn start(door: &Door, node: NodeId) -> Self {
        let listener = door.env.net.listen("127.0.0.1:0".to_owned()).await.unwrap();
        let address = listener.local_address().unwrap().to_string();
        let server = Server::new(door.env.clone(), door.tls(node));
        let stopping = watch::Sender::new(false);
        let task = door.env.spawn.task("server", Box::pin(server.clone().run(listener, stopping.subscribe())));
        Self { server, address, stopping, task }
    }

    pub(crate) async fn stop(self) {
        self.stopping.send_replace(true);
        self.task.join().await.unwrap();
    }
}

/// A table of profile `(data, parity)` over `disks` disks, numbered from 0, each on a node of its own.
pub(crate) fn placed_table((data, parity): (u8, u8), disks: u64) -> Table {
    let disk = |number: u64| DiskSpec {
        id: DiskId(number.into()),
        node: NodeId(number),
        rack: RackId(0),
        weight: 1,
        state: DiskState::In,
    };
    let disks: Vec<DiskSpec> = (0..disks).map(disk).collect();
    let mut table = Table::vacant(Profile::new(data, parity).expect("a profile"), disks.len());
    table.apply(&placement::plan(&table, &disks)).expect("the plan is legal");
    table
}
