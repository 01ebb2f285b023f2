//! One slot of a placement group changes its disk, again and again, under writers (I7, I9, I16).
//!
//! | step | stands for |
//! |---|---|
//! | [`Action::SetTable`] | the planner's plan through `cluster::tables::TableKeeper::change`; what a slot may become is `placement::Slot::may_become`, the fence `cluster::tables::fences` |
//! | [`Action::Follow`] | a node applies the next entry of the log, and publishes the table with it |
//! | [`Action::Begin`] | `store::shards::Shards::row`: a coordinator takes a row, however old; [`Action::Append`] is the shard it sends |
//! | [`Action::Commit`] | `meta::apply::manifest::check_segment`: the fence decides |
//! | [`Action::Fill`] | `store::rebuild`: a node restores a shard of a slot of its own; [`Action::Repaired`] is `meta::apply::repair_done` |
//! | [`Action::CensusBegin`], [`Action::CensusStep`] | `store::rebuild::complete_slots`, a stripe at a time, each in the newest state the node has |
//! | [`Action::Settle`] | `cluster::Cluster::settle` |
//! | [`Action::StrayLook`], [`Action::StrayDelete`] | `store::garbage::strays`, and the deletion that follows |
//!
//! The shards of other slots are taken to be there: any stripe can be rebuilt. That a disk's node refuses a shard of an
//! old epoch is left out: it saves work, and nothing here may depend on it.

use stateright::{Model, Property};

use super::{check_fails, check_holds, is_long_run};

/// A disk, which is a node of its own.
type Disk = usize;
const DISKS: usize = 3;

/// What a slot is: `placement::Slot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Slot {
    Stable(Disk),
    Moving { from: Disk, to: Disk },
    Rebuilding(Disk),
}

impl Slot {
    fn target(self) -> Disk {
        match self {
            Self::Stable(disk) | Self::Rebuilding(disk) | Self::Moving { to: disk, .. } => disk,
        }
    }

    fn sources(self) -> Vec<Disk> {
        match self {
            Self::Moving { from, to } => vec![to, from],
            slot => vec![slot.target()],
        }
    }
}

/// The group in one version of the table, and its fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Row {
    epoch: u8,
    slot: Slot,
    /// `FenceRecord::accepted_from`.
    accepted_from: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Entry {
    Table(Row),
    Commit {
        stripe: usize,
        is_missing: bool,
        /// Whether the shard was counted although its disk had lost the slot.
        is_fenced: bool,
    },
    Repaired {
        stripe: usize,
    },
}

/// Coordinators have one stripe each, of their own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Writer {
    Idle,
    /// It took this row and sends the shard.
    Sending(Row),
    /// The shard is durable on the row's target, or missing.
    Sent {
        row: Row,
        is_missing: bool,
    },
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Census {
    row: Row,
    /// Stripes that were looked at.
    next: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    log: Vec<Entry>,
    /// Entries that each disk's node has applied.
    applied: [usize; DISKS],
    /// Stripes whose shard each disk has.
    held: [Vec<bool>; DISKS],
    writers: Vec<Writer>,
    census: [Option<Census>; DISKS],
    /// A stray that a node is about to delete, and the row it saw.
    stray: Option<(Disk, usize, Row)>,
}

/// What the log amounts to.
struct View {
    row: Row,
    /// `None`: not committed; otherwise whether the shard is noted as missing.
    stripes: Vec<Option<bool>>,
}

impl State {
    fn view(&self, length: usize) -> View {
        let mut view = View {
            row: Row { epoch: 0, slot: Slot::Stable(0), accepted_from: 0 },
            stripes: vec![None; self.writers.len()],
        };
        for entry in &self.log[..length] {
            match *entry {
                Entry::Table(row) => view.row = row,
                Entry::Commit { stripe, is_missing, .. } => view.stripes[stripe] = Some(is_missing),
                Entry::Repaired { stripe } => view.stripes[stripe] = Some(false),
            }
        }
        view
    }

    fn now(&self) -> View {
        self.view(self.log.len())
    }

    fn rows(&self) -> Vec<Row> {
        let tables = self.log.iter().filter_map(|entry| if let Entry::Table(row) = entry { Some(*row) } else { None });
        tables.collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    SetTable(Slot),
    Follow(Disk),
    Begin(usize, Row),
    Append(usize, bool),
    Commit(usize),
    Fill(Disk, usize),
    Repaired(Disk, usize),
    CensusBegin(Disk),
    CensusStep(Disk),
    Settle(Disk),
    StrayLook(Disk, usize),
    StrayDelete,
}

/// A rule that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutation {
    None,
    /// `check_segment` takes any epoch up to the newest.
    SkipFence,
    /// `fences` keeps what was accepted before although the slot has another target.
    KeepFence,
    /// The fence begins one epoch too early.
    FenceOffByOne,
    /// A slot settles when its disk has what it was asked to fill, uncounted.
    SettleWithoutCensus,
    /// A census counts for a slot that is again what it was, whatever it was meanwhile.
    SettleByValue,
    /// A stray is deleted whatever the table has become since it was looked at.
    DeleteByOldTable,
}

