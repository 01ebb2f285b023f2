//! The log against power cuts, dead, lost and rotten mirrors.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use env::{Failure, SimFiles};

use super::*;
use crate::sim::{block_on, case_factor, directories, env_of, new_files};

const CONFIG: LogConfig = LogConfig { segment_size: 1024, cache_bytes: 256, queue_bytes_max: 1 << 20 };

/// What the log should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model {
    purged: Option<LogId>,
    entries: Vec<LogEntry>,
    vote: Option<Bytes>,
}

/// One record's worth of change.
#[derive(Clone, Debug)]
enum Step {
    Append(LogEntry),
    Truncate(u64),
    Purge(LogId),
    Vote(Bytes),
}

impl Model {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Append(entry) => self.entries.push(entry.clone()),
            Step::Truncate(index) => self.entries.retain(|entry| entry.id.index < *index),
            Step::Purge(last) => {
                self.entries.retain(|entry| last.index < entry.id.index);
                self.purged = Some(*last);
            }
            Step::Vote(vote) => self.vote = Some(vote.clone()),
        }
    }

    /// What fits a message.
    fn outline(&self) -> (Option<LogId>, usize, Option<LogId>, &Option<Bytes>) {
        (self.purged, self.entries.len(), self.entries.last().map(|entry| entry.id), &self.vote)
    }

    fn last_index(&self) -> u64 {
        self.entries.last().map(|entry| entry.id).or(self.purged).map_or(0, |id| id.index)
    }

    /// A step that fits this state; every kind comes up.
    fn next_step(&self, number: u64) -> Step {
        let id = |index| LogId { term: number / 10, node: 1, index };
        match (number % 11, self.entries.len()) {
            (3, _) => Step::Vote(Bytes::from(format!("vote {number}"))),
            (7, 3..) => Step::Truncate(self.last_index() - 1),
            (9, 6..) => Step::Purge(self.entries[self.entries.len() - 4].id),
            _ => {
                let payload = Bytes::from(number.to_le_bytes().repeat(usize::try_from(number % 37).unwrap()));
                Step::Append(LogEntry { id: id(self.last_index() + 1), kind: 1, payload })
            }
        }
    }

    fn of(log: &MetaLog) -> Self {
        Self::read(log).unwrap()
    }

    fn read(log: &MetaLog) -> Result<Self> {
        Ok(Self { purged: log.state().purged, entries: log.read(0..u64::MAX)?, vote: log.vote() })
    }
}

fn open(files: &SimFiles, directories: &[PathBuf], seed: u64) -> Result<(MetaLog, Mirrors)> {
    let env = env_of(files, seed);
    let mirrors = Mirrors::open(&env, directories, 3, None)?;
    let log = block_on(MetaLog::open(&env, &mirrors, CONFIG))?;
    for mirror in mirrors.in_service() {
        if let Err(error) = mirror.confirm(mirrors.realm()) {
            mirror.retire(&error);
        }
    }
    if mirrors.in_service().is_empty() { Err(Error::Unavailable) } else { Ok((log, mirrors)) }
}

/// Makes `steps` steps, waiting for every third only. Returns the states after each step, the first being `start`, and
/// how many steps were acknowledged. Stops at the first failure.
fn run(log: &MetaLog, start: Model, numbers: Range<u64>) -> (Vec<Model>, usize) {
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut states = vec![start];
    for number in numbers {
        let mut model = states[states.len() - 1].clone();
        let step = model.next_step(number);
        model.take(&step);
        states.push(model);
        let count = states.len() - 1;
        let note = {
            let acknowledged = acknowledged.clone();
            move |result: Result<()>| {
                if result.is_ok() {
                    acknowledged.fetch_max(count, Ordering::SeqCst);
                }
            }
        };
        let result = block_on(async {
            match step {
                Step::Append(entry) if number % 3 == 0 => {
                    let (done, acknowledgement) = completion();
                    log.append(vec![entry], done).await?;
                    acknowledgement.await
                }
                Step::Append(entry) => return log.append(vec![entry], Box::new(note.clone())).await,
                Step::Truncate(index) => log.truncate(index).await,
                Step::Purge(last) => log.purge(last).await,
                Step::Vote(vote) => log.save_vote(vote).await,
            }
            .inspect(|()| note(Ok(())))
        });
        if result.is_err() {
            break;
        }
    }
    (states, acknowledged.load(Ordering::SeqCst))
}

