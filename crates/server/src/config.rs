//! The configuration: flags and environment over the TOML file over defaults, checked once.

use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use cluster::{Entry, NodeConfig};
use env::Files;
use iam::{AccessKey, SecretKey};
use placement::Profile;
use serde::Deserialize;

use crate::cli::{LogFormat, ServerArguments};

/// What the configuration file may hold. Unknown keys are refused, so that a misspelt one is noticed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    disks: Option<Vec<PathBuf>>,
    address: Option<String>,
    admin_address: Option<String>,
    erasure: Option<String>,
    region: Option<String>,
    domain: Option<Vec<String>>,
    website_domain: Option<Vec<String>>,
    signature_v2: Option<bool>,
    private_issuers: Option<bool>,
    body_memory_mib: Option<u32>,
    scrub_days: Option<u32>,
    lifecycle_day: Option<u32>,
    access_log_delivery: Option<u32>,
    node_address: Option<String>,
    init: Option<bool>,
    join: Option<Vec<String>>,
    token: Option<String>,
    rack: Option<String>,
    key_file: Option<PathBuf>,
    kms_vault_address: Option<String>,
    kms_vault_token_file: Option<PathBuf>,
    kms_vault_mount: Option<String>,
    kms_vault_ca_file: Option<PathBuf>,
    sse_s3_key: Option<String>,
    log_format: Option<LogFormat>,
    log: Option<String>,
    access_key: Option<String>,
    secret_key: Option<String>,
    previous_secret_key: Option<String>,
}

/// A checked configuration of `stonecrop server`.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) disks: Vec<PathBuf>,
    pub(crate) address: SocketAddr,
    /// `None` serves no metrics.
    pub(crate) admin_address: Option<SocketAddr>,
    /// `None` chooses by the number of disks.
    pub(crate) erasure: Option<Profile>,
    pub(crate) region: String,
    pub(crate) domains: Vec<String>,
    /// Domains of websites.
    pub(crate) website_domains: Vec<String>,
    pub(crate) signature_v2: bool,
    pub(crate) private_issuers: bool,
    pub(crate) body_memory_bytes: usize,
    /// Time in which each disk is reread once.
    pub(crate) scrub_period: Duration,
    /// What rules of lifecycles take a day for.
    pub(crate) lifecycle_day: Duration,
    /// How old the lines of a bucket's log become before they are delivered.
    pub(crate) bucket_log_delivery: Duration,
    /// `None` for a node that is alone.
    pub(crate) node: Option<NodeConfig>,
    /// `None` decides by whether standard error is a terminal.
    pub(crate) log_format: Option<LogFormat>,
    pub(crate) log_filter: String,
    /// `None` generates and keeps root credentials.
    pub(crate) credentials: Option<KeyPair>,
    /// Under which secrets of other users are still sealed.
    pub(crate) previous_secret: Option<SecretKey>,
    /// Where the keys of encrypted objects are.
    pub(crate) keys: KeysConfig,
}

/// Where the keys of encrypted objects are, besides the server's own.
#[derive(Debug, Default)]
pub(crate) struct KeysConfig {
    /// Where named keys are; `None`: there are none.
    pub(crate) service: Option<KeyServiceConfig>,
    /// The named key of SSE-S3.
    pub(crate) s3_key: Option<String>,
}

/// What keeps named keys.
#[derive(Debug)]
pub(crate) enum KeyServiceConfig {
    /// A file of keys.
    File(PathBuf),
    /// The transit engine of a Vault.
    Vault { address: String, mount: String, token_file: PathBuf, authorities: Option<PathBuf> },
}

/// Root credentials.
#[derive(Clone, Debug)]
pub(crate) struct KeyPair {
    pub(crate) access_key: AccessKey,
    pub(crate) secret_key: SecretKey,
}

impl KeyPair {
    /// Checks the form of both.
    pub(crate) fn parse(access_key: &str, secret_key: &str) -> iam::Result<Self> {
        Ok(Self { access_key: AccessKey::parse(access_key)?, secret_key: SecretKey::parse(secret_key)? })
    }
}

