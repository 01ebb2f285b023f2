//! Adds storage directories to a running node: the node that owns the directory decides, and answers the one that asks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use meta::Consensus;
use placement::{DiskId, NodeId};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::cluster::Cluster;
use crate::disks::{Found, Site, look, resolve};
use crate::error::{Error, Result};
use crate::monitor::{Monitor, answer};
use crate::rpc::{Answer, Call, Handler, HandlerFuture, Method};
use crate::steward::Fleet;

/// How long a node may take to make a directory a disk.
const DEADLINE: Duration = Duration::from_secs(60);

/// Additions that may wait for the monitor.
const QUEUE_LENGTH: usize = 16;

/// A directory that an operator wants added, and who waits for the outcome.
pub(crate) struct Addition {
    path: PathBuf,
    outcome: oneshot::Sender<Outcome>,
}

/// The disk that the directory is now, or why it is none, for people.
type Outcome = std::result::Result<DiskId, String>;

/// Hands additions to this node's monitor.
pub(crate) struct Additions(mpsc::Sender<Addition>);

/// The head of [`Method::AddDisk`]. Answered with an [`Outcome`].
#[derive(Serialize, Deserialize)]
struct Request {
    path: PathBuf,
}

impl Additions {
    /// A queue that is empty, and its other end, for the monitor.
    pub(crate) fn queue() -> (Self, mpsc::Receiver<Addition>) {
        let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
        (Self(sender), receiver)
    }

    async fn add(&self, path: PathBuf) -> Outcome {
        let (outcome, decided) = oneshot::channel();
        let stopping = |_| "the node is stopping".to_owned();
        self.0.send(Addition { path, outcome }).await.map_err(|_| "the node is stopping".to_owned())?;
        decided.await.map_err(stopping)?
    }
}

impl Handler for Additions {
    fn handle(&self, _: NodeId, call: Call) -> HandlerFuture<'_> {
        Box::pin(async move {
            let Request { path } = call.parse()?;
            Some(Answer::new(&self.add(path).await))
        })
    }
}

impl Monitor {
    /// Adds a directory, and tells who asked for it.
    pub(crate) async fn answer_addition(&mut self, addition: Addition) {
        let Addition { path, outcome } = addition;
        let added = self.add(path).await.map_err(|error| reason(&error));
        // Whoever asked may have given up; the disk is there nevertheless.
        drop(outcome.send(added));
    }

    async fn add(&mut self, path: PathBuf) -> Result<DiskId> {
        if !path.is_absolute() {
            return Err(Error::RelativePath { path });
        }
        let view = self.consensus.read().await?.view;
        // What was removed a moment ago is let go of first.
        self.look().await?;
        let (env, named) = (self.env.clone(), path.clone());
        let looked = self.env.blocking(move || look(&env, &resolve(&env, &named)));
        let silent = || disk::Error::Failed { path: path.clone(), reason: "it does not answer".to_owned() };
        let site = answer(&self.env, looked).await.ok_or_else(silent)??;
        let formatted = self.refuse(&Fleet::read(view.as_ref())?, &site)?;
        let replaces = self.disks.roster().at(&site.path).map(|(disk, _)| disk).filter(|disk| Some(*disk) != formatted);
        let (disk, member) = self.disks.add(site.path.clone(), formatted, replaces).await?;
        if !self.directories.contains(&site.path) {
            self.directories.push(site.path);
        }
        self.take_in(disk, member).await;
        Ok(disk)
    }

    /// Refuses a directory that cannot be added, with the reason. Returns which disk is there already.
    fn refuse(&self, fleet: &Fleet, site: &Site) -> Result<Option<DiskId>> {
        let path = site.path.clone();
        let topology = self.publisher.current();
        let node = self.disks.node();
        for (&disk, member) in topology.members().iter().filter(|(_, member)| member.node == node) {
            match member.path == path {
                true if member.local().is_some() => return Err(Error::AlreadyAdded { path, disk }),
                true => {}
                false if nests(&member.path, &path) => return Err(Error::Nested { path, other: member.path.clone() }),
                false => {}
            }
        }
        let was_mounted = self.disks.roster().at(&path).is_some_and(|(_, entry)| entry.is_mount_point);
        let identity = match &site.found {
            Found::Disk(identity) => identity,
            Found::Blank | Found::Nothing if was_mounted && !site.is_mount_point => {
                return Err(Error::Unmounted { path });
            }
            Found::Blank | Found::Nothing => return Ok(None),
            Found::Unreadable(error) => return Err(error.clone().into()),
        };
        if identity.cluster_id != self.cluster_id {
            let (found, expected) = (identity.cluster_id, self.cluster_id);
            return Err(disk::Error::AnotherCluster { path, found, expected }.into());
        }
        let disk = DiskId(identity.disk_id);
        match fleet.disks().find(|(_, id, _)| *id == disk) {
            Some((other, _, _)) if other != node => Err(Error::DiskElsewhere { path, disk, node: other }),
            Some((_, _, entry)) if topology.disk(disk).is_some() => {
                Err(Error::DuplicateDisk { first: entry.path.clone(), second: path })
            }
            Some(_) | None => Ok(Some(disk)),
        }
    }
}

/// An error and what caused it, in one sentence.
fn reason(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |said, cause| format!("{said}: {cause}"))
}

/// Whether one of the directories lies in the other.
fn nests(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

impl Cluster {
    /// Makes the directory at `path` of `node` one of its disks: a blank or missing one, or a disk of this cluster that was
    /// removed or is missing. Used at once and after every restart, whether or not the node's settings name it. Durable on
    /// return.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchNode`]; [`Error::NotAdded`] with the node's reason; [`Error::Meta`].
    pub async fn add_disk(&self, node: u64, path: &Path) -> Result<String> {
        let fleet = Fleet::read(self.consensus.read().await?.view.as_ref())?;
        if !fleet.nodes.members.contains_key(&node) {
            return Err(Error::NoSuchNode { node });
        }
        let outcome = if self.node().0 == node {
            self.additions.add(path.to_path_buf()).await
        } else {
            let call = Call::new(Method::AddDisk, &Request { path: path.to_path_buf() }, DEADLINE);
            let answer = self.links.peers.call(NodeId(node), call).await;
            let outcome = answer.and_then(|answer| answer.parse::<Outcome>(NodeId(node)));
            outcome.unwrap_or_else(|error| Err(error.to_string()))
        };
        outcome.map(|disk| disk.to_string()).map_err(|reason| Error::NotAdded { node, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_that_contain_each_other_are_told_from_neighbours() {
        let cases = [("/a/b", "/a", true), ("/a", "/a/b", true), ("/a/b", "/a/c", false), ("/a/b", "/a/bc", false)];
        for (one, other, expected) in cases {
            assert_eq!(nests(Path::new(one), Path::new(other)), expected, "{one} and {other}");
        }
    }
}
