//! Making a fetched state the node's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use prolly::Tree;
use tokio::sync::oneshot;

use super::MetaEngine;
use super::base::{Base, state_hash};
use super::fetch::Fetched;
use super::worker::{Job, Worker};
use crate::error::{Error, Result};
use crate::mirror::Mirror;
use crate::view::TreeId;

impl MetaEngine {
    /// Puts a fetched state in place of this node's, unless that is newer, and lets the log begin after it; durable on
    /// return. A crash leaves the one state or the other. Nothing may be applied meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::WrongState`] when it is not what was offered: nothing is installed. [`Error::Unavailable`] when no mirror
    /// works: the next start finds one state or the other.
    pub async fn install(&self, fetched: Fetched) -> Result<()> {
        let applied = fetched.offer().applied();
        let (sender, receiver) = oneshot::channel();
        self.jobs.send(Job::Install(Box::new(fetched), sender)).await.map_err(|_| Error::Unavailable)?;
        match receiver.await.unwrap_or(Err(Error::Unavailable))? {
            Installed::Now => self.core.log.purge(applied).await,
            Installed::TooLate => Ok(()),
        }
    }
}

/// What became of a fetched state.
pub(super) enum Installed {
    /// It is the node's state now.
    Now,
    /// The node's state is as new.
    TooLate,
}

impl Worker {
    /// Puts the fetched state in place of the present one, in memory and on the mirrors. A crash leaves one or the other.
    ///
    /// # Errors
    ///
    /// [`Error::WrongState`] when it is not what was offered: nothing is installed. [`Error::Unavailable`] when no mirror
    /// works.
    pub(super) fn install(&mut self, fetched: Fetched) -> Result<Installed> {
        let Fetched { offer, roots, mut writer, base } = fetched;
        // Of what is damaged a copy that is no newer is of use, too.
        let oldest = offer.applied().index + u64::from(self.core.storage.is_damaged());
        if self.core.current().marks.applied.is_some_and(|applied| oldest <= applied.index) {
            tracing::info!(index = offer.applied().index, "a fetched state came too late to be of use");
            return Ok(Installed::TooLate);
        }
        self.complete_one();
        let ground = base.ground();
        let sorted: BTreeMap<[u8; TreeId::ENCODED_SIZE], Vec<u8>> = roots
            .iter()
            .filter(|(_, root)| !root.is_empty())
            .map(|(id, root)| {
                let mut encoded = Vec::new();
                root.encode(&mut encoded);
                (id.encode(), encoded)
            })
            .collect();
        let (forest, _) = Tree::build(ground.schema.clone(), ground.packs.clone(), &sorted, &mut writer)?;
        let sealed = writer.seal()?;
        let mut packs = base.packs().clone();
        packs.append(&mut self.core.storage.take_sealed(&sealed));
        let installed = Arc::new(Base::new(ground.clone(), forest, packs));
        if state_hash(installed.forest())? != offer.state_hash() {
            return Err(Error::WrongState { index: offer.applied().index });
        }
        self.complete_mirrors(&installed);
        let marks = offer.marks();
        self.write_record(&installed, &marks)?;
        let replaced = self.core.replace_all(installed.clone(), marks.clone());
        // Into the other slot, too: the log is about to begin behind the state that is named there.
        self.write_record(&installed, &marks)?;
        self.retire_base(replaced);
        tracing::info!(index = offer.applied().index, trees = roots.len(), "took over the state of another node");
        Ok(Installed::Now)
    }

    /// Goes on filling mirrors until one has everything, without which nothing can be made durable. After a start that found
    /// no root that can be read, none has.
    fn complete_one(&mut self) {
        while !self.fills.is_empty() && !self.core.mirrors.in_service().iter().any(|mirror| mirror.has_packs()) {
            self.fill_some();
        }
    }

    /// Gives every mirror the packs that it lacks because it joined while they were being fetched, or was to get others.
    fn complete_mirrors(&mut self, installed: &Base) {
        for mirror in self.core.mirrors.in_service() {
            let mut missing = installed.packs().clone();
            missing.retain(|id, pack| !self.core.storage.is_present_in(&mirror, *id, pack));
            let filled = self.fills.iter_mut().find(|fill| Arc::ptr_eq(&fill.mirror, &mirror));
            match filled {
                Some(fill) => fill.missing.append(&mut missing),
                None => self.copy_all(&mirror, &missing),
            }
        }
    }

    fn copy_all(&self, mirror: &Arc<Mirror>, missing: &crate::roots::PackList) {
        for (id, pack) in missing {
            if let Err(error) = self.core.storage.copy_to(*id, pack, mirror) {
                mirror.retire(&error);
                return;
            }
        }
    }
}
