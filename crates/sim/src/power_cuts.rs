//! Power cuts at random I/O calls, again and again, on the same disks.

use anyhow::Context;
use env::{Failure, SimFiles};
use futures_util::future::join_all;

use store::bucket::NewBucket;

use crate::dice::Dice;
use crate::node::Node;
use crate::writer::{BUCKET, Writer};

/// I/O calls that a round makes at most before the power goes.
const CALLS_MAX: u64 = 1500;
/// Operations of a writer in one round; the power is usually gone before.
const OPERATIONS_MAX: u64 = 200;
const WRITERS: u64 = 4;
/// Cuts that one cluster lives through; the next has the next seed. A node lives too shortly here to compact what it
/// deletes, and its disks are in memory: 100 MiB more with each cut.
const CUTS_PER_CLUSTER: usize = 40;

/// A series of power cuts.
#[derive(Clone, Copy, Debug)]
pub struct PowerCuts {
    /// How many.
    pub cuts: u64,
    /// Disks of the node.
    pub disk_count: usize,
    /// Decides workload, moments and damage. Threads interleave freely, so a run is similar, not identical.
    pub seed: u64,
}

/// What a series without violations did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Power cuts.
    pub cuts: u64,
    /// Operations that were acknowledged.
    pub acknowledged: u64,
    /// Objects read and compared afterwards.
    pub checked: u64,
}

impl PowerCuts {
    /// Runs the series.
    ///
    /// # Errors
    ///
    /// [`crate::Violation`] when anything acknowledged is not found; any other error when the node does not start again.
    pub async fn run(self) -> anyhow::Result<Counts> {
        let mut counts = Counts::default();
        for (seed, first) in (self.seed..).zip((0..self.cuts).step_by(CUTS_PER_CLUSTER)) {
            let cuts = (self.cuts - first).min(CUTS_PER_CLUSTER as u64);
            let series = Self { cuts, seed, ..self };
            series.run_cluster(&mut counts).await.with_context(|| format!("cluster of seed {seed}"))?;
        }
        Ok(counts)
    }

    /// Runs the series on one cluster.
    async fn run_cluster(self, counts: &mut Counts) -> anyhow::Result<()> {
        let dice = Dice::new(self.seed);
        let mut files = SimFiles::new(self.seed);
        let mut writers: Vec<_> =
            (0..WRITERS).map(|name| Writer::new(name, self.seed.wrapping_mul(31).wrapping_add(name))).collect();
        let node = Node::start(&files, self.disk_count, self.seed).await.context("first start")?;
        node.store.create_bucket(NewBucket::new(BUCKET, "root")).await?;
        node.stop().await?;
        for cut in 0..self.cuts {
            let node = Node::start(&files, self.disk_count, dice.below(u64::MAX))
                .await
                .with_context(|| format!("start after {cut} cuts"))?;
            for writer in &mut writers {
                counts.checked += writer.verify(&node.store).await.with_context(|| format!("after {cut} cuts"))?;
            }
            files.fail_call(files.calls() + dice.below(CALLS_MAX), Failure::Crash);
            join_all(writers.iter_mut().map(|writer| writer.work(&node.store, OPERATIONS_MAX))).await;
            // Unclean on purpose: the disks are gone already, or go now.
            let _ = node.stop().await;
            files = files.power_cut(dice.below(u64::MAX));
            counts.cuts += 1;
        }
        let node = Node::start(&files, self.disk_count, self.seed).await.context("last start")?;
        for writer in &mut writers {
            counts.checked += writer.verify(&node.store).await.context("after the last cut")?;
            counts.acknowledged += writer.acknowledged();
        }
        node.stop().await?;
        Ok(())
    }
}
