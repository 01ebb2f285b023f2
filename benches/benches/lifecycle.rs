//! What lifecycle rules cost the commands that put objects: time in `apply`, and bytes of edits.
//!
//! Run with `cargo bench --bench lifecycle`. The edits of each case are printed first: they decide what the metadata
//! writes. `docs/decisions/0008-index-of-what-is-due.md` holds the figures.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to say")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use env::UnixMillis;
use meta::command::{CreateBucket, Lifecycle, Precondition, PutObject, SetLifecycle, StepLifecycle};
use meta::lifecycle::{DAY_MILLIS, Expiration, Filter, LifecycleRule, LifecycleRules};
use meta::query;
use meta::record::{Body, Etag, IntentEpoch, ObjectRecord, UnknownFields, WriteId};
use meta::testing::MemoryView;
use meta::{BucketId, Command, Edit, LogStamp, Reply, apply};

/// Objects that the bucket holds.
const OBJECTS: u64 = 10_000;

struct World {
    view: MemoryView,
    bucket: BucketId,
    index: u64,
}

impl World {
    /// A bucket with so many rules, the last of which is about every key.
    fn new(rule_count: usize) -> Self {
        let mut world = Self { view: MemoryView::new(), bucket: BucketId(0), index: 0 };
        world.view.accept_groups(1).unwrap().unwrap();
        let create = CreateBucket {
            name: "bucket".to_owned(),
            owner: "owner".to_owned(),
            region: None,
            has_lock: false,
            configurations: Default::default(),
        };
        let Reply::BucketCreated(bucket) = world.apply(&Command::CreateBucket(create)) else { unreachable!() };
        world.bucket = bucket;
        if 0 < rule_count {
            world.set_rules(rule_count);
        }
        for number in 0..OBJECTS {
            world.apply(&world.put(number, 0));
        }
        world
    }

    fn set_rules(&mut self, count: usize) {
        let rule = |number: usize| LifecycleRule {
            filter: Filter {
                prefix: if number + 1 == count { String::new() } else { format!("other-{number}/") },
                ..Filter::default()
            },
            expiration: Some(Expiration::Days(30)),
            ..LifecycleRule::default()
        };
        let rules = LifecycleRules {
            day_millis: DAY_MILLIS,
            rules: (0..count).map(rule).collect(),
            unknown: UnknownFields::default(),
        };
        let lifecycle = Some(Lifecycle { document: Vec::new(), rules });
        self.apply(&Command::SetLifecycle(Box::new(SetLifecycle { bucket: self.bucket, lifecycle })));
        for state in query::lifecycles(&self.view).unwrap() {
            let step = StepLifecycle { bucket: state.bucket, generation: state.generation, limit: 10 };
            while self.apply(&Command::StepLifecycle(step.clone())) == (Reply::Drained { finished: false }) {}
        }
    }

    fn stamp(&self) -> LogStamp {
        LogStamp { index: self.index, time: UnixMillis(1_790_000_000_000 + self.index) }
    }

    fn apply(&mut self, command: &Command) -> Reply {
        self.index += 1;
        self.view.apply(command, self.stamp()).unwrap().unwrap()
    }

    fn put(&self, number: u64, again: u128) -> Command {
        let write_id = WriteId(u128::from(number) << 64 | again);
        let object = ObjectRecord {
            headers: [("content-type".to_owned(), "application/octet-stream".to_owned())].into(),
            ..ObjectRecord::plain(100, Etag::Md5(write_id.0.to_be_bytes()), Body::Inline(Bytes::from_static(&[7; 100])))
        };
        let (key, precondition) = (format!("{:020}", number.wrapping_mul(0x9E37_79B9)), Precondition::default());
        let (bucket, intent_epoch) = (self.bucket, IntentEpoch(0));
        Command::PutObject(Box::new(PutObject { bucket, key, object, precondition, write_id, intent_epoch }))
    }
}

fn bench(criterion: &mut Criterion) {
    for (name, rules) in [("no rules", 0), ("one rule", 1), ("100 rules", 100)] {
        let world = World::new(rules);
        for (what, number) in [("new key", OBJECTS), ("overwrite", OBJECTS / 2)] {
            let put = world.put(number, 1);
            let edits = apply(&world.view, &put, world.stamp()).unwrap().1;
            let size = |edit: &Edit| match edit {
                Edit::Put { key, value, .. } => key.len() + value.len(),
                Edit::Remove { key, .. } => key.len(),
                Edit::DropTree { .. } => 0,
            };
            println!("{name}, {what}: {} edits of {} bytes", edits.len(), edits.iter().map(size).sum::<usize>());
            criterion.bench_function(&format!("put/{name}/{what}"), |bencher| {
                bencher.iter(|| black_box(apply(&world.view, &put, world.stamp()).unwrap()));
            });
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
