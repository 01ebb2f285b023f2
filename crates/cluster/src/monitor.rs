//! Looks at the disks now and then: takes failed ones out of service, brings returned ones back, admits empty
//! directories in place of lost disks, gives up disks that stay away, and keeps the metadata mirrored.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use disk::{Disk, DiskIdentity};
use env::{Env, Moment};
use placement::{DiskId, NodeId};
use tokio::sync::{mpsc, watch};

use crate::additions::Addition;
use crate::birth::copy_node_file;
use crate::config::ClusterConfig;
use crate::disks::{DiskSet, Found, OFFLINE, Roster, Site, Step, look, meta_directory, reconcile};
use crate::documents;
use crate::error::{Error, Result};
use crate::nodes::{NODES, Nodes};
use crate::raft::RaftConsensus;
use crate::topology::{Member, MemberState, Publisher};

/// Longest pause between attempts to take a disk, or a mirror, back into service.
const PAUSE_MAX: Duration = Duration::from_secs(5 * 60);

/// All packs of the metadata are reread within this span, if that takes no more than one each shortest pause.
const SCRUB_PERIOD: Duration = Duration::from_secs(14 * 24 * 3600);
/// Shortest and longest pause between two packs.
pub(crate) const SCRUB_PAUSE_MIN: Duration = Duration::from_secs(60);
const SCRUB_PAUSE_MAX: Duration = Duration::from_secs(6 * 3600);

/// A disk that takes longer to say how it is, or to close, hangs.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// Room beyond the reserve with which a disk that refused shards is given some again; it grows in such steps.
const ROOM_MIN: u64 = 16 << 20;

/// The task that watches this node's disks.
pub(crate) struct Monitor {
    pub(crate) env: Env,
    pub(crate) config: ClusterConfig,
    pub(crate) cluster_id: u128,
    /// The storage directories that were named or added, resolved.
    pub(crate) directories: Vec<PathBuf>,
    /// Directories that operators want added.
    pub(crate) additions: mpsc::Receiver<Addition>,
    pub(crate) disks: DiskSet,
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) consensus: Arc<RaftConsensus>,
    /// When the next pack of the metadata is to be reread, on the monotonic clock.
    pub(crate) scrub_at: Duration,
    /// The same for its log.
    pub(crate) reread_at: Duration,
    /// Attempts that failed, by directory.
    pub(crate) pauses: BTreeMap<PathBuf, Pause>,
}

/// How long to wait before the next attempt.
#[derive(Clone, Copy)]
pub(crate) struct Pause {
    until: Duration,
    length: Duration,
}

