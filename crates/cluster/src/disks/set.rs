//! [`DiskSet`]: performs what [`reconcile`] decides, one directory at a time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::{Disk, DiskConfig};
use env::Env;
use meta::View;
use placement::{DiskId, NodeId};

use super::admit::{admit, open_known, weight};
use super::marker;
use super::reconcile::Step;
use super::roster::{Entry, Roster, RosterKeeper};
use crate::error::Result;
use crate::topology::Member;

/// Why a disk does not take part that the operator has taken offline.
pub(crate) const OFFLINE: &str = "the operator has taken it offline";

/// Who named the directory of a disk that joins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The node's settings.
    Named,
    /// The operator, while the node ran.
    Added,
}

/// The disks of this node, by the roster, and how they are opened.
pub(crate) struct DiskSet {
    env: Env,
    config: DiskConfig,
    node: NodeId,
    keeper: RosterKeeper,
}

impl DiskSet {
    pub(crate) fn new(env: Env, config: DiskConfig, node: NodeId, keeper: RosterKeeper) -> Self {
        Self { env, config, node, keeper }
    }

    pub(crate) fn roster(&self) -> &Roster {
        self.keeper.roster()
    }

    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    /// Performs `step`; `open` are disks that are open already. Returns the member that the disk is now. Kept in the roster
    /// on return.
    ///
    /// # Errors
    ///
    /// [`Error::Disk`](crate::Error::Disk) when the directory cannot be used; what the metadata says otherwise.
    pub(crate) async fn perform(
        &mut self,
        step: Step,
        open: &mut BTreeMap<DiskId, Arc<Disk>>,
    ) -> Result<(DiskId, Member)> {
        match step {
            Step::Keep { disk, path } => {
                let handle = match open.remove(&disk) {
                    Some(handle) => handle,
                    None => self.open(path.clone()).await?,
                };
                self.moved(disk, path).await?;
                Ok((disk, Member::open(self.node, handle)))
            }
            Step::Admit { path, formatted, replaces } => {
                let handle = match formatted.and_then(|disk| open.remove(&disk)) {
                    Some(handle) => handle,
                    None => self.admit(path.clone(), formatted).await?,
                };
                let disk = DiskId(handle.identity().disk_id);
                self.joined(disk, &handle, replaces, Origin::Named).await?;
                Ok((disk, Member::open(self.node, handle)))
            }
            Step::Miss { disk, reason } => {
                let path = self.roster().disks.get(&disk).map(|entry| entry.path.clone()).unwrap_or_default();
                tracing::error!(%disk, path = %path.display(), reason, "disk is missing");
                Ok((disk, Member::absent(self.node, path, reason)))
            }
        }
    }

    /// Makes the directory at `path` a disk that the operator adds to the running node, in place of `replaces`. Kept in the
    /// roster on return.
    ///
    /// # Errors
    ///
    /// As [`DiskSet::perform`].
    pub(crate) async fn add(
        &mut self,
        path: PathBuf,
        formatted: Option<DiskId>,
        replaces: Option<DiskId>,
    ) -> Result<(DiskId, Member)> {
        let handle = self.admit(path, formatted).await?;
        let disk = DiskId(handle.identity().disk_id);
        self.joined(disk, &handle, replaces, Origin::Added).await?;
        Ok((disk, Member::open(self.node, handle)))
    }

    /// Why an open disk is not to be used, if so.
    pub(crate) fn reason_to_leave(&self, disk: DiskId) -> Option<&'static str> {
        let entry = self.roster().disks.get(&disk)?;
        match () {
            () if entry.is_removed => Some("the operator has removed it"),
            () if entry.is_offline => Some(OFFLINE),
            () => None,
        }
    }

    /// Whether the disk is to be emptied.
    pub(crate) fn is_draining(&self, disk: DiskId) -> bool {
        self.roster().disks.get(&disk).is_some_and(|entry| entry.is_draining)
    }

    /// Whether the operator has removed the disk.
    pub(crate) fn is_removed(&self, disk: DiskId) -> bool {
        self.roster().disks.get(&disk).is_some_and(|entry| entry.is_removed)
    }

    /// Whether the operator has taken the disk offline.
    pub(crate) fn is_offline(&self, disk: DiskId) -> bool {
        self.roster().disks.get(&disk).is_some_and(|entry| entry.is_offline)
    }

    /// Takes over what others have changed in the roster, as far as `view` knows.
    ///
    /// # Errors
    ///
    /// As [`RosterKeeper::refresh`].
    pub(crate) fn refresh(&mut self, view: &dyn View) -> Result<()> {
        self.keeper.refresh(view)
    }

    /// Lets all nodes know which of this node's disks work, and which are full.
    ///
    /// # Errors
    ///
    /// What the metadata says.
    pub(crate) async fn note_states(&mut self, members: &BTreeMap<DiskId, Member>) -> Result<()> {
        let own = members.iter().filter(|(_, member)| member.node == self.node);
        let states: Vec<(DiskId, bool, bool)> =
            own.map(|(id, member)| (*id, member.disk.is_none(), member.full)).collect();
        let change = |roster: &mut Roster| {
            for (id, is_absent, is_full) in &states {
                if let Some(entry) = roster.disks.get_mut(id) {
                    (entry.is_absent, entry.is_full) = (*is_absent, *is_full);
                }
            }
        };
        self.keeper.change(change).await
    }

    /// Notes on the disk at `path` that the metadata exists.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io).
    pub(crate) async fn mark(&self, path: PathBuf) -> Result<()> {
        let env = self.env.clone();
        self.env.blocking(move || marker::mark(&env, &path)).await
    }

    async fn open(&self, path: PathBuf) -> Result<Arc<Disk>> {
        let (env, config) = (self.env.clone(), self.config.clone());
        Ok(self.env.blocking(move || open_known(&env, &path, &config)).await?)
    }

    async fn admit(&self, path: PathBuf, formatted: Option<DiskId>) -> Result<Arc<Disk>> {
        let (env, config) = (self.env.clone(), self.config.clone());
        self.env.blocking(move || admit(&env, &path, formatted, &config)).await
    }

    async fn moved(&mut self, disk: DiskId, path: PathBuf) -> Result<()> {
        let change = |roster: &mut Roster| {
            if let Some(entry) = roster.disks.get_mut(&disk) {
                entry.path.clone_from(&path);
            }
        };
        self.keeper.change(change).await
    }

    async fn joined(&mut self, disk: DiskId, handle: &Disk, replaces: Option<DiskId>, origin: Origin) -> Result<()> {
        let path = handle.path().to_path_buf();
        let is_mount_point = self.is_mount_point(path.clone()).await;
        let before = self.roster().at(&path).is_some_and(|(_, entry)| entry.is_added);
        let is_added = before || origin == Origin::Added;
        let weight = weight(handle).await?;
        let entry = Entry { path: path.clone(), is_mount_point, weight, is_added, ..Entry::default() };
        let change = |roster: &mut Roster| {
            if let Some(old) = replaces {
                roster.disks.remove(&old);
            }
            roster.disks.insert(disk, entry.clone());
        };
        self.keeper.change(change).await?;
        match replaces {
            Some(old) => {
                tracing::warn!(%disk, replaces = %old, path = %path.display(), "an empty disk replaces a lost one")
            }
            None => tracing::info!(%disk, path = %path.display(), "disk joined"),
        }
        Ok(())
    }

    async fn is_mount_point(&self, path: PathBuf) -> bool {
        let files = self.env.files.clone();
        self.env.blocking(move || files.directory_id(Path::new(&path)).is_ok_and(|id| id.is_mount_point)).await
    }
}
