//! Compares what the manifests name with what the disks hold, from the disks' indexes alone.

use std::collections::{BTreeMap, BTreeSet};

use meta::query;
use meta::record::{Segment, WriteId};

use crate::error::Result;
use crate::shards::Stripe;
use crate::store::Store;

/// Manifests read at a time.
const PAGE_SIZE: usize = 256;

/// What the disks' indexes say of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Some disk holds it, undamaged as far as anyone knows.
    Present,
    /// Every disk that may hold it answers, and none has it undamaged.
    Lost,
    /// A disk that may hold it does not answer.
    Unknown,
}

/// Walks over all manifests in order of write, a page at a time.
pub(crate) struct SegmentWalk<'a> {
    store: &'a Store,
    after: Option<WriteId>,
    ended: bool,
}

impl<'a> SegmentWalk<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Self { store, after: None, ended: false }
    }

    /// The next manifests of a fresh state; empty at the end.
    pub(crate) async fn next_page(&mut self) -> Result<Vec<Segment>> {
        if self.ended {
            return Ok(Vec::new());
        }
        let after = self.after;
        let page = self.store.query(move |view| query::segments(view, after, PAGE_SIZE)).await?;
        self.ended = page.len() < PAGE_SIZE;
        self.after = page.last().map(|segment| segment.write_id).or(after);
        Ok(page)
    }
}

/// What a census counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Stripes that the manifests name.
    pub stripes: u64,
    /// Shards that they should have.
    pub shards: u64,
    /// Shards that are lost: their disks answer and lack them.
    pub lost: u64,
    /// Shards on disks that do not answer.
    pub unknown: u64,
}

impl Census {
    fn add(&mut self, other: Self) {
        self.stripes += other.stripes;
        self.shards += other.shards;
        self.lost += other.lost;
        self.unknown += other.unknown;
    }
}

impl Store {
    /// Compares all manifests with the disks' inventories, and reports every lost shard for repair.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the metadata cannot be read.
    pub async fn take_census(&self) -> Result<Census> {
        let mut census = Census::default();
        let damage_noticed = self.damage_noticed();
        let mut walk = SegmentWalk::new(self);
        loop {
            let page = walk.next_page().await?;
            if page.is_empty() {
                self.journal().end_census(self.env().clock.now(), census, damage_noticed);
                return Ok(census);
            }
            for segment in page {
                let (found, lost) = self.count_segment(&segment);
                // Without an owner it was freed meanwhile.
                if found.lost == 0 || self.is_live(segment.write_id).await? {
                    census.add(found);
                    if !lost.is_empty() {
                        self.report_missing(segment.write_id, lost).await?;
                    }
                }
            }
        }
    }

    /// Whether an object or a part has this manifest now.
    async fn is_live(&self, write_id: WriteId) -> Result<bool> {
        let owner = self.query(move |view| query::owner_of(view, write_id)).await?;
        Ok(owner.is_some_and(|owner| !owner.is_retired()))
    }

    /// Whether the last census no longer tells how the disks are: what it found lost has been repaired, or disks have
    /// noticed damage, whoever told them and whatever became of the report.
    pub(crate) fn is_census_outdated(&self) -> bool {
        let noticed = self.journal().damage_at_census();
        self.journal().has_repaired_all() || noticed.is_some_and(|noticed| noticed != self.damage_noticed())
    }

    /// How often the disks that answer have noticed damage.
    fn damage_noticed(&self) -> u64 {
        self.disks().iter().map(|disk| disk.stats().corrupt_blocks).sum()
    }

    /// Counts the shards of one manifest; returns the lost ones that the repair index does not have yet.
    fn count_segment(&self, segment: &Segment) -> (Census, BTreeMap<u32, BTreeSet<u8>>) {
        let mut census = Census::default();
        let mut lost = BTreeMap::new();
        for number in 0..segment.stripe_count() {
            let stripe = Stripe::of(segment, number);
            census.stripes += 1;
            for index in stripe.indices() {
                census.shards += 1;
                match self.shards().presence(&stripe, index) {
                    Presence::Present => {}
                    Presence::Unknown => census.unknown += 1,
                    Presence::Lost => {
                        census.lost += 1;
                        if !stripe.is_missing(index) {
                            lost.entry(number).or_insert_with(BTreeSet::new).insert(index);
                        }
                    }
                }
            }
        }
        (census, lost)
    }
}
