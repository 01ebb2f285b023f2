//! Crashes and failures at every single call to the file system.
//!
//! A mixed workload runs against a simulated disk. Once for each of its calls, the machine stops there (or the call
//! fails), the power is cut, and what was acknowledged must be there, whole (I12); what was deleted must stay away.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use disk::Disk;
use env::{Failure, SimFiles};
use support::oracle::{Oracle, case_factor};
use support::{config, env, formatted, open, path, run};

/// Appends, overwrites, deletes and compacts over a few extents, with a restart in between.
async fn work(files: &SimFiles, oracle: &mut Oracle) -> disk::Result<()> {
    let (disk, _) = Disk::open(&env(files), path(), &config())?;
    let mut failed = Ok(());
    let mut note = |result: disk::Result<()>| {
        if let Err(error) = result {
            failed = Err(error);
        }
    };
    for number in 0..6 {
        note(oracle.append(&disk, number, 3000 + 900 * usize::try_from(number).unwrap()).await);
    }
    note(oracle.append_all(&disk, &[10, 11, 12, 13], 70).await);
    note(oracle.delete(&disk, &[1, 3, 11]).await);
    note(oracle.append(&disk, 20, 40_000).await);
    note(oracle.append(&disk, 2, 5000).await);
    note(oracle.append(&disk, 1, 100).await);
    note(oracle.append_all(&disk, &[30, 31, 32], 12_000).await);
    note(oracle.delete(&disk, &[20, 30, 0]).await);
    note(disk.compact().await.map(drop));
    note(oracle.append(&disk, 3, 66_000).await);
    note(oracle.delete(&disk, &[1]).await);
    note(disk.close().await);
    failed?;
    let (disk, _) = Disk::open(&env(files), path(), &config())?;
    oracle.append(&disk, 5, 20_000).await?;
    oracle.delete(&disk, &[2, 13]).await?;
    oracle.append_all(&disk, &[40, 41], 9000).await?;
    disk.compact().await?;
    oracle.append(&disk, 42, 10).await
}

/// Calls that the workload makes after formatting.
fn count_calls() -> u64 {
    let files = formatted(1);
    let before = files.calls();
    run(work(&files, &mut Oracle::default())).unwrap();
    files.calls() - before
}

/// Opens what a crash left, checks it, and that it still takes writes.
async fn check_survivors(files: &SimFiles, oracle: &mut Oracle, context: &str) {
    let (disk, recovery) = open(files);
    assert_eq!(recovery.findings, [], "{context}: damage where there was none");
    oracle.check(&disk, context).await;
    oracle.append(&disk, 99, 5000).await.unwrap();
    oracle.delete(&disk, &[4]).await.unwrap();
    disk.compact().await.unwrap();
    oracle.check(&disk, context).await;
    disk.close().await.unwrap();
}

#[test]
fn acknowledged_records_survive_a_crash_at_any_io_call() {
    let calls = count_calls();
    let seeds = 6 * case_factor();
    let mut cuts = 0;
    for crash_at in 0..calls {
        for seed in 0..seeds {
            let context = format!("crash at call {crash_at}, seed {seed}");
            let files = formatted(seed);
            let mut oracle = Oracle::default();
            files.fail_call(files.calls() + crash_at, Failure::Crash);
            run(async {
                // Batches fall differently from run to run, so the last calls may come too early to be met.
                let _ = work(&files, &mut oracle).await;
                let files = files.power_cut(seed);
                check_survivors(&files, &mut oracle, &context).await;
            });
            cuts += 1;
        }
    }
    println!("{cuts} power cuts, one at each of {calls} calls with {seeds} seeds");
    assert!(1000 <= cuts, "{cuts} cuts are too few to mean much");
}

#[test]
fn a_crash_during_recovery_loses_nothing_either() {
    let calls = count_calls();
    for crash_at in (0..calls).step_by(5) {
        for seed in 0..2 * case_factor() {
            let files = formatted(seed);
            let mut oracle = Oracle::default();
            files.fail_call(files.calls() + crash_at, Failure::Crash);
            run(async {
                let _ = work(&files, &mut oracle).await;
                let mut files = files.power_cut(seed);
                for calls_later in [3, 9, 17, 29, 44] {
                    files.fail_call(files.calls() + calls_later, Failure::Crash);
                    // It fails, or the recovery was over before the crash.
                    drop(Disk::open(&env(&files), path(), &config()));
                    files = files.power_cut(seed + calls_later);
                }
                check_survivors(&files, &mut oracle, &format!("crash at call {crash_at}, seed {seed}")).await;
            });
        }
    }
}

/// Fails one call of the workload after the other.
fn fail_each_call(failure: Failure) {
    let calls = count_calls();
    for fail_at in 0..calls {
        let context = format!("{failure:?} at call {fail_at}");
        let files = formatted(fail_at);
        let mut oracle = Oracle::default();
        files.fail_call(files.calls() + fail_at, failure);
        run(async {
            // Not every failed call fails an operation: hints, and retried reads, may not.
            let _ = work(&files, &mut oracle).await;
            let files = files.power_cut(fail_at);
            check_survivors(&files, &mut oracle, &context).await;
        });
    }
}

#[test]
fn an_error_of_any_io_call_loses_nothing_acknowledged() {
    fail_each_call(Failure::Io);
}

#[test]
fn a_full_disk_at_any_io_call_loses_nothing_acknowledged() {
    fail_each_call(Failure::NoSpace);
}

#[test]
fn a_killed_process_loses_nothing_although_nothing_was_synced_since() {
    let calls = count_calls();
    for crash_at in 0..calls {
        let files = formatted(crash_at);
        let mut oracle = Oracle::default();
        files.fail_call(files.calls() + crash_at, Failure::Crash);
        run(async {
            let _ = work(&files, &mut oracle).await;
            // The kernel keeps unsynced bytes; only a later power cut takes them.
            let files = files.kill();
            let (disk, _) = open(&files);
            oracle.check(&disk, &format!("killed at call {crash_at}")).await;
            let files = files.power_cut(crash_at);
            check_survivors(&files, &mut oracle, &format!("killed at call {crash_at}, then cut")).await;
        });
    }
}
