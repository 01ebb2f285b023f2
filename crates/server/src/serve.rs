//! `stonecrop server`: wiring, signals and shutdown.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use cluster::{Cluster, ClusterConfig, Entry, Health, MemberState};
use console::Metrics;
use env::{CountedFiles, Env};
use iam::{Account, Credential};
use identity::Directory;
use s3::{Frontend, Limits};
use store::{Store, StoreConfig};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::banner::{Banner, redundancy};
use crate::cli::ServerArguments;
use crate::config::{Config, KeyPair};
use crate::credentials::ROOT;
use crate::kept_secret::Origin;
use crate::keys;
use crate::logging;
use crate::stack::{Stack, StackConfig, Work};

/// How long the token that the first start prints admits nodes.
const TOKEN_VALIDITY: Duration = Duration::from_secs(24 * 3600);

/// Runs a server until a signal ends it.
pub(crate) fn run(arguments: ServerArguments) -> anyhow::Result<ExitCode> {
    let mut env = Env::real();
    let config = Config::load(arguments, env.files.as_ref())?;
    logging::start(config.log_format, &config.log_filter)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let files = CountedFiles::new(env.files.clone());
    let metrics = Metrics::install(files.counts());
    env.files = Arc::new(files);
    runtime.block_on(serve(env, config, metrics))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(env: Env, config: Config, metrics: Metrics) -> anyhow::Result<()> {
    // Bound before anything else: a taken port must not cost a recovery. Connections wait until all is ready.
    let listener = bind(config.address, "--address").await?;
    let admin_listener = match config.admin_address {
        Some(address) => Some(bind(address, "--admin-address").await?),
        None => None,
    };
    let mut signals = Signals::install()?;
    let stack = tokio::select! {
        stack = Stack::open(env.clone(), stack_config(&config)) => stack?,
        // A start may wait for other nodes; whatever it has done, a later one goes on with.
        () = signals.end() => {
            tracing::info!("stopped before the start was complete");
            return Ok(());
        }
    };
    let health = stack.cluster.health();
    let directories = own_directories(&stack.cluster, &health);
    let agreeing = config.node.as_ref().map(|_| stack.cluster.as_ref());
    let (pair, origin) = match config.credentials {
        Some(pair) => (pair, Origin::Configured),
        None => ROOT.find(&env, agreeing, &directories).await?,
    };
    let (master, _) = keys::MASTER.find(&env, agreeing, &directories).await?;
    stack.store.unlock(keys::envelopes(&env, master, &config.keys)?);
    let token = match &config.node {
        Some(node) if node.entry == Entry::Init => Some(stack.cluster.create_join_token(TOKEN_VALIDITY).await?),
        _ => None,
    };
    let root = root_credential(&pair);
    let directory =
        Directory::open(env.clone(), stack.cluster.consensus(), root, config.previous_secret.as_ref()).await?;
    let directory = Arc::new(directory);
    let frontend = Frontend::new(
        env.clone(),
        stack.store.clone(),
        directory.clone(),
        s3::Config {
            region: config.region.clone(),
            domains: config.domains,
            website_domains: config.website_domains,
            version_2_signatures: config.signature_v2,
            private_issuers: config.private_issuers,
            lifecycle_day: config.lifecycle_day,
            bucket_log_delivery: config.bucket_log_delivery,
            limits: Limits::default(),
        },
    );
    let frontend = Arc::new(frontend);
    let commands = s3::signed(
        frontend.clone(),
        console::command_routes(stack.cluster.clone(), stack.store.clone(), directory.clone()),
    );
    let admin = console::admin_routes(metrics, &stack.store).merge(commands);
    let router = s3::router(frontend.clone()).merge(console::health_routes(&stack.store));

    let address = listener.local_addr()?;
    let kept_in = directories.iter().map(|directory| directory.join(ROOT.file_name).display().to_string()).next();
    announce(&Banner {
        address,
        region: &config.region,
        redundancy: redundancy(&health),
        credentials: &pair,
        origin,
        kept_in: kept_in.unwrap_or_default(),
        join: config.node.as_ref().zip(token.as_deref()).map(|(node, token)| (node.address.as_str(), token)),
    });

    let (shutdown, answered) = (CancellationToken::new(), CancellationToken::new());
    let limits = Limits::default();
    let uses = note_uses(&env, directory, &shutdown);
    let logs = deliver_logs(&env, frontend, &shutdown, &answered);
    let mut servers = vec![start(&env, listener, router, limits.clone(), &shutdown)];
    if let Some(listener) = admin_listener {
        servers.push(start(&env, listener, admin, limits, &shutdown));
    }
    let failed = tokio::select! {
        () = signals.wait_for_end(&stack.store) => None,
        failure = stack.cluster.failed() => Some(failure),
    };
    tracing::info!("shutting down: requests in progress may finish");
    shutdown.cancel();
    for server in servers {
        server.join().await?;
    }
    answered.cancel();
    logs.join().await?;
    uses.join().await?;
    let closed = stack.close().await;
    if let Some(failure) = failed {
        return Err(failure).context("this node can serve nobody any more: start it again");
    }
    closed?;
    tracing::info!("stopped");
    Ok(())
}

/// The storage directories of this node that are in service.
fn own_directories(cluster: &Cluster, health: &Health) -> Vec<PathBuf> {
    let own = health.disks.iter().filter(|disk| disk.node == cluster.node());
    let in_service = own.filter(|disk| disk.state == MemberState::InService);
    in_service.map(|disk| disk.path.clone()).collect()
}

async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let listening = TcpListener::bind(address).await;
    listening.with_context(|| format!("cannot listen on {address}, choose another with {flag}"))
}

