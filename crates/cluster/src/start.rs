//! How a node starts: finds out who it is, opens its disks, then the metadata, then brings both together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use disk::{Disk, DiskConfig};
use env::Env;
use meta::Consensus;
use parking_lot::Mutex;
use placement::{DiskId, NodeId, Table};
use tokio::sync::watch;

use crate::additions::Additions;
use crate::birth::{FOUNDER, Identity, copy_node_file, identify, initial_profile};
use crate::cluster::Cluster;
use crate::config::{ClusterConfig, Purpose};
use crate::disks::{DiskSet, Found, Roster, RosterKeeper, Site, Step, meta_directory, reconcile, refuse, survey};
use crate::divergence::{Comparison, MarksHandler};
use crate::documents;
use crate::error::{Error, Result};
use crate::follow::Follower;
use crate::halts::Halts;
use crate::join::Doorkeeper;
use crate::links::Links;
use crate::liveness::Liveness;
use crate::monitor::{Monitor, SCRUB_PAUSE_MIN};
use crate::nodes::{NODES, NodeRecord, Nodes};
use crate::opening::{OpenDisks, close_disks, open_disks, open_metadata, survey_all};
use crate::raft::RaftConsensus;
use crate::raft::regrow::regrow;
use crate::readers::Readers;
use crate::renewal::Renewal;
use crate::rooms::RoomsHandler;
use crate::rpc::Method;
use crate::security::NodeKey;
use crate::shards::{RemoteDisks, ShardService};
use crate::steward::Steward;
use crate::tables::{Kept, TableKeeper};
use crate::topology::{Member, Publisher};

/// Pause between attempts to reach a majority at the start.
const WAIT_PAUSE: Duration = Duration::from_millis(500);

/// What lies in this machine's storage directories, open.
pub(crate) struct Local {
    pub(crate) sites: Vec<Site>,
    pub(crate) identity: Identity,
    disk_config: DiskConfig,
    pub(crate) open: OpenDisks,
}

impl Local {
    /// Finds out who this node is, joining a cluster or beginning one as `config` says, and opens its disks.
    pub(crate) async fn open(env: &Env, config: &mut ClusterConfig, links: &Links) -> Result<Self> {
        if config.disks.is_empty() {
            return Err(Error::NoDisks);
        }
        let mut sites = survey_all(env, config).await?;
        let identity = identify(env, config, links, &mut sites).await?;
        let realm = identity.file.as_ref().map_or(identity.cluster_id, |file| file.realm);
        config.meta.realm = Some(realm);
        let disk_config = DiskConfig {
            extent_size_max: config.extent_size_max,
            upkeep: config.upkeep,
            ..DiskConfig::new(identity.cluster_id)
        };
        let open = open_disks(env, &mut sites, &disk_config).await?;
        Ok(Self { sites, identity, disk_config, open })
    }
}

/// See [`Cluster::open`].
pub(crate) async fn start(env: &Env, mut config: ClusterConfig) -> Result<Cluster> {
    let links = Arc::new(Links::new(env));
    let Local { sites, identity, disk_config, open } = Local::open(env, &mut config, &links).await?;
    let disks: Vec<Arc<Disk>> = open.values().cloned().collect();
    let started = async {
        let consensus = start_consensus(env, &config, &identity, &links, &sites, &open).await?;
        let parts = Parts { env: env.clone(), config, identity, disk_config, links: links.clone(), consensus };
        parts.finish(sites, open).await
    };
    match started.await {
        Ok(cluster) => Ok(cluster),
        Err(error) => {
            if let Err(error) = links.close().await {
                tracing::warn!(%error, "the listener for other nodes failed");
            }
            close_disks(disks).await;
            Err(error)
        }
    }
}

