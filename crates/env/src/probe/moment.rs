//! Moments that simulations must come to: what never happens in them is not tested by them.

/// Something that happens seldom, and that the product must be ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A leader that started again leads on in its term.
    LeaderResumed,
    /// A node that was far behind has taken over a state.
    StateTakenOver,
    /// A command whose fate was unknown is proposed again.
    ProposedAgain,
    /// The one who applies waits for a flush.
    FlushAwaited,
    /// A disk of the metadata is filled anew.
    MirrorReplaced,
    /// A commit is refused: its group has moved on.
    StaleGroupRefused,
    /// A commit is refused: its epoch has passed.
    PassedEpochRefused,
    /// Further shards are read because some are slow.
    ReadHedged,
    /// Shards are written to other disks, too, because theirs are slow.
    WriteHedged,
    /// Shards are computed from others.
    Reconstructed,
    /// A shard goes to a disk that is not its own.
    Substituted,
    /// A shard is found on a disk where nobody expects it.
    FoundElsewhere,
    /// A read starts again because the object was replaced.
    ReadRestarted,
    /// A slot has all its shards.
    SlotSettled,
    /// A stripe of the repair index is whole again.
    StripeRepaired,
    /// A shard that nothing names is deleted.
    OrphanDeleted,
    /// A shard that lies on its former disk is deleted.
    StrayDeleted,
    /// Segments that nobody reads any more are freed.
    RetiredFreed,
    /// An extent is emptied and removed.
    ExtentCompacted,
    /// A disk is taken out of service.
    DiskTakenOut,
}

impl Moment {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::LeaderResumed,
        Self::StateTakenOver,
        Self::ProposedAgain,
        Self::FlushAwaited,
        Self::MirrorReplaced,
        Self::StaleGroupRefused,
        Self::PassedEpochRefused,
        Self::ReadHedged,
        Self::WriteHedged,
        Self::Reconstructed,
        Self::Substituted,
        Self::FoundElsewhere,
        Self::ReadRestarted,
        Self::SlotSettled,
        Self::StripeRepaired,
        Self::OrphanDeleted,
        Self::StrayDeleted,
        Self::RetiredFreed,
        Self::ExtentCompacted,
        Self::DiskTakenOut,
    ];

    /// Notes that the moment has come.
    #[cfg(feature = "probes")]
    pub fn note(self) {
        CAME[self as usize].store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// Nobody wants to know.
    #[cfg(not(feature = "probes"))]
    #[inline(always)]
    pub const fn note(self) {}

    /// Whether the moment has come in this process.
    #[cfg(feature = "probes")]
    pub fn has_come(self) -> bool {
        CAME[self as usize].load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[cfg(feature = "probes")]
static CAME: [std::sync::atomic::AtomicBool; Moment::ALL.len()] =
    [const { std::sync::atomic::AtomicBool::new(false) }; Moment::ALL.len()];
