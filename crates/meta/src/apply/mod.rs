//! The state machine: what each command does.
//!
//! Pure and deterministic: the same view, command and stamp give the same outcome and the same edits, byte for byte.
//! `bucket`, `object`, `append`, `rename`, `annotation`, `upload`, `repair` and `internal` decide one family of commands each; `manifest` holds what
//! commits have in common: which manifests are admitted, and what follows from naming or dropping a segment; `version`
//! holds where the versions of a key are; `lock` what keeps them from being removed; `lifecycle` what ends
//! them when their time has come; `quota` how many there may be.

mod annotation;
mod append;
mod bucket;
mod draft;
mod internal;
mod lifecycle;
mod lifecycle_index;
mod lock;
mod manifest;
mod object;
mod quota;
mod rename;
mod repair;
#[cfg(test)]
mod tests;
mod upload;
mod version;

use std::collections::BTreeMap;

use self::draft::{Draft, Stop};
use crate::command::{Command, LogStamp};
use crate::error::Result;
use crate::outcome::{Outcome, Refusal};
use crate::view::{Edits, View};

/// Most bytes of an object key.
const KEY_SIZE_MAX: usize = 1024;

/// Decides `command` in the state `view` and returns its answer and its effect. A refused command has no edits.
///
/// The caller applies the edits before it applies the next command, also within one log entry.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read. The command has then not been decided: the caller must stop.
pub fn apply(view: &dyn View, command: &Command, stamp: LogStamp) -> Result<(Outcome, Edits)> {
    let mut draft = Draft::new(view, stamp)?;
    let decision = match command {
        Command::CreateBucket(command) => bucket::create(&mut draft, command),
        Command::DeleteBucket(command) => bucket::delete(&mut draft, command),
        Command::PutObject(command) => object::put(&mut draft, command, &BTreeMap::new()),
        Command::DeleteObject(command) => object::delete(&mut draft, command),
        Command::CreateUpload(command) => upload::create(&mut draft, command),
        Command::PutPart(command) => upload::put_part(&mut draft, command),
        Command::CompleteUpload(command) => upload::complete(&mut draft, command),
        Command::AbortUpload(command) => upload::abort(&mut draft, command),
        Command::DrainUploads(command) => bucket::drain_uploads(&mut draft, command),
        Command::PinWrite(command) => internal::pin_write(&mut draft, command),
        Command::UnpinWrite(command) => internal::unpin_write(&mut draft, command),
        Command::AdvanceIntentEpoch(command) => internal::advance_intent_epoch(&mut draft, command),
        Command::SetTable(command) => internal::set_table(&mut draft, command),
        Command::SetDocument(command) => internal::set_document(&mut draft, command),
        Command::SetDocuments(command) => internal::set_documents(&mut draft, command),
        Command::ReportMissing(command) => repair::report_missing(&mut draft, command),
        Command::RepairDone(command) => repair::repair_done(&mut draft, command),
        Command::FreeRetired(command) => internal::free_retired(&mut draft, command),
        Command::SetBucketVersioning(command) => bucket::set_versioning(&mut draft, command),
        Command::DeleteVersion(command) => object::delete_version(&mut draft, command),
        Command::SetBucketConfiguration(command) => bucket::set_configuration(&mut draft, command),
        Command::ChangeBucketConfiguration(command) => bucket::change_configuration(&mut draft, command),
        Command::SetObjectDetail(command) => object::set_detail(&mut draft, command),
        Command::SetBucketLock(command) => lock::set_bucket_lock(&mut draft, command),
        Command::SetLifecycle(command) => lifecycle_index::set(&mut draft, command),
        Command::StepLifecycle(command) => lifecycle_index::step(&mut draft, command),
        Command::Expire(command) => lifecycle::expire(&mut draft, command),
        Command::SetBucketQuota(command) => quota::set(&mut draft, command),
        Command::StripeBody(command) => append::stripe_body(&mut draft, command),
        Command::AppendObject(command) => append::append(&mut draft, command),
        Command::RenameObject(command) => rename::rename(&mut draft, command),
        Command::PutAnnotation(command) => annotation::put(&mut draft, command),
        Command::DeleteAnnotation(command) => annotation::delete(&mut draft, command),
        Command::PutAnnotated(command) => object::put(&mut draft, &command.put, &command.annotations),
    };
    let decision = decision.and_then(|reply| quota::settle(&mut draft, command).map(|()| reply));
    match decision {
        Ok(reply) => Ok((Ok(reply), draft.finish())),
        Err(Stop::Refused(refusal)) => Ok((Err(refusal), Edits::new())),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Refuses names that no key can hold.
fn check_name(name: &str, size_max: usize) -> std::result::Result<(), Refusal> {
    let valid = !name.is_empty() && name.len() <= size_max;
    if valid { Ok(()) } else { Err(Refusal::InvalidName) }
}
