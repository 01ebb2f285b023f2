//! One machine: disks that outlive it, clocks, and the node that it runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cluster::{Cluster, ClusterConfig, Entry, NodeConfig};
use env::{Buffers, Env, Pace, SeededEntropy, SimFiles, SimSpawn};
use meta::MetaConfig;
use parking_lot::Mutex;
use placement::Profile;
use store::{Background, Status, Store, StoreConfig};

use super::clock::SimClock;
use super::door::{Door, Node};
use super::net::SimNet;
use crate::dice::Dice;

/// Small extents, so that sealing and compaction happen in every run.
const EXTENT_SIZE: u64 = 4 << 20;

/// Where nodes listen for each other.
const PORT: u16 = 7000;
/// After this time others take over what an absent disk held.
const ABSENCE_MAX: Duration = Duration::from_secs(4);
/// No longer than disks are looked at.
const LOG_REREAD_PERIOD: Duration = Duration::from_secs(1);
/// How long a command may take to be decided.
const PROPOSE_DEADLINE: Duration = Duration::from_secs(4);
/// The worker that folds the metadata into trees.
const FLUSHER: &str = "meta-worker";
/// How long a machine waits before it asks again what it shall be.
const ROLE_PAUSE: Duration = Duration::from_millis(100);

/// A machine. What it runs ends at a crash; its files stay.
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) door: Door,
    pub(super) clock: Arc<SimClock>,
    disk_count: usize,
    /// Redundancy to begin with.
    profile: Profile,
    /// How it comes to the cluster; `None` as long as there is nothing to come to.
    role: Mutex<Option<Role>>,
    files: Mutex<SimFiles>,
    dice: Arc<Dice>,
    pauses: Arc<Pauses>,
    node: Mutex<Option<Node>>,
    /// When its process ended by itself, and why.
    given_up: Mutex<Option<(Duration, String)>>,
}

/// What a machine is started as.
#[derive(Clone)]
pub(super) enum Role {
    /// It is the only one.
    Alone,
    /// It is one of several.
    Member(Entry),
}

impl Machine {
    /// The machine numbered `number`, from 1, with that many disks.
    pub(super) fn new(number: usize, disk_count: usize, profile: Profile, seed: u64) -> Self {
        let files = SimFiles::new(seed);
        let dice = Arc::new(Dice::new(seed));
        (0..disk_count).for_each(|number| files.mount(&disk_path(number)));
        Self {
            name: format!("node-{number}"),
            door: Door::default(),
            clock: Arc::default(),
            disk_count,
            profile,
            role: Mutex::new(None),
            files: Mutex::new(files),
            pauses: Arc::new(Pauses { dice: dice.clone(), slow: Mutex::new(None) }),
            dice,
            node: Mutex::new(None),
            given_up: Mutex::new(None),
        }
    }

    /// Tells the machine what to be; until then it waits.
    pub(super) fn take_role(&self, role: Role) {
        *self.role.lock() = Some(role);
    }

    /// Whether what is lost with one disk can be restored.
    pub(super) fn has_redundancy(&self) -> bool {
        0 < self.profile.parity()
    }

    /// Whether it has a disk left when it loses one.
    pub(super) fn has_other_disks(&self) -> bool {
        1 < self.disk_count
    }

    /// Where others reach it.
    pub(super) fn address(&self) -> String {
        format!("{}:{PORT}", self.name)
    }

    /// The disks as the machine sees them since its last start.
    pub(super) fn files(&self) -> SimFiles {
        self.files.lock().clone()
    }

    /// The directory of one of its disks.
    pub(super) fn pick_disk(&self, dice: &Dice) -> PathBuf {
        disk_path(usize::try_from(dice.below(self.disk_count as u64)).expect("below a length"))
    }

    /// Makes every worker of the disk at `path` pause for `span` each time.
    pub(super) fn slow_down(&self, path: &Path, span: Duration) {
        *self.pauses.slow.lock() = Some((path.display().to_string(), span));
    }

    /// Ends what [`Machine::slow_down`] began.
    pub(super) fn speed_up(&self) {
        *self.pauses.slow.lock() = None;
    }

    /// The process is gone, and with a power cut what was not synced.
    pub(super) fn lose_process(&self, has_power: bool) {
        let mut files = self.files.lock();
        *files = if has_power { files.kill() } else { files.power_cut(self.dice.below(u64::MAX)) };
        *self.node.lock() = None;
        *self.given_up.lock() = None;
    }

    /// What runs on it, while it does.
    pub(super) fn node(&self) -> Option<Node> {
        self.node.lock().clone()
    }

    /// Whether it leads, as far as it knows.
    pub(super) fn is_leader(&self) -> bool {
        self.node().is_some_and(|node| node.cluster.is_leader())
    }

    /// How the node stands, if it runs.
    pub(super) fn status(&self) -> Option<Status> {
        self.node().map(|node| node.store.status())
    }

    /// Whether the node runs, and would keep its metadata if it lost a disk that is not its only one.
    pub(super) fn is_mirrored(&self) -> bool {
        self.node().is_some_and(|node| node.cluster.health().is_mirrored())
    }

