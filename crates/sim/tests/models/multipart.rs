//! One part of an upload is sent twice over while the upload is completed and aborted, each more than once (I1, I6, I8).
//!
//! | step | stands for |
//! |---|---|
//! | [`Action::PutPart`] | `meta::apply::upload::put_part`, of one of two writes of the same part; may be applied twice |
//! | [`Action::Complete`] | `meta::apply::upload::complete`, listing what one of the writes stored; may be applied twice |
//! | [`Action::Abort`] | `meta::apply::upload::abort`; may be applied twice |
//! | [`Action::Delete`] | the object is deleted, or overwritten: its segments retire |
//! | [`Action::Free`] | `store::garbage::free_retired` |
//!
//! That no command arrives so late that its write was retired and freed meanwhile is an assumption about time: proposers
//! give up within seconds, and until a segment is freed its write counts as used.

use stateright::{Model, Property};

use super::{check_fails, check_holds};

const WRITES: usize = 2;
/// How often each command may be applied.
const COPIES: u8 = 2;

/// What names a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Owner {
    Nobody,
    Part,
    Object,
    Retired,
    Freed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    is_open: bool,
    owners: [Owner; WRITES],
    /// The result of a completion, as it is remembered: what it made the object of.
    result: Option<usize>,
    puts: [u8; WRITES],
    completions: [u8; WRITES],
    aborts: u8,
    // What the properties ask.
    /// Answers to completions.
    answered: [bool; WRITES],
    is_aborted: bool,
    is_deleted: bool,
    objects_made: u8,
    came_back: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    PutPart(usize),
    Complete(usize),
    Abort,
    Delete(usize),
    Free(usize),
}

/// A rule that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutation {
    None,
    /// `check_segment` lets a write be named twice.
    UseWriteTwice,
    /// `put_part` does not ask whether the upload is there.
    PutIntoNothing,
    /// `complete` does not ask whether the part is the one that is listed.
    CompleteUnlisted,
    /// `abort` retires what a completion has linked.
    AbortCompleted,
    /// A retired write is freed while its command may still arrive.
    FreeEarly,
}

#[derive(Clone)]
struct Multipart(Mutation);

impl Multipart {
    fn put_part(&self, state: &mut State, write: usize) {
        let is_open = state.is_open || self.0 == Mutation::PutIntoNothing;
        let is_used = !matches!(state.owners[write], Owner::Nobody | Owner::Freed) && self.0 != Mutation::UseWriteTwice;
        if !is_open || is_used {
            return;
        }
        let previous = state.owners.iter().position(|owner| *owner == Owner::Part);
        state.came_back |= matches!(state.owners[write], Owner::Retired | Owner::Freed);
        if let Some(previous) = previous {
            state.owners[previous] = Owner::Retired;
        }
        state.owners[write] = Owner::Part;
    }

    fn complete(&self, state: &mut State, listed: usize) {
        if let Some(result) = state.result {
            state.answered[result] = true;
            return;
        }
        let Some(stored) = state.owners.iter().position(|owner| *owner == Owner::Part) else { return };
        let is_listed = stored == listed || self.0 == Mutation::CompleteUnlisted;
        if !state.is_open || !is_listed {
            return;
        }
        state.is_open = false;
        state.owners[stored] = Owner::Object;
        state.result = Some(listed);
        state.answered[listed] = true;
        state.objects_made += 1;
    }

    fn abort(&self, state: &mut State) {
        if !state.is_open && self.0 != Mutation::AbortCompleted {
            return;
        }
        for owner in &mut state.owners {
            let is_linked = *owner == Owner::Object && self.0 == Mutation::AbortCompleted;
            if *owner == Owner::Part || is_linked {
                *owner = Owner::Retired;
            }
        }
        state.is_aborted |= state.is_open;
        state.is_open = false;
    }
}

impl Model for Multipart {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            is_open: true,
            owners: [Owner::Nobody; WRITES],
            result: None,
            puts: [COPIES; WRITES],
            completions: [COPIES; WRITES],
            aborts: COPIES,
            answered: [false; WRITES],
            is_aborted: false,
            is_deleted: false,
            objects_made: 0,
            came_back: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for write in 0..WRITES {
            if 0 < state.puts[write] {
                actions.push(Action::PutPart(write));
            }
            if 0 < state.completions[write] {
                actions.push(Action::Complete(write));
            }
            if state.owners[write] == Owner::Object {
                actions.push(Action::Delete(write));
            }
            let is_late = state.puts[write] == 0 || self.0 == Mutation::FreeEarly;
            if state.owners[write] == Owner::Retired && is_late {
                actions.push(Action::Free(write));
            }
        }
        if 0 < state.aborts {
            actions.push(Action::Abort);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::PutPart(write) => {
                next.puts[write] -= 1;
                self.put_part(&mut next, write);
            }
            Action::Complete(listed) => {
                next.completions[listed] -= 1;
                self.complete(&mut next, listed);
            }
            Action::Abort => {
                next.aborts -= 1;
                self.abort(&mut next);
            }
            Action::Delete(write) => {
                next.owners[write] = Owner::Retired;
                next.is_deleted = true;
            }
            Action::Free(write) => next.owners[write] = Owner::Freed,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_END, |_, state: &State| {
                let answers = state.answered.iter().filter(|answered| **answered).count();
                state.objects_made <= 1 && answers <= 1 && !(state.is_aborted && 0 < state.objects_made)
            }),
            Property::always(KEPT, |_, state: &State| {
                let is_object = |write: usize| state.owners[write] == Owner::Object;
                state.is_deleted || (0..WRITES).all(|write| !state.answered[write] || is_object(write))
            }),
            Property::always(ONCE, |_, state: &State| !state.came_back),
            Property::always(OWNED, |_, state: &State| state.is_open || !state.owners.contains(&Owner::Part)),
            Property::sometimes("an upload is completed", |_, state: &State| state.objects_made == 1),
            Property::sometimes("an upload is aborted", |_, state: &State| state.is_aborted),
        ]
    }
}

const ONE_END: &str = "an upload is completed once or aborted, and every completion is answered alike";
const KEPT: &str = "a completed object consists of what was listed";
const ONCE: &str = "a part that was replaced or deleted never comes back";
const OWNED: &str = "no part is left without its upload";

#[test]
fn an_upload_has_one_end() {
    check_holds("multipart", Multipart(Mutation::None));
}

#[test]
fn every_rule_of_an_upload_is_needed() {
    for (mutation, violated) in [
        (Mutation::UseWriteTwice, ONCE),
        (Mutation::PutIntoNothing, OWNED),
        (Mutation::CompleteUnlisted, KEPT),
        (Mutation::AbortCompleted, KEPT),
        (Mutation::FreeEarly, ONCE),
    ] {
        check_fails(&format!("{mutation:?}"), Multipart(mutation), violated);
    }
}
