//! Deletes the shards that nobody can need any more.
//!
//! Three ways lead here: a write of this process that failed (`discard`), a segment that an overwrite or deletion
//! retired and that no reader of any node can still see (`free_retired`, done by the leader), and shards that no manifest
//! names, found by comparing the inventories of this node's disks with the metadata (`collect_orphans`). The last needs no
//! clock: a shard is an orphan exactly when its intent epoch is over, its write is not pinned and nothing names it, all in
//! one state (`distributed.md` §2.3, I8).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use disk::{Disk, InventoryEntry};
use env::{Bug, Moment};
use erasure::ShardIdentity;
use futures_util::future::join_all;
use meta::command::{DrainUploads, FreeRetired, UnpinWrite};
use meta::query;
use meta::record::{IntentEpoch, RetiredId, WriteId};
use meta::{Command, Reply};
use placement::{DiskId, GroupId};

use crate::error::Result;
use crate::shards::Stripe;
use crate::store::Store;

/// Inventory entries looked at in one step, and retired segments freed in one command.
const PAGE_SIZE: usize = 1024;

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
    /// Deletes everything on this node's disks that nobody can need any more; on the leader, also what it deletes for all.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the metadata cannot be read or changed. Disks that do not answer are skipped.
    pub async fn collect_garbage(&self) -> Result<Collected> {
        self.drop_void_pins().await?;
        let retired_segments = if self.cluster().is_leader() {
            self.drain_deleted_buckets().await?;
            self.free_retired().await?
        } else {
            0
        };
        let orphaned_shards = self.collect_orphans().await?;
        Ok(Collected { retired_segments, orphaned_shards })
    }

    /// Deletes the shards of a write of this process that ended without a commit.
    pub(crate) async fn delete_discarded(&self, write_id: WriteId) -> Result<()> {
        // Nothing can name it any more; should the metadata think otherwise, it is right.
        let referenced = self.query(move |view| query::is_referenced(view, write_id)).await?;
        if !referenced {
            self.delete_writes(&[write_id]).await;
            let pinned = self.query(move |view| query::pinned_write(view, write_id)).await?;
            if pinned.is_some() {
                self.propose(Command::UnpinWrite(UnpinWrite { write_id })).await?;
            }
        }
        Ok(())
    }

    /// Deletes the shards of segments that were retired before the oldest read of any node began. Only one node does so:
    /// the leader.
    pub(crate) async fn free_retired(&self) -> Result<u64> {
        let mut freed = 0;
        loop {
            // Nothing that is new since can be freed in vain, and other nodes are only asked when there is something.
            let newest = self.oldest_reader();
            if self.query(move |view| query::retired_segments(view, newest, 1)).await?.is_empty() {
                return Ok(freed);
            }
            let Some(elsewhere) = self.cluster().oldest_reader_elsewhere().await else { return Ok(freed) };
            let up_to = newest.min(elsewhere);
            let retired = self.query(move |view| query::retired_segments(view, up_to, PAGE_SIZE)).await?;
            if retired.is_empty() {
                return Ok(freed);
            }
            let ids: Vec<RetiredId> = retired.into_iter().map(|(id, _)| id).collect();
            self.delete_writes(&ids.iter().map(|id| id.write_id).collect::<Vec<_>>()).await;
            Moment::RetiredFreed.note();
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

    /// Compares the inventory of each of this node's disks with the metadata, and deletes what nothing names.
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
                let orphans: Vec<ShardIdentity> =
                    page.iter().map(|shard| shard.identity).filter(|shard| orphans.contains(&shard.write_id)).collect();
                if !orphans.is_empty() {
                    Moment::OrphanDeleted.note();
                }
                deleted += delete_shards(&disk, orphans).await;
                deleted += self.delete_strays(&disk, &page).await?;
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
                let over = IntentEpoch(epoch) < epoch_min || Bug::ActiveWritesCollected.is_planted();
                let id = WriteId(write_id);
                let pinned = query::pinned_write(view, id)?.is_some() && !Bug::PinsIgnored.is_planted();
                if over && !pinned && !query::is_referenced(view, id)? {
                    orphans.insert(write_id);
                }
            }
            Ok(orphans)
        })
        .await
    }

    /// Deletes the shards that a disk holds although their manifests expect them on another, which has them: what moves
    /// leave. Returns how many there were.
    async fn delete_strays(&self, disk: &Arc<Disk>, page: &[InventoryEntry]) -> Result<u64> {
        let topology = self.cluster().topology();
        let id = DiskId(disk.identity().disk_id);
        let holds = |group: GroupId, index: u8| {
            let group = topology.table().group(group);
            let slot = group.and_then(|group| group.slots.get(usize::from(index)));
            slot.is_some_and(|slot| slot.read_sources().any(|source| source == id))
        };
        // Most shards need no look at their manifest: whichever group holds the stripe by now, this disk is in its place.
        let expected = |shard: &InventoryEntry| {
            let mut heirs = topology.table().heirs(GroupId(shard.entry.group)).peekable();
            heirs.peek().is_some() && heirs.all(|group| holds(group, shard.identity.index))
        };
        let mut astray = Vec::new();
        for shard in page.iter().filter(|shard| !expected(shard)).map(|shard| shard.identity) {
            let write_id = WriteId(shard.write_id);
            let segment = self.query(move |view| query::segment_of(view, write_id)).await?;
            let Some(segment) = segment.filter(|segment| shard.stripe < segment.stripe_count()) else { continue };
            let stripe = Stripe::of(&segment, shard.stripe);
            if !stripe.locations(topology.table(), shard.index).contains(&id) {
                astray.push((stripe, shard.index));
            }
        }
        let there = self.shards().are_at_slots(&topology, &astray).await;
        // A slot may have come back here meanwhile, and its shards be counted on again: the other disk may let go of its
        // own then. Whoever counts them waits for what is deleted by an older table. What is left is found the next time.
        let _deleting = self.stray_deletion().lock().await;
        let now = self.cluster().topology();
        let is_unchanged = |stripe: &Stripe| {
            let group = stripe.group(topology.table());
            topology.table().group(group) == now.table().group(group)
        };
        let strays = astray.iter().zip(there).filter(|((stripe, _), there)| *there && is_unchanged(stripe));
        let strays: Vec<ShardIdentity> = strays.map(|((stripe, index), _)| stripe.identity(*index)).collect();
        if !strays.is_empty() {
            Moment::StrayDeleted.note();
        }
        Ok(delete_shards(disk, strays).await)
    }

    /// Deletes all shards of these writes from the disks of the cluster that answer, on all side by side: one sync each.
    /// What a disk does not delete now is an orphan later.
    async fn delete_writes(&self, writes: &[WriteId]) {
        let writes: Vec<u128> = writes.iter().map(|write_id| write_id.0).collect();
        let topology = self.cluster().topology();
        let disks = topology.members().values().filter_map(|member| member.disk.as_ref());
        let deletions = disks.map(|disk| async {
            if let Err(error) = disk.delete_writes(&writes).await {
                tracing::debug!(%error, "shards could not be deleted");
            }
        });
        join_all(deletions).await;
    }
}

/// Deletes shards that nobody needs; says how many are gone. What a disk does not delete now is found again later.
async fn delete_shards(disk: &Arc<Disk>, shards: Vec<ShardIdentity>) -> u64 {
    let count = shards.len() as u64;
    if count == 0 {
        return 0;
    }
    match disk.delete(shards).await {
        Ok(()) => {
            metrics::counter!("stonecrop_orphaned_shards_deleted_total").increment(count);
            count
        }
        Err(error) => {
            tracing::debug!(%error, "shards could not be deleted");
            0
        }
    }
}
