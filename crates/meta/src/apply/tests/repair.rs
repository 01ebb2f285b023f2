//! Missing and repaired shards.

use std::collections::{BTreeMap, BTreeSet};

use placement::DiskId;

use super::fixture::Fixture;
use crate::command::{Command, RepairDone, RepairedStripe, ReportMissing};
use crate::outcome::{Refusal, Reply};
use crate::query;
use crate::record::{Segment, WriteId};

const MIB: u64 = 1 << 20;

fn report(write_id: WriteId, stripes: &[(u32, &[u8])]) -> Command {
    let stripes = stripes.iter().map(|(stripe, missing)| (*stripe, missing.iter().copied().collect())).collect();
    Command::ReportMissing(ReportMissing { write_id, stripes })
}

fn repaired(write_id: WriteId, stripe: u32, at_slot: &[u8], elsewhere: &[(u8, DiskId)]) -> Command {
    let at_slot = at_slot.iter().copied().collect();
    let stripes =
        BTreeMap::from([(stripe, RepairedStripe { at_slot, elsewhere: elsewhere.iter().copied().collect() })]);
    Command::RepairDone(RepairDone { write_id, stripes })
}

fn segment(fixture: &Fixture, write_id: WriteId) -> Segment {
    query::segment_of(&fixture.view, write_id).unwrap().unwrap()
}

#[test]
fn stripes_wait_by_spare_shards_then_by_age() {
    let mut fixture = Fixture::new();
    let writes: Vec<WriteId> = ["a", "b", "c"]
        .into_iter()
        .map(|key| {
            let put = fixture.striped(key, 9 * MIB);
            let write_id = put.write_id;
            fixture.put(put).unwrap();
            write_id
        })
        .collect();
    for (write, missing) in [(1, &[1][..]), (0, &[2]), (2, &[0, 1, 2]), (1, &[5])] {
        fixture.time += 1000;
        assert_eq!(fixture.apply(report(writes[write], &[(2, missing)])), Ok(Reply::Done));
    }
    let queue = query::repair_queue(&fixture.view, None, 10).unwrap();
    let order: Vec<_> = queue.iter().map(|entry| (entry.write_id, entry.spare_shards)).collect();
    assert_eq!(order, [(writes[2], -1), (writes[1], 0), (writes[0], 1)]);
    assert!(queue[1].since < queue[0].since, "the age is that of the first missing shard");
    let rest = query::repair_queue(&fixture.view, Some(&queue[0]), 1).unwrap();
    assert_eq!(rest, queue[1..2]);
}

#[test]
fn a_repair_clears_what_it_restored() {
    let mut fixture = Fixture::new();
    let put = fixture.striped("key", 9 * MIB);
    let write_id = put.write_id;
    fixture.put(put.clone()).unwrap();
    fixture.apply(report(write_id, &[(0, &[1, 2]), (1, &[0])])).unwrap();
    fixture.apply(repaired(write_id, 0, &[1], &[])).unwrap();
    let queue = query::repair_queue(&fixture.view, None, 10).unwrap();
    assert_eq!(queue.iter().find(|entry| entry.stripe == 0).unwrap().missing, BTreeSet::from([2]));
    fixture.apply(repaired(write_id, 0, &[2], &[])).unwrap();
    fixture.apply(repaired(write_id, 1, &[], &[(0, DiskId(9))])).unwrap();
    assert_eq!(query::repair_queue(&fixture.view, None, 10).unwrap(), []);
    let exceptions = segment(&fixture, write_id).exceptions;
    assert_eq!(exceptions.len(), 1);
    assert_eq!(exceptions[&1].overrides, BTreeMap::from([(0, DiskId(9))]));
    fixture.apply(repaired(write_id, 1, &[0], &[])).unwrap();
    assert_eq!(segment(&fixture, write_id).exceptions, BTreeMap::new(), "the shard came home");
}

#[test]
fn a_lost_substitute_is_missing() {
    let mut fixture = Fixture::new();
    let put = fixture.striped("key", MIB);
    let write_id = put.write_id;
    fixture.put(put).unwrap();
    fixture.apply(repaired(write_id, 0, &[], &[(3, DiskId(9))])).unwrap();
    fixture.apply(report(write_id, &[(0, &[3])])).unwrap();
    let exception = segment(&fixture, write_id).exceptions[&0].clone();
    assert_eq!((exception.missing, exception.overrides), (BTreeSet::from([3]), BTreeMap::new()));
}

#[test]
fn reporting_what_is_known_changes_nothing() {
    let mut fixture = Fixture::new();
    let put = fixture.striped("key", MIB);
    let write_id = put.write_id;
    fixture.put(put).unwrap();
    fixture.apply(report(write_id, &[(0, &[3])])).unwrap();
    let before = fixture.view.clone();
    fixture.apply(report(write_id, &[(0, &[3])])).unwrap();
    fixture.apply(repaired(write_id, 0, &[1], &[])).unwrap();
    assert_eq!(fixture.view, before);
}

#[test]
fn parts_are_repaired_and_stay_so_when_they_become_an_object() {
    let mut fixture = Fixture::new();
    let upload = fixture.create_upload("key");
    let listed = fixture.put_parts("key", upload, &[(1, 9 * MIB), (2, MIB)]);
    let parts = query::parts(&fixture.view, fixture.bucket, upload).unwrap();
    let write_id = parts[1].1.segment.write_id;
    fixture.apply(report(write_id, &[(0, &[4])])).unwrap();
    assert!(fixture.complete(fixture.completion("key", upload, listed)).is_ok());
    assert_eq!(query::repair_queue(&fixture.view, None, 10).unwrap().len(), 1);
    fixture.apply(repaired(write_id, 0, &[4], &[])).unwrap();
    assert_eq!(query::repair_queue(&fixture.view, None, 10).unwrap(), []);
}

#[test]
fn reports_about_what_is_not_there_are_refused() {
    let mut fixture = Fixture::new();
    let put = fixture.striped("key", 5 * MIB);
    let write_id = put.write_id;
    fixture.put(put).unwrap();
    assert_eq!(fixture.refusal(report(WriteId(404), &[(0, &[1])])), Refusal::NoSuchWrite);
    assert_eq!(fixture.refusal(report(write_id, &[(0, &[1]), (2, &[1])])), Refusal::NoSuchShard { stripe: 2 });
    assert_eq!(fixture.refusal(report(write_id, &[(1, &[6])])), Refusal::NoSuchShard { stripe: 1 });
    let misplaced = repaired(write_id, 1, &[], &[(6, DiskId(1))]);
    assert_eq!(fixture.refusal(misplaced), Refusal::NoSuchShard { stripe: 1 });
    let deletion = fixture.deletion("key");
    fixture.apply(Command::DeleteObject(deletion)).unwrap();
    assert_eq!(fixture.refusal(report(write_id, &[(0, &[1])])), Refusal::NoSuchWrite, "retired");
}
