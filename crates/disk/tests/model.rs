//! The disk against a map, over whole lives: operations, dirty reboots, failing calls, rot, compaction.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use disk::{Disk, DiskState, Finding, ScrubCursor};
use env::{Failure, SimFiles};
use proptest::prelude::*;
use support::oracle::{Oracle, case_factor};
use support::{formatted, open, path, run};

#[derive(Clone, Debug)]
enum Step {
    Append {
        number: u64,
        size: usize,
    },
    AppendMany {
        first: u64,
        count: u64,
        size: usize,
    },
    Delete {
        numbers: Vec<u64>,
    },
    Compact,
    Scrub {
        budget: u64,
    },
    Check,
    CleanRestart,
    /// The process is killed after so many further calls; with the power, if `seed` says so.
    DirtyReboot {
        calls: u64,
        seed: u64,
        cuts_power: bool,
    },
    /// One of the next calls fails.
    FailCall {
        calls: u64,
        failure: Failure,
    },
    /// Bits flip in an extent's records.
    Rot {
        count: u32,
        seed: u64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = 0..24u64;
    let size = prop_oneof![4 => 0..5000usize, 1 => 60_000..70_000usize];
    let step = prop_oneof![
        12 => (number.clone(), size.clone()).prop_map(|(number, size)| Step::Append { number, size }),
        4 => (number.clone(), 2..12u64, 0..2000usize)
            .prop_map(|(first, count, size)| Step::AppendMany { first, count, size }),
        6 => prop::collection::vec(number, 1..6).prop_map(|numbers| Step::Delete { numbers }),
        3 => Just(Step::Compact),
        2 => (1..100_000u64).prop_map(|budget| Step::Scrub { budget }),
        2 => Just(Step::Check),
        2 => Just(Step::CleanRestart),
        4 => (0..40u64, any::<u64>(), any::<bool>())
            .prop_map(|(calls, seed, cuts_power)| Step::DirtyReboot { calls, seed, cuts_power }),
        3 => (0..30u64, prop_oneof![Just(Failure::Io), Just(Failure::NoSpace)])
            .prop_map(|(calls, failure)| Step::FailCall { calls, failure }),
        1 => (1..4u32, any::<u64>()).prop_map(|(count, seed)| Step::Rot { count, seed }),
    ];
    prop::collection::vec(step, 1..60)
}

/// A disk in the middle of its life.
struct Life {
    files: SimFiles,
    disk: Disk,
    oracle: Oracle,
    /// Bits have flipped: damage is no surprise any more.
    has_rot: bool,
    cursor: ScrubCursor,
}

impl Life {
    fn new() -> Self {
        let files = formatted(1);
        let (disk, _) = open(&files);
        Self { files, disk, oracle: Oracle::default(), has_rot: false, cursor: ScrubCursor::default() }
    }

    /// Opens the disk again as soon as no planned failure is in the way.
    fn reopen(&mut self) {
        let opened = Disk::open(&support::env(&self.files), path(), &support::config());
        let (disk, recovery) = opened.unwrap_or_else(|_| {
            self.files = self.files.kill();
            open(&self.files)
        });
        self.disk = disk;
        self.expect_damage(&recovery.findings);
    }

    fn expect_damage(&self, findings: &[Finding]) {
        assert!(self.has_rot || findings.is_empty(), "damage where there was none: {findings:?}");
    }

    async fn step(&mut self, step: &Step) {
        let (disk, oracle) = (&self.disk, &mut self.oracle);
        // Failures were planned: what an operation answers decides what the oracle believes.
        match step {
            Step::Append { number, size } => drop(oracle.append(disk, *number, *size).await),
            Step::AppendMany { first, count, size } => {
                let numbers: Vec<u64> = (*first..first + count).collect();
                drop(oracle.append_all(disk, &numbers, *size).await);
            }
            Step::Delete { numbers } => drop(oracle.delete(disk, numbers).await),
            Step::Compact => drop(disk.compact().await),
            Step::Scrub { budget } => {
                if let Ok(step) = disk.scrub_next(self.cursor, *budget).await {
                    self.cursor = step.next.unwrap_or_default();
                    self.expect_damage(&step.findings);
                }
            }
            Step::Check => self.check().await,
            Step::CleanRestart => {
                drop(disk.close().await);
                self.restart();
            }
            Step::DirtyReboot { calls, seed, cuts_power } => {
                self.files.fail_call(self.files.calls() + calls, Failure::Crash);
                for number in 0..4 {
                    drop(oracle.append(disk, 20 + number, 3000).await);
                    drop(oracle.delete(disk, &[number]).await);
                }
                drop(disk.compact().await);
                self.files = if *cuts_power { self.files.power_cut(*seed) } else { self.files.kill() };
                self.reopen();
            }
            Step::FailCall { calls, failure } => {
                // One at a time: an error that is gone when the call is repeated is no damage.
                self.files.cancel_failures();
                self.files.fail_call(self.files.calls() + calls, *failure);
            }
            Step::Rot { count, seed } => {
                self.has_rot = true;
                self.files.flip_bits(&path().join("extents"), *count, *seed);
                oracle.expect_rot();
            }
        }
    }

    fn restart(&mut self) {
        self.files = self.files.kill();
        self.reopen();
    }

    /// Compares all shards, on a disk that works.
    async fn check(&mut self) {
        // A failure that is still planned would meet the check.
        self.files.cancel_failures();
        if self.disk.state() != DiskState::InService {
            self.restart();
        }
        self.oracle.check(&self.disk, "model").await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(u32::try_from(150 * case_factor()).unwrap()))]

    #[test]
    fn a_disk_is_a_map_whatever_happens_to_it(steps in steps()) {
        run(async {
            let mut life = Life::new();
            for step in &steps {
                life.step(step).await;
            }
            life.check().await;
            life.restart();
            life.check().await;
        });
    }
}