/// Why a configuration is refused. Each message names the setting and what it takes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot read the configuration file {path:?}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the configuration file {path:?} is not valid")]
    Parse { path: PathBuf, source: Box<toml::de::Error> },
    #[error("no storage directory given: name at least one, as in `stonecrop server ./data`")]
    NoDisk,
    #[error("the storage directory {path:?} is given twice: each disk needs a directory of its own")]
    RepeatedDisk { path: PathBuf },
    #[error(
        "--erasure takes data and parity shards such as 4+2, with 1 to 255 data shards and at most 256 in all; got {value:?}"
    )]
    Erasure { value: String },
    #[error("--address takes an IP address and a port such as 127.0.0.1:9000; got {value:?}")]
    Address { value: String },
    #[error("--admin-address takes an IP address and a port such as 127.0.0.1:9001, or `off`; got {value:?}")]
    AdminAddress { value: String },
    #[error("--node-address and --join take addresses with a port such as node1.example.com:9002; got {value:?}")]
    NodeAddress { value: String },
    #[error("--init, --join and --rack are for a node that others reach: add --node-address HOST:PORT")]
    NoNodeAddress,
    #[error("a node either begins a cluster (--init) or joins one (--join): choose one of them")]
    InitAndJoin,
    #[error("--rack takes a name of up to 64 bytes; got {value:?}")]
    Rack { value: String },
    #[error("--region takes 1 to 64 letters, digits and dashes; got {value:?}")]
    Region { value: String },
    #[error("{flag} takes a DNS name such as s3.example.com; got {value:?}")]
    Domain { flag: &'static str, value: String },
    #[error("--body-memory-mib takes 32 to 65536; got {value}")]
    BodyMemory { value: u32 },
    #[error("--lifecycle-day takes 1 to 86400 seconds; got {value}")]
    LifecycleDay { value: u32 },
    #[error("--access-log-delivery takes 1 to 86400 seconds; got {value}")]
    AccessLogDelivery { value: u32 },
    #[error("--scrub-days takes 1 to 365; got {value}")]
    ScrubDays { value: u32 },
    #[error("named keys are in a key file (--key-file) or in a Vault (--kms-vault-address): choose one of them")]
    TwoKeyServices,
    #[error("a Vault needs --kms-vault-address and --kms-vault-token-file; the other --kms-vault flags are about it")]
    HalfVault,
    #[error("--sse-s3-key takes the name of a key of --key-file or of the Vault; got {value:?}")]
    S3Key { value: String },
    #[error(
        "the access key and the secret key go together: set STONECROP_ACCESS_KEY and STONECROP_SECRET_KEY, or neither"
    )]
    HalfKeyPair,
    #[error("STONECROP_ACCESS_KEY and STONECROP_SECRET_KEY cannot be used: the {reason}")]
    KeyPair { reason: iam::Error },
}

const RACK_SIZE_MAX: usize = 64;
const MIB: usize = 1024 * 1024;
const BODY_MEMORY_MIB_DEFAULT: u32 = 128;
const SCRUB_DAYS_DEFAULT: u32 = 14;
const DAY_SECONDS: u32 = 86_400;
const ACCESS_LOG_DELIVERY_DEFAULT: u32 = 300;
/// No sensible configuration file is larger; a device or a log given by mistake is refused instead of read.
const FILE_SIZE_MAX: u64 = 1024 * 1024;

impl Config {
    /// Merges `arguments` over the configuration file they name and checks everything.
    pub(crate) fn load(arguments: ServerArguments, files: &dyn Files) -> Result<Self, Error> {
        let file = match &arguments.config {
            Some(path) => read_file(path, files)?,
            None => RawFile::default(),
        };
        check(merge(arguments, file))
    }
}

fn read_file(path: &Path, files: &dyn Files) -> Result<RawFile, Error> {
    let read_error = |source| Error::Read { path: path.to_owned(), source };
    let file = files.open(path, env::OpenMode::Read).map_err(read_error)?;
    let size = file.size().map_err(read_error)?.min(FILE_SIZE_MAX);
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0).map_err(read_error)?;
    toml::from_slice(&bytes).map_err(|source| Error::Parse { path: path.to_owned(), source: Box::new(source) })
}

fn some_if_any<T>(values: Vec<T>) -> Option<Vec<T>> {
    (!values.is_empty()).then_some(values)
}

