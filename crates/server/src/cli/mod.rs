//! Flags and environment variables.

mod admin;
mod bench;
mod key;
mod server;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use client::Endpoint;

pub(crate) use admin::{
    AccountAction, AdminArguments, AdminCommand, BucketAction, DiskAction, Form, HealAction, NodeAction,
    RebalanceAction, ScrubAction, TableAction,
};
pub(crate) use bench::{BenchArguments, BenchOperation};
pub(crate) use key::{KeyAction, KeyArguments};
pub(crate) use server::{LogFormat, ServerArguments};

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
    /// Make one node decide alone, after a majority of the nodes that vote was lost for good. The node must be stopped.
    Recover(RecoverArguments),
    /// Ask how the cluster is, and have it changed.
    Admin(AdminArguments),
    /// Make keys for encryption.
    Key(KeyArguments),
    /// Put a measured load on an S3 endpoint (this server or any other) and print how it answered.
    Bench(Box<BenchArguments>),
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
pub(crate) struct RecoverArguments {
    /// All storage directories of the node.
    #[arg(value_name = "DISK", required = true)]
    pub(crate) disks: Vec<PathBuf>,

    /// Make this node the only one that votes. Without it, only tell what the node knows.
    #[arg(long)]
    pub(crate) take_over: bool,
}

/// How requests are signed.
#[derive(Debug, Args)]
pub(crate) struct Signing {
    /// Region to sign for.
    #[arg(long, value_name = "NAME", env = "AWS_DEFAULT_REGION", default_value = "us-east-1")]
    region: String,

    /// Access key to sign with.
    #[arg(long, value_name = "KEY", env = "AWS_ACCESS_KEY_ID", hide_env_values = true)]
    access_key: String,

    /// Secret key to sign with. Prefer the environment variable: other users of a machine can read flags.
    #[arg(long, value_name = "SECRET", env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
    secret_key: String,
}

impl Signing {
    /// Where requests go, and how they are signed.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::new`].
    pub(crate) fn endpoint(&self, url: &str) -> client::Result<Endpoint> {
        Endpoint::new(url, &self.region, &self.access_key, &self.secret_key)
    }
}