fn check_is_prefix(found: &Model, states: &[Model], acknowledged: usize, context: &str) {
    let place = states.iter().rposition(|state| state == found);
    let place = place.unwrap_or_else(|| panic!("no prefix of the history: {context}: {:?}", found.outline()));
    assert!(acknowledged <= place, "{acknowledged} steps were acknowledged, {place} found: {context}");
}

/// Cuts the power at call `crash_at` of a run, starts again, cuts it again, and checks both recoveries.
fn check_power_cuts(mirror_count: usize, crash_at: u64, seed: u64) -> bool {
    let context = format!("{mirror_count} mirrors, crash at call {crash_at}, seed {seed}");
    let directories = directories(mirror_count);
    let files = new_files(mirror_count, seed);
    files.fail_call(crash_at, Failure::Crash);
    let (mut states, mut acknowledged) = (vec![Model::default()], 0);
    if let Ok((log, _)) = open(&files, &directories, seed) {
        (states, acknowledged) = run(&log, Model::default(), 0..40);
    }
    let crashed = crash_at < files.calls();
    let files = files.power_cut(seed);
    files.fail_call(files.calls() + 60 + crash_at % 97, Failure::Crash);
    if let Ok((log, found)) = open(&files, &directories, seed + 1).and_then(|(log, _)| {
        let found = Model::read(&log)?;
        Ok((log, found))
    }) {
        check_is_prefix(&found, &states, acknowledged, &context);
        (states, acknowledged) = run(&log, found, 40..70);
    }
    let files = files.power_cut(seed + 1);
    let (log, _) = open(&files, &directories, seed + 2).expect(&context);
    check_is_prefix(&Model::of(&log), &states, acknowledged, &context);
    block_on(log.close());
    crashed
}

#[test]
fn any_power_cut_leaves_a_prefix_with_all_that_was_acknowledged() {
    for (mirror_count, round) in (1..=3).flat_map(|count| (0..case_factor()).map(move |round| (count, round))) {
        let mut crash_at = round % 3;
        while check_power_cuts(mirror_count, crash_at, crash_at * 7 + round * 10_000 + mirror_count as u64) {
            crash_at += 3;
        }
        assert!(40 < crash_at, "the run makes more calls than {crash_at}");
    }
}

fn filled(mirror_count: usize, seed: u64) -> (SimFiles, Model) {
    let files = new_files(mirror_count, seed);
    let (log, _) = open(&files, &directories(mirror_count), seed).unwrap();
    let (states, acknowledged) = run(&log, Model::default(), 0..61);
    block_on(log.close());
    assert_eq!(acknowledged + 1, states.len());
    (files, states.last().unwrap().clone())
}

#[test]
fn losing_any_one_directory_loses_nothing_and_it_is_filled_again() {
    for mirror_count in 2..=3 {
        for lost in 0..mirror_count {
            let (files, model) = filled(mirror_count, 5);
            let all = directories(mirror_count);
            files.vanish(&all[lost]);
            let files = files.power_cut(1);
            let (log, _) = open(&files, &all, 6).unwrap();
            assert_eq!(Model::of(&log), model);
            block_on(log.close());
            // Now the refilled one alone has everything.
            for other in all.iter().filter(|directory| **directory != all[lost]) {
                files.vanish(other);
            }
            let (log, _) = open(&files, &all[lost..=lost], 7).unwrap();
            assert_eq!(Model::of(&log), model);
        }
    }
}

