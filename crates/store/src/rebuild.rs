//! Fills slots whose disk does not have all its shards yet: a replaced disk, or one that takes over from another.
//!
//! The table's slots are the durable note of what is to do; each node fills those of its own disks. Two walks over the
//! manifests restore the shards, stripes without a spare shard first; a third only counts. What that census finds complete
//! becomes stable (I16).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::SlotSeen;
use env::Moment;
use futures_util::FutureExt;
use meta::record::Segment;
use placement::GroupId;

use crate::census::SegmentWalk;
use crate::error::{Error, Result};
use crate::repair::{RepairProgress, Repaired};
use crate::shards::Stripe;
use crate::store::Store;
use crate::throttle::Throttle;

/// Slots to fill, by group and index, as they were when the work began.
type OpenSlots = BTreeMap<GroupId, BTreeMap<u8, SlotSeen>>;

impl Store {
    /// Fills all slots of this node's disks that are being rebuilt or moved.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the metadata cannot be read.
    pub async fn rebuild(&self) -> Result<RepairProgress> {
        let open = self.open_slots();
        let mut progress = RepairProgress::default();
        if open.is_empty() {
            return Ok(progress);
        }
        tracing::info!(groups = open.len(), "filling slots");
        for spare_shards_max in [0, usize::MAX] {
            self.fill_slots(&open, spare_shards_max, &mut progress).await?;
        }
        let complete = self.complete_slots(open).await?;
        let complete: Vec<SlotSeen> = complete.into_values().flat_map(BTreeMap::into_values).collect();
        tracing::info!(slots = complete.len(), shards = progress.repaired_shards, "filled slots");
        if !complete.is_empty() {
            Moment::SlotSettled.note();
        }
        self.cluster().settle(&complete).await.map_err(|error| Error::metadata(&error))?;
        Ok(progress)
    }

    /// The slots of this node's disks that wait for shards.
    fn open_slots(&self) -> OpenSlots {
        let topology = self.cluster().topology();
        let mut open = OpenSlots::new();
        for (group, row) in topology.table().groups() {
            for (&slot, index) in row.slots.iter().zip(0..=u8::MAX) {
                let settles = slot.settled().is_some();
                let here = |disk| topology.disk(disk).is_some_and(|disk| disk.local().is_some());
                if settles && slot.write_target().is_some_and(here) {
                    let seen = SlotSeen { group, index, slot, epoch: row.epoch };
                    open.entry(group).or_default().insert(index, seen);
                }
            }
        }
        open
    }

    /// Walks over all manifests and restores what `open` slots lack, in stripes that can lose at most
    /// `spare_shards_max` more shards.
    async fn fill_slots(&self, open: &OpenSlots, spare_shards_max: usize, progress: &mut RepairProgress) -> Result<()> {
        let throttle = Arc::new(Throttle::new(self.env().clock.clone(), self.config().repair_rate));
        let mut walk = SegmentWalk::new(self);
        loop {
            let page = walk.next_page().await?;
            if page.is_empty() {
                return Ok(());
            }
            for segment in page {
                let lacking = self.lacking(&segment, open);
                let segment = Arc::new(segment);
                let urgent = lacking.into_iter().filter(|lacking| lacking.spare_shards <= spare_shards_max);
                let repairs = urgent
                    .map(|lacking| self.clone().fill_stripe(segment.clone(), lacking, throttle.clone()).boxed())
                    .collect();
                progress.follow(repairs).await;
            }
        }
    }

    async fn fill_stripe(self, segment: Arc<Segment>, lacking: Lacking, throttle: Arc<Throttle>) -> Result<Repaired> {
        if 0 < lacking.spare_shards {
            let shards = u64::from(segment.data) + lacking.indices.len() as u64;
            throttle.pass(shards * u64::from(segment.shard_size)).await;
        }
        self.repair_stripe(&segment, lacking.number, &lacking.indices).await
    }

    /// The stripes of `segment` that lack shards on the disks of `open` slots, from the disks' indexes.
    fn lacking(&self, segment: &Segment, open: &OpenSlots) -> Vec<Lacking> {
        let topology = self.cluster().topology();
        let lacking = (0..segment.stripe_count()).filter_map(|number| {
            let stripe = Stripe::of(segment, number);
            let slots = open.get(&stripe.group(topology.table()))?;
            let lacks = |index: &u8| !self.shards().is_at_own_slot(&topology, &stripe, *index);
            let indices: BTreeSet<u8> = slots.keys().copied().filter(lacks).collect();
            if indices.is_empty() {
                return None;
            }
            let present = stripe.indices().filter(|index| self.shards().seems_present(&topology, &stripe, *index));
            let spare_shards = present.count().saturating_sub(stripe.geometry.data_count());
            Some(Lacking { number, indices, spare_shards })
        });
        lacking.collect()
    }

    /// Those of the `open` slots that have the shards of every manifest.
    async fn complete_slots(&self, mut open: OpenSlots) -> Result<OpenSlots> {
        let mut walk = SegmentWalk::new(self);
        loop {
            let page = walk.next_page().await?;
            if page.is_empty() {
                return Ok(open);
            }
            for segment in &page {
                for Lacking { number, indices, .. } in self.lacking(segment, &open) {
                    let group = Stripe::of(segment, number).group(self.cluster().topology().table());
                    if let Some(slots) = open.get_mut(&group) {
                        slots.retain(|index, _| !indices.contains(index));
                    }
                }
            }
        }
    }
}

/// A stripe that lacks shards.
struct Lacking {
    number: u32,
    indices: BTreeSet<u8>,
    /// How many more shards it can lose.
    spare_shards: usize,
}