/// Opens the metadata, reaches the other nodes, and takes part in deciding.
async fn start_consensus(
    env: &Env,
    config: &ClusterConfig,
    identity: &Identity,
    links: &Arc<Links>,
    sites: &[Site],
    open: &OpenDisks,
) -> Result<Arc<RaftConsensus>> {
    let mut config = config.clone();
    config.meta.may_regrow = identity.file.is_some() && config.node.is_some() && config.purpose == Purpose::Serve;
    let opened = open_metadata(env, &config, sites, open).await?;
    let listening = match (&identity.file, &config.node) {
        (Some(file), Some(node)) if config.purpose == Purpose::Serve => {
            Some(links.open(&file.passport, &node.address).await?)
        }
        (Some(file), None) if config.purpose == Purpose::Serve => {
            return Err(Error::NeedsAddress { node: file.passport.node });
        }
        _ => None,
    };
    let peers = links.peers.clone();
    if let Some(file) = identity.file.as_ref().filter(|_| listening.is_some() && opened.engine.is_damaged()) {
        let others = || file.peers.iter().filter(|(node, _)| *node != identity.node).cloned();
        links.expect(others());
        let nodes: Vec<NodeId> = others().map(|(node, _)| node).collect();
        regrow(&opened.engine, &peers, &nodes, env.clock.as_ref()).await;
        opened.engine.check_gap()?;
    }
    let consensus = RaftConsensus::start(env, opened, identity.node, peers, config.propose_deadline).await?;
    if let (Some(server), Some(file)) = (listening, &identity.file) {
        // What the log says is newer than what was known when the file was written.
        let known = file.peers.iter().cloned().chain(consensus.addresses().await?);
        links.expect(known.filter(|(node, _)| *node != identity.node));
        consensus.serve(&server);
    }
    Ok(consensus)
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
    identity: Identity,
    disk_config: DiskConfig,
    links: Arc<Links>,
    consensus: Arc<RaftConsensus>,
}

impl Parts {
    async fn finish(self, sites: Vec<Site>, open: OpenDisks) -> Result<Cluster> {
        let consensus = self.consensus.clone();
        match self.bring_together(sites, open).await {
            Ok(cluster) => Ok(cluster),
            Err(error) => {
                if let Err(error) = consensus.close().await {
                    tracing::warn!(%error, "the metadata did not close cleanly");
                }
                Err(error)
            }
        }
    }

    fn node(&self) -> NodeId {
        self.identity.node
    }

    fn address(&self) -> &str {
        self.config.node.as_ref().map_or("", |node| node.address.as_str())
    }

    fn inspects(&self) -> bool {
        self.config.purpose == Purpose::Inspect
    }

    /// Compares disks and metadata, admits who is new, and starts to watch.
    async fn bring_together(self, mut sites: Vec<Site>, mut open: OpenDisks) -> Result<Cluster> {
        if self.node() == FOUNDER {
            self.consensus.begin(self.address()).await?;
        }
        let consensus: Arc<dyn Consensus> = self.consensus.clone();
        self.wait_for_majority().await?;
        let keeper = RosterKeeper::load(consensus.clone(), self.node()).await?;
        if !self.inspects() {
            self.open_added(keeper.roster(), &mut sites, &mut open).await?;
        }
        let renewal = if self.inspects() { None } else { self.become_member(&consensus, &sites).await? };
        refuse(keeper.roster(), &sites)?;
        let mut disks = DiskSet::new(self.env.clone(), self.disk_config.clone(), self.node(), keeper);

        let mut members: BTreeMap<DiskId, Member> = BTreeMap::new();
        let steps = reconcile(disks.roster(), &sites);
        let steps = if self.inspects() { without_admissions(steps)? } else { steps };
        let mut admitted = Vec::new();
        for step in steps {
            let is_new = matches!(step, Step::Admit { .. });
            let (id, member) = disks.perform(step, &mut open).await?;
            admitted.extend(is_new.then(|| member.path.clone()));
            members.insert(id, member);
        }
        self.leave_removed(open).await;
        let kept = self.table(consensus.as_ref(), members.len()).await?;
        let begins = kept.is_unborn();
        let publisher = Arc::new(Publisher::new(kept.table.clone(), members.clone()));
        let tables = Arc::new(TableKeeper::new(self.env.clone(), consensus, publisher.clone(), kept));
        let peers = self.links.peers.clone();
        let (additions, wanted) = Additions::queue();
        let cluster = Cluster {
            additions: Arc::new(additions),
            inquiries: Arc::default(),
            halts: watch::Sender::new(Halts::default()),
            cluster_id: self.identity.cluster_id,
            consensus: self.consensus.clone(),
            publisher: publisher.clone(),
            tables: tables.clone(),
            readers: Arc::new(Readers::new(self.env.clone(), self.node(), peers)),
            links: self.links.clone(),
            env: self.env.clone(),
            mirror_count: self.config.meta.mirror_count,
            stopping: watch::Sender::new(false),
            tasks: Mutex::new(Vec::new()),
        };
        if self.inspects() {
            return Ok(cluster);
        }
        disks.note_states(&members).await?;
        for member in members.values().filter(|member| member.disk.is_some()) {
            disks.mark(member.path.clone()).await?;
        }
        for path in admitted {
            // The certificate was kept before these were disks.
            let others = members.values().map(|member| member.path.clone()).filter(|other| *other != path).collect();
            copy_node_file(&self.env, others, path).await;
        }
        let monitor = Monitor {
            env: self.env.clone(),
            config: self.config.clone(),
            cluster_id: self.identity.cluster_id,
            directories: sites.into_iter().map(|site| site.path).collect(),
            additions: wanted,
            disks,
            publisher,
            consensus: self.consensus.clone(),
            scrub_at: self.env.clock.monotonic() + SCRUB_PAUSE_MIN,
            reread_at: self.env.clock.monotonic() + self.config.log_reread_period,
            pauses: BTreeMap::new(),
        };
        self.begin_to_watch(&cluster, monitor, renewal, begins).await?;
        Ok(cluster)
    }

