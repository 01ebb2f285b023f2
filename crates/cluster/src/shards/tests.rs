//! A disk of one node, used from another over loopback.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use disk::{Disk, DiskConfig, DiskIdentity, Shard};
use env::{Env, SimFiles};
use erasure::{BLOCK_SIZE, FramedShard, ShardIdentity};
use placement::{DiskId, Epoch, GroupId, NodeId, Plan, Profile, Slot, Table};

use super::message::{Append, Lookup, Outcome, Read, ShardName};
use super::*;
use crate::handle::{Destination, DiskHandle, ShardError};
use crate::rpc::{Call, Method, Peers};
use crate::testing::{CLUSTER, Door, Listening};
use crate::topology::{Member, Publisher};

const OWNER: NodeId = NodeId(2);
const DISK: DiskId = DiskId(21);
const OTHER: DiskId = DiskId(22);
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);

/// Node 2 with one disk, and the handle that node 1 has of it.
struct Pair {
    disk: Arc<Disk>,
    handle: DiskHandle,
    peers: Arc<Peers>,
    publisher: Arc<Publisher>,
    files: SimFiles,
    listening: Listening,
}

/// A table whose groups consist of `DISK` alone.
fn table() -> Table {
    let mut table = Table::vacant(Profile::new(1, 0).unwrap(), 1);
    let fill = |(group, _)| placement::Move { group, index: 0, before: Slot::Vacant, after: Slot::Stable(DISK) };
    let plan = Plan { based_on: table.version(), splits: 0, moves: table.groups().map(fill).collect() };
    table.apply(&plan).unwrap();
    table
}

impl Pair {
    async fn start() -> Self {
        let files = SimFiles::new(1);
        let env = Env { files: Arc::new(files.clone()), ..Env::real() };
        let identity = DiskIdentity { cluster_id: CLUSTER, disk_id: DISK.0 };
        Disk::format(&env, Path::new("/disk"), identity).unwrap();
        let (disk, _) = Disk::open(&env, Path::new("/disk"), &DiskConfig::new(CLUSTER)).unwrap();
        let disk = Arc::new(disk);
        let members = [(DISK, Member::open(OWNER, disk.clone()))].into();
        let publisher = Arc::new(Publisher::new(Arc::new(table()), members));

        let door = Door::open(env.clone());
        let listening = Listening::start(&door, OWNER).await;
        listening.server.answer(&ShardService::METHODS, Arc::new(ShardService::new(env.clone(), publisher.clone())));
        let peers = door.peers(NodeId(1), &[(OWNER, &listening.address)]);
        let handle = RemoteDisks::new(env, peers.clone()).handle(OWNER, DISK);
        Self { disk, handle, peers, publisher, files, listening }
    }

    async fn append(&self, shard: Shard) -> Result<(), ShardError> {
        self.handle.append(shard, Destination::Slot).await
    }

    async fn stop(self) -> DiskHandle {
        self.listening.stop().await;
        self.disk.close().await.unwrap();
        self.handle
    }
}

fn identity(write_id: u128) -> ShardIdentity {
    ShardIdentity { write_id, stripe: 3, index: 0 }
}

fn payload(size: usize) -> Bytes {
    (0..251_u8).cycle().take(size).collect()
}

fn shard(write_id: u128, size: usize) -> Shard {
    let framed = FramedShard::new(identity(write_id), payload(size));
    Shard { framed, group: 5, epoch: 1, intent_epoch: 9 }
}

#[tokio::test]
async fn shards_are_stored_read_looked_up_and_deleted_as_on_a_local_disk() {
    let pair = Pair::start().await;
    for (write_id, size) in [(1, 0), (2, 1), (3, BLOCK_SIZE), (4, BLOCK_SIZE + 1), (5, 9 * BLOCK_SIZE + 17)] {
        pair.append(shard(write_id, size)).await.unwrap();
        let whole = pair.handle.read(&identity(write_id), 0..size as u64).await.unwrap();
        assert!(whole == payload(size), "{size} bytes");
        let (start, end) = (size / 3, size / 2);
        let part = pair.handle.read(&identity(write_id), start as u64..end as u64).await.unwrap();
        assert!(part == payload(size)[start..end], "a part of {size} bytes");
        let entry = pair.disk.lookup(&identity(write_id));
        assert_eq!(entry.map(|entry| (entry.group, entry.intent_epoch)), Some((5, 9)));
        let found = pair.handle.lookup(&[identity(99), identity(write_id)]).await.unwrap();
        assert_eq!(found, [None, entry]);
    }
    assert_eq!(pair.handle.read(&identity(99), 0..1).await, Err(ShardError::NotFound));
    assert_eq!(pair.handle.read(&identity(2), 0..2).await, Err(ShardError::Corrupt), "more than there is");
    assert_eq!(pair.handle.delete_writes(&[2, 5, 99]).await, Ok(2));
    assert_eq!(pair.handle.delete_writes(&[2, 5]).await, Ok(0));
    assert_eq!(pair.handle.read(&identity(5), 0..1).await, Err(ShardError::NotFound));
    pair.files.flip_bits(Path::new("/disk/extents"), 2_000, 5);
    assert_eq!(pair.handle.read(&identity(4), 0..BLOCK_SIZE as u64).await, Err(ShardError::Corrupt));
    let handle = pair.stop().await;
    let gone = handle.read(&identity(4), 0..1).await;
    assert!(matches!(gone, Err(ShardError::Unavailable { .. })), "{gone:?}");
}

