//! What it costs to make a disk whole again: one that was emptied, one that missed shards while it was away, and one whose
//! shards went to other disks meanwhile.
//!
//! One node with 8+4, its background work as in the product, and no requests meanwhile. Prints a Markdown table: time, CPU and
//! syncs for each GiB of shards written anew, commands and entries of the log for each of these shards, and how many bytes the
//! disks read for each byte of them. The disks lie in the temporary directory (`TMPDIR`).
//!
//! `cargo bench --package benches --bench repair [-- 1024KiB emptied]`

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to say")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster::{Cluster, ClusterConfig};
use console::Metrics;
use env::{CountedFiles, Env, FileCounts};
use futures_util::stream::{self, TryStreamExt};
use meta::query;
use placement::DiskId;
use rustix::time::{ClockId, clock_gettime};
use store::bucket::NewBucket;
use store::{Background, PutRequest, Store, StoreConfig};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: f64 = (1_u64 << 30) as f64;
const PROFILE: &str = "8+4";
/// Size of the objects, and how many there are.
const CASES: [(usize, usize); 3] = [(MIB, 1500), (64 * KIB, 6000), (4 * KIB, 6000)];
/// The disk that is harmed: one that holds the metadata too.
const HARMED: usize = 0;
const UPLOADS: usize = 8;
/// Manifests read at a time.
const PAGE_SIZE: usize = 256;
const LOOK_PERIOD: Duration = Duration::from_millis(50);

/// What happens to a disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Harm {
    /// All that it held is gone.
    Emptied,
    /// It was away, and no other disk could take what it missed.
    Missed,
    /// It was away, and other disks have what it missed.
    Displaced,
}

impl Harm {
    fn name(self) -> &'static str {
        match self {
            Self::Emptied => "emptied",
            Self::Missed => "missed",
            Self::Displaced => "displaced",
        }
    }

    fn disk_count(self) -> usize {
        match self {
            Self::Missed => 12,
            Self::Emptied | Self::Displaced => 16,
        }
    }
}

/// What all runs have in common.
struct Bench {
    env: Env,
    counts: Arc<FileCounts>,
    metrics: Metrics,
}

/// A node.
struct Node<'a> {
    bench: &'a Bench,
    cluster: Arc<Cluster>,
    store: Store,
    background: Background,
    disks: Vec<PathBuf>,
}

/// What had been used at some time.
struct Usage {
    time: Duration,
    cpu: Duration,
    syncs: u64,
    commands: u64,
    entries: u64,
    shards: u64,
    read: u64,
}

impl Bench {
    fn new() -> Self {
        let mut env = Env::real();
        let files = CountedFiles::new(env.files.clone());
        let counts = files.counts();
        env.files = Arc::new(files);
        Self { env, metrics: Metrics::install(counts.clone()), counts }
    }
}

impl<'a> Node<'a> {
    async fn open(bench: &'a Bench, directory: &Path, disk_count: usize) -> Self {
        let env = &bench.env;
        let disks: Vec<PathBuf> = (0..disk_count).map(|disk| directory.join(disk.to_string())).collect();
        let config = ClusterConfig { profile: Some(PROFILE.parse().unwrap()), ..ClusterConfig::new(disks.clone()) };
        let cluster = Arc::new(Cluster::open(env, config).await.unwrap());
        let (store, queues) = Store::open(env.clone(), cluster.clone(), StoreConfig::default()).await.unwrap();
        let background = Background::start(&store, queues);
        Self { bench, cluster, store, background, disks }
    }

    async fn fill(&self, size: usize, count: usize) {
        self.store.create_bucket(NewBucket::new("bucket", "owner")).await.unwrap();
        let bucket = self.store.head_bucket("bucket").await.unwrap();
        let body = Bytes::from(vec![7; size]);
        stream::iter((0..count).map(Ok))
            .try_for_each_concurrent(UPLOADS, |number| {
                let (bucket, body) = (&bucket, body.clone());
                async move {
                    let key = number.to_string();
                    self.store.put_object(bucket, &key, PutRequest::default(), Box::new(body)).await.map(drop)
                }
            })
            .await
            .unwrap();
    }

    /// Waits until `condition` holds, looking now and then.
    async fn wait(&self, condition: impl Fn() -> bool) {
        while !condition() {
            self.bench.env.clock.sleep(LOOK_PERIOD).await;
        }
    }

    /// The identity of a disk that is in service.
    fn disk_id(&self, disk: usize) -> Option<u128> {
        let topology = self.cluster.topology();
        topology.local_disks().find(|open| open.path() == self.disks[disk]).map(|open| open.identity().disk_id)
    }

    fn is_in_service(&self, disk: usize) -> bool {
        self.disk_id(disk).is_some()
    }

    /// Whether a disk has become another, and slots are that one's.
    fn has_replaced(&self, disk: usize, was: Option<u128>) -> bool {
        let id = self.disk_id(disk).filter(|id| Some(*id) != was).map(DiskId);
        let topology = self.cluster.topology();
        let mut targets = topology.table().groups().flat_map(|(_, group)| &group.slots).map(|slot| slot.write_target());
        id.is_some() && targets.any(|target| target == id)
    }

