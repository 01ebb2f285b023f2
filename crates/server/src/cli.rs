//! Flags and environment variables.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// S3-compatible, erasure-coded object store.
#[derive(Debug, Parser)]
#[command(name = "stonecrop", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve S3 from one or more storage directories, one per disk.
    Server(Box<ServerArguments>),
    /// Check every object against every shard and back. The server must be stopped.
    Fsck(FsckArguments),
    /// Ask how the cluster is, and have it changed.
    Admin(AdminArguments),
    /// Put a measured load on an S3 endpoint (this server or any other) and print how it answered.
    Bench(Box<BenchArguments>),
}

/// A value left out here is looked up in the configuration file, then takes its default.
#[derive(Debug, Args)]
pub(crate) struct ServerArguments {
    /// Storage directories, one per disk. Created when missing. The order does not matter after the first start.
    #[arg(value_name = "DISK", env = "STONECROP_DISKS", value_delimiter = ',')]
    pub(crate) disks: Vec<PathBuf>,

    /// Configuration file in TOML: the long flags as keys, with `_` for `-`; flags and environment override it.
    #[arg(long, value_name = "FILE", env = "STONECROP_CONFIG")]
    pub(crate) config: Option<PathBuf>,

    /// Address to serve S3 on [default: 127.0.0.1:9000].
    #[arg(long, value_name = "IP:PORT", env = "STONECROP_ADDRESS")]
    pub(crate) address: Option<String>,

    /// Address to serve metrics on; `off` serves none [default: 127.0.0.1:9001].
    #[arg(long, value_name = "IP:PORT|off", env = "STONECROP_ADMIN_ADDRESS")]
    pub(crate) admin_address: Option<String>,

    /// Data and parity shards of each stripe, `k+m` [default: by the number of disks; fixed at the first start].
    #[arg(long, value_name = "K+M", env = "STONECROP_ERASURE")]
    pub(crate) erasure: Option<String>,

    /// Region that clients sign for and that buckets report [default: us-east-1].
    #[arg(long, value_name = "NAME", env = "STONECROP_REGION")]
    pub(crate) region: Option<String>,

    /// Domain whose subdomains name buckets (virtual-host style); may be given several times.
    #[arg(long, value_name = "DOMAIN", env = "STONECROP_DOMAIN", value_delimiter = ',')]
    pub(crate) domain: Vec<String>,

    /// Memory that object bodies in flight may hold, in MiB [default: 128].
    #[arg(long, value_name = "MIB", env = "STONECROP_BODY_MEMORY_MIB", value_parser = whole_number)]
    pub(crate) body_memory_mib: Option<u32>,

    /// Days in which each disk is reread once to find damage early [default: 14].
    #[arg(long, value_name = "DAYS", env = "STONECROP_SCRUB_DAYS", value_parser = whole_number)]
    pub(crate) scrub_days: Option<u32>,

    /// Address for other nodes, and where they reach this one: makes it one of several.
    #[arg(long, value_name = "HOST:PORT", env = "STONECROP_NODE_ADDRESS")]
    pub(crate) node_address: Option<String>,

    /// Begin a cluster that other nodes can join; prints a join token. For the first start of the first node.
    #[arg(long, conflicts_with_all = ["join", "token"])]
    pub(crate) init: bool,

    /// Node addresses of members to join; one of them is enough. Ignored once the node is a member.
    #[arg(long, value_name = "HOST:PORT", env = "STONECROP_JOIN", value_delimiter = ',', requires = "token")]
    pub(crate) join: Vec<String>,

    /// Token to join with, as the first node or `stonecrop admin token` printed it. Prefer the environment variable.
    #[arg(long, value_name = "TOKEN", env = "STONECROP_JOIN_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,

    /// What fails together with this node: the name of its rack, room or zone.
    #[arg(long, value_name = "NAME", env = "STONECROP_RACK")]
    pub(crate) rack: Option<String>,

    /// Form of log lines on standard error [default: text on a terminal, else json].
    #[arg(long, value_name = "FORM", env = "STONECROP_LOG_FORMAT")]
    pub(crate) log_format: Option<LogFormat>,

    /// Log filter, for example `warn,s3=debug` [default: info,openraft=off].
    #[arg(long, value_name = "FILTER", env = "STONECROP_LOG")]
    pub(crate) log: Option<String>,