#[test]
fn a_mirror_that_fails_while_running_is_retired_and_healed_at_the_next_start() {
    let files = new_files(2, 1);
    let all = directories(2);
    let (log, mirrors) = open(&files, &all, 1).unwrap();
    let (states, _) = run(&log, Model::default(), 0..20);
    files.fail_path(Path::new("/disk0"), Failure::Io);
    let (states, acknowledged) = run(&log, states.last().unwrap().clone(), 20..61);
    assert_eq!(acknowledged + 1, states.len());
    assert_eq!(mirrors.in_service().len(), 1);
    block_on(log.close());
    files.heal_path(Path::new("/disk0"));
    let (log, mirrors) = open(&files, &all, 2).unwrap();
    assert_eq!(mirrors.in_service().len(), 2);
    assert_eq!(&Model::of(&log), states.last().unwrap());
    block_on(log.close());
    files.vanish(&all[1]);
    let (log, _) = open(&files, &all[..1], 3).unwrap();
    assert_eq!(&Model::of(&log), states.last().unwrap());
}

#[test]
fn a_retired_mirror_alone_is_refused() {
    let files = new_files(2, 1);
    let all = directories(2);
    let (log, _) = open(&files, &all, 1).unwrap();
    files.fail_call(files.calls(), Failure::Io);
    let (_, acknowledged) = run(&log, Model::default(), 0..10);
    assert_eq!(acknowledged, 10);
    block_on(log.close());
    let retired = all.iter().position(|directory| env::Files::exists(&files, &directory.join("retired")).unwrap());
    let retired = retired.expect("the mirror whose call failed is marked");
    let alone = open(&files, &all[retired..=retired], 2);
    assert!(matches!(alone, Err(Error::StaleMirrors { .. })));
    assert!(open(&files, &all, 3).is_ok());
    assert!(open(&files, &all[retired..=retired], 4).is_ok(), "healed by the start before");
}

#[test]
fn when_every_mirror_fails_the_log_refuses() {
    let files = new_files(2, 1);
    let (log, _) = open(&files, &directories(2), 1).unwrap();
    let (states, _) = run(&log, Model::default(), 0..5);
    files.fail_path(Path::new("/"), Failure::Io);
    let (_, acknowledged) = run(&log, states.last().unwrap().clone(), 5..10);
    assert_eq!(acknowledged, 0);
    assert!(matches!(block_on(log.save_vote(Bytes::new())), Err(Error::Unavailable)));
}

#[test]
fn rot_in_one_mirror_is_healed_from_another() {
    for seed in 0..40 {
        let (files, model) = filled(2, seed);
        let all = directories(2);
        let flips = files.flip_bits(&all[0].join("log"), 20, seed);
        let (log, _) = open(&files, &all, seed + 1).unwrap();
        assert_eq!(Model::of(&log), model, "seed {seed}, {flips:?}");
        block_on(log.close());
        files.vanish(&all[1]);
        let (log, _) = open(&files, &all[..1], seed + 2).unwrap();
        assert_eq!(Model::of(&log), model, "seed {seed}, {flips:?}");
    }
}

/// I13: damage in front of the end is never taken for a torn tail.
#[test]
fn rot_without_another_mirror_is_refused_or_harmless() {
    let mut refused = 0;
    for seed in 0..60 {
        let (files, model) = filled(1, seed);
        let flips = files.flip_bits(&directories(1)[0].join("log"), 1, seed);
        match open(&files, &directories(1), seed + 1) {
            Ok((log, _)) => {
                // Between the last record, of no consequence, and the end.
                assert_eq!(Model::of(&log), model, "seed {seed}, {flips:?}");
            }
            Err(Error::LogHole { .. }) => refused += 1,
            Err(error) => panic!("seed {seed}, {flips:?}: {error}"),
        }
    }
    assert!(10 < refused, "{refused} of 60");
}

#[test]
fn rot_met_while_running_is_read_from_another_mirror() {
    let files = new_files(2, 1);
    let (log, _) = open(&files, &directories(2), 1).unwrap();
    let (states, _) = run(&log, Model::default(), 0..40);
    files.flip_bits(&directories(2)[0].join("log"), 60, 3);
    assert_eq!(&Model::of(&log), states.last().unwrap());
}

