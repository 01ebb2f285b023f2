//! Two coordinators overwrite one key while garbage is collected by intent epochs (I4, I6, I8).
//!
//! | step | stands for |
//! |---|---|
//! | [`Action::Begin`] | `store::active::ActiveWrites::begin`: a write takes the epoch that its node knows |
//! | [`Action::Append`] | a shard becomes durable on one disk, however late: a coordinator may sleep in between (a zombie) |
//! | [`Action::Propose`], [`Action::Commit`] | `meta::apply::object::put`: with `check_intent_epoch`, and `check_segment`'s `WriteIdUsed`. What was proposed may be applied at any later time, and a second time |
//! | [`Action::Forget`] | `Draft::remember` replaces the oldest result |
//! | [`Action::Follow`], [`Action::Pin`] | `store::epochs::follow_epoch` and `apply::internal::pin_write` |
//! | [`Action::GiveUp`] | the coordinator ends without an answer; `drop_void_pins` then unpins |
//! | [`Action::Advance`] | `apply::internal::advance_intent_epoch`, by the leader alone |
//! | [`Action::OrphanLook`], [`Action::OrphanDelete`] | `store::garbage::orphaned_writes`, and the deletion that follows any time later |
//! | [`Action::Read`], [`Action::ReadEnd`] | a reader takes a manifest and fetches its shards until it is done |
//! | [`Action::FreeLook`], [`Action::FreeDelete`] | `store::garbage::free_retired`, and `apply::internal::free_retired` |
//!
//! One shard of data and two of parity: two make a quorum.

use stateright::{Model, Property};

use super::{check_fails, check_holds};

const WRITES: usize = 2;
const DISKS: usize = 3;
const QUORUM: u32 = 2;
const DATA: u32 = 1;

/// A set of writes, or of disks.
type Set = u8;