fn merge(arguments: ServerArguments, file: RawFile) -> RawFile {
    RawFile {
        disks: some_if_any(arguments.disks).or(file.disks),
        address: arguments.address.or(file.address),
        admin_address: arguments.admin_address.or(file.admin_address),
        erasure: arguments.erasure.or(file.erasure),
        region: arguments.region.or(file.region),
        domain: some_if_any(arguments.domain).or(file.domain),
        website_domain: some_if_any(arguments.website_domain).or(file.website_domain),
        signature_v2: arguments.signature_v2.then_some(true).or(file.signature_v2),
        private_issuers: arguments.private_issuers.then_some(true).or(file.private_issuers),
        body_memory_mib: arguments.body_memory_mib.or(file.body_memory_mib),
        scrub_days: arguments.scrub_days.or(file.scrub_days),
        lifecycle_day: arguments.lifecycle_day.or(file.lifecycle_day),
        access_log_delivery: arguments.access_log_delivery.or(file.access_log_delivery),
        node_address: arguments.node_address.or(file.node_address),
        init: arguments.init.then_some(true).or(file.init),
        join: some_if_any(arguments.join).or(file.join),
        token: arguments.token.or(file.token),
        rack: arguments.rack.or(file.rack),
        key_file: arguments.key_file.or(file.key_file),
        kms_vault_address: arguments.kms_vault_address.or(file.kms_vault_address),
        kms_vault_token_file: arguments.kms_vault_token_file.or(file.kms_vault_token_file),
        kms_vault_mount: arguments.kms_vault_mount.or(file.kms_vault_mount),
        kms_vault_ca_file: arguments.kms_vault_ca_file.or(file.kms_vault_ca_file),
        sse_s3_key: arguments.sse_s3_key.or(file.sse_s3_key),
        log_format: arguments.log_format.or(file.log_format),
        log: arguments.log.or(file.log),
        access_key: arguments.access_key.or(file.access_key),
        secret_key: arguments.secret_key.or(file.secret_key),
        previous_secret_key: arguments.previous_secret_key.or(file.previous_secret_key),
    }
}

fn check(raw: RawFile) -> Result<Config, Error> {
    let node = check_node(raw.node_address, raw.init.unwrap_or(false), raw.join.zip(raw.token), raw.rack)?;
    let service = check_key_service(
        raw.key_file,
        (raw.kms_vault_address, raw.kms_vault_token_file),
        (raw.kms_vault_mount, raw.kms_vault_ca_file),
    )?;
    Ok(Config {
        node,
        keys: check_keys(service, raw.sse_s3_key)?,
        disks: check_disks(raw.disks.unwrap_or_default())?,
        address: check_address(raw.address)?,
        admin_address: check_admin_address(raw.admin_address)?,
        erasure: raw.erasure.map(|value| value.parse().map_err(|_| Error::Erasure { value })).transpose()?,
        region: check_region(raw.region.unwrap_or_else(|| "us-east-1".to_owned()))?,
        domains: check_domains("--domain", raw.domain)?,
        website_domains: check_domains("--website-domain", raw.website_domain)?,
        signature_v2: raw.signature_v2.unwrap_or(false),
        private_issuers: raw.private_issuers.unwrap_or(false),
        body_memory_bytes: check_body_memory(raw.body_memory_mib.unwrap_or(BODY_MEMORY_MIB_DEFAULT))?,
        scrub_period: check_scrub_days(raw.scrub_days.unwrap_or(SCRUB_DAYS_DEFAULT))?,
        lifecycle_day: check_lifecycle_day(raw.lifecycle_day.unwrap_or(DAY_SECONDS))?,
        bucket_log_delivery: check_delivery(raw.access_log_delivery.unwrap_or(ACCESS_LOG_DELIVERY_DEFAULT))?,
        log_format: raw.log_format,
        log_filter: raw.log.unwrap_or_else(|| "info,openraft=off".to_owned()),
        credentials: check_key_pair(raw.access_key, raw.secret_key)?,
        previous_secret: raw.previous_secret_key.as_deref().map(check_secret).transpose()?,
    })
}

