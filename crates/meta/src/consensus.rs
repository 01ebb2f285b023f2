//! How commands reach the log and readers the state: the narrow trait behind which consensus works.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::command::Command;
use crate::error::Result;
use crate::outcome::Outcome;
use crate::view::View;

/// What the methods of [`Consensus`] return, so that it can be used as `dyn Consensus`.
pub type ConsensusFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// One consistent state, and how old it may be.
#[derive(Clone)]
pub struct Reading {
    /// Every log entry up to this index is in `view`; later ones may be.
    pub index: u64,
    /// The state.
    pub view: Arc<dyn View>,
}

/// Decides commands in one order for the whole cluster.
///
/// A command takes effect at one moment between the call of [`Consensus::propose`] and its answer, and every
/// [`Consensus::read`] that is called after that answer sees it (linearizability; Herlihy and Wing, 1990).
pub trait Consensus: Send + Sync + 'static {
    /// Makes `command` durable, applies it and returns its answer.
    ///
    /// Dropped before it resolves, the command may or may not take effect, now or later.
    ///
    /// # Errors
    ///
    /// [`Error::Overloaded`](crate::Error::Overloaded), [`Error::Full`](crate::Error::Full) and
    /// [`Error::Stopping`](crate::Error::Stopping): nothing was changed. [`Error::Undecided`](crate::Error::Undecided) and [`Error::Unavailable`](crate::Error::Unavailable): the
    /// command may still take effect.
    fn propose(&self, command: Command) -> ConsensusFuture<'_, Outcome>;

    /// A state that includes every command answered before the call.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) when no majority can be reached.
    fn read(&self) -> ConsensusFuture<'_, Reading>;

    /// The newest state that this node has, at once: not older than any that it has given before, but perhaps older than
    /// commands that other nodes have answered.
    fn newest(&self) -> Reading;
}
