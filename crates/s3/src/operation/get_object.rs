//! GetObject and HeadObject.

use axum::body::Body;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE};
use http::{HeaderMap, HeaderValue, StatusCode};
use store::lifecycle::Facts;
use store::{GetRequest, Object, ObjectReader, ReadConditions, Selection};

use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::header::{condition, encryption, metadata, range, single};
use crate::operation::{lifecycle, object_lock};
use crate::request::Request;
use crate::response::{self, Response};

/// Query parameters that replace headers of the answer, and those headers.
const OVERRIDES: [(&str, &str); 6] = [
    ("response-cache-control", "cache-control"),
    ("response-content-disposition", "content-disposition"),
    ("response-content-encoding", "content-encoding"),
    ("response-content-language", "content-language"),
    ("response-content-type", "content-type"),
    ("response-expires", "expires"),
];

/// GetObject.
pub(super) async fn get_object(frontend: &Frontend, request: Request) -> Result<Response> {
    let Wanted { request: mut wanted, whole } = decode(&request)?;
    let (bucket, key) = (request.found(), request.key());

    let mut reader = frontend.store.get_object(bucket, key, wanted.clone()).await;
    let failed = matches!(reader, Err(store::Error::PreconditionFailed { .. }));
    if let Some(whole) = whole.filter(|_| failed) {
        wanted = whole;
        reader = frontend.store.get_object(bucket, key, wanted.clone()).await;
    }

    let ObjectReader { object, range, part, body } = match reader {
        Err(store::Error::NotModified(object)) => return Ok(not_modified(&object)),
        reader => reader?,
    };
    let mut found = encode(frontend, &request, &wanted, &Selection { object, range, part })?;
    *found.body_mut() = Body::from_stream(body);
    Ok(found)
}

/// HeadObject.
pub(super) async fn head_object(frontend: &Frontend, request: Request) -> Result<Response> {
    let Wanted { request: mut wanted, whole } = decode(&request)?;
    let (bucket, key) = (request.found(), request.key());

    let mut found = frontend.store.head_range(bucket, key, wanted.clone()).await;
    let failed = matches!(found, Err(store::Error::PreconditionFailed { .. }));
    if let Some(whole) = whole.filter(|_| failed) {
        wanted = whole;
        found = frontend.store.head_range(bucket, key, wanted.clone()).await;
    }

    match found {
        Err(store::Error::NotModified(object)) => Ok(not_modified(&object)),
        found => found.map(|selection| encode(frontend, &request, &wanted, &selection))?,
    }
}

/// What a GET or HEAD asks for.
struct Wanted {
    request: GetRequest,
    /// What it asks for when `If-Range`, which stands among the conditions of `request`, does not hold.
    whole: Option<GetRequest>,
}

fn decode(request: &Request) -> Result<Wanted> {
    let version = request.version()?;
    encryption::check_reader(&request.headers)?;
    let customer_key = encryption::customer_key(&request.headers)?;
    let range = range::requested(&request.headers)?;
    let part_number = part_number(request)?;
    if range.is_some() && part_number.is_some() {
        let message = "Cannot specify both Range header and partNumber query parameter";
        return Err(Error::with_message(ErrorCode::InvalidRequest, message));
    }
    let conditions = condition::read_conditions(&request.headers)?;
    // Beside other conditions `If-Range` adds nothing but the case that the range is dropped, and they decide first.
    let alone = range.is_some() && conditions == ReadConditions::default();
    let if_range = if alone { condition::range_condition(&request.headers)? } else { None };
    let wanted = GetRequest { version, range, part_number, conditions, customer_key };
    match if_range {
        None => Ok(Wanted { request: wanted, whole: None }),
        Some(if_range) => {
            let whole = GetRequest { range: None, ..wanted.clone() };
            Ok(Wanted { request: GetRequest { conditions: if_range, ..wanted }, whole: Some(whole) })
        }
    }
}

/// Reads `partNumber`.
///
/// # Errors
///
/// `InvalidArgument` unless it is from 1 to 10 000.
pub(super) fn part_number(request: &Request) -> Result<Option<u16>> {
    let Some(text) = request.query.get("partNumber") else { return Ok(None) };
    let number = text.parse().ok().filter(|number| (1..=10_000).contains(number));
    let message = "Part number must be an integer between 1 and 10000, inclusive";
    number.map(Some).ok_or_else(|| Error::invalid_argument(message, "partNumber", text))
}

fn not_modified(object: &Object) -> Response {
    let mut found = response::empty(StatusCode::NOT_MODIFIED);
    response::set_validators(found.headers_mut(), object);
    response::set_version(found.headers_mut(), object.version);
    for name in ["cache-control", "expires"] {
        let value = object.headers.get(name).and_then(|value| HeaderValue::try_from(value).ok());
        value.map(|value| found.headers_mut().insert(name, value));
    }
    found
}

/// The head of the answer.
fn encode(frontend: &Frontend, request: &Request, wanted: &GetRequest, selection: &Selection) -> Result<Response> {
    let Selection { object, range, .. } = selection;
    let partial = wanted.range.is_some() || wanted.part_number.is_some();
    let mut found = response::empty(if partial { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK });
    let headers = found.headers_mut();
    metadata::write(object, headers);
    object_lock::write(frontend, request, object, headers);
    if wanted.version.is_none() {
        let facts = Facts { key: request.key(), size: object.size, tags: &object.tags };
        lifecycle::announce_expiry(request.settings().lifecycle.as_ref(), &facts, object.modified, headers);
    }
    response::set_validators(headers, object);
    response::set_version(headers, object.version);
    let method = object.encryption.as_ref().map(|encryption| &encryption.method);
    encryption::write(headers, method, wanted.customer_key.as_ref());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if partial && !range.is_empty() {
        response::set(headers, CONTENT_RANGE, &range::content_range(range, object.size));
    }
    if !object.tags.is_empty() {
        headers.insert("x-amz-tagging-count", HeaderValue::from(object.tags.len()));
    }
    if let Some(count) = object.part_count.filter(|_| wanted.part_number.is_some()) {
        headers.insert("x-amz-mp-parts-count", HeaderValue::from(count));
    }
    let asked = single(&request.headers, "x-amz-checksum-mode")?;
    if asked.is_some_and(|mode| mode.eq_ignore_ascii_case("enabled")) {
        write_checksum(headers, selection);
    }
    for (parameter, name) in OVERRIDES {
        let Some(value) = request.query.get_non_empty(parameter) else { continue };
        if request.caller.principal.is_anonymous() {
            // Anybody could send anybody else a link that shows what is public as something else.
            let message = "Request specific response headers cannot be used for anonymous GET requests.";
            return Err(Error::with_message(ErrorCode::InvalidRequest, message));
        }
        let value = HeaderValue::try_from(value)
            .map_err(|_| Error::invalid_argument("The value cannot be a header", parameter, value))?;
        headers.insert(name, value);
    }
    Ok(found)
}

/// Writes the checksum of the bytes that are sent, which is what clients check it against: that of the object or of the
/// part, and none for a range. The type is always the object's.
fn write_checksum(headers: &mut HeaderMap, selection: &Selection) {
    let Selection { object, range, part } = selection;
    match part {
        None if *range == (0..object.size) => {
            response::set_checksum(headers, object.checksum.as_ref(), object.part_count);
        }
        None => {}
        Some(part) => {
            response::set_checksum(headers, part.checksum.as_ref(), None);
            if let (Some(_), Some(checksum)) = (&part.checksum, &object.checksum) {
                response::set_checksum_kind(headers, checksum.kind());
            }
        }
    }
}