    /// Access key of the root user; set together with the secret key, instead of the generated credentials.
    #[arg(long, value_name = "KEY", env = "STONECROP_ACCESS_KEY", hide_env_values = true)]
    pub(crate) access_key: Option<String>,

    /// Secret key of the root user. Prefer the environment variable: other users of a machine can read flags.
    #[arg(long, value_name = "SECRET", env = "STONECROP_SECRET_KEY", hide_env_values = true)]
    pub(crate) secret_key: Option<String>,
}

fn whole_number(text: &str) -> Result<u32, &'static str> {
    text.parse().map_err(|_| "a whole number is expected")
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct FsckArguments {
    /// All storage directories of the server.
    #[arg(value_name = "DISK", required = true)]
    pub(crate) disks: Vec<PathBuf>,

    /// Print the whole report as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AdminArguments {
    /// The admin address of any node.
    #[arg(long, value_name = "URL", env = "STONECROP_ADMIN_URL", default_value = "http://127.0.0.1:9001")]
    pub(crate) endpoint: String,

    /// Region to sign for.
    #[arg(long, value_name = "NAME", env = "AWS_DEFAULT_REGION", default_value = "us-east-1")]
    pub(crate) region: String,

    /// Access key of the root user.
    #[arg(long, value_name = "KEY", env = "AWS_ACCESS_KEY_ID", hide_env_values = true)]
    pub(crate) access_key: String,

    /// Secret key of the root user. Prefer the environment variable: other users of a machine can read flags.
    #[arg(long, value_name = "SECRET", env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
    pub(crate) secret_key: String,

    #[command(subcommand)]
    pub(crate) command: AdminCommand,
}

/// What is asked of the cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Nodes, disks and health on one screen.
    Info {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Print a token with which nodes can join for a day.
    Token,
    /// Change what a disk is used for.
    #[command(subcommand)]
    Disk(DiskAction),
    /// Change which nodes are members.
    #[command(subcommand)]
    Node(NodeAction),
}

/// What to do with a disk, named by the first digits of its identity.
#[derive(Debug, Subcommand)]
pub(crate) enum DiskAction {
    /// Move what it holds elsewhere.
    Drain {
        /// First digits of its identity.
        disk: String,
    },
    /// Give it its share again.
    Undrain {
        /// First digits of its identity.
        disk: String,
    },
    /// Use it no more for now. After 15 minutes others take over what it held.
    Offline {
        /// First digits of its identity.
        disk: String,
    },
    /// Use it again.
    Online {
        /// First digits of its identity.
        disk: String,
    },
}

/// What to do with a node.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeAction {
    /// Move what its disks hold elsewhere, then let it go.
    Remove {
        /// Its number.
        node: u64,
    },
}

#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// What each operation does. `get`, `head` and `delete` work on what `put` with the same prefix wrote.
    pub(crate) operation: BenchOperation,

    /// The S3 endpoint.
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL", default_value = "http://127.0.0.1:9000")]
    pub(crate) endpoint: String,

    /// Region to sign for.
    #[arg(long, value_name = "NAME", env = "AWS_DEFAULT_REGION", default_value = "us-east-1")]
    pub(crate) region: String,

    /// Access key to sign with.
    #[arg(long, value_name = "KEY", env = "AWS_ACCESS_KEY_ID", hide_env_values = true)]
    pub(crate) access_key: String,

    /// Secret key to sign with. Prefer the environment variable: other users of a machine can read flags.
    #[arg(long, value_name = "SECRET", env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
    pub(crate) secret_key: String,

    /// Bucket to work in.
    #[arg(long, value_name = "NAME", default_value = "stonecrop-bench")]
    pub(crate) bucket: String,

    /// First part of each key.
    #[arg(long, value_name = "TEXT", default_value = "load")]
    pub(crate) prefix: String,

    /// Size of each object, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    pub(crate) size: usize,

    /// Size of each part of a multipart upload, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024 * 1024)]
    pub(crate) part_size: usize,

    /// Number of operations in all.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) count: u64,

    /// Connections that work side by side.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) concurrency: usize,

    /// Print the result as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What each operation of a load does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchOperation {
    /// Create the bucket.
    CreateBucket,
    /// Write objects.
    Put,
    /// Read objects whole.
    Get,
    /// Ask for objects' headers.
    Head,
    /// List the objects, 1000 keys an operation.
    List,
    /// Delete objects.
    Delete,
    /// Write objects as multipart uploads.
    Multipart,
}