    /// Starts the tasks that keep the node in step with its disks and with the others.
    async fn begin_to_watch(
        self,
        cluster: &Cluster,
        mut monitor: Monitor,
        renewal: Option<Renewal>,
        begins: bool,
    ) -> Result<()> {
        let members = watch::Sender::new(BTreeSet::new());
        let (liveness, gossip, down) =
            Liveness::new(&self.env, self.node(), self.links.peers.clone(), members.subscribe());
        let follower = Follower {
            node: self.node(),
            consensus: self.consensus.clone(),
            publisher: cluster.publisher.clone(),
            peers: self.links.peers.clone(),
            server: self.links.server(),
            disks: RemoteDisks::new(self.env.clone(), self.links.peers.clone()),
            members,
            halts: cluster.halts.clone(),
            down: down.clone(),
        };
        follower.refresh(&BTreeSet::new())?;
        let mut steward = Steward {
            env: self.env.clone(),
            consensus: self.consensus.clone(),
            tables: cluster.tables.clone(),
            absence_max: self.config.absence_max,
            period: self.config.probe_interval,
            down,
            silent_disks: BTreeMap::new(),
            silent_nodes: BTreeMap::new(),
            needed_at: BTreeMap::new(),
        };
        if self.consensus.is_leader() {
            // A node that is alone can be written to as soon as it has started.
            steward.work().await?;
        }
        if begins {
            // A first start that was interrupted may have found one disk only. Later the node serves meanwhile.
            monitor.mirror().await;
        }
        let stopping = || cluster.stopping.subscribe();
        let mut tasks = vec![
            self.env.spawn.task("disk-monitor", Box::pin(monitor.run(stopping()))),
            self.env.spawn.task("steward", Box::pin(steward.run(stopping()))),
            self.env.spawn.task("follower", Box::pin(follower.run(stopping()))),
        ];
        if let Some(server) = self.links.server() {
            let shards = ShardService::new(self.env.clone(), cluster.publisher.clone());
            server.answer(&ShardService::METHODS, Arc::new(shards));
            server.answer(&[Method::Gossip], Arc::new(gossip));
            server.answer(&[Method::OldestReader], cluster.readers.clone());
            let rooms = RoomsHandler { env: self.env.clone(), publisher: cluster.publisher.clone() };
            server.answer(&[Method::Work], cluster.inquiries.clone());
            server.answer(&[Method::AddDisk], cluster.additions.clone());
            server.answer(&[Method::DiskRooms], Arc::new(rooms));
            server.admit(Arc::new(Doorkeeper {
                env: self.env.clone(),
                cluster_id: self.identity.cluster_id,
                realm: self.consensus.engine().realm(),
                consensus: self.consensus.clone(),
            }));
            server.answer(&[Method::EffectsMarks], Arc::new(MarksHandler(self.consensus.clone())));
            let comparison = Comparison {
                env: self.env.clone(),
                node: self.node(),
                consensus: self.consensus.clone(),
                peers: self.links.peers.clone(),
            };
            tasks.push(self.env.spawn.task("divergence", Box::pin(comparison.run(stopping()))));
            tasks.push(self.env.spawn.task("liveness", Box::pin(liveness.run(stopping()))));
        }
        if let Some(renewal) = renewal {
            tasks.push(self.env.spawn.task("renewal", Box::pin(renewal.run(stopping()))));
        }
        *cluster.tasks.lock() = tasks;
        Ok(())
    }