    fn mirror_count(&self) -> usize {
        self.cluster.engine().mirrors().iter().filter(|mirror| mirror.in_service).count()
    }

    /// Whether nothing waits for repair, and every shard is where it belongs.
    async fn is_whole(&self) -> bool {
        let reading = self.cluster.consensus().read().await.unwrap();
        let view = reading.view.as_ref();
        let mut after = None;
        loop {
            let page = query::segments(view, after, PAGE_SIZE).unwrap();
            if page.iter().any(|segment| !segment.exceptions.is_empty()) {
                return false;
            }
            match page.last() {
                Some(last) => after = Some(last.write_id),
                None => return true,
            }
        }
    }

    fn usage(&self) -> Usage {
        let text = self.bench.metrics.render();
        let commands = text.lines().find_map(|line| line.strip_prefix("stonecrop_commands_proposed_total "));
        let disks: Vec<disk::Stats> = self.cluster.topology().local_disks().map(|disk| disk.stats()).collect();
        Usage {
            time: self.bench.env.clock.monotonic(),
            cpu: Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap(),
            syncs: self.bench.counts.syncs(),
            commands: commands.and_then(|count| count.parse().ok()).unwrap_or(0),
            entries: self.cluster.consensus().newest().index,
            shards: self.store.status().repaired_shards,
            read: disks.iter().map(|disk| disk.read_bytes).sum(),
        }
    }

    async fn close(self) {
        self.background.stop().await;
        drop(self.store);
        self.cluster.close().await.unwrap();
    }
}

async fn measure(bench: &Bench, harm: Harm, (size, count): (usize, usize)) {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::open(bench, directory.path(), harm.disk_count()).await;
    let disk = node.disks[HARMED].clone();
    let before;
    let noticed;
    let mirrors = node.mirror_count();
    match harm {
        Harm::Emptied => {
            node.fill(size, count).await;
            before = node.usage();
            let was = node.disk_id(HARMED);
            for inside in disk.read_dir().unwrap() {
                let path = inside.unwrap().path();
                if path.is_dir() {
                    std::fs::remove_dir_all(path).unwrap()
                } else {
                    node.bench.env.files.remove(&path).unwrap()
                }
            }
            node.wait(|| node.has_replaced(HARMED, was)).await;
            noticed = node.bench.env.clock.monotonic();
            node.wait(|| node.store.status().open_slots == 0).await;
        }
        Harm::Missed | Harm::Displaced => {
            let away = disk.with_extension("away");
            node.bench.env.files.rename(&disk, &away).unwrap();
            node.wait(|| !node.is_in_service(HARMED)).await;
            node.fill(size, count).await;
            before = node.usage();
            node.bench.env.files.rename(&away, &disk).unwrap();
            node.wait(|| node.is_in_service(HARMED)).await;
            noticed = node.bench.env.clock.monotonic();
            node.wait(|| node.store.status().repaired_shards != before.shards).await;
        }
    }
    node.wait(|| node.mirror_count() == mirrors).await;
    while !node.is_whole().await {
        node.bench.env.clock.sleep(LOOK_PERIOD).await;
    }
    let after = node.usage();

    // The counters of an emptied disk begin anew.
    let shards = after.shards - before.shards;
    let rebuilt = shards as f64 * size.div_ceil(8) as f64;
    let read = after.read.saturating_sub(before.read) as f64;
    let cpu = (after.cpu - before.cpu).as_secs_f64();
    let ratio = |dividend: f64, divisor: f64| {
        if divisor == 0.0 { "–".to_owned() } else { format!("{:.1}", dividend / divisor) }
    };
    let fraction =
        |count: u64| if shards == 0 { "–".to_owned() } else { format!("{:.2}", count as f64 / shards as f64) };
    println!(
        "| {} KiB, {} | {shards}, {:.0} | {:.1} + {:.1} | {cpu:.2} | {} | {} | {} | {} | {} |",
        size / KIB,
        harm.name(),
        rebuilt / MIB as f64,
        (noticed - before.time).as_secs_f64(),
        (after.time - noticed).as_secs_f64(),
        ratio(cpu, rebuilt / GIB),
        ratio((after.syncs - before.syncs) as f64, rebuilt / GIB),
        fraction(after.commands - before.commands),
        fraction(after.entries - before.entries),
        ratio(read, rebuilt),
    );
    node.close().await;
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    println!(
        "| objects, disk | shards, MiB | s: until noticed + then | CPU-s | CPU-s/GiB | syncs/GiB | commands/shard | log entries/shard | read/rebuilt |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let bench = Bench::new();
    for case in CASES {
        for harm in [Harm::Emptied, Harm::Missed, Harm::Displaced] {
            let names = [format!("{}KiB", case.0 / KIB), harm.name().to_owned()];
            // Small objects are in the metadata: nothing of them can be missed.
            let has_shards = StoreConfig::default().inline_size_max < case.0;
            if wanted.iter().all(|name| names.contains(name)) && (has_shards || harm == Harm::Emptied) {
                runtime.block_on(measure(&bench, harm, case));
            }
        }
    }
}