#[test]
fn rereading_heals_what_rots_in_one_mirror_while_the_log_is_in_use() {
    let mut found = 0;
    for seed in 0..40 {
        let files = new_files(2, seed);
        let all = directories(2);
        let (log, _) = open(&files, &all, seed).unwrap();
        let (states, _) = run(&log, Model::default(), 0..40);
        files.flip_bits(&all[0].join("log"), 20, seed);
        assert_eq!(log.reread_at(), None);
        found += block_on(log.reread()).unwrap();
        assert!(log.reread_at().is_some());
        assert_eq!(block_on(log.reread()).unwrap(), 0, "healed");
        let (states, _) = run(&log, states.last().unwrap().clone(), 40..61);
        block_on(log.close());
        files.vanish(&all[1]);
        let (log, _) = open(&files, &all[..1], seed + 2).unwrap();
        assert_eq!(&Model::of(&log), states.last().unwrap(), "seed {seed}");
    }
    assert!(40 < found, "{found} segments were damaged");
}

#[test]
fn rereading_tells_of_what_rots_in_every_mirror() {
    let files = new_files(1, 1);
    let (log, _) = open(&files, &directories(1), 1).unwrap();
    run(&log, Model::default(), 0..40);
    files.flip_bits(&directories(1)[0].join("log"), 200, 1);
    assert!(matches!(block_on(log.reread()), Err(Error::LogHole { .. })));
    assert_eq!(log.reread_at(), None);
}

#[test]
fn mirrors_that_went_separate_ways_are_refused() {
    let (files, _) = filled(2, 1);
    let all = directories(2);
    for (number, alone) in [&all[..1], &all[1..]].into_iter().enumerate() {
        let (log, _) = open(&files, alone, 10 + number as u64).unwrap();
        block_on(log.close());
    }
    assert!(matches!(open(&files, &all, 20), Err(Error::Diverged { .. })));
}

#[test]
fn mirrors_of_different_realms_are_refused() {
    let files = new_files(2, 1);
    let all = directories(2);
    for (number, alone) in [&all[..1], &all[1..]].into_iter().enumerate() {
        block_on(open(&files, alone, 10 + number as u64).unwrap().0.close());
    }
    assert!(matches!(open(&files, &all, 20), Err(Error::ForeignMirror { .. })));
}

#[test]
fn nothing_begins_anew_while_a_directory_cannot_be_read() {
    let files = new_files(2, 1);
    files.fail_path(Path::new("/disk1"), Failure::Io);
    assert!(matches!(open(&files, &directories(2), 1), Err(Error::Io { .. })));
}

#[test]
fn a_mirror_joins_while_the_log_is_written() {
    let files = new_files(2, 1);
    let all = directories(2);
    let (log, mirrors) = open(&files, &all[..1], 1).unwrap();
    let (states, _) = run(&log, Model::default(), 0..40);
    let newcomer = Mirror::vacant(&env_of(&files, 1), all[1].clone()).unwrap();
    block_on(log.join(&newcomer)).unwrap();
    newcomer.confirm(mirrors.realm()).unwrap();
    let (states, _) = run(&log, states.last().unwrap().clone(), 40..61);
    block_on(log.close());
    let (log, _) = open(&files, &all[1..], 2).unwrap();
    assert_eq!(&Model::of(&log), states.last().unwrap());
}

#[test]
fn purged_segments_are_removed_and_a_purge_beyond_the_end_moves_the_log() {
    let files = new_files(1, 1);
    let all = directories(1);
    let (log, _) = open(&files, &all, 1).unwrap();
    let (states, _) = run(&log, Model::default(), 0..50);
    let before = env::Files::list(&files, &all[0].join("log")).unwrap().len();
    let beyond = LogId { term: 9, node: 1, index: states.last().unwrap().last_index() + 100 };
    block_on(log.purge(beyond)).unwrap();
    assert_eq!(log.state(), LogState { purged: Some(beyond), last: Some(beyond) });
    block_on(log.close());
    let after = env::Files::list(&files, &all[0].join("log")).unwrap().len();
    assert!(after < before && after <= 2, "{before} segments before, {after} after");
    let (log, _) = open(&files, &all, 2).unwrap();
    assert_eq!(log.state(), LogState { purged: Some(beyond), last: Some(beyond) });
    let entry = LogEntry { id: LogId { index: 7, ..beyond }, kind: 0, payload: Bytes::new() };
    let refused = block_on(log.append(vec![entry], completion().0));
    assert!(matches!(refused, Err(Error::NotConsecutive { index: 7, .. })));
}
