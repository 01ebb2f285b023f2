//! [`Store`]: the handle that every operation hangs on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use cluster::Cluster;
use disk::Disk;
use encryption::Envelopes;
use env::Env;
use futures_util::FutureExt;
use meta::record::WriteId;
use meta::{Command, InMemory, Reading, Refusal, Reply, View, query};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

use crate::active::{ActiveRead, ActiveReads, ActiveWrite, ActiveWrites};
use crate::background::{Orders, Queues};
use crate::budget::MemoryBudget;
use crate::epochs::process_id;
use crate::error::{Error, ProposeError, Result};
use crate::etag_hasher::EtagHasher;
use crate::journal::Journal;
use crate::shards::Shards;

/// Requests to heal or to discard that may wait; the rest is found again by census and orphan collection.
const QUEUE_SIZE: usize = 4096;

/// The memory holds at least so many stripes, and one copy for each time that it does.
const STRIPES_MIN: usize = 8;

/// Repairs hold at most this part of the memory for bodies, beside it; a stripe that needs more is repaired alone.
const REPAIR_MEMORY_SHARE: usize = 8;

/// Settings of a store.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Bodies up to this size travel inside the metadata, in bytes.
    pub inline_size_max: usize,
    /// Size of the data shards of a full stripe, in bytes.
    pub shard_unit: usize,
    /// Memory that all bodies in flight may use together, in bytes.
    pub memory_size_max: usize,
    /// How long a request may wait for its share of that memory.
    pub patience: Duration,
    /// Threads that hash entity tags. One serves 16 uploads at 8 GB/s; more threads share the uploads and leave lanes
    /// empty, at several times the CPU time.
    pub etag_threads: usize,
    /// How long an intent epoch lasts: shards of writes that failed are found after two of them.
    pub epoch_period: Duration,
    /// How long one pass of scrubbing over a disk may take.
    pub scrub_period: Duration,
    /// How often all manifests are compared with the disks' inventories.
    pub census_period: Duration,
    /// How long the rules of lifecycles take a day for: their indexes are looked at ten times a day at least.
    pub lifecycle_day: Duration,
    /// Most bytes a second that repair reads and writes while stripes can still lose a shard.
    pub repair_rate: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self {
            inline_size_max: 16 << 10,
            shard_unit: 512 << 10,
            memory_size_max: 128 << 20,
            patience: Duration::from_secs(20),
            etag_threads: 1,
            epoch_period: Duration::from_secs(600),
            scrub_period: 14 * DAY,
            census_period: DAY,
            lifecycle_day: DAY,
            repair_rate: 200 << 20,
        }
    }
}

/// Objects of one cluster. Clones share everything.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    env: Env,
    cluster: Arc<Cluster>,
    config: StoreConfig,
    shards: Shards,
    budget: MemoryBudget,
    repair_budget: MemoryBudget,
    copies: Semaphore,
    writes: ActiveWrites,
    reads: ActiveReads,
    read_index: AtomicU64,
    process_id: u128,
    etags: EtagHasher,
    journal: Journal,
    orders: Orders,
    stray_deletion: tokio::sync::Mutex<()>,
    discards: mpsc::Sender<WriteId>,
    envelopes: OnceLock<Arc<Envelopes>>,
}

/// A [`Store`] that is not kept open by this.
#[derive(Clone)]
pub(crate) struct WeakStore(Weak<Shared>);

impl WeakStore {
    pub(crate) fn upgrade(&self) -> Option<Store> {
        Some(Store { shared: self.0.upgrade()? })
    }
}