impl Monitor {
    /// Runs until `stopping` says so.
    pub(crate) async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        loop {
            if let Err(error) = self.look().await {
                tracing::error!(%error, "looking after the disks failed: trying again later");
            }
            let addition = tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return,
                Some(addition) = self.additions.recv() => addition,
                () = self.env.clock.sleep(self.config.probe_interval) => continue,
            };
            self.answer_addition(addition).await;
        }
    }

    /// One round.
    pub(crate) async fn look(&mut self) -> Result<()> {
        let view = self.consensus.engine().view();
        self.disks.refresh(view.as_ref())?;
        for (id, member) in self.publisher.current().members().clone() {
            let Some(disk) = member.local() else { continue };
            match self.disks.reason_to_leave(id) {
                Some(reason) => self.take_out(id, &member, disk, reason.to_owned()).await,
                None => self.check(id, &member, disk).await,
            }
        }
        self.forget_removed();
        self.welcome().await?;
        self.note_leaving(&documents::read(view.as_ref(), NODES)?);
        let members = self.publisher.current().members().clone();
        self.disks.note_states(&members).await?;
        self.mirror().await;
        self.scrub_metadata().await;
        self.reread_log().await;
        Ok(())
    }

    /// Rereads a pack of the metadata when one is due: all have their turn within the period.
    async fn scrub_metadata(&mut self) {
        let now = self.env.clock.monotonic();
        if now < self.scrub_at {
            return;
        }
        let engine = self.consensus.engine().clone();
        let pack_count = match answer(&self.env, self.env.blocking(move || engine.scrub_next())).await {
            Some(Ok(Some(found))) => {
                if 0 < found.damaged {
                    tracing::warn!(found.damaged, found.lost, "rereading the metadata found damage");
                }
                u32::try_from(found.pack_count).unwrap_or(u32::MAX)
            }
            Some(Ok(None)) | None => 1,
            Some(Err(error)) => {
                tracing::error!(%error, "cannot reread the metadata");
                1
            }
        };
        let pause = (SCRUB_PERIOD / pack_count.max(1)).clamp(SCRUB_PAUSE_MIN, SCRUB_PAUSE_MAX);
        self.scrub_at = now + pause;
    }

    /// Rereads the log of the metadata when that is due: what rots in one copy is healed before another is lost.
    async fn reread_log(&mut self) {
        let now = self.env.clock.monotonic();
        if now < self.reread_at {
            return;
        }
        self.reread_at = now + self.config.log_reread_period;
        match answer(&self.env, self.consensus.engine().reread_log()).await {
            Some(Ok(0)) => {}
            Some(Ok(damaged)) => tracing::warn!(damaged, "rereading the log of the metadata found damage: healed"),
            Some(Err(error)) => tracing::error!(%error, "the log of the metadata is not whole"),
            None => tracing::warn!("rereading the log of the metadata hangs"),
        }
    }

    /// Publishes the state of an open disk; takes it out of service when it has failed.
    async fn check(&mut self, id: DiskId, member: &Member, disk: &Arc<Disk>) {
        let Some(checked) = answer(&self.env, disk.check()).await else {
            return self.take_out(id, member, disk, "it does not answer".to_owned()).await;
        };
        let state = match checked {
            disk::DiskState::InService => MemberState::InService,
            disk::DiskState::Suspect { reason } => MemberState::Suspect { reason },
            disk::DiskState::Failed { reason } => return self.take_out(id, member, disk, reason).await,
            disk::DiskState::Closed => return,
        };
        // A disk that cannot say how full it is will be found failed by its next check.
        let full = answer(&self.env, disk.usage()).await.is_some_and(|usage| usage.is_ok_and(is_full));
        if full {
            // Asked, the metadata gives back what deletions have left of it: while the disk takes no shards there may be no
            // commands that ask.
            self.consensus.engine().has_room();
        }
        if member.state == state && member.full == full {
            return;
        }
        match &state {
            MemberState::Suspect { reason } => tracing::warn!(disk = %id, reason, "disk is in doubt"),
            _ if full && !member.full => tracing::warn!(disk = %id, "disk is full: it takes no new shards"),
            _ => tracing::info!(disk = %id, "disk is well"),
        }
        self.publisher.change_members(|members| {
            if let Some(member) = members.get_mut(&id) {
                (member.state, member.full) = (state, full);
            }
        });
    }

    async fn take_out(&mut self, id: DiskId, member: &Member, disk: &Disk, reason: String) {
        tracing::error!(disk = %id, path = %member.path.display(), reason, "disk is out of service");
        Moment::DiskTakenOut.note();
        self.pause(&member.path);
        self.publisher.change_members(|members| {
            members.insert(id, Member::absent(member.node, member.path.clone(), reason));
        });
        self.consensus.engine().retire_mirror(&meta_directory(&member.path));
        match answer(&self.env, disk.close()).await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::debug!(disk = %id, %error, "a failed disk did not close cleanly"),
            None => tracing::warn!(disk = %id, "a failed disk hangs and holds its threads"),
        }
    }

    /// Publishes which disks are being emptied.
    fn note_leaving(&self, nodes: &Nodes) {
        let all = nodes.get(self.disks.node()).is_some_and(|node| node.leaving);
        let topology = self.publisher.current();
        let own = topology.members().iter().filter(|(_, member)| member.node == self.disks.node());
        let leaves = |id: DiskId| all || self.disks.is_draining(id);
        let changed: Vec<DiskId> =
            own.filter(|(id, member)| member.leaving != leaves(**id)).map(|(id, _)| *id).collect();
        if changed.is_empty() {
            return;
        }
        self.publisher.change_members(|members| {
            for id in &changed {
                if let Some(member) = members.get_mut(id) {
                    member.leaving = leaves(*id);
                }
            }
        });
    }

    /// Forgets disks that were removed. What they have of the metadata grows old from now on.
    fn forget_removed(&self) {
        let topology = self.publisher.current();
        let own = topology.members().iter().filter(|(_, member)| member.node == self.disks.node());
        let removed: Vec<DiskId> = own.map(|(id, _)| *id).filter(|id| self.disks.is_removed(*id)).collect();
        if !removed.is_empty() {
            self.publisher.change_members(|members| members.retain(|id, _| !removed.contains(id)));
        }
    }

    /// Takes back disks that returned, and in those that replace lost ones.
    async fn welcome(&mut self) -> Result<()> {
        let members = self.publisher.current().members().clone();
        let mut sites = Vec::new();
        for path in self.directories.clone() {
            sites.push(self.site(path, &members).await);
        }
        for step in reconcile(self.disks.roster(), &sites) {
            let path = match &step {
                Step::Keep { disk, .. } if members.get(disk).is_some_and(|member| member.disk.is_some()) => continue,
                Step::Keep { disk, .. } if self.disks.is_offline(*disk) => {
                    self.miss(*disk, OFFLINE);
                    continue;
                }
                Step::Keep { path, .. } => path.clone(),
                Step::Admit { formatted: None, replaces: None, .. } => continue,
                Step::Admit { path, .. } => path.clone(),
                Step::Miss { disk, reason } => {
                    let path = self.disks.roster().disks.get(disk).map(|entry| &entry.path);
                    if path.is_none_or(|path| !self.is_paused(path)) {
                        self.miss(*disk, reason);
                    }
                    continue;
                }
            };
            if self.is_paused(&path) {
                continue;
            }
            // A disk that was given up while this node was cut off is open, and joins anew as it is.
            let mut open = match &step {
                Step::Admit { formatted: Some(disk), .. } => {
                    let local = members.get(disk).and_then(Member::local);
                    local.map(|local| (*disk, local.clone())).into_iter().collect()
                }
                _ => BTreeMap::new(),
            };
            match self.disks.perform(step, &mut open).await {
                Ok((id, member)) => self.take_in(id, member).await,
                Err(Error::Disk(error)) => {
                    tracing::warn!(path = %path.display(), %error, "disk cannot be taken into service");
                    self.pause(&path);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn site(&mut self, path: PathBuf, members: &BTreeMap<DiskId, Member>) -> Site {
        let here = members.iter().find(|(_, member)| member.path == path && member.local().is_some());
        if let Some((id, _)) = here {
            let identity = DiskIdentity { cluster_id: self.cluster_id, disk_id: id.0 };
            return Site { path, found: Found::Disk(identity), is_mount_point: false };
        }
        let (env, at) = (self.env.clone(), path.clone());
        let looked = match self.is_paused(&path) {
            true => None,
            false => {
                let looked = answer(&self.env, self.env.blocking(move || look(&env, &at))).await;
                if looked.is_none() {
                    self.pause(&path);
                }
                looked
            }
        };
        let unreadable = |error| Site { path: path.clone(), found: Found::Unreadable(error), is_mount_point: false };
        let site = match looked {
            Some(Ok(site)) => site,
            Some(Err(Error::Disk(error))) => unreadable(error),
            Some(Err(_)) => Site { path, found: Found::Nothing, is_mount_point: false },
            None => unreadable(disk::Error::Failed { path: path.clone(), reason: "it does not answer".to_owned() }),
        };
        match site.found {
            Found::Disk(identity) if identity.cluster_id != self.cluster_id => {
                let (path, found, expected) = (site.path.clone(), identity.cluster_id, self.cluster_id);
                let found = Found::Unreadable(disk::Error::AnotherCluster { path, found, expected });
                Site { found, ..site }
            }
            _ => site,
        }
    }

    pub(crate) async fn take_in(&mut self, id: DiskId, member: Member) {
        let path = member.path.clone();
        tracing::info!(disk = %id, path = %member.path.display(), "disk is in service");
        if let Err(error) = self.disks.mark(member.path.clone()).await {
            tracing::warn!(disk = %id, %error, "disk was not marked as joined");
        }
        let (node, roster) = (self.disks.node(), self.disks.roster());
        self.publisher.change_members(|members| {
            members.insert(id, member);
            leave_replaced(members, roster, node);
        });
        let topology = self.publisher.current();
        let others = topology.local_disks().map(|disk| disk.path().to_path_buf());
        let others = others.filter(|other| *other != path).collect();
        copy_node_file(&self.env, others, path).await;
    }

    fn miss(&mut self, id: DiskId, reason: &str) {
        let known = self.publisher.current().members().get(&id).map(|member| member.state.clone());
        let state = MemberState::Absent { reason: reason.to_owned() };
        if known.as_ref() == Some(&state) {
            return;
        }
        tracing::warn!(disk = %id, reason, "disk is still missing");
        self.publisher.change_members(|members| {
            if let Some(member) = members.get_mut(&id) {
                member.state = state;
            }
        });
    }

    /// Makes another disk a mirror of the metadata while too few are.
    pub(crate) async fn mirror(&mut self) {
        let mirrors = self.consensus.engine().mirrors();
        let serving: Vec<PathBuf> =
            mirrors.into_iter().filter(|mirror| mirror.in_service).map(|mirror| mirror.directory).collect();
        let topology = self.publisher.current();
        let directories = topology.local_disks().map(|disk| meta_directory(disk.path()));
        let spare: Vec<PathBuf> = directories.filter(|directory| !serving.contains(directory)).collect();
        let wanted = self.config.meta.mirror_count.saturating_sub(serving.len());
        let ready: Vec<PathBuf> =
            spare.into_iter().filter(|directory| !self.is_paused(directory)).take(wanted).collect();
        for directory in ready {
            match self.consensus.engine().replace_mirror(&directory).await {
                Ok(()) => tracing::info!(directory = %directory.display(), "the metadata has another mirror"),
                Err(error) => {
                    tracing::warn!(directory = %directory.display(), %error, "cannot mirror the metadata here");
                    self.pause(&directory);
                }
            }
        }
    }

    fn is_paused(&self, path: &PathBuf) -> bool {
        self.pauses.get(path).is_some_and(|pause| self.env.clock.monotonic() < pause.until)
    }

    /// Waits longer after every failure; a directory that was well for long starts over.
    fn pause(&mut self, path: &PathBuf) {
        let now = self.env.clock.monotonic();
        let recent = self.pauses.get(path).filter(|pause| now < pause.until + PAUSE_MAX);
        let length = recent.map_or(self.config.probe_interval, |pause| (pause.length * 2).min(PAUSE_MAX));
        self.pauses.insert(path.clone(), Pause { until: now + length, length });
    }
}

/// Lets go of the disks of `node` that the roster no longer has because others took their places. Looking at the roster also
/// finds those whose replacement took effect after its proposer had given up waiting.
fn leave_replaced(members: &mut BTreeMap<DiskId, Member>, roster: &Roster, node: NodeId) {
    members.retain(|disk, member| member.node != node || roster.disks.contains_key(disk));
}

/// Whether new shards should go elsewhere. A disk that refused one says so until it is given another, so room that has
/// returned counts for more.
fn is_full(usage: disk::Usage) -> bool {
    usage.full && usage.available < usage.reserve + ROOM_MIN
}

/// What `asked` answers, or `None` when the disk hangs.
pub(crate) async fn answer<T>(env: &Env, asked: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        answer = asked => Some(answer),
        () = env.clock.sleep(ANSWER_DEADLINE) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disks::Entry;

    #[test]
    fn disks_that_left_the_roster_are_let_go_of_and_those_of_other_nodes_are_theirs_to_judge() {
        let absent = |node, disk| (DiskId(disk), Member::absent(NodeId(node), "/disk".into(), "gone".to_owned()));
        let mut members = BTreeMap::from([absent(1, 1), absent(1, 2), absent(2, 3)]);
        let mut roster = Roster::default();
        roster.disks.insert(DiskId(2), Entry::default());
        leave_replaced(&mut members, &roster, NodeId(1));
        assert_eq!(members.into_keys().collect::<Vec<_>>(), [DiskId(2), DiskId(3)]);
    }
}
