//! The consensus's part of the metadata while no consensus runs on it.

use meta::Opened;
use openraft::{BasicNode, EntryPayload, Membership, Vote};
use tokio::sync::oneshot;

use super::entry::{self, Entry};
use crate::error::{Error, Result};

/// Entries read at a time.
const STEP: u64 = 256;

/// Who takes part by the newest word of the log, decided or not. Blocks on the disk.
///
/// # Errors
///
/// [`Error::Meta`], [`Error::Consensus`] when the log cannot be read.
pub(crate) fn effective_membership(opened: &Opened) -> Result<Membership<u64, BasicNode>> {
    let state = opened.log.state();
    let first = state.purged.map_or(0, |id| id.index + 1);
    let mut end = state.last.map_or(0, |id| id.index + 1);
    while first < end {
        let start = end.saturating_sub(STEP).max(first);
        for stored in opened.log.read(start..end)?.into_iter().rev() {
            if let Some(Entry { payload: EntryPayload::Membership(membership), .. }) =
                entry::decode(stored).map_err(unreadable)?
            {
                return Ok(membership);
            }
        }
        end = start;
    }
    let applied = opened.engine.membership().map(|bytes| entry::decode_membership(&bytes)).transpose();
    Ok(applied.map_err(unreadable)?.unwrap_or_default().membership().clone())
}

/// The vote of this node, if it ever voted.
///
/// # Errors
///
/// [`Error::Consensus`].
pub(crate) fn kept_vote(opened: &Opened) -> Result<Option<Vote<u64>>> {
    opened.log.vote().map(|bytes| postcard::from_bytes(&bytes)).transpose().map_err(unreadable)
}

/// Replaces the vote; durable on return.
///
/// # Errors
///
/// [`Error::Meta`] when no mirror takes it.
pub(crate) async fn keep_vote(opened: &Opened, vote: Vote<u64>) -> Result<()> {
    Ok(opened.log.save_vote(postcard::to_stdvec(&vote).map_err(unreadable)?.into()).await?)
}

/// Appends an entry by which `membership` takes part, in the term of `vote`; durable on return.
///
/// # Errors
///
/// [`Error::Meta`] when no mirror takes it.
pub(crate) async fn append_membership(
    opened: &Opened,
    vote: Vote<u64>,
    membership: Membership<u64, BasicNode>,
) -> Result<()> {
    let index = opened.log.state().last.map_or(0, |id| id.index + 1);
    let id = meta::LogId { term: vote.leader_id().term, node: vote.leader_id().node_id, index };
    let entry = Entry { log_id: entry::raft_log_id(id), payload: EntryPayload::Membership(membership) };
    let (durable, written) = oneshot::channel();
    let done = Box::new(move |result| drop(durable.send(result)));
    opened.log.append(vec![entry::encode(&entry).map_err(unreadable)?], done).await?;
    Ok(written.await.unwrap_or(Err(meta::Error::Unavailable))?)
}

fn unreadable(error: postcard::Error) -> Error {
    Error::Consensus { reason: format!("its log cannot be understood: {error}") }
}
