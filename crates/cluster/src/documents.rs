//! Documents of the metadata that this crate keeps: read as values, changed by compare-and-swap.

use std::sync::Arc;

use meta::command::{DocumentState, SetDocument};
use meta::{Command, Consensus, Refusal, Reply, View, query};

use crate::error::{Error, Result};

/// Somebody else changing a document again and again is no way of life.
const ATTEMPTS_MAX: usize = 16;

/// What a document holds. A document that does not exist holds the default.
pub(crate) trait Document: Clone + PartialEq + Default + Send + Sync {
    /// What it is, for people.
    const WHAT: &'static str;

    /// Its bytes; equal for equal values.
    fn encode(&self) -> Vec<u8>;

    /// The inverse of [`Document::encode`].
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`], [`Error::UnknownFormat`].
    fn decode(bytes: &[u8]) -> Result<Self>;
}

/// The document `name` in `view`.
///
/// # Errors
///
/// [`Error::Meta`], and as [`Document::decode`].
pub(crate) fn read<T: Document>(view: &dyn View, name: &str) -> Result<T> {
    Ok(read_versioned(view, name)?.1)
}

fn read_versioned<T: Document>(view: &dyn View, name: &str) -> Result<(u64, T)> {
    match query::document(view, name)? {
        Some(document) => Ok((document.version, T::decode(&document.value)?)),
        None => Ok((0, T::default())),
    }
}

/// Makes `change` in the newest document `name`, and keeps it; nothing is proposed when it changes nothing. Durable on
/// return. `change` is asked again when somebody else changed the document meanwhile.
///
/// # Errors
///
/// What `change` refuses; [`Error::Meta`]; [`Error::Refused`] when others change it again and again.
pub(crate) async fn change<T: Document, R: Send>(
    consensus: &Arc<dyn Consensus>,
    name: &str,
    change: impl Fn(&mut T) -> Result<R> + Send,
) -> Result<R> {
    for _ in 0..ATTEMPTS_MAX {
        let reading = consensus.read().await?;
        let (version, before) = read_versioned::<T>(reading.view.as_ref(), name)?;
        let mut next = before.clone();
        let result = change(&mut next)?;
        if next == before {
            return Ok(result);
        }
        let expected = if version == 0 { DocumentState::Absent } else { DocumentState::Version(version) };
        let command = SetDocument { name: name.to_owned(), expected, value: Some(next.encode()) };
        match consensus.propose(Command::SetDocument(command)).await? {
            Ok(Reply::Version(_)) => return Ok(result),
            Ok(_) => return Err(Error::Meta(meta::Error::Inconsistent("a document was set and has no version"))),
            // Also when a proposal of ours, given up for lost, took effect after all.
            Err(Refusal::VersionChanged { .. }) => {}
            Err(refusal) => return Err(Error::Refused { what: T::WHAT, refusal }),
        }
    }
    Err(Error::Contended { what: T::WHAT })
}
