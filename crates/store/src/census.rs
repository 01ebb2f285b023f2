//! Compares what the manifests name with what the disks hold, from the disks' indexes alone.
//!
//! Every node counts the shards that belong on its disks; the sum over the nodes is the whole cluster's census.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cluster::Topology;
use futures_util::FutureExt;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use meta::query;
use meta::record::{Segment, WriteId};
use placement::Epoch;

use crate::error::Result;
use crate::presence::Presence;
use crate::repair::{RepairProgress, repair_size};
use crate::shards::Stripe;
use crate::store::Store;
use crate::throttle::Throttle;

/// Manifests read at a time.
const PAGE_SIZE: usize = 256;

/// Commands about the manifests of a page that wait for their decision together.
const REPORTS_AT_ONCE: usize = 64;

/// Shortest pause before another census is taken although nothing is known to have changed, and how many times as long as
/// the census itself the pause is at least.
const RECOUNT_PAUSE_MIN: Duration = Duration::from_secs(60);
const RECOUNT_PAUSE_FACTOR: u32 = 10;

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

/// What a census counted: shards that belong on this node's disks, and stripes whose first one does.
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
    /// Shards that lay elsewhere than on their slot's disk, although it takes shards.
    pub astray: u64,
}

/// How things were when a census began: while this is the same, another one would find the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CensusBasis {
    /// How often the disks that answer had noticed damage.
    damage_noticed: u64,
    /// Shards that this node had restored.
    restored_shards: u64,
    /// Version of the placement table.
    table: Epoch,
    /// The leader counts the shards of disks that do not answer.
    leads: bool,
}

/// The last census that was completed, on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastCensus {
    pub(crate) census: Census,
    basis: CensusBasis,
    ended: Duration,
    took: Duration,
}

impl Census {
    fn add(&mut self, other: Self) {
        self.stripes += other.stripes;
        self.shards += other.shards;
        self.lost += other.lost;
        self.unknown += other.unknown;
        self.astray += other.astray;
    }
}

impl Store {
    /// Compares all manifests with what the disks hold, and reports every lost shard for repair; those of slots that are being
    /// rebuilt are only counted, since whoever fills the slot looks for them himself. Shards that lie elsewhere than on their
    /// slot's disk are brought there, if it takes them.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the metadata cannot be read.
    pub async fn take_census(&self) -> Result<Census> {
        let throttle = Arc::new(Throttle::new(self.env().clock.clone(), self.config().repair_rate));
        let mut census = Census::default();
        let (basis, begun) = (self.census_basis(), self.env().clock.monotonic());
        let mut walk = SegmentWalk::new(self);
        loop {
            let page = walk.next_page().await?;
            if page.is_empty() {
                let ended = self.env().clock.monotonic();
                let took = ended.saturating_sub(begun);
                self.journal().end_census(self.env().clock.now(), LastCensus { census, basis, ended, took });
                return Ok(census);
            }
            let counts = self.count_page(&page).await;
            let doubtful = page.iter().zip(&counts).filter(|(_, counted)| 0 < counted.census.lost);
            let live = self.live_among(doubtful.map(|(segment, _)| segment.write_id).collect()).await?;
            let (mut reports, mut astray) = (Vec::new(), Vec::new());
            for (segment, counted) in page.into_iter().zip(counts) {
                // Without an owner it was freed meanwhile.
                if counted.census.lost == 0 || live.contains(&segment.write_id) {
                    census.add(counted.census);
                    if !counted.lost.is_empty() {
                        reports.push(self.report_missing(segment.write_id, counted.lost));
                    }
                }
                if !counted.astray.is_empty() {
                    astray.push((Arc::new(segment), counted.astray));
                }
            }
            // Together they make few entries of the log.
            stream::iter(reports).buffer_unordered(REPORTS_AT_ONCE).try_collect::<()>().await?;
            self.bring_home(astray, &throttle).await;
        }
    }

    /// Brings shards that lie elsewhere to the disks of their slots, by manifest and stripe.
    async fn bring_home(&self, astray: Vec<(Arc<Segment>, StripeShards)>, throttle: &Arc<Throttle>) {
        let stripes = astray.into_iter().flat_map(|(segment, stripes)| {
            stripes.into_iter().map(move |(number, indices)| (segment.clone(), number, indices))
        });
        let repairs = stripes.take_while(|_| !self.cluster().halts().rebalance).map(|(segment, number, indices)| {
            let (store, throttle) = (self.clone(), throttle.clone());
            let repair = async move {
                throttle.pass(repair_size(&segment, number, indices.len()) as u64).await;
                store.repair_noted(&segment, number, &indices).await
            };
            repair.boxed()
        });
        // What cannot be brought now is found by the next census.
        RepairProgress::default().follow(repairs).await;
    }