    /// Opens the disks that operators added to the running node: their directories count as named.
    async fn open_added(&self, roster: &Roster, sites: &mut Vec<Site>, open: &mut OpenDisks) -> Result<()> {
        let mut paths = roster.added();
        paths.retain(|path| sites.iter().all(|site| site.path != *path));
        let survey_env = self.env.clone();
        let mut added = self.env.blocking(move || survey(&survey_env, &paths)).await?;
        for (one, other) in added.iter().flat_map(|one| sites.iter().map(move |other| (one, other))) {
            if let (Found::Disk(same), Found::Disk(known)) = (&one.found, &other.found)
                && same == known
            {
                return Err(Error::DuplicateDisk { first: other.path.clone(), second: one.path.clone() });
            }
        }
        open.extend(open_disks(&self.env, &mut added, &self.disk_config).await?);
        sites.append(&mut added);
        Ok(())
    }

    /// Closes disks that were removed from the node although its settings name them. Their metadata is old.
    async fn leave_removed(&self, removed: OpenDisks) {
        for disk in removed.values() {
            tracing::warn!(path = %disk.path().display(), "a disk that was removed is left alone");
            self.consensus.engine().retire_mirror(&meta_directory(disk.path()));
        }
        close_disks(removed.into_values()).await;
    }

    /// Waits until the metadata can be read: at once for a node that is alone, else until enough others are there.
    async fn wait_for_majority(&self) -> Result<()> {
        let mut attempts = 0_u32;
        loop {
            match self.consensus.read().await {
                Ok(_) => return Ok(()),
                Err(error @ (meta::Error::NoQuorum | meta::Error::Overloaded)) if self.links.server().is_some() => {
                    if attempts.is_multiple_of(8) {
                        if self.links.peers.say_removed().await {
                            return Err(Error::Removed { node: self.node() });
                        }
                        tracing::warn!(%error, "waiting for a majority of the nodes that decide");
                    }
                    attempts += 1;
                    self.env.clock.sleep(WAIT_PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Enters this node, as it is now, into the list of nodes. One that begins to have others gets its certificate.
    async fn become_member(&self, consensus: &Arc<dyn Consensus>, sites: &[Site]) -> Result<Option<Renewal>> {
        let rack = self.config.node.as_ref().map_or("", |node| node.rack.as_str());
        let (id, address) = (self.node().0, self.address());
        let enter = |nodes: &mut Nodes| {
            if nodes.removed.contains(&id) {
                return Err(Error::Removed { node: NodeId(id) });
            }
            let new = || NodeRecord { address: String::new(), rack: String::new(), public_key: None, leaving: false };
            let record = nodes.members.entry(id).or_insert_with(new);
            (record.address, record.rack) = (address.to_owned(), rack.to_owned());
            Ok(nodes.clone())
        };
        let nodes = documents::change(consensus, NODES, enter).await?;
        if address.is_empty() {
            let is_alone = nodes.members.len() == 1;
            return if is_alone { Ok(None) } else { Err(Error::NeedsAddress { node: self.node() }) };
        }
        let key = match &self.identity.file {
            Some(file) => file.passport.key.clone(),
            None => NodeKey::generate(&self.env),
        };
        let renewal = Renewal {
            env: self.env.clone(),
            cluster_id: self.identity.cluster_id,
            node: self.node(),
            key,
            address: address.to_owned(),
            consensus: self.consensus.clone(),
            links: self.links.clone(),
            directories: sites.iter().map(|site| site.path.clone()).collect(),
        };
        renewal.renew().await?;
        Ok(Some(renewal))
    }

    /// The table that is kept, or a vacant one for a cluster that begins.
    async fn table(&self, consensus: &dyn Consensus, disks: usize) -> Result<Kept> {
        loop {
            match Kept::load(consensus).await? {
                Some(kept) => {
                    let existing = kept.table.profile();
                    return match self.config.profile {
                        Some(wanted) if wanted != existing => Err(Error::ProfileChanged { existing, wanted }),
                        _ => Ok(kept),
                    };
                }
                None if self.node() == FOUNDER => {
                    let profile = initial_profile(&self.config, disks)?;
                    return Ok(Kept::unborn(Table::vacant(profile, disks.max(profile.shards()))));
                }
                // The founder was interrupted between its first start and the table.
                None => self.env.clock.sleep(WAIT_PAUSE).await,
            }
        }
    }
}
