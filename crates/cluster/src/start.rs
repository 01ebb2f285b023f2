//! How a node starts: looks at its directories, opens the disks, then the metadata, then brings both together.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use disk::{Disk, DiskConfig};
use env::Env;
use meta::{Consensus, MetaEngine, Opened};
use parking_lot::Mutex;
use placement::{DiskId, NodeId, Profile, Table};
use tokio::sync::{oneshot, watch};

use crate::cluster::Cluster;
use crate::config::{ClusterConfig, Purpose};
use crate::disks::{
    DiskSet, Found, RosterKeeper, Site, Step, format, is_marked, meta_directory, open_known, reconcile, refuse, survey,
};
use crate::error::{Error, Result};
use crate::monitor::{Monitor, SCRUB_PAUSE_MIN};
use crate::raft::RaftConsensus;
use crate::readers::Readers;
use crate::tables::{Kept, TableKeeper};
use crate::topology::{Member, Publisher};

/// This node's number. Others get theirs when they join.
const NODE: NodeId = NodeId(1);

type OpenDisks = BTreeMap<DiskId, Arc<Disk>>;

/// See [`Cluster::open`].
pub(crate) async fn start(env: &Env, config: ClusterConfig) -> Result<Cluster> {
    if config.disks.is_empty() {
        return Err(Error::NoDisks);
    }
    let mut sites = survey_all(env, &config).await?;
    let cluster_id = match cluster_of(&sites) {
        Some(cluster_id) => cluster_id,
        None if config.purpose == Purpose::Inspect => return Err(Error::NotMember { path: sites.swap_remove(0).path }),
        None => {
            let cluster_id = begin(env, &config, &sites).await?;
            sites = survey_all(env, &config).await?;
            cluster_id
        }
    };
    let disk_config =
        DiskConfig { extent_size_max: config.extent_size_max, upkeep: config.upkeep, ..DiskConfig::new(cluster_id) };
    let open = open_disks(env, &mut sites, &disk_config).await?;
    let opened = match open_metadata(env, &config, &sites, &open).await {
        Ok(opened) => opened,
        Err(error) => {
            close_disks(open.into_values()).await;
            return Err(error);
        }
    };
    let consensus = match RaftConsensus::start(env, opened, NODE.0, config.propose_deadline).await {
        Ok(consensus) => consensus,
        Err(error) => {
            close_disks(open.into_values()).await;
            return Err(error);
        }
    };
    let parts = Parts { env: env.clone(), config, cluster_id, disk_config, consensus: consensus.clone() };
    let disks: Vec<Arc<Disk>> = open.values().cloned().collect();
    match parts.bring_together(sites, open).await {
        Ok(cluster) => Ok(cluster),
        Err(error) => {
            if let Err(error) = consensus.close().await {
                tracing::warn!(%error, "the metadata did not close cleanly");
            }
            close_disks(disks).await;
            Err(error)
        }
    }
}

async fn survey_all(env: &Env, config: &ClusterConfig) -> Result<Vec<Site>> {
    let (look_env, paths) = (env.clone(), config.disks.clone());
    env.blocking(move || survey(&look_env, &paths)).await
}

fn cluster_of(sites: &[Site]) -> Option<u128> {
    sites.iter().find_map(|site| if let Found::Disk(identity) = &site.found { Some(identity.cluster_id) } else { None })
}

/// Makes all sites disks of a new cluster. Interrupted, the next start goes on with what is there.
async fn begin(env: &Env, config: &ClusterConfig, sites: &[Site]) -> Result<u128> {
    for site in sites {
        if let Found::Unreadable(error) = &site.found {
            return Err(error.clone().into());
        }
    }
    let profile = initial_profile(config, sites.len())?;
    let cluster_id = env.random_u128();
    tracing::info!(cluster = format!("{cluster_id:032x}"), disks = sites.len(), %profile, "a new cluster begins");
    for site in sites {
        let (format_env, path) = (env.clone(), site.path.clone());
        env.blocking(move || format(&format_env, &path, cluster_id)).await?;
    }
    Ok(cluster_id)
}

