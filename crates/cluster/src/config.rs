//! Settings of a node.

use std::path::PathBuf;
use std::time::Duration;

use disk::Upkeep;
use meta::MetaConfig;
use placement::Profile;

/// What the node is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To serve: begins the cluster, admits new disks, watches the disks.
    Serve,
    /// To look at what is there: changes neither disks nor placement.
    Inspect,
}

/// How a node is one of several.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Where it listens for other nodes, and where they reach it: `HOST:PORT`.
    pub address: String,
    /// What fails together with it: the name of a rack, a room or a zone. Empty when nothing does.
    pub rack: String,
    /// What to do when the storage directories are blank.
    pub entry: Entry,
}

/// How a node whose storage directories are blank comes to a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Not at all: the directories are those of a member.
    Member,
    /// It begins one.
    Init,
    /// It joins one.
    Join {
        /// Addresses of members, `HOST:PORT`.
        seeds: Vec<String>,
        /// The token to join with, as printed.
        token: String,
    },
}

/// Settings of a node.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// The storage directories of this node.
    pub disks: Vec<PathBuf>,
    /// What the node is started for.
    pub purpose: Purpose,
    /// How it is one of several; `None` for a node that is alone.
    pub node: Option<NodeConfig>,
    /// Redundancy to begin with; by the number of disks when `None`. Later starts may repeat it, not change it.
    pub profile: Option<Profile>,
    /// Largest size of a disk's extents, in bytes.
    pub extent_size_max: u64,
    /// When disks compact and checkpoint.
    pub upkeep: Upkeep,
    /// Settings of the metadata.
    pub meta: MetaConfig,
    /// How long a command may take to be decided.
    pub propose_deadline: Duration,
    /// How often disks are looked at.
    pub probe_interval: Duration,
    /// How often the log of the metadata is reread in all its copies.
    pub log_reread_period: Duration,
    /// How long a disk may be absent before others take over what it held.
    pub absence_max: Duration,
}

impl ClusterConfig {
    /// The defaults for `disks`.
    pub fn new(disks: Vec<PathBuf>) -> Self {
        Self {
            disks,
            purpose: Purpose::Serve,
            node: None,
            profile: None,
            extent_size_max: 256 << 20,
            upkeep: Upkeep::Background,
            meta: MetaConfig::default(),
            propose_deadline: Duration::from_secs(10),
            probe_interval: Duration::from_secs(2),
            log_reread_period: Duration::from_secs(3600),
            absence_max: Duration::from_secs(15 * 60),
        }
    }
}
