//! The state machine: what each command does.
//!
//! Pure and deterministic: the same view, command and stamp give the same outcome and the same edits, byte for byte.

use crate::command::{Command, LogStamp};
use crate::error::Result;
use crate::outcome::Outcome;
use crate::view::{Edits, View};

/// Decides `command` in the state `view` and returns its answer and its effect. A refused command has no edits.
///
/// The caller applies the edits before it applies the next command, also within one log entry.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read. The command has then not been decided: the caller must stop.
pub fn apply(view: &dyn View, command: &Command, stamp: LogStamp) -> Result<(Outcome, Edits)> {
    let _ = (view, command, stamp);
    unimplemented!()
}
