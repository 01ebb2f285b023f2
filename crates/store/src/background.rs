//! The work that goes on behind the requests: repair, scrub, census and garbage, each a task with one owner.
//!
//! Every node works on what belongs on its own disks; only the leader does what is done once for all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cluster::Member;
use disk::Disk;
use env::Task;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use meta::record::WriteId;
use placement::DiskId;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::scrub::{Pace, ScrubProgress};
use crate::shards::FaultyStripe;
use crate::store::Store;

/// How often the repair index and the slots are looked at without a special reason.
const REPAIR_PERIOD: Duration = Duration::from_secs(10);

/// Times in an intent epoch that a node looks whether it is over.
const LOOKS_PER_EPOCH: u32 = 8;

/// How often retired segments are freed.
const FREE_PERIOD: Duration = Duration::from_secs(2);

/// What requests ask of the background.
pub struct Queues {
    pub(crate) faults: mpsc::Receiver<FaultyStripe>,
    pub(crate) discarded: mpsc::Receiver<WriteId>,
}

impl Queues {
    /// Does what has been asked for until now, in place of the tasks of [`Background`].
    ///
    /// # Errors
    ///
    /// `Unavailable` when the metadata cannot be read or changed.
    pub async fn drain(&mut self, store: &Store) -> Result<()> {
        while let Ok(write_id) = self.discarded.try_recv() {
            store.delete_discarded(write_id).await?;
        }
        while let Ok(faulty) = self.faults.try_recv() {
            store.heal(&faulty).await?;
        }
        Ok(())
    }
}

/// What operators want done now: each change is an order.
#[derive(Default)]
pub(crate) struct Orders {
    /// Look for what is missing.
    pub(crate) heals: watch::Sender<u64>,
    /// Reread all disks from the beginning.
    pub(crate) scrubs: watch::Sender<u64>,
}

/// The running tasks. Dropped, they go on; end them with [`Background::stop`].
pub struct Background {
    tasks: Vec<Task>,
    cancelled: CancellationToken,
}

impl Background {
    /// Starts the background work of `store`.
    pub fn start(store: &Store, queues: Queues) -> Self {
        let cancelled = CancellationToken::new();
        let Queues { faults, discarded } = queues;
        let spawn = |name, work: Work| {
            let token = cancelled.clone();
            let task = async move {
                // Cancelled between any two awaits: each step is safe to repeat.
                tokio::select! {
                    biased;
                    () = token.cancelled() => {}
                    () = work => {}
                }
            };
            store.env().spawn.task(name, Box::pin(task))
        };
        let tasks = vec![
            spawn("heal", Box::pin(heal(store.clone(), faults))),
            spawn("repair", Box::pin(repair(store.clone()))),
            spawn("census", Box::pin(census(store.clone()))),
            spawn("scrub", Box::pin(scrub(store.clone()))),
            spawn("discard", Box::pin(discard(store.clone(), discarded))),
            spawn("free", Box::pin(free(store.clone()))),
            spawn("lifecycle", Box::pin(lifecycle(store.clone()))),
            spawn("collect", Box::pin(collect(store.clone()))),
            spawn("follow-epoch", Box::pin(follow_epoch(store.clone()))),
        ];
        Self { tasks, cancelled }
    }

    /// Ends the background work and waits for it.
    pub async fn stop(self) {
        self.cancelled.cancel();
        for task in self.tasks {
            if let Err(error) = task.join().await {
                tracing::error!(%error, "background work failed");
            }
        }
    }
}

type Work = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Enters what reads find damaged into the repair index, and has it repaired at once.
async fn heal(store: Store, mut faults: mpsc::Receiver<FaultyStripe>) {
    while let Some(faulty) = faults.recv().await {
        log_failure("heal", store.heal(&faulty).await);
    }
}

/// Works on the repair index and on open slots, now and then and whenever disks come or go.
async fn repair(store: Store) {
    let mut topologies = store.cluster().subscribe();
    let mut halts = store.cluster().subscribe_halts();
    let mut orders = store.orders().heals.subscribe();
    let mut counted = disks_to_count(&store);
    loop {
        log_failure("repair", store.repair().await);
        log_failure("rebuild", store.rebuild().await);
        if store.is_census_outdated() {
            log_failure("census", store.take_census().await);
        }
        tokio::select! {
            () = store.env().clock.sleep(REPAIR_PERIOD) => {}
            Ok(()) = halts.changed() => {}
            Ok(()) = orders.changed() => log_failure("census", store.take_census().await),
            Ok(()) = topologies.changed() => {
                let now = disks_to_count(&store);
                if now != counted {
                    // A disk that is back is not trusted to have everything that it had.
                    log_failure("census", store.take_census().await);
                    counted = now;
                }
            }
        }
    }
}

