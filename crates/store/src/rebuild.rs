//! Fills slots whose disk does not have all its shards yet: a replaced disk, or one that takes over from another.
//!
//! The table's slots are the durable note of what is to do; each node fills those of its own disks. Two walks over the
//! manifests restore the shards, stripes without a spare shard first; a third only counts. What that census finds complete
//! becomes stable (I16).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::{Halts, SlotSeen};
use env::Moment;
use futures_util::FutureExt;
use meta::record::Segment;
use placement::{GroupId, Slot};

use crate::census::SegmentWalk;
use crate::error::{Error, Result};
use crate::journal::{Left, OpenSlot};
use crate::layout::Layout;
use crate::presence::Presence;
use crate::progress::{Reason, Tally};
use crate::repair::{RepairProgress, Repaired, repair_size};
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
        let halts = self.cluster().halts();
        let mut open = self.open_slots();
        let mut progress = RepairProgress::default();
        let is_halted = |seen: &SlotSeen| reason(seen.slot).is_some_and(|reason| reason.is_halted(halts));
        let all_halted = open.values().flat_map(BTreeMap::values).all(is_halted);
        if all_halted && self.journal().has_counted(&names(&open)) {
            return Ok(progress);
        }
        tracing::info!(groups = open.len(), "filling slots");
        self.outlast_stray_deletion().await;
        for pass in [Pass::Urgent, Pass::Rest] {
            if !self.fill_slots(&open, pass, halts, &mut progress).await? {
                tracing::info!("operators have changed what is to be filled");
                return Ok(progress);
            }
        }
        open.values_mut().for_each(|slots| slots.retain(|_, seen| !is_halted(seen)));
        let complete = self.complete_slots(open).await?;
        let complete: Vec<SlotSeen> = complete.into_values().flat_map(BTreeMap::into_values).collect();
        tracing::info!(slots = complete.len(), shards = progress.repaired_shards, "filled slots");
        if !complete.is_empty() {
            Moment::SlotSettled.note();
        }
        self.cluster().settle(&complete).await.map_err(|error| Error::metadata(&error))?;
        Ok(progress)
    }

    /// What waits for shards on this node's disks for `reason`.
    pub(crate) fn open_for(&self, wanted: Reason) -> BTreeSet<OpenSlot> {
        let mut slots = names(&self.open_slots());
        slots.retain(|(_, _, slot)| reason(*slot) == Some(wanted));
        slots
    }

    /// The slots of this node's disks that wait for shards.
    fn open_slots(&self) -> OpenSlots {
        let topology = self.cluster().topology();
        let mut open = OpenSlots::new();
        for (group, row) in topology.table().groups() {
            for (&slot, index) in row.slots.iter().zip(0..=u8::MAX) {
                let settles = reason(slot).is_some();
                let here = |disk| topology.disk(disk).is_some_and(|disk| disk.local().is_some());
                if settles && slot.write_target().is_some_and(here) {
                    let seen = SlotSeen { group, index, slot, epoch: row.epoch };
                    open.entry(group).or_default().insert(index, seen);
                }
            }
        }
        open
    }

    /// Walks over all manifests and restores what `open` slots lack, as far as it belongs to `pass` and is not halted; the
    /// first pass counts the rest. Returns whether it came to the end before operators halted something.
    async fn fill_slots(
        &self,
        open: &OpenSlots,
        pass: Pass,
        halts: Halts,
        progress: &mut RepairProgress,
    ) -> Result<bool> {
        let mut left: BTreeMap<Reason, Tally> = BTreeMap::new();
        let throttle = Arc::new(Throttle::new(self.env().clock.clone(), self.config().repair_rate));
        let mut walk = SegmentWalk::new(self);
        loop {
            let page = walk.next_page().await?;
            if page.is_empty() {
                if pass == Pass::Urgent {
                    self.journal().set_left(Left { slots: names(open), shards: left });
                }
                return Ok(true);
            }
            let lacking = page.into_iter().flat_map(|segment| {
                let lacking = self.lacking(&segment, open);
                let segment = Arc::new(segment);
                lacking.into_iter().map(move |lacking| (segment.clone(), lacking))
            });
            let is_as_before = || self.cluster().halts() == halts;
            let repairs = lacking.take_while(|_| is_as_before()).filter_map(|(segment, lacking)| {
                let (now, later) = lacking.divide(pass, halts);
                let size = Layout::of(&segment).shard_size(now.number);
                // Those that the repair index has are counted there.
                let known = segment.exceptions.get(&now.number).map(|exception| &exception.missing);
                for (_, reason) in later.iter().filter(|(index, _)| known.is_none_or(|known| !known.contains(index))) {
                    left.entry(*reason).or_default().count(size);
                }
                let has_turn = !now.indices.is_empty();
                has_turn.then(|| self.clone().fill_stripe(segment, now, throttle.clone()).boxed())
            });
            progress.follow(repairs).await;
            if !is_as_before() {
                return Ok(false);
            }
        }
    }

    async fn fill_stripe(self, segment: Arc<Segment>, lacking: Lacking, throttle: Arc<Throttle>) -> Result<Repaired> {
        if 0 < lacking.spare_shards {
            throttle.pass(repair_size(&segment, lacking.number, lacking.indices.len()) as u64).await;
        }
        let indices: BTreeSet<u8> = lacking.indices.keys().copied().collect();
        let repaired = self.repair_stripe(&segment, lacking.number, &indices).await;
        if let Ok(Repaired::Restored(shards) | Repaired::Waiting(shards)) = &repaired {
            let size = Layout::of(&segment).shard_size(lacking.number);
            for reason in shards.iter().filter_map(|index| lacking.indices.get(index)) {
                self.note_restored(*reason, Tally { shards: 1, bytes: size as u64 });
            }
        }
        if let Ok(Repaired::Waiting(_)) | Err(_) = repaired {
            self.report_unfilled(&Stripe::of(&segment, lacking.number), &indices).await?;
        }
        repaired
    }

    /// Enters those of the shards `indices` that lie nowhere into the repair index, where operators see them: they wait for
    /// other shards, or for room.
    async fn report_unfilled(&self, stripe: &Stripe, indices: &BTreeSet<u8>) -> Result<()> {
        let topology = self.cluster().topology();
        let unknown: Vec<(&Stripe, u8)> =
            indices.iter().filter(|index| !stripe.is_missing(**index)).map(|index| (stripe, *index)).collect();
        let presences = self.shards().presences(&topology, &unknown).await;
        let lost = unknown.iter().zip(presences).filter(|(_, presence)| *presence == Presence::Lost);
        let lost: BTreeSet<u8> = lost.map(|((_, index), _)| *index).collect();
        if lost.is_empty() {
            return Ok(());
        }
        self.report_missing(stripe.write_id, BTreeMap::from([(stripe.number, lost)])).await
    }

    /// The stripes of `segment` that lack shards on the disks of `open` slots, from the disks' indexes.
    fn lacking(&self, segment: &Segment, open: &OpenSlots) -> Vec<Lacking> {
        let topology = self.cluster().topology();
        let lacking = (0..segment.stripe_count()).filter_map(|number| {
            let stripe = Stripe::of(segment, number);
            let slots = open.get(&stripe.group(topology.table()))?;
            let lacks = |index: &u8| !self.shards().is_at_own_slot(&topology, &stripe, *index);
            let open = slots.iter().filter(|(index, _)| lacks(index));
            let indices: BTreeMap<u8, Reason> =
                open.filter_map(|(index, seen)| Some((*index, reason(seen.slot)?))).collect();
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
                        slots.retain(|index, _| !indices.contains_key(index));
                    }
                }
            }
        }
    }
}