impl Store {
    /// Opens the objects of `cluster`. The queues are for [`crate::Background::start`]; without it nothing is repaired
    /// or collected.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the metadata cannot be read.
    pub async fn open(env: Env, cluster: Arc<Cluster>, config: StoreConfig) -> Result<(Self, Queues)> {
        let (fault_sender, faults) = mpsc::channel(QUEUE_SIZE);
        let (discards, discarded) = mpsc::channel(QUEUE_SIZE);
        let stripe_size = cluster.topology().table().profile().shards() * config.shard_unit;
        let memory_size = config.memory_size_max.max(STRIPES_MIN * stripe_size);
        let budget = |bytes| MemoryBudget::new(bytes, config.patience, env.clock.clone());
        let shared = Shared {
            shards: Shards::new(env.clone(), cluster.clone(), fault_sender),
            budget: budget(memory_size),
            repair_budget: budget(memory_size / REPAIR_MEMORY_SHARE),
            copies: Semaphore::new(memory_size / (STRIPES_MIN * stripe_size)),
            writes: ActiveWrites::default(),
            reads: ActiveReads::default(),
            read_index: AtomicU64::new(0),
            process_id: process_id(cluster.node(), env.random_u128()),
            journal: Journal::default(),
            orders: Orders::default(),
            stray_deletion: tokio::sync::Mutex::default(),
            etags: EtagHasher::new(env.spawn.as_ref(), config.etag_threads),
            env,
            cluster,
            config,
            discards,
            envelopes: OnceLock::new(),
        };
        let store = Self { shared: Arc::new(shared) };
        let (epoch, _) = store.query(|view| query::intent_epochs(view)).await?;
        store.writes().advance(epoch);
        store.tell_oldest_reader();
        store.answer_operators();
        Ok((store, Queues { faults, discarded }))
    }

    pub(crate) fn env(&self) -> &Env {
        &self.shared.env
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.shared.cluster
    }

    /// This node's disks that answer.
    pub(crate) fn disks(&self) -> Vec<Arc<Disk>> {
        self.cluster().topology().local_disks().cloned().collect()
    }

    pub(crate) fn config(&self) -> &StoreConfig {
        &self.shared.config
    }

    pub(crate) fn shards(&self) -> &Shards {
        &self.shared.shards
    }

    pub(crate) fn budget(&self) -> &MemoryBudget {
        &self.shared.budget
    }

    /// The memory that repairs may hold.
    pub(crate) fn repair_budget(&self) -> &MemoryBudget {
        &self.shared.repair_budget
    }