#[tokio::test]
async fn a_shard_for_a_slot_that_the_disk_has_lost_is_refused() {
    let pair = Pair::start().await;
    let mut table = table();
    let moves = vec![placement::Move {
        group: GroupId(5),
        index: 0,
        before: Slot::Stable(DISK),
        after: Slot::Moving { from: DISK, to: OTHER },
    }];
    table.apply(&Plan { based_on: table.version(), splits: 0, moves }).unwrap();
    let epoch = table.version();
    pair.publisher.set_table(Arc::new(table));
    assert_eq!(pair.append(shard(1, 10)).await, Err(ShardError::StaleEpoch { epoch }));
    assert_eq!(pair.disk.lookup(&identity(1)), None);
    // A substitute is no holder of a slot; and whoever has a newer table than this node is right.
    pair.handle.append(shard(2, 10), Destination::Substitute).await.unwrap();
    pair.append(Shard { epoch: epoch.0 + 1, ..shard(3, 10) }).await.unwrap();
    pair.append(Shard { group: 6, ..shard(4, 10) }).await.unwrap();
    pair.stop().await;
}

#[tokio::test]
async fn what_arrives_damaged_or_makes_no_sense_is_refused_and_stored_nowhere() {
    let pair = Pair::start().await;
    let framed = FramedShard::new(identity(1), payload(BLOCK_SIZE + 5));
    let checksums = framed.checksums().concat();
    let head = |shard: ShardIdentity| Append {
        disk: DISK,
        shard: ShardName::from(shard),
        group: GroupId(5),
        epoch: Epoch(1),
        intent_epoch: 0,
        destination: Destination::Slot,
    };
    let send = |head: Append, body: Vec<Bytes>| {
        let call = Call { body, ..Call::new(Method::ShardAppend, &head, DEADLINE) };
        let peers = pair.peers.clone();
        async move { peers.call(OWNER, call).await?.parse::<Outcome<()>>(OWNER) }
    };
    let mut flipped = payload(BLOCK_SIZE + 5).to_vec();
    flipped[BLOCK_SIZE + 2] ^= 4;
    for (name, head, payload) in [
        ("another shard", head(identity(2)), payload(BLOCK_SIZE + 5)),
        ("a flipped bit", head(identity(1)), flipped.into()),
        ("another disk", Append { disk: OTHER, ..head(identity(1)) }, payload(BLOCK_SIZE + 5)),
    ] {
        let refused = send(head, vec![checksums.clone().into(), payload]).await;
        assert!(matches!(refused, Ok(Err(ShardError::Unavailable { .. }))), "{name}: {refused:?}");
    }
    let truncated = send(head(identity(1)), vec![Bytes::from(checksums[..7].to_vec())]).await;
    assert!(truncated.is_err(), "{truncated:?}");
    assert!(pair.disk.inventory(None, 10).is_empty());

    let name = ShardName::from(identity(1));
    for call in [
        Call::new(Method::ShardRead, &Read { disk: DISK, shard: name, start: 2, end: 1 }, DEADLINE),
        Call::new(Method::ShardRead, &Read { disk: DISK, shard: name, start: 0, end: u64::MAX }, DEADLINE),
        Call::new(Method::ShardLookup, &Lookup { disk: DISK, shards: vec![name; 5000] }, DEADLINE),
        Call::new(Method::ShardDelete, &"nonsense", DEADLINE),
    ] {
        let method = call.method;
        let refused = pair.peers.call(OWNER, call).await;
        assert!(refused.is_err(), "{method:?}: {refused:?}");
    }
    pair.stop().await;
}