/// How the node is one of several, if it is: `join` are members and a token.
fn check_node(
    address: Option<String>,
    init: bool,
    join: Option<(Vec<String>, String)>,
    rack: Option<String>,
) -> Result<Option<NodeConfig>, Error> {
    let rack = rack.unwrap_or_default();
    let Some(address) = address else {
        let is_alone = !init && join.is_none() && rack.is_empty();
        return if is_alone { Ok(None) } else { Err(Error::NoNodeAddress) };
    };
    check_node_address(&address)?;
    if RACK_SIZE_MAX < rack.len() {
        return Err(Error::Rack { value: rack });
    }
    let entry = match join {
        Some(_) if init => return Err(Error::InitAndJoin),
        Some((seeds, token)) => {
            seeds.iter().try_for_each(|seed| check_node_address(seed))?;
            Entry::Join { seeds, token }
        }
        None if init => Entry::Init,
        None => Entry::Member,
    };
    Ok(Some(NodeConfig { address, rack, entry }))
}

fn check_node_address(value: &str) -> Result<(), Error> {
    let is_valid = value.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| 0 < port) && !value.contains(char::is_whitespace)
    });
    if is_valid { Ok(()) } else { Err(Error::NodeAddress { value: value.to_owned() }) }
}

fn check_disks(disks: Vec<PathBuf>) -> Result<Vec<PathBuf>, Error> {
    if disks.is_empty() {
        return Err(Error::NoDisk);
    }
    let mut seen = std::collections::BTreeSet::new();
    match disks.iter().find(|path| !seen.insert(without_dots(path))) {
        Some(path) => Err(Error::RepeatedDisk { path: path.clone() }),
        None => Ok(disks),
    }
}

/// `./data` and `data` are one directory. Links are found out when the disks are opened.
fn without_dots(path: &Path) -> PathBuf {
    path.components().filter(|component| *component != Component::CurDir).collect()
}

fn check_address(value: Option<String>) -> Result<SocketAddr, Error> {
    let Some(value) = value else { return Ok(SocketAddr::from(([127, 0, 0, 1], 9000))) };
    value.parse().map_err(|_| Error::Address { value })
}

fn check_admin_address(value: Option<String>) -> Result<Option<SocketAddr>, Error> {
    match value.as_deref() {
        None => Ok(Some(SocketAddr::from(([127, 0, 0, 1], 9001)))),
        Some("off") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| Error::AdminAddress { value: text.to_owned() }),
    }
}

fn check_region(value: String) -> Result<String, Error> {
    let valid =
        (1..=64).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if valid { Ok(value) } else { Err(Error::Region { value }) }
}

fn check_domains(flag: &'static str, values: Option<Vec<String>>) -> Result<Vec<String>, Error> {
    values.unwrap_or_default().into_iter().map(|value| check_domain(flag, value)).collect()
}

fn check_domain(flag: &'static str, value: String) -> Result<String, Error> {
    let is_label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if value.len() <= 253 && value.split('.').all(is_label) {
        Ok(value.to_ascii_lowercase())
    } else {
        Err(Error::Domain { flag, value })
    }
}

fn check_body_memory(mib: u32) -> Result<usize, Error> {
    let valid = (32..=65_536).contains(&mib);
    if valid { Ok(mib as usize * MIB) } else { Err(Error::BodyMemory { value: mib }) }
}

fn check_scrub_days(days: u32) -> Result<Duration, Error> {
    let valid = (1..=365).contains(&days);
    if valid { Ok(Duration::from_secs(u64::from(days) * 86_400)) } else { Err(Error::ScrubDays { value: days }) }
}

fn check_secret(secret_key: &str) -> Result<SecretKey, Error> {
    SecretKey::parse(secret_key).map_err(|reason| Error::KeyPair { reason })
}

/// Where named keys are: in a file, or in a Vault at an address with a token, and what else is said about that.
fn check_key_service(
    file: Option<PathBuf>,
    vault: (Option<String>, Option<PathBuf>),
    (mount, authorities): (Option<String>, Option<PathBuf>),
) -> Result<Option<KeyServiceConfig>, Error> {
    match (file, vault) {
        (Some(_), (Some(_), _)) => Err(Error::TwoKeyServices),
        (None, (Some(address), Some(token_file))) => {
            let mount = mount.unwrap_or_else(|| "transit".to_owned());
            Ok(Some(KeyServiceConfig::Vault { address, mount, token_file, authorities }))
        }
        (file, (None, None)) if mount.is_none() && authorities.is_none() => Ok(file.map(KeyServiceConfig::File)),
        _ => Err(Error::HalfVault),
    }
}

