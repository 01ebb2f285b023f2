//! Why the node cannot start or change its shape.

use std::path::PathBuf;

use placement::Profile;

/// Result of this crate's operations.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the node cannot start or change its shape. Messages say what the operator can do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Name at least one storage directory.
    #[error("no storage directory was named: name at least one")]
    NoDisks,
    /// Name each directory once.
    #[error("{path:?} is named twice: name each storage directory once")]
    DuplicateDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// Remove the copy.
    #[error("{first:?} and {second:?} hold the same disk: one is a copy of the other, remove the copy")]
    DuplicateDisk {
        /// A directory.
        first: PathBuf,
        /// Another one with the same disk.
        second: PathBuf,
    },
    /// Give each cluster its own directories.
    #[error("{first:?} and {second:?} belong to different clusters: name directories of one cluster only")]
    MixedClusters {
        /// A directory.
        first: PathBuf,
        /// One of another cluster.
        second: PathBuf,
    },
    /// Mount the device, or remove the directory and create it again to replace the disk.
    #[error("{path:?} used to be a mounted disk and is an empty directory now: mount the disk that belongs there")]
    Unmounted {
        /// The directory.
        path: PathBuf,
    },
    /// Bring the disks back that hold the metadata.
    #[error(
        "none of the {present} directories found holds the cluster's metadata: \
         bring back the disks that are missing ({missing:?})"
    )]
    MetadataMissing {
        /// Directories of this cluster that are there.
        present: usize,
        /// Directories that were named and are not there, or cannot be read.
        missing: Vec<PathBuf>,
    },
    /// Name the directories of a cluster.
    #[error("{path:?} is not part of the cluster: name the directories that the server was started with")]
    NotMember {
        /// The directory.
        path: PathBuf,
    },
    /// Name more directories, or choose a narrower profile.
    #[error("erasure profile {profile} needs {} storage directories, {disks} are named: name more, or choose another profile", profile.shards())]
    TooFewDisks {
        /// The profile.
        profile: Profile,
        /// Directories named.
        disks: usize,
    },
    /// Start without choosing a profile: it was chosen when the cluster began.
    #[error("the cluster keeps its data as {existing}, which cannot become {wanted}: start without another profile")]
    ProfileChanged {
        /// What the data is kept as.
        existing: Profile,
        /// What was asked for.
        wanted: Profile,
    },
    /// Run the version that wrote it, or a newer one.
    #[error("the {what} has format version {found}, this program reads version {known}: run the version that wrote it")]
    UnknownFormat {
        /// The document.
        what: &'static str,
        /// Version found.
        found: u8,
        /// Version that this program reads.
        known: u8,
    },
    /// Restore from a backup.
    #[error("the {what} is damaged: {reason}")]
    Damaged {
        /// The document.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The state machine refused what only this crate proposes: a mistake of ours.
    #[error("the cluster's own {what} was refused: {refusal}")]
    Refused {
        /// What was proposed.
        what: &'static str,
        /// The answer.
        refusal: meta::Refusal,
    },
    /// Try again.
    #[error("the {what} was changed by others again and again: try again")]
    Contended {
        /// What was to be changed.
        what: &'static str,
    },
    /// A storage directory cannot be used; the message says why and what to do.
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// The metadata cannot be used.
    #[error(transparent)]
    Meta(#[from] meta::Error),
    /// The placement table cannot be used.
    #[error(transparent)]
    Placement(#[from] placement::Error),
    /// The file system refused.
    #[error("{operation} failed on {path:?}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The consensus cannot be started or has stopped; restart the node.
    #[error("the consensus has stopped: {reason}")]
    Consensus {
        /// What it says.
        reason: String,
    },
    /// Start the node.
    #[error("node {} decides alone already: there is nothing to recover", node.0)]
    NotNeeded {
        /// The node.
        node: placement::NodeId,
    },
    /// Use another node.
    #[error("node {} is no member of the cluster any more, by what it knows: recover another node", node.0)]
    NoMember {
        /// The node.
        node: placement::NodeId,
    },
    /// A key or certificate cannot be made or read.
    #[error("cannot make or read a certificate: {reason}")]
    Certificate {
        /// What is wrong.
        reason: String,
    },
    /// Ask for another token, or have the members' addresses checked.
    #[error("the cluster did not admit this node: {reason}")]
    NotAdmitted {
        /// What the members said, or why they were not reached.
        reason: String,
    },
    /// Say how the node comes to its cluster.
    #[error("these directories are new: begin a cluster with --init, or join one with --join and --token")]
    NeitherInitNorJoin,
    /// Name one disk by the first digits of its identity, as the overview lists it.
    #[error("no disk, or more than one, has an identity that begins with {disk:?}")]
    NoSuchDisk {
        /// What was asked for.
        disk: String,
    },
    /// Name a node by its number, as the overview lists it.
    #[error("there is no node {node}")]
    NoSuchNode {
        /// What was asked for.
        node: u64,
    },
    /// Add disks first.
    #[error(
        "only {left} working disks would be left, and {profile} needs {}: add disks first", profile.shards()
    )]
    TooFewLeft {
        /// What data is kept as.
        profile: Profile,
        /// Disks that would be left.
        left: usize,
    },
    /// Add disks, or delete data, first.
    #[error("the other disks have room for {free} more bytes, and {needed} would have to move there: add disks first")]
    NoRoom {
        /// Bytes that would have to move.
        needed: u64,
        /// Bytes that fit.
        free: u64,
    },
    /// Wait until the cluster is whole, or bring back what is missing.
    #[error("{groups} placement groups could then not be {what}: wait until what is missing is back, or rebuilt")]
    Shortfall {
        /// Groups.
        groups: usize,
        /// What could not be done with them.
        what: &'static str,
    },
    /// Drain the disk first, and wait.
    #[error("disk {disk} still holds {slots} slots: drain it, and wait until `admin info` calls it empty")]
    DiskInUse {
        /// The disk.
        disk: placement::DiskId,
        /// Slots that name it.
        slots: usize,
    },
    /// Wait.
    #[error("{shards} shards still lie on disk {disk} in place of others: they are being moved, try again in a minute")]
    SubstitutesLeft {
        /// The disk.
        disk: placement::DiskId,
        /// Shards that manifests expect there.
        shards: usize,
    },
    /// Remove the node, or add another disk to it first.
    #[error("node {} would have no working disk left, and it keeps metadata on its disks: remove, or stop, the node instead", node.0)]
    LastDisk {
        /// The node.
        node: placement::NodeId,
    },
    /// The node's reason says what to do.
    #[error("node {node} did not add it: {reason}")]
    NotAdded {
        /// The node.
        node: u64,
        /// What it, or the connection to it, says.
        reason: String,
    },
    /// Name the directory from the root.
    #[error("{path:?} is relative: name the directory by its whole path on that node")]
    RelativePath {
        /// The directory.
        path: PathBuf,
    },
    /// Nothing is to be done.
    #[error("{path:?} is a disk of this node already: {disk}")]
    AlreadyAdded {
        /// The directory.
        path: PathBuf,
        /// The disk.
        disk: placement::DiskId,
    },
    /// Name a directory of its own.
    #[error("{path:?} and the storage directory {other:?} lie in one another: name a directory of its own")]
    Nested {
        /// The directory.
        path: PathBuf,
        /// The disk that is there already.
        other: PathBuf,
    },
    /// Have the other node let it go first.
    #[error("{path:?} holds disk {disk} of node {}: drain and remove it there first", node.0)]
    DiskElsewhere {
        /// The directory.
        path: PathBuf,
        /// The disk.
        disk: placement::DiskId,
        /// The node that it belongs to.
        node: placement::NodeId,
    },
    /// Empty the directories, and have the node join anew.
    #[error("node {} was removed from the cluster: empty its directories and join anew", node.0)]
    Removed {
        /// The node.
        node: placement::NodeId,
    },
    /// Start without `--init`.
    #[error("{path:?} belongs to a cluster already: start without --init")]
    AlreadyBegun {
        /// A directory.
        path: PathBuf,
    },
    /// Use the token of the cluster that the directories belong to.
    #[error("the token is for another cluster than the one that {path:?} belongs to")]
    WrongCluster {
        /// A directory.
        path: PathBuf,
    },
    /// Say where the other nodes reach this one.
    #[error("node {} is one of several: start it with --node-address", node.0)]
    NeedsAddress {
        /// The node.
        node: placement::NodeId,
    },
    /// Copy the token again.
    #[error("this is no join token: it begins with `stonecrop1.` and is printed whole by the first node")]
    MalformedToken,
    /// The address for other nodes cannot be listened on.
    #[error("cannot listen on {address} for other nodes")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A background task panicked.
    #[error(transparent)]
    Task(#[from] env::TaskFailed),
}
