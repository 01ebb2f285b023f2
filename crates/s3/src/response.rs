//! Responses, and the errors among them.

use axum::body::Body;
use http::header::{CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use store::{Checksum, ChecksumKind, Etag, Object, PutResult, VersionName};

use crate::error::{Error, ErrorCode};
use crate::header::checksum;
use crate::target::Target;
use crate::timestamp;
use crate::xml::Writer;

/// What operations answer.
pub(crate) type Response = http::Response<Body>;

/// The version that was read, written or deleted.
pub(crate) const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");

/// Whether that is a delete marker.
pub(crate) const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");

/// The version that a copy has read.
const COPY_SOURCE_VERSION_ID: HeaderName = HeaderName::from_static("x-amz-copy-source-version-id");

/// The size of the object that a request has written, for the logs of buckets: an extension of the response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ObjectSize(pub(crate) u64);

/// A response without a body.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A response with an XML document.
pub(crate) fn xml(document: Writer) -> Response {
    xml_text(document.finish())
}

/// A response with an XML document that is written already.
pub(crate) fn xml_text(document: String) -> Response {
    let mut response = Response::new(Body::from(document));
    set(response.headers_mut(), CONTENT_TYPE, "application/xml");
    response
}

/// Sets a header whose value the caller knows to be one.
pub(crate) fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    let value = HeaderValue::try_from(value).expect("values made by this server are visible ASCII");
    headers.insert(name, value);
}

/// Sets `ETag`.
pub(crate) fn set_etag(headers: &mut HeaderMap, etag: &Etag) {
    set(headers, ETAG, &quoted(etag));
}

/// An entity tag as headers and XML bodies write it.
pub(crate) fn quoted(etag: &Etag) -> String {
    format!("\"{etag}\"")
}

/// The number of parts of a multipart object, which its entity tag tells.
pub(crate) fn part_count(etag: &Etag) -> Option<u16> {
    match etag {
        Etag::Multipart { part_count, .. } => Some(*part_count),
        Etag::Md5(_) | Etag::Opaque(_) => None,
    }
}

/// Sets `ETag` and `Last-Modified`.
pub(crate) fn set_validators(headers: &mut HeaderMap, object: &Object) {
    set_etag(headers, &object.etag);
    set(headers, LAST_MODIFIED, &timestamp::http_date(object.modified));
}

/// Tells which version was read or deleted, if there are any.
pub(crate) fn set_version(headers: &mut HeaderMap, version: Option<VersionName>) {
    if let Some(version) = version {
        set(headers, VERSION_ID, &version.to_string());
    }
}

/// Tells which version was written, if S3 tells it, and the logs of buckets how large it is.
pub(crate) fn set_written(response: &mut Response, result: &PutResult) {
    // Of the null version S3 does not tell it.
    set_version(response.headers_mut(), result.version.filter(|version| *version != VersionName::Null));
    response.extensions_mut().insert(ObjectSize(result.size));
}

/// Tells which version a copy has read.
pub(crate) fn set_source_version(headers: &mut HeaderMap, version: Option<VersionName>) {
    if let Some(version) = version {
        set(headers, COPY_SOURCE_VERSION_ID, &version.to_string());
    }
}

/// Sets the headers of a checksum.
pub(crate) fn set_checksum(headers: &mut HeaderMap, checksum: Option<&Checksum>, part_count: Option<u16>) {
    let Some(checksum) = checksum else { return };
    let name = HeaderName::from_static(checksum::header_name(checksum.algorithm()));
    set(headers, name, &checksum::encode_value(checksum, part_count));
    set_checksum_kind(headers, checksum.kind());
}

/// Sets what a checksum covers.
pub(crate) fn set_checksum_kind(headers: &mut HeaderMap, kind: ChecksumKind) {
    set(headers, HeaderName::from_static("x-amz-checksum-type"), checksum::kind_name(kind));
}

/// Writes the elements of a checksum, its value and its type.
pub(crate) fn write_checksum(document: &mut Writer, result: &PutResult) {
    let Some(checksum) = &result.checksum else { return };
    let value = checksum::encode_value(checksum, part_count(&result.etag));
    document.text(checksum::element_name(checksum.algorithm()), &value);
    document.text("ChecksumType", checksum::kind_name(checksum.kind()));
}

/// Which request an error answers.
pub(crate) struct ErrorContext<'a> {
    /// Its method: a HEAD gets no body.
    pub(crate) method: &'a Method,
    /// Its path as it was sent.
    pub(crate) path: &'a str,
    /// What it is about, when that could be read.
    pub(crate) target: Option<&'a Target>,
    /// Its id.
    pub(crate) request_id: &'a str,
    /// The id of this server.
    pub(crate) host_id: &'a str,
}

/// The response that reports `error`.
pub(crate) fn error(error: &Error, context: &ErrorContext<'_>) -> Response {
    let code = error.code();
    let has_body = *context.method != Method::HEAD && code.status() != StatusCode::NOT_MODIFIED;
    let mut response = if has_body { xml(error_document(error, context)) } else { empty(code.status()) };
    *response.status_mut() = code.status();
    if code == ErrorCode::InvalidRange
        && let Some((_, size)) = error.details().iter().find(|(name, _)| *name == "ActualObjectSize")
    {
        set(response.headers_mut(), http::header::CONTENT_RANGE, &format!("bytes */{size}"));
    }
    for (name, value) in error.headers() {
        set(response.headers_mut(), name.clone(), value);
    }
    if code == ErrorCode::SlowDown || code == ErrorCode::ServiceUnavailable {
        set(response.headers_mut(), http::header::RETRY_AFTER, "1");
    }
    response
}

fn error_document(error: &Error, context: &ErrorContext<'_>) -> Writer {
    let mut document = Writer::without_namespace("Error");
    document.text("Code", error.code().as_str());
    document.text("Message", error.message());
    for (name, value) in error.details() {
        document.text(name, value);
    }
    match (error.code(), context.target) {
        (ErrorCode::NoSuchBucket | ErrorCode::BucketNotEmpty | ErrorCode::BucketAlreadyOwnedByYou, Some(target)) => {
            document.text("BucketName", target.bucket().unwrap_or_default());
        }
        (ErrorCode::NoSuchKey | ErrorCode::NoSuchVersion, Some(target)) => {
            document.text("Key", target.key().unwrap_or_default());
        }
        _ => {}
    }
    document.text("Resource", context.path);
    document.text("RequestId", context.request_id);
    document.text("HostId", context.host_id);
    document
}