    /// Whether the node runs, and has found its log whole since `moment` of the simulation. A single disk has nothing to
    /// compare it with, and does not rot there.
    pub(super) fn has_reread_since(&self, moment: Duration) -> bool {
        let reread_at = self.node().and_then(|node| node.cluster.health().log_reread_at);
        !self.has_other_disks() || reread_at.and_then(|at| self.clock.moment_of(at)).is_some_and(|at| moment < at)
    }

    /// Whether the node runs, and has found everything whole since `moment` of the simulation.
    pub(super) fn is_whole_since(&self, moment: Duration) -> bool {
        let Some(status) = self.status() else { return false };
        let has_all = status.damaged_shards == 0
            && status.waiting_stripes == 0
            && status.open_slots == 0
            && status.disks_out_of_service == 0;
        let counted = status.census.is_some_and(|(at, census)| {
            self.clock.moment_of(at).is_some_and(|at| moment < at) && census.lost == 0 && census.unknown == 0
        });
        has_all && counted
    }

    /// Runs a node until the machine crashes, or the node gives up.
    pub(super) async fn serve(self: Arc<Self>) -> turmoil::Result {
        let error = self.run().await;
        // The power went while it worked.
        if !self.files().has_crashed() {
            tracing::warn!(%error, machine = self.name, "a node gives up");
            *self.given_up.lock() = Some((turmoil::sim_elapsed().unwrap_or_default(), error.to_string()));
        }
        std::future::pending().await
    }

    /// When the node that ran here has given up, and why: it waits to be started again.
    pub(super) fn given_up(&self) -> Option<(Duration, String)> {
        self.given_up.lock().clone()
    }

    /// Runs a node; why it can no longer.
    async fn run(&self) -> Box<dyn std::error::Error> {
        let env = self.env();
        let role = loop {
            if let Some(role) = self.role.lock().clone() {
                break role;
            }
            env.clock.sleep(ROLE_PAUSE).await;
        };
        let cluster = match Cluster::open(&env, self.config(role)).await {
            Ok(cluster) => Arc::new(cluster),
            Err(error) => return error.into(),
        };
        let (store, queues) = match Store::open(env.clone(), cluster.clone(), store_config()).await {
            Ok(opened) => opened,
            Err(error) => return error.into(),
        };
        let _background = Background::start(&store, queues);
        let node = Node { cluster, store };
        *self.node.lock() = Some(node.clone());
        let mut visits = self.door.open();
        loop {
            tokio::select! {
                biased;
                failure = node.cluster.failed() => return failure.into(),
                Some(visit) = visits.recv() => drop(env.spawn.task("request", visit(node.clone()))),
            }
        }
    }

    fn env(&self) -> Env {
        Env {
            clock: self.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(self.dice.below(u64::MAX))),
            files: Arc::new(self.files()),
            net: Arc::new(SimNet),
            spawn: Arc::new(SimSpawn::new(self.clock.clone(), self.pauses.clone())),
            buffers: Buffers::default(),
        }
    }

    fn config(&self, role: Role) -> ClusterConfig {
        let mut config = ClusterConfig::new((0..self.disk_count).map(disk_path).collect());
        config.extent_size_max = EXTENT_SIZE;
        config.profile = Some(self.profile);
        config.absence_max = ABSENCE_MAX;
        config.propose_deadline = PROPOSE_DEADLINE;
        config.log_reread_period = LOG_REREAD_PERIOD;
        config.meta = meta_config();
        if let Role::Member(entry) = role {
            config.node = Some(NodeConfig { address: self.address(), rack: String::new(), entry });
        }
        config
    }
}

/// Small steps, so that flushes, purged logs and states that are fetched by those who were away happen in every run.
fn meta_config() -> MetaConfig {
    MetaConfig {
        overlay_bytes_min: 32 << 10,
        replay_commands_max: 50,
        collect_bytes_min: 256 << 10,
        log_segment_bytes: 256 << 10,
        log_cache_bytes: 64 << 10,
        ..MetaConfig::default()
    }
}

/// Everything in the background often, so that it happens in every run.
fn store_config() -> StoreConfig {
    StoreConfig {
        epoch_period: Duration::from_millis(500),
        census_period: Duration::from_secs(2),
        scrub_period: Duration::from_secs(6),
        // Many stripes an object.
        shard_unit: 64 << 10,
        ..StoreConfig::default()
    }
}

fn disk_path(number: usize) -> PathBuf {
    PathBuf::from(format!("/disk{number}"))
}

/// Workers pause for up to two milliseconds, those of a slow disk for as long as it was told. Flushes take long now and
/// then, so that much happens during them.
struct Pauses {
    dice: Arc<Dice>,
    slow: Mutex<Option<(String, Duration)>>,
}

impl Pace for Pauses {
    fn pause(&self, name: &str) -> Option<Duration> {
        if let Some((path, span)) = &*self.slow.lock()
            && name.contains(path)
        {
            return Some(*span);
        }
        if name == FLUSHER && self.dice.below(4) == 0 {
            return Some(self.dice.millis(20, 400));
        }
        match self.dice.below(3) {
            0 => None,
            millis => Some(Duration::from_millis(millis)),
        }
    }
}
