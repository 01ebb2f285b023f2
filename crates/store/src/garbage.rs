//! Deletes the shards that nobody can need any more.
//!
//! Three ways lead here: a write of this process that failed (`discard`), a segment that an overwrite or deletion
//! retired and that no reader can still see (`free_retired`), and shards that no manifest names, found by comparing
//! the disks' inventories with the metadata (`collect_orphans`). The last needs no clock: a shard is an orphan exactly when
//! its intent epoch is over, its write is not pinned and nothing names it, all in one state (`distributed.md` §2.3, I8).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use disk::{Disk, InventoryEntry};
use erasure::ShardIdentity;
use futures_util::future::join_all;
use meta::command::{AdvanceIntentEpoch, DrainUploads, FreeRetired, PinWrite, UnpinWrite};
use meta::query;
use meta::record::{IntentEpoch, RetiredId, WriteId};
use meta::{Command, Reply};
use placement::{DiskId, GroupId};

use crate::error::{Error, ProposeError, Result};
use crate::shards::Stripe;
use crate::store::Store;

/// Inventory entries looked at in one step, and retired segments freed in one command.
const PAGE_SIZE: usize = 1024;

/// Pins read at a time.
const PINS_MAX: usize = 4096;

/// Records that one command drains from a deleted bucket.
const DRAIN_SIZE: u32 = 1000;

/// What a collection deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Segments that were retired.
    pub retired_segments: u64,
    /// Shards that no manifest named, or that have been moved to another disk.
    pub orphaned_shards: u64,
}