    /// Waits for its turn to copy. A copy holds memory as a reader while it waits for more as a writer; so many at once
    /// leave half of the memory to the writing sides, and can therefore not wait for each other.
    pub(crate) async fn begin_copy(&self) -> Result<SemaphorePermit<'_>> {
        tokio::select! {
            biased;
            turn = self.shared.copies.acquire() => turn.map_err(|_| Error::SlowDown),
            () = self.env().clock.sleep(self.config().patience) => Err(Error::SlowDown),
        }
    }

    pub(crate) fn envelopes_cell(&self) -> &OnceLock<Arc<Envelopes>> {
        &self.shared.envelopes
    }

    pub(crate) fn etags(&self) -> &EtagHasher {
        &self.shared.etags
    }

    pub(crate) fn orders(&self) -> &Orders {
        &self.shared.orders
    }

    /// The store as long as somebody else holds it.
    pub(crate) fn downgrade(&self) -> WeakStore {
        WeakStore(Arc::downgrade(&self.shared))
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// Held while strays are deleted, from the look at the placement table to the end.
    pub(crate) fn stray_deletion(&self) -> &tokio::sync::Mutex<()> {
        &self.shared.stray_deletion
    }

    /// Waits until no shard is being deleted from this node's disks by an older placement table than this node has now:
    /// from here on, what their slots hold by this table stays.
    pub(crate) async fn outlast_stray_deletion(&self) {
        drop(self.stray_deletion().lock().await);
    }

    pub(crate) fn writes(&self) -> &ActiveWrites {
        &self.shared.writes
    }

    pub(crate) fn reads(&self) -> &ActiveReads {
        &self.shared.reads
    }

    /// Asks a state that is not older than this call.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the metadata cannot be read, or not linearizably.
    pub(crate) async fn query<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn View) -> meta::Result<T> + Send + 'static,
    ) -> Result<T> {
        let reading = self.read_metadata().await?;
        self.ask(reading, question).await
    }

    /// Asks one state.
    ///
    /// # Errors
    ///
    /// `Unavailable` when it cannot be read.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        reading: Reading,
        question: impl FnOnce(&dyn View) -> meta::Result<T> + Send + 'static,
    ) -> Result<T> {
        let answer = self.env().blocking(move || question(reading.view.as_ref())).await;
        answer.map_err(|error| Error::metadata(&error))
    }

    /// As [`Store::ask`], for questions of a few single records: answered at once when they are in memory, which saves the
    /// way to another thread and back, several times the cost of the answer.
    pub(crate) async fn ask_little<T: Send + 'static>(
        &self,
        reading: Reading,
        question: impl Fn(&dyn View) -> meta::Result<T> + Send + 'static,
    ) -> Result<T> {
        let answer = match question(&InMemory(reading.view.as_ref())) {
            Err(meta::Error::NotInMemory) => self.env().blocking(move || question(reading.view.as_ref())).await,
            answer => answer,
        };
        answer.map_err(|error| Error::metadata(&error))
    }

    /// A state that is not older than this call. Notes how new it is.
    ///
    /// # Errors
    ///
    /// As [`Store::query`].
    pub(crate) async fn read_metadata(&self) -> Result<Reading> {
        let reading = self.cluster().consensus().read().await.map_err(|error| Error::metadata(&error))?;
        Ok(self.noted(reading))
    }

    /// A state that is not older than that of `index`, which this or another process has read. A request that has read
    /// one since it came in, to find its bucket or its sender, sees thereby all that was answered before it, and asks the
    /// cluster only once how far that is.
    ///
    /// # Errors
    ///
    /// As [`Store::query`].
    pub(crate) async fn read_since(&self, index: u64) -> Result<Reading> {
        let newest = self.cluster().consensus().newest();
        // It is only older where another process has read that state.
        if newest.index < index { self.read_metadata().await } else { Ok(self.noted(newest)) }
    }

    fn noted(&self, reading: Reading) -> Reading {
        self.shared.read_index.fetch_max(reading.index, Ordering::AcqRel);
        reading
    }

    /// Has a command applied.
    pub(crate) async fn propose(&self, command: Command) -> Result<Reply, ProposeError> {
        match self.cluster().consensus().propose(command).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(refusal)) => {
                if let Refusal::IntentEpochPassed { minimum } = refusal {
                    // This node has missed some: what it begins from now on can be committed.
                    self.writes().advance(minimum);
                }
                Err(ProposeError::Refused(refusal))
            }
            Err(meta::Error::Full) => Err(ProposeError::Full),
            Err(error) => Err(ProposeError::Unknown(Error::metadata(&error))),
        }
    }

    /// A write id never used before. It begins with the time, so that the index by write grows at its end.
    pub(crate) fn new_write_id(&self) -> WriteId {
        const RANDOM_BITS: u32 = 80;
        let millis = u128::from(self.env().clock.now().0) << RANDOM_BITS;
        WriteId(millis | self.env().random_u128() >> (u128::BITS - RANDOM_BITS))
    }

    /// Begins a write: until the returned value is dropped, its shards are not taken for orphans.
    pub(crate) fn begin_write(&self) -> ActiveWrite {
        self.writes().begin(self.new_write_id())
    }

    /// Begins a read: until the returned value is dropped, the shards of any state taken from now on stay.
    pub(crate) fn begin_read(&self) -> ActiveRead {
        self.reads().begin(self.read_index())
    }

    /// The oldest state that a reader of this process may still read from. Readers that begin from now on see the newest
    /// state that it has read, or a newer one, and therefore none of the segments that were retired up to it.
    pub(crate) fn oldest_reader(&self) -> u64 {
        let newest = self.read_index();
        self.reads().oldest().map_or(newest, |oldest| oldest.min(newest))
    }

    /// Has other nodes learn of this process's readers as long as it is there.
    fn tell_oldest_reader(&self) {
        let store = self.downgrade();
        let oldest = move || {
            let store = store.upgrade();
            async move {
                let store = store?;
                // A node that reads little would hold up the others: it looks at what is newest now.
                store.read_metadata().await.ok()?;
                Some(store.oldest_reader())
            }
            .boxed()
        };
        self.cluster().tell_oldest_reader(Arc::new(oldest));
    }

    /// The newest state that this process has read: later reads see this one or a newer one.
    pub(crate) fn read_index(&self) -> u64 {
        self.shared.read_index.load(Ordering::Acquire)
    }

    /// Names this process, as the holder of pins.
    pub(crate) fn process_id(&self) -> u128 {
        self.shared.process_id
    }

    /// Has the shards of a write deleted that will never be committed. Best effort: orphan collection finds the rest.
    pub(crate) fn discard(&self, write_id: WriteId) {
        if self.shared.discards.try_send(write_id).is_err() {
            metrics::counter!("stonecrop_discards_deferred_total").increment(1);
        }
    }
}
