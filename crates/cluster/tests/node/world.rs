//! A machine for the tests: simulated files, and a clock whose ticks the test gives out.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cluster::{Cluster, ClusterConfig, Topology};
use disk::Upkeep;
use env::{Buffers, Clock, Env, Files, OpenMode, RealSpawn, SeededEntropy, SimFiles, UnixMillis};
use meta::command::CreateBucket;
use meta::{Command, Outcome, query};
use placement::{DiskId, Slot};
use tokio::sync::Semaphore;

/// No test waits longer for anything; a test that does is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

const PROBE: Duration = Duration::from_secs(2);

/// How long the node waits for the answer of a disk, and how long that is here: a disk that works answers much sooner.
const ANSWER: Duration = Duration::from_secs(30);
const ANSWER_HERE: Duration = Duration::from_secs(1);

/// Pauses from here on end when the test says that a season has passed.
const SEASON: Duration = Duration::from_secs(7 * 24 * 3600);

/// Time that stands still, but for the monitor: each of its pauses lasts until the test gives it a tick.
pub(crate) struct TickingClock {
    millis: AtomicU64,
    ticks: Arc<Semaphore>,
    seasons: Arc<Semaphore>,
}

impl Clock for TickingClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(1_700_000_000_000 + self.millis.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.millis.load(Ordering::SeqCst))
    }

    fn sleep(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (ticks, seasons) = (self.ticks.clone(), self.seasons.clone());
        Box::pin(async move {
            match span {
                span if SEASON <= span => {
                    seasons.acquire_owned().await.expect("the semaphore is never closed").forget()
                }
                PROBE => ticks.acquire_owned().await.expect("the semaphore is never closed").forget(),
                ANSWER => assert!(tokio::time::timeout(ANSWER_HERE, std::future::pending::<()>()).await.is_err()),
                // A deadline that never passes.
                _ => std::future::pending().await,
            }
        })
    }
}