fn has(set: Set, member: usize) -> bool {
    set & 1 << member != 0
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Writer {
    Idle,
    /// It began in this epoch, and appends shards.
    Writing(u8),
    /// The command is on its way; this many may still be applied.
    Proposed {
        epoch: u8,
        copies: u8,
    },
    /// It waits no longer; this many commands may still be applied.
    Ended {
        epoch: u8,
        copies: u8,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    // The metadata.
    epoch: u8,
    epoch_min: u8,
    pinned: Set,
    /// What the key names.
    current: Option<usize>,
    retired: Set,
    /// Results that are remembered.
    remembered: Set,
    // The nodes, one a write.
    known_epoch: [u8; WRITES],
    writers: [Writer; WRITES],
    /// By write, the disks that have its shard.
    held: [Set; WRITES],
    /// What a reader reads.
    reading: Option<usize>,
    /// Writes whose shards are about to be deleted: as orphans, and as retired ones.
    orphans: Set,
    freeing: Set,
    // What the properties ask.
    freed: Set,
    committed: Set,
    acknowledged: Set,
}

impl State {
    fn is_named(&self, write: usize) -> bool {
        self.current == Some(write) || has(self.retired, write)
    }

    fn is_readable(&self, write: usize, count: u32) -> bool {
        count <= self.held[write].count_ones()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Begin(usize),
    Append(usize, usize),
    Propose(usize),
    Commit(usize),
    GiveUp(usize),
    Unpin(usize),
    Forget(usize),
    Follow(usize),
    Pin(usize),
    Advance,
    OrphanLook(usize),
    OrphanDelete(usize),
    Read,
    ReadEnd,
    FreeLook(usize),
    FreeDelete(usize),
}

/// A rule that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutation {
    None,
    /// `check_intent_epoch` lets everything through.
    CommitAnyEpoch,
    /// A commit of the epoch below the minimum is accepted.
    EpochMinOffByOne,
    /// A collector takes writes of the minimum itself.
    CollectEpochMin,
    /// A collector overlooks pins.
    CollectPinned,
    /// A collector overlooks what is retired, which a reader may read.
    CollectRetired,
    /// `free_retired` does not ask for readers.
    FreeUnderReader,
    /// A write is proposed before its quorum is durable.
    ProposeEarly,
    /// A write that was committed may be committed again.
    CommitTwice,
    /// A pin of a write whose epoch has passed is accepted.
    PinLate,
    /// Results are forgotten while the same command may still arrive.
    ForgetEarly,
}

#[derive(Clone)]
struct Commit {
    mutation: Mutation,
    epochs: u8,
}

impl Commit {
    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == mutation
    }

    /// `check_intent_epoch`, `check_segment`, `replace`.
    fn commit(&self, state: &mut State, write: usize, epoch: u8) {
        if has(state.remembered, write) && !self.is(Mutation::CommitTwice) {
            return;
        }
        let minimum = state.epoch_min - u8::from(self.is(Mutation::EpochMinOffByOne) && 0 < state.epoch_min);
        let is_passed = epoch < minimum && !has(state.pinned, write) && !self.is(Mutation::CommitAnyEpoch);
        let is_used = state.is_named(write) && !self.is(Mutation::CommitTwice);
        if is_passed || is_used {
            return;
        }
        if let Some(before) = state.current.replace(write) {
            state.retired |= 1 << before;
        }
        state.pinned &= !(1 << write);
        state.remembered |= 1 << write;
        state.committed |= 1 << write;
        if let Writer::Proposed { .. } = state.writers[write] {
            state.acknowledged |= 1 << write;
        }
    }

    /// `orphaned_writes`: what nothing names and nothing ever will.
    fn is_orphan(&self, state: &State, write: usize, epoch: u8) -> bool {
        let is_over = epoch < state.epoch_min + u8::from(self.is(Mutation::CollectEpochMin));
        let is_pinned = has(state.pinned, write) && !self.is(Mutation::CollectPinned);
        let is_named =
            state.current == Some(write) || (has(state.retired, write) && !self.is(Mutation::CollectRetired));
        is_over && !is_pinned && !is_named
    }

    fn write_actions(&self, state: &State, write: usize, actions: &mut Vec<Action>) {
        let epoch = match state.writers[write] {
            Writer::Idle => {
                actions.push(Action::Begin(write));
                None
            }
            Writer::Writing(epoch) => {
                let absent = (0..DISKS).filter(|disk| !has(state.held[write], *disk));
                // Disks are alike: the first that has no shard yet will do.
                actions.extend(absent.take(1).map(|disk| Action::Append(write, disk)));
                if state.is_readable(write, QUORUM) || self.is(Mutation::ProposeEarly) {
                    actions.push(Action::Propose(write));
                }
                actions.push(Action::GiveUp(write));
                if epoch < state.known_epoch[write] && !has(state.pinned, write) {
                    actions.push(Action::Pin(write));
                }
                Some(epoch)
            }
            Writer::Proposed { epoch, copies } => {
                if 0 < copies {
                    actions.push(Action::Commit(write));
                }
                actions.push(Action::GiveUp(write));
                if epoch < state.known_epoch[write] && !has(state.pinned, write) {
                    actions.push(Action::Pin(write));
                }
                Some(epoch)
            }
            Writer::Ended { epoch, copies } => {
                if 0 < copies {
                    actions.push(Action::Commit(write));
                }
                let is_late = copies == 0 || self.is(Mutation::ForgetEarly);
                if has(state.remembered, write) && is_late {
                    actions.push(Action::Forget(write));
                }
                Some(epoch)
            }
        };
        // Of a node that ended, or that the leader takes for gone.
        if has(state.pinned, write) {
            actions.push(Action::Unpin(write));
        }
        if state.known_epoch[write] < state.epoch {
            actions.push(Action::Follow(write));
        }
        if state.held[write] != 0
            && !has(state.orphans, write)
            && epoch.is_some_and(|epoch| self.is_orphan(state, write, epoch))
        {
            actions.push(Action::OrphanLook(write));
        }
        if has(state.orphans, write) {
            actions.push(Action::OrphanDelete(write));
        }
        let is_read = state.reading == Some(write) && !self.is(Mutation::FreeUnderReader);
        if has(state.retired, write) && !is_read && !has(state.freeing, write) {
            actions.push(Action::FreeLook(write));
        }
        if has(state.freeing, write) {
            actions.push(Action::FreeDelete(write));
        }
    }
}

impl Model for Commit {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            epoch: 1,
            epoch_min: 0,
            pinned: 0,
            current: None,
            retired: 0,
            remembered: 0,
            known_epoch: [1; WRITES],
            writers: [Writer::Idle; WRITES],
            held: [0; WRITES],
            reading: None,
            orphans: 0,
            freeing: 0,
            freed: 0,
            committed: 0,
            acknowledged: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        (0..WRITES).for_each(|write| self.write_actions(state, write, actions));
        if state.epoch < self.epochs {
            actions.push(Action::Advance);
        }
        match state.reading {
            None if state.current.is_some() => actions.push(Action::Read),
            None => {}
            Some(_) => actions.push(Action::ReadEnd),
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::Begin(write) => next.writers[write] = Writer::Writing(state.known_epoch[write]),
            Action::Append(write, disk) => next.held[write] |= 1 << disk,
            Action::Propose(write) => {
                let Writer::Writing(epoch) = state.writers[write] else { return None };
                next.writers[write] = Writer::Proposed { epoch, copies: 2 };
            }
            Action::Commit(write) => {
                let (Writer::Proposed { epoch, .. } | Writer::Ended { epoch, .. }) = state.writers[write] else {
                    return None;
                };
                self.commit(&mut next, write, epoch);
                if let Writer::Proposed { copies, .. } | Writer::Ended { copies, .. } = &mut next.writers[write] {
                    *copies -= 1;
                }
            }
            Action::GiveUp(write) => {
                next.writers[write] = match state.writers[write] {
                    Writer::Writing(epoch) => Writer::Ended { epoch, copies: 0 },
                    Writer::Proposed { epoch, copies } => Writer::Ended { epoch, copies },
                    Writer::Idle | Writer::Ended { .. } => return None,
                };
            }
            Action::Unpin(write) => next.pinned &= !(1 << write),
            Action::Forget(write) => next.remembered &= !(1 << write),
            Action::Follow(write) => next.known_epoch[write] = state.epoch,
            Action::Pin(write) => {
                let (Writer::Writing(epoch) | Writer::Proposed { epoch, .. }) = state.writers[write] else {
                    return None;
                };
                let is_passed = epoch < state.epoch_min && !self.is(Mutation::PinLate);
                if is_passed || state.is_named(write) {
                    return None;
                }
                next.pinned |= 1 << write;
            }
            Action::Advance => {
                next.epoch_min = state.epoch;
                next.epoch += 1;
            }
            Action::OrphanLook(write) => next.orphans |= 1 << write,
            Action::OrphanDelete(write) => {
                next.orphans &= !(1 << write);
                next.held[write] = 0;
            }
            Action::Read => next.reading = state.current,
            Action::ReadEnd => next.reading = None,
            Action::FreeLook(write) => next.freeing |= 1 << write,
            Action::FreeDelete(write) => {
                next.freeing &= !(1 << write);
                next.held[write] = 0;
                next.retired &= !(1 << write);
                next.freed |= 1 << write;
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(DURABLE, |_, state: &State| {
                (0..WRITES).all(|write| state.current != Some(write) || state.is_readable(write, QUORUM))
            }),
            Property::always(READABLE, |_, state: &State| {
                state.reading.is_none_or(|write| state.is_readable(write, DATA))
            }),
            Property::always(ONCE, |_, state: &State| {
                let is_back = |write| state.is_named(write) && has(state.freed, write);
                let is_both = |write| state.current == Some(write) && has(state.retired, write);
                !(0..WRITES).any(|write| is_back(write) || is_both(write))
            }),
            Property::always(KEPT, |_, state: &State| state.acknowledged == 0 || state.current.is_some()),
            Property::sometimes("a write is overwritten, and its shards are deleted", |_, state: &State| {
                state.freed != 0 && state.current.is_some()
            }),
            Property::sometimes("a pinned write commits after its epoch", |_, state: &State| {
                let is_late = |write| match state.writers[write] {
                    Writer::Proposed { epoch, .. } => epoch < state.epoch_min && state.current == Some(write),
                    _ => false,
                };
                (0..WRITES).any(is_late)
            }),
            Property::sometimes("what a zombie left is collected", |_, state: &State| {
                (0..WRITES).any(|write| has(state.orphans, write) && !has(state.committed, write))
            }),
        ]
    }
}

const DURABLE: &str = "what the key names has its quorum of shards";
const READABLE: &str = "a reader finds the shards of what it reads";
const ONCE: &str = "what was overwritten never comes back";
const KEPT: &str = "an acknowledged version is replaced by nothing but another";

#[test]
fn overwrites_and_garbage_collection_agree() {
    check_holds("commit", Commit { mutation: Mutation::None, epochs: 4 });
}

#[test]
fn every_rule_of_a_commit_is_needed() {
    for (mutation, violated) in [
        (Mutation::CommitAnyEpoch, DURABLE),
        (Mutation::EpochMinOffByOne, DURABLE),
        (Mutation::CollectEpochMin, DURABLE),
        (Mutation::CollectPinned, DURABLE),
        (Mutation::CollectRetired, READABLE),
        (Mutation::FreeUnderReader, READABLE),
        (Mutation::ProposeEarly, DURABLE),
        (Mutation::CommitTwice, ONCE),
        (Mutation::PinLate, DURABLE),
        (Mutation::ForgetEarly, ONCE),
    ] {
        check_fails(&format!("{mutation:?}"), Commit { mutation, epochs: 4 }, violated);
    }
}