impl Store {
    /// Begins the next intent epoch. Writes of this process that go on are pinned first, so that they can commit.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the metadata cannot be changed.
    pub async fn advance_epoch(&self) -> Result<()> {
        let (from, _) = self.query(|view| query::intent_epochs(view)).await?;
        for (write_id, intent_epoch) in self.writes().unpinned_before(from) {
            let pin = PinWrite { write_id, intent_epoch, holder: self.process_id() };
            match self.propose(Command::PinWrite(pin)).await {
                // It may have ended while it was being pinned; nobody else would unpin it then.
                Ok(_) if !self.writes().set_pinned(write_id) => {
                    self.propose(Command::UnpinWrite(UnpinWrite { write_id })).await?;
                }
                // Refused: it was committed meanwhile, or it will be refused.
                Ok(_) | Err(ProposeError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let reply = self.propose(Command::AdvanceIntentEpoch(AdvanceIntentEpoch { from })).await?;
        let Reply::IntentEpoch(epoch) = reply else { return Err(Error::unexpected_reply()) };
        self.writes().advance(epoch);
        Ok(())
    }

    /// Deletes everything that nobody can need any more.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the metadata cannot be read or changed. Disks that do not answer are skipped.
    pub async fn collect_garbage(&self) -> Result<Collected> {
        self.drain_deleted_buckets().await?;
        self.drop_void_pins().await?;
        let retired_segments = self.free_retired().await?;
        let orphaned_shards = self.collect_orphans().await?;
        Ok(Collected { retired_segments, orphaned_shards })
    }

    /// Deletes the shards of a write of this process that ended without a commit.
    pub(crate) async fn delete_discarded(&self, write_id: WriteId) -> Result<()> {
        // Nothing can name it any more; should the metadata think otherwise, it is right.
        let referenced = self.query(move |view| query::is_referenced(view, write_id)).await?;
        if !referenced {
            self.delete_writes(vec![write_id]).await;
            let pinned = self.query(move |view| query::pinned_write(view, write_id)).await?;
            if pinned.is_some() {
                self.propose(Command::UnpinWrite(UnpinWrite { write_id })).await?;
            }
        }
        Ok(())
    }

    /// Deletes the shards of segments that were retired before the oldest read began.
    pub(crate) async fn free_retired(&self) -> Result<u64> {
        let mut freed = 0;
        loop {
            // A reader that begins from now on sees the newest state that this process has read, or a newer one, and
            // therefore none of the segments that were retired up to it.
            let newest = self.read_index();
            let up_to = self.reads().oldest().unwrap_or(newest).min(newest);
            let retired = self.query(move |view| query::retired_segments(view, up_to, PAGE_SIZE)).await?;
            if retired.is_empty() {
                return Ok(freed);
            }
            let ids: Vec<RetiredId> = retired.into_iter().map(|(id, _)| id).collect();
            self.delete_writes(ids.iter().map(|id| id.write_id).collect()).await;
            freed += ids.len() as u64;
            metrics::counter!("stonecrop_retired_segments_freed_total").increment(ids.len() as u64);
            self.propose(Command::FreeRetired(FreeRetired { retired: ids })).await?;
        }
    }

    async fn drain_deleted_buckets(&self) -> Result<()> {
        for bucket in self.query(|view| query::draining_buckets(view, PAGE_SIZE)).await? {
            let step = Command::DrainUploads(DrainUploads { bucket, limit: DRAIN_SIZE });
            while self.propose(step.clone()).await? == (Reply::Drained { finished: false }) {}
        }
        Ok(())
    }

    /// Drops the pins of processes that are gone. Only one process serves a cluster for now.
    async fn drop_void_pins(&self) -> Result<()> {
        let pins = self.query(|view| query::pinned_writes(view, None, PINS_MAX)).await?;
        for (write_id, pin) in pins {
            if pin.holder != self.process_id() || !self.writes().contains(write_id) {
                self.propose(Command::UnpinWrite(UnpinWrite { write_id })).await?;
            }
        }
        Ok(())
    }

    /// Compares the inventory of every disk with the metadata, and deletes what nothing names.
    async fn collect_orphans(&self) -> Result<u64> {
        let mut deleted = 0;
        for disk in self.disks() {
            let mut after = None;
            loop {
                let page = disk.inventory(after, PAGE_SIZE);
                let Some(last) = page.last() else { break };
                after = Some(last.identity);
                let epochs = page.iter().map(|shard| (shard.identity.write_id, shard.entry.intent_epoch));
                let orphans = self.orphaned_writes(epochs.collect()).await?;
                let mut shards: Vec<ShardIdentity> =
                    page.iter().map(|shard| shard.identity).filter(|shard| orphans.contains(&shard.write_id)).collect();
                shards.extend(self.strays(&disk, &page).await?);
                let count = shards.len() as u64;
                if count != 0 && delete_shards(&disk, shards).await {
                    deleted += count;
                    metrics::counter!("stonecrop_orphaned_shards_deleted_total").increment(count);
                }
            }
        }
        Ok(deleted)
    }

    /// Which of these writes, given with the oldest intent epoch of their shards, nothing names and nothing ever will.
    async fn orphaned_writes(&self, writes: BTreeMap<u128, u64>) -> Result<BTreeSet<u128>> {
        self.query(move |view| {
            let (_, epoch_min) = query::intent_epochs(view)?;
            let mut orphans = BTreeSet::new();
            for (write_id, epoch) in writes {
                let over = IntentEpoch(epoch) < epoch_min;
                let id = WriteId(write_id);
                if over && query::pinned_write(view, id)?.is_none() && !query::is_referenced(view, id)? {
                    orphans.insert(write_id);
                }
            }
            Ok(orphans)
        })
        .await
    }

    /// The shards that a disk holds although their manifests expect them on another, which has them: what moves leave.
    async fn strays(&self, disk: &Arc<Disk>, page: &[InventoryEntry]) -> Result<Vec<ShardIdentity>> {
        let topology = self.cluster().topology();
        let id = DiskId(disk.identity().disk_id);
        let expected = |shard: &InventoryEntry| {
            let group = topology.table().group(GroupId(shard.entry.group));
            let slot = group.and_then(|group| group.slots.get(usize::from(shard.identity.index)));
            slot.is_some_and(|slot| slot.read_sources().any(|source| source == id))
        };
        let mut strays = Vec::new();
        for shard in page.iter().filter(|shard| !expected(shard)).map(|shard| shard.identity) {
            let write_id = WriteId(shard.write_id);
            let segment = self.query(move |view| query::segment_of(view, write_id)).await?;
            let Some(segment) = segment.filter(|segment| shard.stripe < segment.stripe_count()) else { continue };
            let stripe = Stripe::of(&segment, shard.stripe);
            let elsewhere = !stripe.locations(topology.table(), shard.index).contains(&id);
            if elsewhere && self.shards().is_at_slot(&stripe, shard.index) {
                strays.push(shard);
            }
        }
        Ok(strays)
    }

    /// Deletes all shards of these writes from the disks that answer, on all disks side by side: one sync each.
    async fn delete_writes(&self, writes: Vec<WriteId>) {
        let writes = &writes;
        let deletions = self.disks().into_iter().map(|disk| async move {
            let shards: Vec<ShardIdentity> = writes.iter().flat_map(|write_id| shards_of(&disk, *write_id)).collect();
            if !shards.is_empty() {
                delete_shards(&disk, shards).await;
            }
        });
        join_all(deletions).await;
    }
}

/// The shards of a write that a disk holds.
fn shards_of(disk: &Disk, write_id: WriteId) -> Vec<ShardIdentity> {
    let mut shards = Vec::new();
    // The inventory has no entry before index 0 of stripe 0; what comes directly before it ends the write before.
    let mut after =
        write_id.0.checked_sub(1).map(|before| ShardIdentity { write_id: before, stripe: u32::MAX, index: u8::MAX });
    loop {
        let page = disk.inventory(after, PAGE_SIZE);
        let own = page.iter().map(|shard| shard.identity).take_while(|shard| shard.write_id == write_id.0);
        let before = shards.len();
        shards.extend(own);
        if shards.len() - before < PAGE_SIZE {
            return shards;
        }
        after = shards.last().copied();
    }
}

/// Deletes shards; says whether they are gone. What a disk does not delete now is an orphan later.
async fn delete_shards(disk: &Arc<Disk>, shards: Vec<ShardIdentity>) -> bool {
    match disk.delete(shards).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "shards could not be deleted");
            false
        }
    }
}
