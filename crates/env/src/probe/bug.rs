//! Bugs that the simulator must find: if it did not find these, nobody could believe that there are no others.

/// A mistake, made at one place of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A disk acknowledges shards that it has not synced.
    DiskSkipsSync,
    /// The metadata's log acknowledges entries that it has not synced.
    LogSkipsSync,
    /// Blocks of shards are not verified when they are read.
    ReadsUnverified,
    /// Shards count as written before the disks say so.
    WritesUnawaited,
    /// What is reconstructed of other shards is zeros.
    ReconstructsNothing,
    /// Listings lack their last key.
    ListingsEndEarly,
    /// `If-Match` is not looked at when the command is applied.
    IfMatchIgnored,
    /// `If-None-Match` is not looked at when the command is applied.
    IfNoneMatchIgnored,
    /// A command that is proposed twice is carried out twice.
    OutcomesForgotten,
    /// Writes whose shards may have been collected are committed.
    IntentEpochIgnored,
    /// Shards of writes under way count as orphans.
    ActiveWritesCollected,
    /// Shards of writes that outlive their epoch count as orphans.
    PinsIgnored,
    /// What was changed during a flush is dropped after it.
    FlushDropsChanges,
    /// Deletions do not reach the trees.
    FlushDropsDeletions,
    /// What a flush is folding into the trees cannot be read meanwhile.
    FrozenUnread,
    /// What a node makes of an entry depends on its clock.
    ClockInState,
    /// Reads ask nobody what they must see.
    ReadsWithoutRound,
    /// Reads do not wait until what they must see is applied.
    ReadsBeforeApplied,
    /// A leader that starts again takes what was flushed for all that was committed.
    InheritedIgnored,
    /// The commands of a batch get each other's answers.
    AnswersSwapped,
    /// A node that starts again has not voted.
    VotesForgotten,
    /// The repair index forgets stripes that are not restored.
    RepairedUnrestored,
    /// Segments of completed uploads are retired.
    PartsRetired,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::DiskSkipsSync,
        Self::LogSkipsSync,
        Self::ReadsUnverified,
        Self::WritesUnawaited,
        Self::ReconstructsNothing,
        Self::ListingsEndEarly,
        Self::IfMatchIgnored,
        Self::IfNoneMatchIgnored,
        Self::OutcomesForgotten,
        Self::IntentEpochIgnored,
        Self::ActiveWritesCollected,
        Self::PinsIgnored,
        Self::FlushDropsChanges,
        Self::FlushDropsDeletions,
        Self::FrozenUnread,
        Self::ClockInState,
        Self::ReadsWithoutRound,
        Self::ReadsBeforeApplied,
        Self::InheritedIgnored,
        Self::AnswersSwapped,
        Self::VotesForgotten,
        Self::RepairedUnrestored,
        Self::PartsRetired,
    ];

    /// Whether this bug is in the program, from [`Bug::plant`] on.
    #[cfg(feature = "probes")]
    pub fn is_planted(self) -> bool {
        planted::get() == Some(self)
    }

    /// No bug is.
    #[cfg(not(feature = "probes"))]
    #[inline(always)]
    pub const fn is_planted(self) -> bool {
        false
    }

    /// Plants this bug, and no other. Only the first call counts.
    #[cfg(feature = "probes")]
    pub fn plant(self) {
        planted::set(self);
    }
}

#[cfg(feature = "probes")]
mod planted {
    use std::sync::OnceLock;

    use super::Bug;

    static PLANTED: OnceLock<Bug> = OnceLock::new();

    pub(super) fn get() -> Option<Bug> {
        PLANTED.get().copied()
    }

    pub(super) fn set(bug: Bug) {
        PLANTED.get_or_init(|| bug);
    }
}
