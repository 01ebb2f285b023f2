//! How the background work of the whole cluster stands: asks every node, and says which ones did not answer.

use std::collections::{BTreeMap, BTreeSet};

use cluster::{Safety, Work};
use futures_util::FutureExt;
use meta::query::{self, RepairEntry};
use meta::record::Segment;
use meta::{View, query::bucket_by_id};
use placement::Slot;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::progress::{Restoring, Tally, seconds_left};
use crate::report::{Question, WorkReport};
use crate::shards::Stripe;
use crate::store::Store;

/// Entries of the repair index that a report looks at.
const QUEUE_MAX: usize = 100_000;

/// Entries read at a time.
const PAGE_SIZE: usize = 1024;

/// Objects that cannot be read that a report names.
const NAMES_MAX: usize = 20;

/// What one node says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeWork {
    /// The node.
    pub node: u64,
    /// Its report; nothing when it did not answer.
    pub report: Option<WorkReport>,
    /// Why it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What is missing, and what is done about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HealReport {
    /// Operators have stopped it.
    pub stopped: bool,
    /// Nothing is missing, as far as every node has counted.
    pub whole: bool,
    /// Stripes that wait, those with the fewest spare shards first.
    pub queue: Vec<Waiting>,
    /// There are more than these.
    pub queue_truncated: bool,
    /// Slots that are being rebuilt, and slots that no disk holds.
    pub slots_rebuilding: usize,
    /// See `slots_rebuilding`.
    pub slots_vacant: usize,
    /// Work on the queue; `left` is all of it.
    pub repair: Restoring,
    /// Work on the slots.
    pub rebuild: Restoring,
    /// Seconds until both are done, at the rates of late; nothing while nobody can say.
    pub seconds_left: Option<u64>,
    /// Shards that the nodes' last censuses missed, and shards on disks that did not answer then.
    pub lost_shards: u64,
    /// See `lost_shards`.
    pub unknown_shards: u64,
    /// Stripes that lack more shards than they can: their objects cannot be read.
    pub unreadable_stripes: u64,
    /// Some of those objects, as `bucket/key`.
    pub unreadable_objects: Vec<String>,
    /// What each node says.
    pub nodes: Vec<NodeWork>,
}

/// Stripes that can lose equally many shards more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// How many; negative when they cannot be read.
    pub spare_shards: i16,
    /// Stripes.
    pub stripes: u64,
    /// Shards that they lack.
    #[serde(flatten)]
    pub missing: Tally,
}

/// What is moved to where it belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RebalanceReport {
    /// Operators have paused it.
    pub paused: bool,
    /// Slots that move.
    pub slots_moving: usize,
    /// The work.
    pub moves: Restoring,
    /// Seconds until it is done, at the rate of late; nothing while nobody can say.
    pub seconds_left: Option<u64>,
    /// What each node says.
    pub nodes: Vec<NodeWork>,
}

/// The repair index as a report needs it.
#[derive(Default)]
struct Queue {
    waiting: BTreeMap<i16, Waiting>,
    truncated: bool,
    unreadable_objects: BTreeSet<String>,
}

impl Queue {
    fn read(view: &dyn View) -> meta::Result<Self> {
        let mut queue = Self::default();
        let mut after: Option<RepairEntry> = None;
        for _ in 0..QUEUE_MAX / PAGE_SIZE {
            let page = query::repair_queue(view, after.as_ref(), PAGE_SIZE)?;
            for entry in &page {
                if let Some(segment) = query::segment_of(view, entry.write_id)? {
                    queue.add(view, entry, &segment)?;
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE_SIZE => after = Some(last.clone()),
                _ => return Ok(queue),
            }
        }
        queue.truncated = true;
        Ok(queue)
    }

    fn add(&mut self, view: &dyn View, entry: &RepairEntry, segment: &Segment) -> meta::Result<()> {
        let empty = Waiting { spare_shards: entry.spare_shards, ..Waiting::default() };
        let waiting = self.waiting.entry(entry.spare_shards).or_insert(empty);
        waiting.stripes += 1;
        let shard_size = Layout::of(segment).shard_size(entry.stripe);
        entry.missing.iter().for_each(|_| waiting.missing.count(shard_size));
        if entry.spare_shards < 0 && self.unreadable_objects.len() < NAMES_MAX {
            let named = query::object_of(view, entry.write_id)?;
            let bucket = named.as_ref().map(|(bucket, _)| bucket_by_id(view, *bucket)).transpose()?.flatten();
            if let (Some((_, key)), Some(bucket)) = (named, bucket) {
                self.unreadable_objects.insert(format!("{}/{key}", bucket.name));
            }
        }
        Ok(())
    }

    fn missing(&self) -> Tally {
        let mut missing = Tally::default();
        self.waiting.values().for_each(|waiting| missing.add(waiting.missing));
        missing
    }
}

impl Store {
    /// Has this node answer the questions that other nodes ask on behalf of operators.
    pub(crate) fn answer_operators(&self) {
        let store = self.downgrade();
        let respond = move |question: Vec<u8>| {
            let store = store.upgrade();
            async move {
                let store = store?;
                let question: Question = postcard::from_bytes(&question).ok()?;
                let report = store.obey(question).await;
                Some(postcard::to_stdvec(&report).expect("reports are plain values, which always encode"))
            }
            .boxed()
        };
        self.cluster().respond(std::sync::Arc::new(respond));
    }

