//! The data plane between nodes: CPU of shards written to and read from a disk of another node, over what the same costs on
//! a disk of one's own, beside what the kernel's loopback alone costs. Prints a Markdown table; both ends are in this process.
//!
//! `cargo bench --package benches --bench rpc`

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use cluster::{Cluster, ClusterConfig, Destination, DiskHandle, Entry, NodeConfig};
use disk::Shard;
use env::Env;
use erasure::{FramedShard, ShardIdentity};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use rustix::time::{ClockId, clock_gettime};

const MIB: usize = 1 << 20;
const GIB: f64 = (1_u64 << 30) as f64;
/// Bytes that one row moves.
const VOLUME: usize = 512 * MIB;
const SIZES: [usize; 3] = [32 << 10, 128 << 10, MIB];
const CONCURRENCY: [usize; 2] = [1, 8];
const DISKS: usize = 2;

/// CPU seconds of all threads of this process.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// CPU seconds a GiB of bytes that leave one socket and come out of another, in pieces of `size`, without anything else.
fn loopback(size: usize) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut sender = TcpStream::connect(listener.local_addr().expect("it listens")).expect("it answers");
    let (mut receiver, _) = listener.accept().expect("it has connected");
    let before = cpu();
    std::thread::scope(|threads| {
        threads.spawn(move || {
            let mut buffer = vec![0; size];
            while receiver.read(&mut buffer).expect("the connection holds") != 0 {}
        });
        let piece = vec![7; size];
        (0..VOLUME / size).for_each(|_| sender.write_all(&piece).expect("the connection holds"));
        drop(sender);
    });
    (cpu() - before) * GIB / VOLUME as f64
}

/// A node with [`DISKS`] disks below `directory`, and its address.
async fn node(env: &Env, directory: &Path, entry: Entry) -> (Cluster, String) {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("it listens").to_string();
    drop(free);
    let mut config = ClusterConfig::new((0..DISKS).map(|disk| directory.join(disk.to_string())).collect());
    config.node = Some(NodeConfig { address: address.clone(), rack: String::new(), entry });
    (Cluster::open(env, config).await.expect("the node starts"), address)
}

fn identity(write_id: u128) -> ShardIdentity {
    ShardIdentity { write_id, stripe: 0, index: 0 }
}

/// Appends shards and reads them again; CPU seconds a GiB of each.
async fn append_and_read(disk: &DiskHandle, first: u128, size: usize, concurrency: usize) -> (f64, f64) {
    let count = (VOLUME / size) as u128;
    let payload = Bytes::from(vec![7; size]);
    let per_gib = |seconds: f64| seconds * GIB / VOLUME as f64;

    let before = cpu();
    stream::iter((first..first + count).map(Ok))
        .try_for_each_concurrent(concurrency, |write_id| {
            let framed = FramedShard::new(identity(write_id), payload.clone());
            disk.append(Shard { framed, group: 0, epoch: 0, intent_epoch: 0 }, Destination::Substitute)
        })
        .await
        .expect("the disk takes it");
    let appended = cpu();
    stream::iter(
        (first..first + count).map(|write_id| async move { disk.read(&identity(write_id), 0..size as u64).await }),
    )
    .buffer_unordered(concurrency)
    .try_for_each(|_| async { Ok(()) })
    .await
    .expect("the disk holds it");
    (per_gib(appended - before), per_gib(cpu() - appended))
}

async fn measure() {
    // In memory, where the machine has it: the disk's own cost is the same on both sides.
    let base =
        Some(Path::new("/dev/shm")).filter(|path| path.is_dir()).map_or_else(std::env::temp_dir, Path::to_path_buf);
    let directory = tempfile::tempdir_in(base).expect("a directory");
    let env = Env::real();
    let (first, address) = node(&env, &directory.path().join("first"), Entry::Init).await;
    let token = first.create_join_token(Duration::from_secs(3600)).await.expect("it begins a cluster");
    let joining = Entry::Join { seeds: vec![address], token };
    let (second, _) = node(&env, &directory.path().join("second"), joining).await;
    let mut topologies = first.subscribe();
    let complete = topologies.wait_for(|topology| topology.members().len() == 2 * DISKS).await;
    let topology = complete.expect("the node runs").clone();
    let own = topology.members().keys().filter_map(|id| topology.disk(*id)).find(|disk| disk.local().is_some());
    let other = topology.members().keys().filter_map(|id| topology.disk(*id)).find(|disk| disk.local().is_none());
    let (own, other) = (own.expect("a disk of its own"), other.expect("a disk of the other node"));

    println!("CPU seconds per GiB; the network's share is what the other node's disk costs more than an own one.\n");
    println!("| shard | at once | loopback alone | write: own, other, network | read: own, other, network |");
    println!("|---|---|---|---|---|");
    let mut next = 1;
    for size in SIZES {
        for concurrency in CONCURRENCY {
            let mut costs = Vec::new();
            for disk in [own, other] {
                costs.push(append_and_read(disk, next, size, concurrency).await);
                let writes: Vec<u128> = (next..next + (VOLUME / size) as u128).collect();
                disk.delete_writes(&writes).await.expect("the disk deletes");
                next += VOLUME as u128;
            }
            let (own_append, own_read) = costs[0];
            let (append, read) = costs[1];
            println!(
                "| {} KiB | {concurrency} | {:.2} | {own_append:.2}, {append:.2}, **{:.2}** | {own_read:.2}, {read:.2}, **{:.2}** |",
                size >> 10,
                loopback(size),
                append - own_append,
                read - own_read,
            );
        }
    }
    second.close().await.expect("the second node stops");
    first.close().await.expect("the first node stops");
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure());
}
