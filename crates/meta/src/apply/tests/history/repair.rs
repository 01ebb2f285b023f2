//! Lost shards, their repair, and what is freed, against the model.

use std::collections::{BTreeMap, BTreeSet};

use super::History;
use crate::command::{Command, DrainUploads, FreeRetired, RepairDone, RepairedStripe, ReportMissing};
use crate::outcome::{Refusal, Reply};
use crate::query;

impl History {
    pub(super) fn lose(&mut self, write: usize, shard: u8) {
        let Some(index) = write.checked_rem(self.writes.len()) else { return };
        let write_id = self.writes[index];
        let stripes = BTreeMap::from([(0, BTreeSet::from([shard]))]);
        let outcome = self.fixture.apply(Command::ReportMissing(ReportMissing { write_id, stripes }));
        let is_live = self.buckets.iter().flatten().any(|(_, model)| model.has_write(write_id));
        let expected = match outcome {
            Ok(Reply::Done) | Err(Refusal::NoSuchShard { stripe: 0 }) => is_live,
            Err(Refusal::NoSuchWrite) => !is_live,
            _ => false,
        };
        // The parts of a deleted bucket live until they are drained.
        let drains = !query::draining_buckets(&self.fixture.view, 1).unwrap().is_empty();
        assert!(expected || drains, "{outcome:?}, {is_live}");
    }

    pub(super) fn repair(&mut self, entry: usize) {
        let queue = query::repair_queue(&self.fixture.view, None, usize::MAX).unwrap();
        let Some(index) = entry.checked_rem(queue.len()) else { return };
        let entry = &queue[index];
        let repaired = RepairedStripe { at_slot: entry.missing.clone(), ..RepairedStripe::default() };
        let stripes = BTreeMap::from([(entry.stripe, repaired)]);
        self.fixture.apply(Command::RepairDone(RepairDone { write_id: entry.write_id, stripes })).unwrap();
        assert_eq!(query::repair_queue(&self.fixture.view, None, usize::MAX).unwrap().len(), queue.len() - 1);
    }

    pub(super) fn free(&mut self, count: usize) {
        let retired = query::retired_segments(&self.fixture.view, u64::MAX, count).unwrap();
        let retired: Vec<_> = retired.into_iter().map(|(id, _)| id).collect();
        self.fixture.apply(Command::FreeRetired(FreeRetired { retired: retired.clone() })).unwrap();
        for id in retired {
            assert!(!query::is_referenced(&self.fixture.view, id.write_id).unwrap());
        }
    }

    pub(super) fn drain(&mut self) {
        for bucket in query::draining_buckets(&self.fixture.view, 10).unwrap() {
            let step = DrainUploads { bucket, limit: 2 };
            while self.fixture.apply(Command::DrainUploads(step.clone())) == Ok(Reply::Drained { finished: false }) {}
        }
        assert_eq!(query::draining_buckets(&self.fixture.view, 10).unwrap(), []);
    }
}