    /// Does what is asked of this node; returns its report, if that was asked for.
    async fn obey(&self, question: Question) -> Option<WorkReport> {
        match question {
            Question::Report => return Some(self.work_report().await),
            Question::Heal => self.orders().heals.send_modify(|count| *count += 1),
            Question::Scrub => self.begin_scrub(),
        }
        None
    }

    /// Asks all nodes, this one too.
    async fn ask_all(&self, question: Question) -> Vec<NodeWork> {
        let asked = postcard::to_stdvec(&question).expect("questions are plain values, which always encode");
        let mut answers = self.cluster().ask_others(&asked).await;
        let own = postcard::to_stdvec(&self.obey(question).await).expect("reports are plain values");
        answers.insert(self.cluster().node(), Ok(own));
        let parsed = answers.into_iter().map(|(node, answer)| {
            let report = answer.and_then(|bytes| {
                postcard::from_bytes::<Option<WorkReport>>(&bytes).map_err(|error| error.to_string())
            });
            let (report, error) = match report {
                Ok(report) => (report, None),
                Err(error) => (None, Some(error)),
            };
            NodeWork { node: node.0, report, error }
        });
        parsed.collect()
    }

    /// What is missing in the cluster, and what is done about it.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the metadata cannot be read.
    pub async fn heal_report(&self) -> Result<HealReport> {
        let queue = self.query(|view| Queue::read(view)).await?;
        let nodes = self.ask_all(Question::Report).await;
        let (mut repair, rebuild) = (sum(&nodes, |report| report.repair), sum(&nodes, |report| report.rebuild));
        repair.left = (!queue.truncated).then(|| queue.missing());
        let slots = |is_counted: fn(&Slot) -> bool| self.count_slots(is_counted);
        let censuses = || nodes.iter().filter_map(|node| node.report.as_ref()?.census);
        let lost_shards = censuses().map(|census| census.lost).sum();
        let unknown_shards = censuses().map(|census| census.unknown).sum();
        let slots_rebuilding = slots(|slot| matches!(slot, Slot::Rebuilding(_)));
        let slots_vacant = slots(|slot| matches!(slot, Slot::Vacant));
        let is_counted = censuses().count() == nodes.len();
        let is_complete = queue.waiting.is_empty() && slots_rebuilding + slots_vacant == 0;
        let unreadable = queue.waiting.range(..0).map(|(_, waiting)| waiting.stripes);
        Ok(HealReport {
            stopped: self.cluster().halts().repair,
            whole: is_counted && is_complete && lost_shards + unknown_shards == 0,
            queue_truncated: queue.truncated,
            slots_rebuilding,
            slots_vacant,
            seconds_left: longest(&[repair, rebuild]),
            repair,
            rebuild,
            lost_shards,
            unknown_shards,
            unreadable_stripes: unreadable.sum(),
            queue: queue.waiting.into_values().collect(),
            unreadable_objects: queue.unreadable_objects.into_iter().collect(),
            nodes,
        })
    }

    /// What is moved in the cluster.
    pub async fn rebalance_report(&self) -> RebalanceReport {
        let nodes = self.ask_all(Question::Report).await;
        let moves = sum(&nodes, |report| report.moves);
        let paused = self.cluster().halts().rebalance;
        RebalanceReport {
            paused,
            slots_moving: self.count_slots(|slot| matches!(slot, Slot::Moving { .. })),
            seconds_left: longest(&[moves]).filter(|seconds| !paused || *seconds == 0),
            moves,
            nodes,
        }
    }

