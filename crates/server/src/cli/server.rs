//! Flags of `stonecrop server`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

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

    /// Domain whose subdomains name buckets whose websites browsers visit; may be given several times.
    #[arg(long, value_name = "DOMAIN", env = "STONECROP_WEBSITE_DOMAIN", value_delimiter = ',')]
    pub(crate) website_domain: Vec<String>,

    /// Accept signatures of version 2 as well, for clients that know no other.
    #[arg(long, env = "STONECROP_SIGNATURE_V2")]
    pub(crate) signature_v2: bool,

    /// Let identity providers be at addresses that are not of the public internet, and without TLS.
    #[arg(long, env = "STONECROP_PRIVATE_ISSUERS")]
    pub(crate) private_issuers: bool,

    /// Memory that object bodies in flight may hold, in MiB [default: 128].
    #[arg(long, value_name = "MIB", env = "STONECROP_BODY_MEMORY_MIB", value_parser = whole_number)]
    pub(crate) body_memory_mib: Option<u32>,

    /// Days in which each disk is reread once to find damage early [default: 14].
    #[arg(long, value_name = "DAYS", env = "STONECROP_SCRUB_DAYS", value_parser = whole_number)]
    pub(crate) scrub_days: Option<u32>,

    /// Seconds that rules of lifecycles take for a day, to try them out [default: 86400].
    #[arg(long, value_name = "SECONDS", env = "STONECROP_LIFECYCLE_DAY", value_parser = whole_number)]
    pub(crate) lifecycle_day: Option<u32>,

    /// Seconds after which the lines of a bucket's access log are delivered to its target [default: 300].
    #[arg(long, value_name = "SECONDS", env = "STONECROP_ACCESS_LOG_DELIVERY", value_parser = whole_number)]
    pub(crate) access_log_delivery: Option<u32>,

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

    /// Named keys for encryption with `aws:kms`, as `stonecrop key create` makes them.
    #[arg(long, value_name = "FILE", env = "STONECROP_KEY_FILE", conflicts_with = "kms_vault_address")]
    pub(crate) key_file: Option<PathBuf>,

    /// Vault (or OpenBao) whose transit engine has the keys for `aws:kms`, `http://HOST:PORT` or `https://HOST:PORT`.
    #[arg(long, value_name = "URL", env = "STONECROP_KMS_VAULT_ADDRESS")]
    pub(crate) kms_vault_address: Option<String>,

    /// File with the token for the Vault.
    #[arg(long, value_name = "FILE", env = "STONECROP_KMS_VAULT_TOKEN_FILE")]
    pub(crate) kms_vault_token_file: Option<PathBuf>,

    /// Where the transit engine is mounted [default: transit].
    #[arg(long, value_name = "PATH", env = "STONECROP_KMS_VAULT_MOUNT")]
    pub(crate) kms_vault_mount: Option<String>,

    /// Certificates (PEM) of the authorities that vouch for a Vault with `https`.
    #[arg(long, value_name = "FILE", env = "STONECROP_KMS_VAULT_CA_FILE")]
    pub(crate) kms_vault_ca_file: Option<PathBuf>,

    /// Named key that SSE-S3 uses [default: one that this server has of itself].
    #[arg(long, value_name = "NAME", env = "STONECROP_SSE_S3_KEY")]
    pub(crate) sse_s3_key: Option<String>,

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

    /// The root user's former secret key: for the first start after it was changed, so that secrets of other users can be read.
    #[arg(long, value_name = "SECRET", env = "STONECROP_PREVIOUS_SECRET_KEY", hide_env_values = true)]
    pub(crate) previous_secret_key: Option<String>,
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