#[derive(Clone)]
struct SlotMove {
    mutation: Mutation,
    disks: usize,
    writers: usize,
    epochs: u8,
    has_strays: bool,
}

impl SlotMove {
    fn set_table(&self, state: &mut State, slot: Slot) {
        let before = state.now().row;
        let epoch = before.epoch + 1;
        let is_retargeted = before.slot.target() != slot.target();
        let accepted_from = match self.mutation {
            Mutation::KeepFence => before.accepted_from,
            Mutation::FenceOffByOne if is_retargeted => epoch - 1,
            _ if is_retargeted => epoch,
            _ => before.accepted_from,
        };
        state.log.push(Entry::Table(Row { epoch, slot, accepted_from }));
    }

    /// What the planner may make of a slot.
    fn plans(&self, slot: Slot) -> Vec<Slot> {
        let disks = 0..self.disks;
        let moves = disks.clone().filter_map(|to| match slot {
            Slot::Stable(from) if from != to => Some(Slot::Moving { from, to }),
            _ => None,
        });
        let rebuilds = disks.map(Slot::Rebuilding).filter(|next| *next != slot);
        moves.chain(rebuilds).collect()
    }

    /// Whether a census of `row` says something about the slot as it is now.
    fn may_settle(&self, census: &Census, now: &Row, stripes: usize) -> bool {
        let is_counted = census.next == stripes || self.mutation == Mutation::SettleWithoutCensus;
        let is_same = census.row.slot == now.slot;
        let is_current = now.accepted_from <= census.row.epoch || self.mutation == Mutation::SettleByValue;
        is_counted && is_same && is_current
    }

    fn disk_actions(&self, state: &State, disk: Disk, actions: &mut Vec<Action>) {
        if state.applied[disk] < state.log.len() {
            actions.push(Action::Follow(disk));
        }
        let view = state.view(state.applied[disk]);
        let is_target = view.row.slot.target() == disk;
        let is_open = !matches!(view.row.slot, Slot::Stable(_));
        for (stripe, committed) in view.stripes.iter().enumerate() {
            let Some(is_missing) = *committed else { continue };
            if is_target && !state.held[disk][stripe] && (is_open || is_missing) {
                actions.push(Action::Fill(disk, stripe));
            }
            if is_target && is_missing && state.held[disk][stripe] && state.now().stripes[stripe] == Some(true) {
                actions.push(Action::Repaired(disk, stripe));
            }
            let is_expected = view.row.slot.sources().contains(&disk);
            let is_copied = state.held[view.row.slot.target()][stripe];
            if self.has_strays && state.stray.is_none() && state.held[disk][stripe] && !is_expected && is_copied {
                actions.push(Action::StrayLook(disk, stripe));
            }
        }
        match &state.census[disk] {
            None if is_target && is_open => actions.push(Action::CensusBegin(disk)),
            None => {}
            Some(census) => {
                if census.next < state.writers.len() {
                    actions.push(Action::CensusStep(disk));
                }
                if self.may_settle(census, &state.now().row, state.writers.len()) && state.now().row.epoch < self.epochs
                {
                    actions.push(Action::Settle(disk));
                }
            }
        }
    }
}