    /// Which of these manifests an object or a part has now.
    async fn live_among(&self, writes: Vec<WriteId>) -> Result<BTreeSet<WriteId>> {
        if writes.is_empty() {
            return Ok(BTreeSet::new());
        }
        self.query(move |view| {
            let mut live = BTreeSet::new();
            for write_id in writes {
                if query::owner_of(view, write_id)?.is_some_and(|owner| !owner.is_retired()) {
                    live.insert(write_id);
                }
            }
            Ok(live)
        })
        .await
    }

    /// Whether the last census no longer tells how the disks are: disks have noticed damage since, whoever told them and
    /// whatever became of the report; or what it found lost can have been restored since.
    pub(crate) fn is_census_outdated(&self) -> bool {
        let Some(last) = self.journal().last_census() else { return false };
        let basis = self.census_basis();
        if basis.damage_noticed != last.basis.damage_noticed {
            return true;
        }
        let age = self.env().clock.monotonic().saturating_sub(last.ended);
        let is_old = RECOUNT_PAUSE_MIN.max(last.took * RECOUNT_PAUSE_FACTOR) <= age;
        // Objects may be gone whose shards were lost, and disks be empty where shards lay astray.
        let may_differ = basis != last.basis || is_old;
        let is_recounted = 0 < last.census.lost && self.journal().waiting_stripes() == 0;
        let has_strays = 0 < last.census.astray && !self.cluster().topology().emptied().is_empty();
        (is_recounted && may_differ) || (has_strays && is_old)
    }

    /// What a census depends on.
    fn census_basis(&self) -> CensusBasis {
        CensusBasis {
            damage_noticed: self.disks().iter().map(|disk| disk.stats().corrupt_blocks).sum(),
            restored_shards: self.journal().restored_shards(),
            table: self.cluster().topology().table().version(),
            leads: self.cluster().is_leader(),
        }
    }

    /// Counts the shards of some manifests that this node cares for.
    async fn count_page(&self, page: &[Segment]) -> Vec<Counted> {
        let topology = self.cluster().topology();
        let stripes: Vec<(usize, Stripe)> = page
            .iter()
            .enumerate()
            .flat_map(|(position, segment)| {
                (0..segment.stripe_count()).map(move |number| (position, Stripe::of(segment, number)))
            })
            .collect();
        let mut counts: Vec<Counted> = Vec::new();
        counts.resize_with(page.len(), Counted::default);
        let mut asked = Vec::new();
        let mut positions = Vec::new();
        for (position, stripe) in &stripes {
            for index in stripe.indices() {
                let target = stripe.target(topology.table(), index);
                if self.shards().cares_for(&topology, target) {
                    counts[*position].census.stripes += u64::from(index == 0);
                    asked.push((stripe, index));
                    positions.push(*position);
                }
            }
        }
        let presences = self.shards().presences(&topology, &asked).await;
        for (((stripe, index), presence), position) in asked.into_iter().zip(presences).zip(positions) {
            counts[position].add(&topology, stripe, index, presence);
            if stripe.is_elsewhere(index) && self.shards().can_write_at_slot(stripe, index) {
                counts[position].census.astray += 1;
                counts[position].astray.entry(stripe.number).or_default().insert(index);
            }
        }
        counts
    }
}

/// Shards of one manifest, by stripe.
type StripeShards = BTreeMap<u32, BTreeSet<u8>>;

/// What a census found of one manifest.
#[derive(Default)]
struct Counted {
    census: Census,
    /// Lost shards that neither the repair index nor the placement table has yet.
    lost: StripeShards,
    /// Shards that lie elsewhere and could be where they belong.
    astray: StripeShards,
}

impl Counted {
    fn add(&mut self, topology: &Topology, stripe: &Stripe, index: u8, presence: Presence) {
        self.census.shards += 1;
        match presence {
            Presence::Present => {}
            Presence::Unknown => self.census.unknown += 1,
            Presence::Lost => {
                self.census.lost += 1;
                if !stripe.is_missing(index) && !stripe.is_being_rebuilt(topology.table(), index) {
                    self.lost.entry(stripe.number).or_default().insert(index);
                }
            }
        }
    }
}