/// One machine.
pub(crate) struct World {
    pub(crate) files: SimFiles,
    pub(crate) clock: Arc<TickingClock>,
    seed: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let files = SimFiles::new(seed);
        files.create_directories(Path::new("/srv")).expect("the file system is empty");
        files.sync_directory(Path::new("/")).expect("nothing fails yet");
        let semaphore = || Arc::new(Semaphore::new(0));
        let clock = TickingClock { millis: AtomicU64::new(0), ticks: semaphore(), seasons: semaphore() };
        let clock = Arc::new(clock);
        Self { files, clock, seed }
    }

    pub(crate) fn env(&self) -> Env {
        Env {
            clock: self.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(self.seed)),
            files: Arc::new(self.files.clone()),
            net: Arc::new(env::RealNet),
            spawn: Arc::new(RealSpawn),
            buffers: Buffers::default(),
        }
    }

    /// The machine after a power cut. Whatever still runs on this one fails from now on.
    pub(crate) fn after_power_cut(&self, seed: u64) -> Self {
        Self { files: self.files.power_cut(seed), clock: self.clock.clone(), seed: self.seed + 1 + seed }
    }

    /// The same machine with another stream of random numbers: a later start of the process.
    pub(crate) fn later(&self) -> Self {
        Self { files: self.files.clone(), clock: self.clock.clone(), seed: self.seed + 1000 }
    }

    pub(crate) async fn open(&self, disks: usize) -> Cluster {
        self.try_open(&config(disks)).await.expect("the node starts")
    }

    pub(crate) async fn try_open(&self, config: &ClusterConfig) -> cluster::Result<Cluster> {
        Cluster::open(&self.env(), config.clone()).await
    }

    /// Lets the monitor look once more, `span` later.
    pub(crate) fn tick(&self, span: Duration) {
        self.clock.millis.fetch_add(u64::try_from(span.as_millis()).expect("tests are short"), Ordering::SeqCst);
        // One for the monitor, one for the steward.
        self.clock.ticks.add_permits(2);
    }

    /// Ends one of the long pauses, `span` later.
    pub(crate) fn let_season_pass(&self, span: Duration) {
        self.clock.millis.fetch_add(u64::try_from(span.as_millis()).expect("tests are short"), Ordering::SeqCst);
        self.clock.seasons.add_permits(1);
    }

    /// Ticks until the topology is as wished.
    pub(crate) async fn wait_for(&self, cluster: &Cluster, wish: impl Fn(&Topology) -> bool) {
        let mut topologies = cluster.subscribe();
        for _ in 0..100 {
            self.tick(PROBE);
            let found = topologies.wait_for(|topology| wish(topology));
            if tokio::time::timeout(Duration::from_millis(300), found).await.is_ok() {
                return;
            }
        }
        panic!("the topology never became what it should");
    }

    /// Lets monitor and steward look several times, and do what they find to do.
    pub(crate) async fn let_rounds_pass(&self) {
        for _ in 0..3 {
            self.tick(PROBE);
            // What they do meanwhile takes a fraction of this; nothing tells when there is nothing to do.
            assert!(tokio::time::timeout(Duration::from_millis(200), std::future::pending::<()>()).await.is_err());
        }
    }

    /// The bytes of a file.
    pub(crate) fn read(&self, path: &Path) -> Vec<u8> {
        let file = self.files.open(path, OpenMode::Read).expect("the file is there");
        let mut bytes = vec![0; usize::try_from(file.size().expect("no fault")).expect("small")];
        file.read_exact_at(&mut bytes, 0).expect("no fault");
        bytes
    }

    /// Waits until `wish` holds.
    pub(crate) async fn wait_until(&self, wish: impl Fn() -> bool) {
        let holds = async {
            while !wish() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, holds).await.expect("it never came true");
    }

    pub(crate) fn make_directory(&self, number: usize) {
        self.files.create_directories(&path(number)).expect("nothing is there");
        self.files.sync_directory(Path::new("/srv")).expect("the parent exists");
    }
}

pub(crate) fn path(number: usize) -> PathBuf {
    PathBuf::from(format!("/srv/d{number}"))
}

pub(crate) fn config(disks: usize) -> ClusterConfig {
    config_of((1..=disks).collect())
}

pub(crate) fn config_of(numbers: Vec<usize>) -> ClusterConfig {
    let mut config = ClusterConfig::new(numbers.into_iter().map(path).collect());
    config.probe_interval = PROBE;
    config.propose_deadline = Duration::from_secs(3600);
    config.extent_size_max = 1 << 20;
    config.upkeep = Upkeep::OnDemand;
    config.meta.log_segment_bytes = 1 << 20;
    config
}

/// The disk at a directory.
pub(crate) fn disk_at(topology: &Topology, number: usize) -> DiskId {
    let here = topology.members().iter().find(|(_, member)| member.path == path(number));
    *here.unwrap_or_else(|| panic!("no disk at {:?}", path(number))).0
}

pub(crate) fn slots(topology: &Topology, wish: impl Fn(&Slot) -> bool) -> usize {
    topology.table().groups().flat_map(|(_, row)| &row.slots).filter(|slot| wish(slot)).count()
}

pub(crate) async fn create_bucket(cluster: &Cluster, name: &str) -> meta::Result<Outcome> {
    let command = CreateBucket {
        name: name.to_owned(),
        owner: "owner".to_owned(),
        region: None,
        has_lock: false,
        configurations: Default::default(),
    };
    let proposed = cluster.consensus();
    let outcome = proposed.propose(Command::CreateBucket(command));
    tokio::time::timeout(PATIENCE, outcome).await.expect("a proposal is answered")
}

pub(crate) async fn has_bucket(cluster: &Cluster, name: &str) -> bool {
    let reading = cluster.consensus().read().await.expect("reads work");
    query::bucket(reading.view.as_ref(), name).expect("the state is readable").is_some()
}