fn initial_profile(config: &ClusterConfig, disks: usize) -> Result<Profile> {
    let profile = config.profile.unwrap_or(Profile::default_for(disks, 1));
    if disks < profile.shards() { Err(Error::TooFewDisks { profile, disks }) } else { Ok(profile) }
}

/// Opens every disk there is, side by side. One that cannot be read counts as absent from then on.
async fn open_disks(env: &Env, sites: &mut [Site], config: &DiskConfig) -> Result<OpenDisks> {
    let mut pending = Vec::new();
    for site in sites.iter() {
        let Found::Disk(_) = site.found else {
            pending.push(None);
            continue;
        };
        let (sender, receiver) = oneshot::channel();
        let (open_env, path, config) = (env.clone(), site.path.clone(), config.clone());
        env.spawn.blocking(Box::new(move || {
            // Nobody waits any more when another disk has stopped the start.
            let _ = sender.send(open_known(&open_env, &path, &config));
        }));
        pending.push(Some(receiver));
    }
    let mut open = OpenDisks::new();
    let mut refused = None;
    for (site, receiver) in sites.iter_mut().zip(pending) {
        let Some(receiver) = receiver else { continue };
        match receiver.await.unwrap_or(Err(disk::Error::Closed)) {
            Ok(disk) => drop(open.insert(DiskId(disk.identity().disk_id), disk)),
            Err(error) if is_fatal(&error) => refused = Some(error),
            Err(error) => {
                tracing::error!(path = %site.path.display(), %error, "disk cannot be opened");
                site.found = Found::Unreadable(error);
            }
        }
    }
    match refused {
        Some(error) => {
            close_disks(open.into_values()).await;
            Err(error.into())
        }
        None => Ok(open),
    }
}

/// Whether a disk's error stops the start rather than leaving the disk out: the operator named the wrong directory.
fn is_fatal(error: &disk::Error) -> bool {
    matches!(
        error,
        disk::Error::AnotherCluster { .. }
            | disk::Error::InUse { .. }
            | disk::Error::UnknownVersion { .. }
            | disk::Error::Unmounted { .. }
    )
}

/// Opens the metadata on the disks that are there; begins it only when it never existed.
async fn open_metadata(env: &Env, config: &ClusterConfig, sites: &[Site], open: &OpenDisks) -> Result<Opened> {
    let is_open = |site: &&Site| open.values().any(|disk| disk.path() == site.path);
    let here: Vec<PathBuf> = sites.iter().filter(is_open).map(|site| site.path.clone()).collect();
    let missing: Vec<PathBuf> = sites.iter().filter(|site| !is_open(site)).map(|site| site.path.clone()).collect();
    let look_env = env.clone();
    let candidates = env.blocking(move || metadata_directories(&look_env, &here, missing)).await?;
    Ok(MetaEngine::open(env, &candidates, config.meta).await?)
}

/// Where the metadata is, or will be when it never existed. Blocks.
fn metadata_directories(env: &Env, here: &[PathBuf], missing: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    let candidates: Vec<PathBuf> = here.iter().map(|path| meta_directory(path)).collect();
    let mut exists = false;
    for candidate in &candidates {
        exists |= meta::is_mirror(env, candidate)?;
    }
    for path in here {
        if !exists && is_marked(env, path)? {
            return Err(Error::MetadataMissing { present: here.len(), missing });
        }
    }
    if candidates.is_empty() {
        return Err(Error::MetadataMissing { present: 0, missing });
    }
    Ok(candidates)
}

async fn close_disks(disks: impl IntoIterator<Item = Arc<Disk>>) {
    for disk in disks {
        if let Err(error) = disk.close().await {
            tracing::warn!(path = %disk.path().display(), %error, "disk did not close cleanly");
        }
    }
}

