//! Whether two nodes made the same of the same entries (I17).
//!
//! Each node remembers its running hash of all effects as of some entries: the newest, and ever sparser ones before, at
//! the same indexes on every node. Two nodes that are not far apart have some in common, whatever each has flushed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::MetaEngine;
use super::effects::EffectsHash;
use crate::log::LogId;

/// Entries that are remembered are this far apart, as multiples of themselves.
const STEPS: [u64; 4] = [1, 32, 1024, 32_768];
/// How many of each distance.
const KEPT: usize = 32;
/// How many of each distance another node is told.
const TOLD: usize = 4;

/// The hash of all effects up to and with one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectsMark {
    /// The entry.
    pub id: LogId,
    /// The hash.
    pub effects: [u8; 32],
}

/// What a comparison of two nodes says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// They were in the same state after the entry with this index, and so after every one before.
    Equal {
        /// The newest that both remember.
        index: u64,
    },
    /// They were not: one of them must stop to serve, and take over the other's state.
    Diverged {
        /// The oldest that both remember and disagree on.
        index: u64,
    },
    /// They remember no entry in common. Ask again later.
    Unknown,
}

/// What one node remembers.
#[derive(Default)]
pub(super) struct EffectsMarks {
    /// By index, one map a distance.
    marks: [BTreeMap<u64, EffectsMark>; STEPS.len()],
}

impl EffectsMarks {
    /// Remembers the state after an entry, which is newer than all before.
    pub(super) fn note(&mut self, id: LogId, EffectsHash(effects): EffectsHash) {
        for (step, marks) in STEPS.iter().zip(&mut self.marks) {
            if id.index.is_multiple_of(*step) {
                marks.insert(id.index, EffectsMark { id, effects });
                if KEPT < marks.len() {
                    marks.pop_first();
                }
            }
        }
    }

    /// What to tell another node, oldest first.
    fn told(&self) -> Vec<EffectsMark> {
        let newest = self.marks.iter().flat_map(|marks| marks.iter().rev().take(TOLD));
        let told: BTreeMap<u64, EffectsMark> = newest.map(|(index, mark)| (*index, *mark)).collect();
        told.into_values().collect()
    }

    fn at(&self, index: u64) -> Option<&EffectsMark> {
        self.marks.iter().find_map(|marks| marks.get(&index))
    }

    fn compare(&self, theirs: &[EffectsMark]) -> Agreement {
        let common = theirs.iter().filter_map(|theirs| Some((self.at(theirs.id.index)?, theirs)));
        let (mut newest, mut oldest_unlike) = (None, None);
        for (ours, theirs) in common {
            let index = ours.id.index;
            newest = newest.max(Some(index));
            if ours != theirs {
                oldest_unlike = Some(oldest_unlike.map_or(index, |oldest: u64| oldest.min(index)));
            }
        }
        match (oldest_unlike, newest) {
            (Some(index), _) => Agreement::Diverged { index },
            (None, Some(index)) => Agreement::Equal { index },
            (None, None) => Agreement::Unknown,
        }
    }
}

impl MetaEngine {
    /// What this node made of some of the entries it applied, to be compared by another node; at most 16.
    pub fn effects_marks(&self) -> Vec<EffectsMark> {
        self.core.lock().effects.told()
    }

    /// Compares this node with another, which sent its [`MetaEngine::effects_marks`].
    pub fn compare_effects(&self, theirs: &[EffectsMark]) -> Agreement {
        self.core.lock().effects.compare(theirs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node that applied the entries of a range, and did something else from entry `diverged` on.
    fn node(range: std::ops::RangeInclusive<u64>, diverged: u64) -> EffectsMarks {
        let mut marks = EffectsMarks::default();
        for index in range {
            let effects = if index < diverged { [1; 32] } else { [2; 32] };
            marks.note(LogId { term: 1, node: 1, index }, EffectsHash(effects));
        }
        marks
    }

    #[test]
    fn nodes_that_are_not_a_million_entries_apart_can_be_compared() {
        let leader = node(1..=70_000, u64::MAX);
        for behind in [0, 1, 31, 32, 900, 5000, 37_000] {
            let follower = node(1..=70_000 - behind, u64::MAX);
            for found in [leader.compare(&follower.told()), follower.compare(&leader.told())] {
                let Agreement::Equal { index } = found else { panic!("{found:?}, {behind} behind") };
                assert!(70_000 - index <= 33 * behind, "only entry {index} in common, {behind} behind");
            }
        }
    }

    #[test]
    fn a_node_that_did_something_else_is_found_out_for_ever() {
        let leader = node(1..=5000, u64::MAX);
        for diverged in [1, 70, 4000, 4999, 5000] {
            let follower = node(1..=5000, diverged);
            let at = leader.compare(&follower.told());
            assert!(matches!(at, Agreement::Diverged { index } if diverged <= index), "{at:?}, since {diverged}");
            assert!(matches!(follower.compare(&leader.told()), Agreement::Diverged { .. }));
        }
    }

    #[test]
    fn without_a_common_entry_nothing_is_said() {
        let (old, new) = (node(1..=20, u64::MAX), node(2_000_001..=2_000_020, u64::MAX));
        assert_eq!(old.compare(&new.told()), Agreement::Unknown);
        assert_eq!(new.compare(&old.told()), Agreement::Unknown);
        assert_eq!(old.compare(&[]), Agreement::Unknown);
        assert!(node(1..=200_000, u64::MAX).told().len() <= 16);
    }
}