    /// What each node says of its work.
    pub async fn work_reports(&self) -> Vec<NodeWork> {
        self.ask_all(Question::Report).await
    }

    /// Has all nodes reread their disks from the beginning, as fast as they can. Returns what each node answered.
    pub async fn begin_scrub_everywhere(&self) -> Vec<NodeWork> {
        self.ask_all(Question::Scrub).await
    }

    /// Has repair go on, if it was stopped, and all nodes look for what is missing. Returns what each node answered.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the metadata cannot be changed.
    pub async fn begin_heal_everywhere(&self) -> Result<Vec<NodeWork>> {
        self.cluster().resume(Work::Repair).await.map_err(|error| Error::metadata(&error))?;
        Ok(self.ask_all(Question::Heal).await)
    }

    /// Whether clients would notice if `node` were stopped now.
    ///
    /// # Errors
    ///
    /// [`cluster::Error::NoSuchNode`], [`cluster::Error::Meta`].
    pub async fn judge_stop(&self, node: u64) -> cluster::Result<Safety> {
        let mut safety = self.cluster().judge_stop(node).await?;
        let topology = self.cluster().topology();
        let members = topology.members().iter().filter(|(_, member)| member.node.0 != node && member.answers());
        let others: BTreeSet<_> = members.map(|(disk, _)| *disk).collect();
        let table = topology.table().clone();
        let endangered = move |view: &dyn View| {
            let mut count = 0_u64;
            let mut after: Option<RepairEntry> = None;
            loop {
                let page = query::repair_queue(view, after.as_ref(), PAGE_SIZE)?;
                for entry in &page {
                    let Some(segment) = query::segment_of(view, entry.write_id)? else { continue };
                    let stripe = Stripe::of(&segment, entry.stripe);
                    let is_left = |index: &u8| {
                        let is_there = stripe.locations(&table, *index).iter().any(|disk| others.contains(disk));
                        let waits = stripe.is_being_rebuilt(&table, *index) && !stripe.is_elsewhere(*index);
                        !stripe.is_missing(*index) && !waits && is_there
                    };
                    count += u64::from(stripe.indices().filter(is_left).count() < stripe.geometry.data_count());
                }
                match page.last() {
                    Some(last) if page.len() == PAGE_SIZE => after = Some(last.clone()),
                    _ => return Ok(count),
                }
            }
        };
        match self.query(endangered).await {
            Ok(0) => {}
            Ok(count) => safety.object(format!("{count} stripes that wait for repair could not be read without it")),
            Err(error) => safety.object(format!("what waits for repair is not known: {error}")),
        }
        Ok(safety)
    }

    fn count_slots(&self, is_counted: fn(&Slot) -> bool) -> usize {
        let topology = self.cluster().topology();
        topology.table().groups().flat_map(|(_, group)| &group.slots).filter(|slot| is_counted(slot)).count()
    }
}

/// What all nodes do together. What is left is not known while one of them does not say.
fn sum(nodes: &[NodeWork], part: impl Fn(&WorkReport) -> Restoring) -> Restoring {
    let unknown = Restoring::default();
    let mut total = Restoring { left: Some(Tally::default()), ..Restoring::default() };
    nodes.iter().for_each(|node| total.join(node.report.as_ref().map_or(unknown, &part)));
    total
}

/// Seconds until the last of these is done; `None` while one cannot be told.
fn longest(work: &[Restoring]) -> Option<u64> {
    let seconds: Option<Vec<u64>> = work.iter().map(|work| seconds_left(work.left, work.rate)).collect();
    seconds?.into_iter().max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restoring(done: u64, rate: Option<u64>, left: Option<u64>) -> Restoring {
        let tally = |bytes| Tally { shards: 1, bytes };
        Restoring { done: tally(done), rate, left: left.map(tally) }
    }

    #[test]
    fn nothing_is_promised_for_nodes_that_do_not_answer() {
        let mut both = restoring(10, Some(5), Some(100));
        both.join(restoring(20, None, Some(50)));
        assert_eq!((both.done.bytes, both.rate, both.left.map(|left| left.bytes)), (30, Some(5), Some(150)));
        assert_eq!(longest(&[both]), Some(30));
        let silent = NodeWork { node: 2, report: None, error: Some("it is down".to_owned()) };
        assert_eq!(sum(&[silent], |report| report.moves).left, None);
        assert_eq!(longest(&[both, restoring(0, Some(1), None)]), None);
        assert_eq!(longest(&[both, restoring(0, None, Some(0))]), Some(30));
    }
}