fn stack_config(config: &Config) -> StackConfig {
    let mut cluster = ClusterConfig::new(config.disks.clone());
    cluster.profile = config.erasure;
    cluster.node = config.node.clone();
    let store = StoreConfig {
        memory_size_max: config.body_memory_bytes,
        scrub_period: config.scrub_period,
        lifecycle_day: config.lifecycle_day,
        ..StoreConfig::default()
    };
    StackConfig { cluster, store, work: Work::Background }
}

fn root_credential(pair: &KeyPair) -> Credential {
    let KeyPair { access_key, secret_key } = pair.clone();
    Credential { access_key, secret_key, account: Account::root() }
}

/// Writes down now and then, and at the end, which access keys were used.
fn note_uses(env: &Env, directory: Arc<Directory>, shutdown: &CancellationToken) -> env::Task {
    let shutdown = shutdown.clone();
    let uses = async move {
        tokio::select! {
            () = directory.keep_uses() => {}
            () = shutdown.cancelled() => directory.flush_uses().await,
        }
    };
    env.spawn.task("uses of access keys", Box::pin(uses))
}

/// Delivers the logs of buckets until the server shuts down, and what is left of them once its last request is answered.
fn deliver_logs(
    env: &Env,
    frontend: Arc<Frontend>,
    shutdown: &CancellationToken,
    answered: &CancellationToken,
) -> env::Task {
    let (shutdown, answered) = (shutdown.clone(), answered.clone());
    let logs = async move {
        frontend.deliver_logs(&shutdown).await;
        answered.cancelled().await;
        frontend.flush_logs().await;
    };
    env.spawn.task("logs of buckets", Box::pin(logs))
}

/// Standard output is for people and scripts that start the server; the log carries the rest.
fn announce(banner: &Banner<'_>) {
    println!("{}", banner.text());
    let generated = banner.origin == Origin::Generated;
    tracing::info!(address = %banner.address, redundancy = banner.redundancy, generated_credentials = generated, "ready");
}

fn start(env: &Env, listener: TcpListener, router: Router, limits: Limits, shutdown: &CancellationToken) -> env::Task {
    let (own_env, shutdown) = (env.clone(), shutdown.clone());
    env.spawn.task(
        "serve",
        Box::pin(async move {
            if let Err(error) = s3::serve(&own_env, listener, router, limits, shutdown).await {
                tracing::error!(%error, "a listener failed");
            }
        }),
    )
}

/// The signals that a server reacts to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    scrub: Signal,
}

impl Signals {
    fn install() -> anyhow::Result<Self> {
        let install = |kind| signal(kind).context("cannot install a signal handler");
        Ok(Self {
            terminate: install(SignalKind::terminate())?,
            interrupt: install(SignalKind::interrupt())?,
            scrub: install(SignalKind::user_defined1())?,
        })
    }

    /// Returns when the process is asked to end.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Returns when the process is asked to end; starts a scrub whenever it is asked to.
    async fn wait_for_end(&mut self, store: &Store) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.scrub.recv() => store.begin_scrub(),
            }
        }
    }
}