/// An inspection takes an empty directory for a missing disk, and refuses one that never was part of the cluster.
fn without_admissions(steps: Vec<Step>) -> Result<Vec<Step>> {
    let inspected = |step| match step {
        Step::Admit { path, replaces: Some(disk), .. } => Ok(Step::Miss { disk, reason: format!("{path:?} is empty") }),
        Step::Admit { path, replaces: None, .. } => Err(Error::NotMember { path }),
        step => Ok(step),
    };
    steps.into_iter().map(inspected).collect()
}

/// What has been started so far.
struct Parts {
    env: Env,
    config: ClusterConfig,
    cluster_id: u128,
    disk_config: DiskConfig,
    consensus: Arc<RaftConsensus>,
}

impl Parts {
    /// Compares disks and metadata, admits who is new, and starts to watch.
    async fn bring_together(self, sites: Vec<Site>, mut open: OpenDisks) -> Result<Cluster> {
        let consensus: Arc<dyn Consensus> = self.consensus.clone();
        let keeper = RosterKeeper::load(consensus.clone(), NODE).await?;
        refuse(keeper.roster(), &sites)?;
        let mut disks = DiskSet::new(self.env.clone(), self.disk_config.clone(), NODE, keeper);

        let mut members: BTreeMap<DiskId, Member> = BTreeMap::new();
        let mut absent_since = BTreeMap::new();
        let steps = reconcile(disks.roster(), &sites);
        let steps = if self.config.purpose == Purpose::Inspect { without_admissions(steps)? } else { steps };
        for step in steps {
            if let Step::Miss { disk, .. } = &step {
                absent_since.insert(*disk, self.env.clock.monotonic());
            }
            let (id, member, _) = disks.perform(step, &mut open).await?;
            members.insert(id, member);
        }

        let kept = self.table(consensus.as_ref(), members.len()).await?;
        let begins = kept.is_unborn();
        let publisher = Arc::new(Publisher::new(kept.table.clone(), members.clone()));
        let tables = Arc::new(TableKeeper::new(consensus, publisher.clone(), kept));
        let cluster = Cluster {
            cluster_id: self.cluster_id,
            consensus: self.consensus.clone(),
            publisher: publisher.clone(),
            tables: tables.clone(),
            readers: Arc::new(Readers::new(self.env.clone(), NODE, None)),
            env: self.env.clone(),
            mirror_count: self.config.meta.mirror_count,
            stopping: watch::Sender::new(false),
            monitor: Mutex::new(None),
        };
        if self.config.purpose == Purpose::Inspect {
            return Ok(cluster);
        }
        let specs = disks.specs(&members);
        tables.change(|table| placement::plan(table, &specs)).await?;
        for member in members.values().filter(|member| member.disk.is_some()) {
            disks.mark(member.path.clone()).await?;
        }
        let mut monitor = Monitor {
            env: self.env.clone(),
            config: self.config,
            cluster_id: self.cluster_id,
            directories: sites.into_iter().map(|site| site.path).collect(),
            disks,
            tables,
            publisher,
            engine: self.consensus.engine().clone(),
            absent_since,
            scrub_at: self.env.clock.monotonic() + SCRUB_PAUSE_MIN,
            pauses: BTreeMap::new(),
        };
        if begins {
            // A first start that was interrupted may have found one disk only. Later the node serves meanwhile.
            monitor.mirror().await;
        }
        let monitor = self.env.spawn.task("disk-monitor", Box::pin(monitor.run(cluster.stopping.subscribe())));
        *cluster.monitor.lock() = Some(monitor);
        Ok(cluster)
    }

    /// The table that is kept, or a vacant one for a cluster that begins.
    async fn table(&self, consensus: &dyn Consensus, disks: usize) -> Result<Kept> {
        let Some(kept) = Kept::load(consensus).await? else {
            let profile = initial_profile(&self.config, disks)?;
            return Ok(Kept::unborn(Table::vacant(profile, disks)));
        };
        let existing = kept.table.profile();
        match self.config.profile {
            Some(wanted) if wanted != existing => Err(Error::ProfileChanged { existing, wanted }),
            _ => Ok(kept),
        }
    }
}