/// The walks that fill slots.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Stripes that can lose no more shards.
    Urgent,
    /// All that is left.
    Rest,
}

impl Lacking {
    /// What is restored in `pass`, and what is not.
    fn divide(self, pass: Pass, halts: Halts) -> (Self, BTreeMap<u8, Reason>) {
        let has_turn = pass == Pass::Rest || self.spare_shards == 0;
        let (now, later) = self.indices.into_iter().partition(|(_, reason)| has_turn && !reason.is_halted(halts));
        (Self { indices: now, ..self }, later)
    }
}

/// Names of slots, to know them again.
fn names(open: &OpenSlots) -> BTreeSet<OpenSlot> {
    open.values().flat_map(BTreeMap::values).map(|seen| (seen.group, seen.index, seen.slot)).collect()
}

/// Why a slot waits for shards, if it does.
fn reason(slot: Slot) -> Option<Reason> {
    match slot {
        Slot::Moving { .. } => Some(Reason::Move),
        Slot::Rebuilding(_) => Some(Reason::Rebuild),
        Slot::Vacant | Slot::Stable(_) => None,
    }
}

/// A stripe that lacks shards.
struct Lacking {
    number: u32,
    /// The shards, and why their slots are open.
    indices: BTreeMap<u8, Reason>,
    /// How many more shards it can lose.
    spare_shards: usize,
}
