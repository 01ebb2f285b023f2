//! Linearizability of one key (Wing & Gong, JPDC 1993; with the cache of Lowe, CCPE 2017).

use std::collections::BTreeSet;

/// A body that was written; no two writes have the same.
pub(super) type Version = u32;

/// What a write demands of the state before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Always,
    /// `If-None-Match: *`
    Absent,
    /// `If-Match`
    Is(Version),
}

impl Condition {
    fn holds(self, state: Option<Version>) -> bool {
        match self {
            Self::Always => true,
            Self::Absent => state.is_none(),
            Self::Is(version) => state == Some(version),
        }
    }
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Puts a version, or deletes.
    Write { version: Option<Version>, condition: Condition },
    /// Found the condition not to hold, and did nothing.
    Refused { condition: Condition },
    /// Found this.
    Read(Option<Version>),
}

/// An operation on one key. Moments are numbers of events.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) begun: u64,
    /// `None` when it was never answered: it takes effect at any time since, or never.
    pub(super) ended: Option<u64>,
    pub(super) effect: Effect,
}

/// Operations that one check can hold.
pub(super) const OPERATIONS_MAX: usize = 128;

/// Whether all answers can be explained by one order of the operations that keeps to real time.
///
/// # Panics
///
/// Panics with more than [`OPERATIONS_MAX`] operations.
pub(super) fn is_linearizable(operations: &[Operation]) -> bool {
    assert!(operations.len() <= OPERATIONS_MAX, "a check holds {OPERATIONS_MAX} operations");
    let mask = |filter: &dyn Fn(&Operation) -> bool| {
        let chosen = operations.iter().enumerate().filter(|(_, operation)| filter(operation));
        chosen.fold(0_u128, |mask, (number, _)| mask | 1 << number)
    };
    let answered = mask(&|operation| operation.ended.is_some());
    // Whatever was answered before an operation began comes before it.
    let earlier: Vec<u128> =
        operations.iter().map(|later| mask(&|other| other.ended.is_some_and(|ended| ended < later.begun))).collect();
    let mut seen = BTreeSet::new();
    let mut open = vec![(0_u128, None)];
    while let Some((done, state)) = open.pop() {
        if done & answered == answered {
            return true;
        }
        if !seen.insert((done, state)) {
            continue;
        }
        for (number, operation) in operations.iter().enumerate() {
            let is_next = done & (1 << number) == 0 && earlier[number] & !done == 0;
            if is_next && let Some(after) = apply(operation, state) {
                open.push((done | 1 << number, after));
            }
        }
    }
    false
}

/// The state after `operation`; `None` if it cannot have come about in `state`.
fn apply(operation: &Operation, state: Option<Version>) -> Option<Option<Version>> {
    match operation.effect {
        Effect::Write { version, condition } => condition.holds(state).then_some(version),
        Effect::Refused { condition } => (!condition.holds(state)).then_some(state),
        Effect::Read(found) => (found == state).then_some(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(begun: u64, ended: Option<u64>, version: Option<Version>) -> Operation {
        Operation { begun, ended, effect: Effect::Write { version, condition: Condition::Always } }
    }

    fn read(begun: u64, ended: u64, found: Option<Version>) -> Operation {
        Operation { begun, ended: Some(ended), effect: Effect::Read(found) }
    }

    #[test]
    fn a_stale_read_is_refused_and_a_concurrent_one_is_not() {
        let stale = [write(0, Some(1), Some(1)), write(2, Some(3), Some(2)), read(4, 5, Some(1))];
        assert!(!is_linearizable(&stale));
        let concurrent = [write(0, Some(1), Some(1)), write(2, Some(5), Some(2)), read(3, 4, Some(1))];
        assert!(is_linearizable(&concurrent));
    }

    #[test]
    fn an_unanswered_write_may_happen_late_or_never_but_not_come_and_go() {
        let unanswered = write(0, None, Some(1));
        assert!(is_linearizable(&[unanswered, read(1, 2, None)]));
        assert!(is_linearizable(&[unanswered, read(1, 2, None), read(3, 4, Some(1))]));
        assert!(!is_linearizable(&[unanswered, read(1, 2, Some(1)), read(3, 4, None)]));
    }

    #[test]
    fn lost_and_resurrected_writes_are_refused() {
        assert!(!is_linearizable(&[write(0, Some(1), Some(1)), read(2, 3, None)]));
        let resurrected = [write(0, Some(1), Some(1)), write(2, Some(3), None), read(4, 5, Some(1))];
        assert!(!is_linearizable(&resurrected));
    }

    #[test]
    fn of_two_concurrent_creations_one_is_refused() {
        let create = |version, effect_holds: bool| {
            let condition = Condition::Absent;
            let effect = if effect_holds {
                Effect::Write { version: Some(version), condition }
            } else {
                Effect::Refused { condition }
            };
            Operation { begun: 0, ended: Some(9), effect }
        };
        assert!(is_linearizable(&[create(1, true), create(2, false)]));
        assert!(!is_linearizable(&[create(1, true), create(2, true)]));
        assert!(!is_linearizable(&[create(1, false), create(2, false)]));
    }
}
