//! DeleteObject and DeleteObjects.

use http::{HeaderMap, StatusCode};
use iam::Action;
use store::{Deleted, Deletion, Precondition, VersionName};

use crate::access_log::Notes;
use crate::body::digest;
use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::header::{condition, single};
use crate::operation::object_lock;
use crate::request::{Request, parse_version};
use crate::response::{self, Response};
use crate::target::check_key;
use crate::timestamp;
use crate::xml::{Element, Writer};

/// Most keys in one DeleteObjects.
const KEYS_MAX: usize = 1000;

/// Largest DeleteObjects: a thousand keys of 1024 characters, each written as a reference.
const BODY_SIZE_MAX: usize = 8 * 1024 * 1024;

/// DeleteObject. Succeeds when there is nothing to delete, whatever the conditions.
pub(super) async fn delete_object(frontend: &Frontend, request: Request) -> Result<Response> {
    let (key, version) = (request.key().to_owned(), request.version()?);
    let governance = object_lock::governance(frontend, &request, &key)?;
    let deletion = Deletion { key, version, conditions: precondition(&request.headers)?, governance };
    let deleted = ignore_missing(frontend.store.delete_object(request.found(), deletion).await)?;
    let mut response = response::empty(StatusCode::NO_CONTENT);
    response::set_version(response.headers_mut(), deleted.version);
    if deleted.is_marker {
        response::set(response.headers_mut(), response::DELETE_MARKER, "true");
    }
    Ok(response)
}

fn ignore_missing(outcome: store::Result<Deleted>) -> Result<Deleted> {
    match outcome {
        Err(store::Error::NoSuchKey) => Ok(Deleted::default()),
        outcome => outcome.map_err(Error::from),
    }
}

fn precondition(headers: &HeaderMap) -> Result<Precondition> {
    Ok(Precondition {
        if_modified_at_seconds: single(headers, "x-amz-if-match-last-modified-time")?
            .map(parse_modified)
            .transpose()?,
        if_size: single(headers, "x-amz-if-match-size")?.map(parse_size).transpose()?,
        ..condition::precondition(headers)?
    })
}

fn parse_modified(text: &str) -> Result<u64> {
    let message = "The last modified time is not a date";
    let modified = timestamp::parse_any(text).map(|modified| modified.0 / 1000);
    modified.ok_or_else(|| Error::invalid_argument(message, "x-amz-if-match-last-modified-time", text))
}

fn parse_size(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::invalid_argument("The size is not a number", "x-amz-if-match-size", text))
}

/// One entry of DeleteObjects.
struct Entry {
    key: String,
    /// The version as it was written.
    version: Option<String>,
    /// What to delete, or why it is not tried.
    deletion: Result<Deletion>,
}

/// DeleteObjects: each key on its own.
pub(super) async fn delete_objects(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let room = frontend.reserve_xml(BODY_SIZE_MAX).await?;
    let body = request.body.read_bounded(BODY_SIZE_MAX).await?;
    digest::check_required(&request.headers, &mut request.body, &body)?;
    let delete = Element::parse(&body, "Delete")?;
    drop(body);
    let quiet = delete.child_text("Quiet")?.is_some_and(|text| text.trim().eq_ignore_ascii_case("true"));
    let entry = |object| read_entry(frontend, &request, object);
    let entries: Vec<Entry> = delete.children("Object").map(entry).collect::<Result<_>>()?;
    drop((delete, room));
    if entries.is_empty() || KEYS_MAX < entries.len() {
        return Err(ErrorCode::MalformedXml.into());
    }

    let deletions = entries.iter().filter_map(|entry| entry.deletion.as_ref().ok().cloned()).collect();
    let outcomes = frontend.store.delete_objects(request.found(), deletions).await;

    Ok(response::xml(encode(entries, outcomes, quiet, &request.notes)))
}

fn read_entry(frontend: &Frontend, request: &Request, object: &Element) -> Result<Entry> {
    let key = object.child_text("Key")?.filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| Error::new(ErrorCode::MalformedXml))?.to_owned();
    let version = object.child_text("VersionId")?.filter(|version| !version.is_empty()).map(str::to_owned);
    let action = if version.is_some() { Action::DeleteObjectVersion } else { Action::DeleteObject };
    let permitted = frontend.check_object(request, action, &key);
    let governance = object_lock::governance(frontend, request, &key)?;
    let deletion = permitted.and_then(|()| read_deletion(object, &key, version.as_deref()));
    let deletion = deletion.map(|deletion| Deletion { governance, ..deletion });
    Ok(Entry { key, version, deletion })
}

pub(super) fn read_deletion(object: &Element, key: &str, version: Option<&str>) -> Result<Deletion> {
    check_key(key)?;
    let conditions = Precondition {
        if_match: object.child_text("ETag")?.map(condition::parse_etags),
        if_modified_at_seconds: object.child_text("LastModifiedTime")?.map(parse_modified).transpose()?,
        if_size: object.child_text("Size")?.map(parse_size).transpose()?,
        ..Precondition::default()
    };
    Ok(Deletion { version: version.map(parse_version).transpose()?, conditions, ..Deletion::of(key) })
}

/// Answers for each entry in its order: why it was not tried, or what became of it.
fn encode(entries: Vec<Entry>, outcomes: Vec<store::Result<Deleted>>, quiet: bool, notes: &Notes) -> Writer {
    let mut outcomes = outcomes.into_iter();
    let mut document = Writer::new("DeleteResult");
    for Entry { key, version, deletion } in entries {
        let outcome = deletion.and_then(|_| {
            let outcome = outcomes.next().expect("the store answers for every key it was given");
            ignore_missing(outcome)
        });
        notes.deletion(&key, version.as_deref(), outcome.as_ref().err());
        if quiet && outcome.is_ok() {
            continue;
        }
        document.open(if outcome.is_ok() { "Deleted" } else { "Error" });
        document.text("Key", &key);
        if let Some(version) = &version {
            document.text("VersionId", version);
        }
        match &outcome {
            Ok(Deleted { version: Some(version), is_marker: true }) => write_marker(&mut document, *version),
            Ok(_) => {}
            Err(error) => {
                document.text("Code", error.code().as_str());
                document.text("Message", error.message());
            }
        }
        document.close();
    }
    document
}

/// Tells of the delete marker that was made or removed.
fn write_marker(document: &mut Writer, version: VersionName) {
    document.value("DeleteMarker", true);
    document.text("DeleteMarkerVersionId", &version.to_string());
}