impl Model for SlotMove {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let first = Row { epoch: 1, slot: Slot::Stable(0), accepted_from: 1 };
        let held = std::array::from_fn(|_| vec![false; self.writers]);
        vec![State {
            log: vec![Entry::Table(first)],
            applied: [1; DISKS],
            held,
            writers: vec![Writer::Idle; self.writers],
            census: [None; DISKS],
            stray: None,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let now = state.now();
        if now.row.epoch < self.epochs {
            actions.extend(self.plans(now.row.slot).into_iter().map(Action::SetTable));
        }
        for (writer, at) in state.writers.iter().enumerate() {
            match at {
                Writer::Idle => actions.extend(state.rows().into_iter().map(|row| Action::Begin(writer, row))),
                Writer::Sending(_) => actions.extend([Action::Append(writer, false), Action::Append(writer, true)]),
                Writer::Sent { .. } => actions.push(Action::Commit(writer)),
                Writer::Ended => {}
            }
        }
        (0..self.disks).for_each(|disk| self.disk_actions(state, disk, actions));
        if state.stray.is_some() {
            actions.push(Action::StrayDelete);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        let now = state.now();
        match action {
            Action::SetTable(slot) => self.set_table(&mut next, slot),
            Action::Follow(disk) => next.applied[disk] += 1,
            Action::Begin(writer, row) => next.writers[writer] = Writer::Sending(row),
            Action::Append(writer, is_missing) => {
                let Writer::Sending(row) = state.writers[writer] else { return None };
                next.held[row.slot.target()][writer] |= !is_missing;
                next.writers[writer] = Writer::Sent { row, is_missing };
            }
            Action::Commit(writer) => {
                let Writer::Sent { row, is_missing } = state.writers[writer] else { return None };
                let is_accepted = now.row.accepted_from <= row.epoch || self.mutation == Mutation::SkipFence;
                if is_accepted {
                    let is_fenced = !is_missing && row.slot.target() != now.row.slot.target();
                    next.log.push(Entry::Commit { stripe: writer, is_missing, is_fenced });
                }
                next.writers[writer] = Writer::Ended;
            }
            Action::Fill(disk, stripe) => next.held[disk][stripe] = true,
            Action::Repaired(_, stripe) => next.log.push(Entry::Repaired { stripe }),
            Action::CensusBegin(disk) => {
                next.census[disk] = Some(Census { row: state.view(state.applied[disk]).row, next: 0 });
            }
            Action::CensusStep(disk) => {
                let census = state.census[disk]?;
                let is_named = state.view(state.applied[disk]).stripes[census.next].is_some();
                let is_lacking = is_named && !state.held[disk][census.next];
                next.census[disk] = (!is_lacking).then_some(Census { next: census.next + 1, ..census });
            }
            Action::Settle(disk) => {
                next.census[disk] = None;
                self.set_table(&mut next, Slot::Stable(disk));
            }
            Action::StrayLook(disk, stripe) => next.stray = Some((disk, stripe, state.view(state.applied[disk]).row)),
            Action::StrayDelete => {
                let (disk, stripe, seen) = next.stray.take()?;
                let is_unchanged = state.view(state.applied[disk]).row == seen;
                if is_unchanged || self.mutation == Mutation::DeleteByOldTable {
                    next.held[disk][stripe] = false;
                }
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(FENCED, |_, state: &State| {
                !state.log.iter().any(|entry| matches!(entry, Entry::Commit { is_fenced: true, .. }))
            }),
            Property::always(LOST, |_, state: &State| {
                let View { row, stripes } = state.now();
                let is_open = matches!(row.slot, Slot::Rebuilding(_));
                let is_there = |stripe: usize| row.slot.sources().iter().any(|disk| state.held[*disk][stripe]);
                is_open || (0..stripes.len()).all(|stripe| stripes[stripe] != Some(false) || is_there(stripe))
            }),
            Property::sometimes("a slot settles", |_, state: &State| {
                let row = state.now().row;
                matches!(row.slot, Slot::Stable(_)) && 1 < row.epoch
            }),
        ]
    }
}

const FENCED: &str = "a shard on a disk that lost the slot is never counted";
const LOST: &str = "a shard that is counted is where the table says, or is being rebuilt";

/// A slot that goes through any rows, under writers.
fn moves(disks: usize, writers: usize, epochs: u8) -> SlotMove {
    SlotMove { mutation: Mutation::None, disks, writers, epochs, has_strays: false }
}

/// One writer, and a slot that goes back and forth between two disks, with the deletion of what moves leave.
fn returns(mutation: Mutation) -> SlotMove {
    SlotMove { mutation, disks: 2, writers: 1, epochs: 5, has_strays: true }
}

#[test]
fn a_slot_that_moves_loses_nothing() {
    check_holds("slot moves, three disks", moves(3, 1, 3));
    check_holds("slot moves, two writers", moves(2, 2, 3));
    if is_long_run() {
        check_holds("slot moves, three disks and two writers", moves(3, 2, 3));
    }
}

#[test]
fn a_slot_that_returns_loses_nothing() {
    check_holds("slot returns", returns(Mutation::None));
}

#[test]
fn every_rule_of_a_move_is_needed() {
    for (mutation, violated) in [
        (Mutation::SkipFence, FENCED),
        (Mutation::KeepFence, FENCED),
        (Mutation::FenceOffByOne, FENCED),
        (Mutation::SettleWithoutCensus, LOST),
        (Mutation::SettleByValue, LOST),
        (Mutation::DeleteByOldTable, LOST),
    ] {
        check_fails(&format!("{mutation:?}"), returns(mutation), violated);
    }
}
