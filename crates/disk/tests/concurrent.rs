//! Many callers at once, with compaction, checkpoints and scrub going on behind them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::path::Path;
use std::sync::Arc;

use disk::{Disk, DiskConfig, Error, ScrubCursor, Upkeep};
use env::Env;
use tokio::runtime::Runtime;

use support::{CLUSTER, IDENTITY, config, env, formatted, identity, payload, shard};

const WRITERS: u64 = 8;
const KEYS_PER_WRITER: u64 = 12;

/// A caller's own life: it appends, overwrites, reads and deletes shards that nobody else touches.
async fn live(disk: Arc<Disk>, writer: u64, rounds: u64) -> Vec<Option<(u64, usize)>> {
    let mut held = vec![None; usize::try_from(KEYS_PER_WRITER).unwrap()];
    for round in 0..rounds {
        let slot = (round * 7 + writer) % KEYS_PER_WRITER;
        let number = writer * KEYS_PER_WRITER + slot;
        let held = &mut held[usize::try_from(slot).unwrap()];
        match *held {
            Some((version, size)) => {
                assert_eq!(disk.read_all(&identity(number)).await.unwrap(), payload(number, version, size));
            }
            None => {
                let missing = disk.read_all(&identity(number)).await;
                assert!(matches!(missing, Err(Error::NotFound { .. })), "{missing:?}");
            }
        }
        if round % 3 == 2 {
            disk.delete(vec![identity(number)]).await.unwrap();
            *held = None;
        } else {
            let size = usize::try_from(500 + round * 37 % 9000).unwrap();
            disk.append(shard(number, round, size)).await.unwrap();
            *held = Some((round, size));
        }
    }
    held
}

fn busy_config() -> DiskConfig {
    DiskConfig { upkeep: Upkeep::Background, checkpoint_records_min: 40, reader_count: 3, ..config() }
}

/// Runs all callers on the disk at `path`. Gives what they hold in the end.
fn work(runtime: &Runtime, env: &Env, path: &Path, rounds: u64) -> (Arc<Disk>, Vec<Option<(u64, usize)>>) {
    let (disk, _) = Disk::open(env, path, &busy_config()).unwrap();
    let disk = Arc::new(disk);
    let held = runtime.block_on(async {
        let scrubbing = async {
            let mut cursor = ScrubCursor::default();
            for _ in 0..rounds {
                let step = disk.scrub_next(cursor, 50_000).await.unwrap();
                assert_eq!(step.findings, []);
                cursor = step.next.unwrap_or_default();
            }
        };
        let lives: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (disk, (done, held)) = (disk.clone(), tokio::sync::oneshot::channel());
                let life = async move { drop(done.send(live(disk, writer, rounds).await)) };
                (env.spawn.task("writer", Box::pin(life)), held)
            })
            .collect();
        scrubbing.await;
        let mut held = Vec::new();
        for (task, result) in lives {
            task.join().await.unwrap();
            held.extend(result.await.unwrap());
        }
        held
    });
    let stats = disk.stats();
    assert!(0 < stats.compacted_extents, "{stats:?}");
    assert!(stats.syncs < stats.appends + stats.deletes, "nobody shared a sync: {stats:?}");
    (disk, held)
}

/// Opens the disk again and looks at everything.
fn check(runtime: &Runtime, env: &Env, path: &Path, held: &[Option<(u64, usize)>]) {
    let (disk, recovery) = Disk::open(env, path, &busy_config()).unwrap();
    assert!(recovery.findings.is_empty() && recovery.used_checkpoint, "{recovery:?}");
    runtime.block_on(async {
        for (number, held) in (0..).zip(held) {
            let found = disk.read_all(&identity(number)).await;
            match *held {
                Some((version, size)) => assert_eq!(found.unwrap(), payload(number, version, size)),
                None => assert!(matches!(found, Err(Error::NotFound { .. }))),
            }
        }
        disk.close().await.unwrap();
    });
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

#[test]
fn callers_do_not_disturb_each_other() {
    let (files, runtime) = (formatted(1), runtime());
    let (disk, held) = work(&runtime, &env(&files), support::path(), 300);
    runtime.block_on(disk.close()).unwrap();
    check(&runtime, &env(&files), support::path(), &held);
}

/// The checkpoint was written while others wrote, compaction went on after it, and then the power fails.
#[test]
fn a_checkpoint_of_a_busy_disk_and_the_records_after_it_are_all_there_is() {
    for seed in 0..5 {
        let (files, runtime) = (formatted(seed), runtime());
        let (disk, held) = work(&runtime, &env(&files), support::path(), 120);
        let files = files.power_cut(seed);
        drop(disk);
        check(&runtime, &env(&files), support::path(), &held);
    }
}

#[test]
fn the_same_holds_on_the_machines_own_file_system() {
    let (directory, runtime) = (tempfile::tempdir().unwrap(), runtime());
    let path = directory.path().join("disk");
    Disk::format(&Env::real(), &path, IDENTITY).unwrap();
    let (disk, held) = work(&runtime, &Env::real(), &path, 40);
    runtime.block_on(disk.close()).unwrap();
    check(&runtime, &Env::real(), &path, &held);
}

#[test]
fn a_real_directory_removed_under_the_disk_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk");
    Disk::format(&Env::real(), &path, IDENTITY).unwrap();
    let runtime = runtime();
    let (disk, _) = Disk::open(&Env::real(), &path, &DiskConfig::new(CLUSTER)).unwrap();
    runtime.block_on(async {
        disk.append(shard(1, 1, 100_000)).await.unwrap();
        directory.close().unwrap();
        assert!(matches!(disk.read_all(&identity(1)).await, Err(Error::Failed { .. })));
        assert!(matches!(disk.append(shard(2, 1, 10)).await, Err(Error::Failed { .. })));
        assert!(matches!(disk.close().await, Err(Error::Failed { .. })));
    });
}
