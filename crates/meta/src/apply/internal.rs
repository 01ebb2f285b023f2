//! What the system does for itself: epochs, pins, the placement table, documents, the retire list.

use std::collections::BTreeSet;

use super::check_name;
use super::draft::{Decision, Draft};
use crate::command::{
    AdvanceIntentEpoch, DocumentState, FreeRetired, PinWrite, SetDocument, SetDocuments, SetTable, UnpinWrite,
};
use crate::keys;
use crate::outcome::{Refusal, Reply};
use crate::record::{DocumentRecord, FenceRecord, IntentEpoch, PinnedWrite, RetiredRecord, UnknownFields, WriteOwner};
use crate::view::TreeId;

/// Most bytes of a document's name.
const DOCUMENT_NAME_SIZE_MAX: usize = 255;

pub(super) fn pin_write(draft: &mut Draft<'_>, command: &PinWrite) -> Decision<Reply> {
    let minimum = draft.state.intent_epoch_min;
    if command.intent_epoch < minimum {
        return Err(Refusal::IntentEpochPassed { minimum }.into());
    }
    if draft.read::<WriteOwner>(TreeId::Internal, &keys::owner(command.write_id))?.is_some() {
        return Err(Refusal::WriteIdUsed.into());
    }
    let pin = PinnedWrite {
        intent_epoch: command.intent_epoch,
        holder: command.holder,
        pinned: draft.now(),
        unknown: UnknownFields::default(),
    };
    draft.put(TreeId::Internal, keys::pinned(command.write_id), &pin);
    Ok(Reply::Done)
}

pub(super) fn unpin_write(draft: &mut Draft<'_>, command: &UnpinWrite) -> Decision<Reply> {
    let key = keys::pinned(command.write_id);
    if draft.read::<PinnedWrite>(TreeId::Internal, &key)?.is_some() {
        draft.remove(TreeId::Internal, key);
    }
    Ok(Reply::Done)
}

pub(super) fn advance_intent_epoch(draft: &mut Draft<'_>, command: &AdvanceIntentEpoch) -> Decision<Reply> {
    if draft.state.intent_epoch == command.from {
        draft.state.intent_epoch = IntentEpoch(command.from.0 + 1);
        // Writes of the epoch that just ended may still commit, so every write has at least one whole epoch.
        draft.state.intent_epoch_min = command.from;
    }
    Ok(Reply::IntentEpoch(draft.state.intent_epoch))
}

pub(super) fn set_table(draft: &mut Draft<'_>, command: &SetTable) -> Decision<Reply> {
    let before: Option<DocumentRecord> = draft.read(TreeId::Internal, &keys::table())?;
    let mut table = before.unwrap_or_default();
    if table.version != command.based_on {
        return Err(Refusal::VersionChanged { version: table.version }.into());
    }
    table.version += 1;
    table.modified = draft.now();
    table.value = command.table.clone().into();
    draft.put(TreeId::Internal, keys::table(), &table);
    for fence in &command.fences {
        let record =
            FenceRecord { epoch: fence.epoch, accepted_from: fence.accepted_from, unknown: UnknownFields::default() };
        draft.put(TreeId::Internal, keys::fence(fence.group), &record);
    }
    Ok(Reply::Version(table.version))
}

pub(super) fn set_document(draft: &mut Draft<'_>, command: &SetDocument) -> Decision<Reply> {
    check_name(&command.name, DOCUMENT_NAME_SIZE_MAX)?;
    let key = keys::document(&command.name);
    let before: Option<DocumentRecord> = draft.read(TreeId::Internal, &key)?;
    let version = before.as_ref().map_or(0, |document| document.version);
    let expected = match command.expected {
        DocumentState::Any => true,
        DocumentState::Absent => before.is_none(),
        DocumentState::Version(expected) => before.is_some() && version == expected,
    };
    if !expected {
        return Err(Refusal::VersionChanged { version }.into());
    }
    match &command.value {
        Some(value) => {
            let mut document = before.unwrap_or_default();
            document.version = version + 1;
            document.modified = draft.now();
            document.value = value.clone().into();
            draft.put(TreeId::Internal, key, &document);
            Ok(Reply::Version(document.version))
        }
        None => {
            if before.is_some() {
                draft.remove(TreeId::Internal, key);
            }
            Ok(Reply::Version(0))
        }
    }
}

pub(super) fn set_documents(draft: &mut Draft<'_>, command: &SetDocuments) -> Decision<Reply> {
    let names: BTreeSet<&str> = command.documents.iter().map(|document| document.name.as_str()).collect();
    // Each is decided on the state before the command, so none may depend on another.
    if names.len() < command.documents.len() {
        return Err(Refusal::InvalidName.into());
    }
    for document in &command.documents {
        set_document(draft, document)?;
    }
    Ok(Reply::Done)
}

pub(super) fn free_retired(draft: &mut Draft<'_>, command: &FreeRetired) -> Decision<Reply> {
    for &id in &command.retired {
        let key = keys::retired(id);
        if draft.read::<RetiredRecord>(TreeId::Internal, &key)?.is_some() {
            draft.remove(TreeId::Internal, keys::owner(id.write_id));
            draft.remove(TreeId::Internal, key);
        }
    }
    Ok(Reply::Done)
}