/// The disks whose shards this node counts, as they are: where the open ones of its own are in memory, since one that was
/// opened again is another; on the leader, also which ones of other nodes do not answer. With them the disks that are being
/// emptied and have no slot any more: shards that lie there in place of others are to be brought home.
fn disks_to_count(store: &Store) -> (BTreeMap<DiskId, Option<usize>>, BTreeSet<DiskId>) {
    let topology = store.cluster().topology();
    let leads = store.cluster().is_leader();
    let counted = |member: &Member| member.node == store.cluster().node() || (leads && !member.answers());
    let members = topology.members().iter().filter(|(_, member)| counted(member));
    let disks = members.map(|(id, member)| (*id, member.local().map(|disk| Arc::as_ptr(disk).addr()))).collect();
    (disks, topology.emptied())
}

async fn census(store: Store) {
    loop {
        log_failure("census", store.take_census().await);
        store.env().clock.sleep(store.config().census_period).await;
    }
}

/// Scrubs all disks side by side, each at its own pace, when they are due or operators want it.
async fn scrub(store: Store) {
    let mut orders = store.orders().scrubs.subscribe();
    let mut passes = FuturesUnordered::new();
    let mut busy: BTreeSet<u128> = BTreeSet::new();
    let mut ordered: Option<Ordered> = None;
    loop {
        for disk in store.disks() {
            let id = disk.identity().disk_id;
            if !busy.contains(&id) && store.is_scrub_due(&disk).await.unwrap_or(false) {
                busy.insert(id);
                passes.push(scrub_pass(store.clone(), disk, Pace::Slow).boxed());
            }
        }
        tokio::select! {
            biased;
            Ok(()) = orders.changed() => {
                // Whatever goes on slowly begins anew.
                passes = store.disks().into_iter().map(|disk| scrub_pass(store.clone(), disk, Pace::Fast).boxed()).collect();
                busy = store.disks().iter().map(|disk| disk.identity().disk_id).collect();
                ordered = Some(Ordered { left: busy.clone(), total: ScrubProgress::default() });
            }
            Some((id, progress)) = passes.next(), if !passes.is_empty() => {
                busy.remove(&id);
                ordered = ordered.and_then(|ordered| ordered.after(id, progress));
            }
            () = store.env().clock.sleep(REPAIR_PERIOD) => {}
        }
    }
}

/// A scrub that operators wanted.
struct Ordered {
    left: BTreeSet<u128>,
    total: ScrubProgress,
}

impl Ordered {
    /// What is left of it once the pass over a disk has ended.
    fn after(mut self, disk: u128, progress: ScrubProgress) -> Option<Self> {
        if self.left.remove(&disk) {
            self.total.bytes += progress.bytes;
            self.total.findings += progress.findings;
        }
        let ScrubProgress { bytes, findings } = self.total;
        if self.left.is_empty() {
            tracing::info!(bytes, findings, "scrubbed all disks");
            return None;
        }
        Some(self)
    }
}

async fn scrub_pass(store: Store, disk: Arc<Disk>, pace: Pace) -> (u128, ScrubProgress) {
    let id = disk.identity().disk_id;
    let result = store.scrub_disk(&disk, pace).await;
    let progress = *result.as_ref().unwrap_or(&ScrubProgress::default());
    log_failure("scrub", result);
    if store.journal().scrub(id).is_none_or(|bookmark| bookmark.cursor.is_some()) {
        // It broke off, and is due again at once.
        store.env().clock.sleep(REPAIR_PERIOD).await;
    }
    (id, progress)
}

async fn discard(store: Store, mut discarded: mpsc::Receiver<WriteId>) {
    while let Some(write_id) = discarded.recv().await {
        log_failure("discard", store.delete_discarded(write_id).await);
    }
}

async fn free(store: Store) {
    loop {
        if store.cluster().is_leader() {
            log_failure("free", store.free_retired().await);
        }
        store.env().clock.sleep(FREE_PERIOD).await;
    }
}

async fn lifecycle(store: Store) {
    loop {
        if store.cluster().is_leader() {
            log_failure("lifecycle", store.follow_lifecycles().await);
        }
        store.env().clock.sleep(store.lifecycle_period()).await;
    }
}

async fn collect(store: Store) {
    loop {
        log_failure("collect", store.collect_garbage().await);
        store.env().clock.sleep(store.config().epoch_period).await;
        if store.cluster().is_leader() {
            log_failure("collect", store.advance_epoch().await);
        }
    }
}

async fn follow_epoch(store: Store) {
    loop {
        store.env().clock.sleep(store.config().epoch_period / LOOKS_PER_EPOCH).await;
        log_failure("follow-epoch", store.follow_epoch().await);
    }
}

fn log_failure<T>(work: &'static str, result: Result<T>) {
    if let Err(error) = result {
        tracing::warn!(work, %error, "background work could not finish; it will be tried again");
    }
}