fn check_keys(service: Option<KeyServiceConfig>, s3_key: Option<String>) -> Result<KeysConfig, Error> {
    let named = |name: &String| service.is_some() && encryption::KeyName::parse(name).is_ok();
    match s3_key {
        Some(value) if !named(&value) => Err(Error::S3Key { value }),
        s3_key => Ok(KeysConfig { service, s3_key }),
    }
}

fn check_lifecycle_day(seconds: u32) -> Result<Duration, Error> {
    let valid = (1..=DAY_SECONDS).contains(&seconds);
    if valid { Ok(Duration::from_secs(u64::from(seconds))) } else { Err(Error::LifecycleDay { value: seconds }) }
}

fn check_delivery(seconds: u32) -> Result<Duration, Error> {
    let valid = (1..=DAY_SECONDS).contains(&seconds);
    if valid { Ok(Duration::from_secs(u64::from(seconds))) } else { Err(Error::AccessLogDelivery { value: seconds }) }
}

fn check_key_pair(access_key: Option<String>, secret_key: Option<String>) -> Result<Option<KeyPair>, Error> {
    match (access_key, secret_key) {
        (None, None) => Ok(None),
        (Some(access_key), Some(secret_key)) => {
            KeyPair::parse(&access_key, &secret_key).map(Some).map_err(|reason| Error::KeyPair { reason })
        }
        _ => Err(Error::HalfKeyPair),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn load(flags: &[&str], file: &str) -> Result<Config, Error> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stonecrop.toml");
        let handle = env::RealFiles::default().open(&path, env::OpenMode::CreateNew).unwrap();
        handle.write_all_at(&[file.as_bytes()], 0).unwrap();
        let line = ["stonecrop", "server", "--config", path.to_str().unwrap()].into_iter().chain(flags.iter().copied());
        let Command::Server(arguments) = Cli::try_parse_from(line).unwrap().command else { unreachable!() };
        Config::load(*arguments, &env::RealFiles::default())
    }

    #[test]
    fn flags_override_the_file_and_the_file_the_defaults() {
        let config = load(&["a", "b", "--region", "eu-west-1"], "disks = ['c']\nregion = 'x'\nscrub_days = 3").unwrap();
        assert_eq!(config.disks, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(config.region, "eu-west-1");
        assert_eq!(config.scrub_period, Duration::from_secs(3 * 86_400));
        assert_eq!(config.address.to_string(), "127.0.0.1:9000");
    }

    #[test]
    fn wrong_settings_are_refused_by_name() {
        let cases: [(&[&str], &str, &str); 18] = [
            (&[], "", "no storage directory"),
            (&["a", "./a"], "", "given twice"),
            (&["a", "--erasure", "4"], "", "--erasure"),
            (&["a", "--erasure", "0+2"], "", "--erasure"),
            (&["a", "--region", "no spaces"], "", "--region"),
            (&["a", "--access-key", "abc"], "", "go together"),
            (&["a", "--access-key", "abc", "--secret-key", "short"], "", "8 to 128"),
            (&["a", "--address", "localhost"], "", "--address"),
            (&["a"], "admin_address = 'on'", "--admin-address"),
            (&["a", "--scrub-days", "0"], "", "--scrub-days"),
            (&["a", "--lifecycle-day", "86401"], "", "--lifecycle-day"),
            (&["a", "--access-log-delivery", "86401"], "", "--access-log-delivery"),
            (&["a"], "regoin = 'x'", "unknown field"),
            (&["a", "--kms-vault-address", "http://v:1"], "key_file = 'k'", "choose one"),
            (&["a", "--kms-vault-address", "http://v:1"], "", "--kms-vault-token-file"),
            (&["a", "--kms-vault-mount", "t"], "", "--kms-vault-address"),
            (&["a", "--sse-s3-key", "k"], "", "--sse-s3-key"),
            (&["a", "--body-memory-mib", "1"], "", "--body-memory-mib"),
        ];
        for (flags, file, expected) in cases {
            let message = format!("{:#}", anyhow::Error::from(load(flags, file).unwrap_err()));
            assert!(message.contains(expected), "{flags:?} {file:?}: {message}");
        }
    }
}
