//! Which node this is: from the files on its disks, or because it begins a cluster, or joins one.

use disk::Disk;
use env::Env;
use placement::{NodeId, Profile};

use crate::config::{ClusterConfig, Entry, Purpose};
use crate::disks::{Found, Site, format};
use crate::error::{Error, Result};
use crate::join::Applicant;
use crate::links::Links;
use crate::opening::survey_all;
use crate::security::{JoinToken, NodeFile, NodeKey, read_node_file, write_node_file};

/// The number of the node that begins a cluster.
pub(crate) const FOUNDER: NodeId = NodeId(1);

/// Who this node is.
pub(crate) struct Identity {
    pub(crate) cluster_id: u128,
    pub(crate) node: NodeId,
    /// What its disks say; `None` for a node that has always been alone.
    pub(crate) file: Option<NodeFile>,
}

/// Finds out who this node is; formats blank directories when it begins a cluster, or joins one. Interrupted, the next
/// start goes on with what is there.
///
/// # Errors
///
/// [`Error`] says what the operator can do.
pub(crate) async fn identify(
    env: &Env,
    config: &ClusterConfig,
    links: &Links,
    sites: &mut Vec<Site>,
) -> Result<Identity> {
    let known = sites.iter().find_map(|site| match &site.found {
        Found::Disk(identity) => Some((identity.cluster_id, site.path.clone())),
        _ => None,
    });
    let entry = config.node.as_ref().map(|node| &node.entry);
    match known {
        Some((cluster_id, path)) => {
            match entry {
                Some(Entry::Init) if config.purpose == Purpose::Serve => return Err(Error::AlreadyBegun { path }),
                Some(Entry::Join { token, .. }) if token.parse::<JoinToken>()?.cluster_id != cluster_id => {
                    return Err(Error::WrongCluster { path });
                }
                _ => {}
            }
            let file = node_file(env, sites, cluster_id).await?;
            let node = file.as_ref().map_or(FOUNDER, |file| file.passport.node);
            Ok(Identity { cluster_id, node, file })
        }
        None if config.purpose == Purpose::Inspect => Err(Error::NotMember { path: sites.swap_remove(0).path }),
        None => match (&config.node, entry) {
            (Some(_), Some(Entry::Member)) => Err(Error::NeitherInitNorJoin),
            (Some(node), Some(Entry::Join { seeds, token })) => {
                let token: JoinToken = token.parse()?;
                let key = NodeKey::generate(env);
                refuse_unreadable(sites)?;
                links.bind(&node.address).await?;
                let applicant = Applicant { token: &token, seeds, address: &node.address, rack: &node.rack, key };
                let file = applicant.join(env).await?;
                tracing::info!(node = file.passport.node.0, "this node is admitted to the cluster");
                format_all(env, config, sites, token.cluster_id, Some(file.clone())).await?;
                Ok(Identity { cluster_id: token.cluster_id, node: file.passport.node, file: Some(file) })
            }
            _ => {
                refuse_unreadable(sites)?;
                let profile = initial_profile(config, sites.len())?;
                if let Some(node) = &config.node {
                    links.bind(&node.address).await?;
                }
                let cluster_id = env.random_u128();
                let cluster = format!("{cluster_id:032x}");
                tracing::info!(cluster, disks = sites.len(), %profile, "a new cluster begins");
                format_all(env, config, sites, cluster_id, None).await?;
                Ok(Identity { cluster_id, node: FOUNDER, file: None })
            }
        },
    }
}

/// The redundancy that a cluster begins with. One of several nodes may wait for the disks of the others.
///
/// # Errors
///
/// [`Error::TooFewDisks`].
pub(crate) fn initial_profile(config: &ClusterConfig, disks: usize) -> Result<Profile> {
    let profile = config.profile.unwrap_or(Profile::default_for(disks, 1));
    let waits = config.node.is_some() && config.profile.is_some();
    if disks < profile.shards() && !waits { Err(Error::TooFewDisks { profile, disks }) } else { Ok(profile) }
}

/// Writes the node file to every disk that is there; not to an empty directory, which would then be no place for a disk.
/// Durable on return.
///
/// # Errors
///
/// [`Error::Io`] when no disk takes it.
pub(crate) async fn keep_node_file(env: &Env, paths: Vec<std::path::PathBuf>, file: NodeFile) -> Result<()> {
    let write_env = env.clone();
    env.blocking(move || {
        let mut failed = None;
        let mut kept = 0;
        for path in paths.into_iter().filter(|path| Disk::inspect(&write_env, path).is_ok()) {
            match write_node_file(&write_env, &path, &file) {
                Ok(()) => kept += 1,
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "one copy of the node file is missing");
                    failed = Some(error);
                }
            }
        }
        match (kept, failed) {
            (0, Some(error)) => Err(error),
            _ => Ok(()),
        }
    })
    .await
}

/// Has the disk at `path` know too which node it belongs to, from one of `others`. Without a copy of its own it could not
/// start the node alone; the next renewal of the certificate makes up for a failure.
pub(crate) async fn copy_node_file(env: &Env, others: Vec<std::path::PathBuf>, path: std::path::PathBuf) {
    let copy_env = env.clone();
    let copied = env.blocking(move || {
        let file = others.iter().find_map(|other| read_node_file(&copy_env, other).ok().flatten());
        file.map_or(Ok(()), |file| write_node_file(&copy_env, &path, &file))
    });
    if let Err(error) = copied.await {
        tracing::warn!(%error, "one copy of the node file is missing");
    }
}

fn refuse_unreadable(sites: &[Site]) -> Result<()> {
    for site in sites {
        if let Found::Unreadable(error) = &site.found {
            return Err(error.clone().into());
        }
    }
    Ok(())
}

/// Makes all blank sites disks of the cluster, and looks at them again.
async fn format_all(
    env: &Env,
    config: &ClusterConfig,
    sites: &mut Vec<Site>,
    cluster_id: u128,
    file: Option<NodeFile>,
) -> Result<()> {
    for site in sites.iter() {
        let (format_env, path, file) = (env.clone(), site.path.clone(), file.clone());
        env.blocking(move || {
            format(&format_env, &path, cluster_id)?;
            file.map_or(Ok(()), |file| write_node_file(&format_env, &path, &file))
        })
        .await?;
    }
    *sites = survey_all(env, config).await?;
    Ok(())
}

/// The node file of the disks: any copy will do, the newest certificate is renewed soon enough.
async fn node_file(env: &Env, sites: &[Site], cluster_id: u128) -> Result<Option<NodeFile>> {
    let is_disk = |site: &&Site| matches!(site.found, Found::Disk(_));
    let paths: Vec<_> = sites.iter().filter(is_disk).map(|site| site.path.clone()).collect();
    let read_env = env.clone();
    env.blocking(move || {
        for path in paths {
            match read_node_file(&read_env, &path) {
                Ok(Some(file)) if file.passport.cluster_id == cluster_id => return Ok(Some(file)),
                Ok(_) => {}
                Err(error @ Error::UnknownFormat { .. }) => return Err(error),
                Err(error) => tracing::warn!(path = %path.display(), %error, "a node file cannot be read"),
            }
        }
        Ok(None)
    })
    .await
}
