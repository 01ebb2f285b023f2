//! PutObjectAnnotation, GetObjectAnnotation, ListObjectAnnotations, DeleteObjectAnnotation; and what a copy does with them.

use ::encryption::Protection;
use axum::body::Body;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use store::annotation::{
    Annotation, AnnotationPage, AnnotationReader, AnnotationRequest, AnnotationTarget, COUNT_MAX, ListAnnotations,
    NAME_SIZE_MAX,
};
use store::copy::{AnnotationDirective, CopySource};
use store::{Checksum, EtagCondition, VersionName};

use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::header::{checksum, condition, encryption, single};
use crate::operation::list_objects::{decode_token, encode_token};
use crate::operation::{object_lock, put_object};
use crate::request::Request;
use crate::response::{self, Response};
use crate::timestamp;
use crate::xml::{Writer, is_writable};

/// The version that an annotation belongs to.
const OBJECT_VERSION_ID: HeaderName = HeaderName::from_static("x-amz-object-version-id");

/// What names begin with that are Amazon's own, in any case of letters.
const RESERVED_PREFIXES: [&str; 2] = ["aws", "s3"];

/// PutObjectAnnotation.
pub(super) async fn put_object_annotation(frontend: &Frontend, request: Request) -> Result<Response> {
    let target = target(&request)?;
    let put = AnnotationRequest {
        // What Amazon does where the object is not encrypted.
        protection: Some(Protection::S3),
        if_match: if_match(&request.headers)?,
        expected: put_object::expected_body(&request)?,
    };
    let (bucket, name) = (request.found().clone(), target.name.clone());
    let key = target.key.clone();

    let result = frontend.store.put_annotation(&bucket, target, put, request.into_body()).await?;

    let mut document = Writer::new("PutObjectAnnotationResult");
    document.text("Key", &key);
    document.text("AnnotationName", &name);
    let mut stored = response::xml(document);
    let headers = stored.headers_mut();
    response::set_etag(headers, &result.etag);
    response::set_checksum(headers, result.checksum.as_ref(), None);
    encryption::write(headers, result.encryption.as_ref(), None);
    set_object_version(headers, result.version);
    Ok(stored)
}

/// GetObjectAnnotation.
pub(super) async fn get_object_annotation(frontend: &Frontend, request: Request) -> Result<Response> {
    let target = target(&request)?;
    let asked = single(&request.headers, "x-amz-checksum-mode")?;

    let reader = frontend.store.get_annotation(request.found(), &target).await?;

    let AnnotationReader { annotation, encryption, object_version, body } = reader;
    let mut found = response::empty(StatusCode::OK);
    let headers = found.headers_mut();
    response::set_etag(headers, &annotation.etag);
    response::set(headers, LAST_MODIFIED, &timestamp::http_date(annotation.modified));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(annotation.size));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("binary/octet-stream"));
    if asked.is_some_and(|mode| mode.eq_ignore_ascii_case("enabled")) {
        response::set_checksum(headers, annotation.checksum.as_ref(), None);
    }
    encryption::write(headers, encryption.as_ref(), None);
    set_object_version(headers, object_version);
    *found.body_mut() = Body::from_stream(body);
    Ok(found)
}

/// ListObjectAnnotations.
pub(super) async fn list_object_annotations(frontend: &Frontend, request: Request) -> Result<Response> {
    let prefix = request.query.get("annotation-prefix").unwrap_or_default();
    check_prefix(prefix)?;
    let token = request.query.get_non_empty("continuation-token");
    let after = token.map(decode_token).transpose()?;
    let limit = limit(&request)?;
    let list = ListAnnotations { prefix: prefix.to_owned(), after, limit: usize::from(limit) };
    let (key, version) = (request.key(), request.version()?);

    let page = frontend.store.list_annotations(request.found(), (key, version), list).await?;

    let AnnotationPage { annotations, truncated, object_version } = page;
    let mut document = Writer::new("ListObjectAnnotationsResult");
    document.text("Bucket", request.bucket());
    document.text("Key", key);
    if !prefix.is_empty() {
        document.text("AnnotationPrefix", prefix);
    }
    document.value("MaxAnnotationResults", limit);
    document.value("AnnotationCount", annotations.len());
    if let Some(token) = token {
        document.text("ContinuationToken", token);
    }
    if let Some(last) = annotations.last().filter(|_| truncated) {
        document.text("NextContinuationToken", &encode_token(&last.name));
    }
    document.open("Annotations");
    annotations.iter().for_each(|annotation| write_entry(&mut document, annotation));
    document.close();
    let mut listed = response::xml(document);
    set_object_version(listed.headers_mut(), object_version);
    Ok(listed)
}

fn write_entry(document: &mut Writer, annotation: &Annotation) {
    document.open("AnnotationEntry");
    document.text("AnnotationName", &annotation.name);
    document.value("LastModified", timestamp::iso_8601(annotation.modified));
    document.text("ETag", &response::quoted(&annotation.etag));
    if let Some(algorithm) = annotation.checksum.as_ref().map(Checksum::algorithm) {
        document.text("ChecksumAlgorithm", checksum::name(algorithm));
    }
    document.value("Size", annotation.size);
    document.close();
}

/// DeleteObjectAnnotation. Succeeds when there is none of that name.
pub(super) async fn delete_object_annotation(frontend: &Frontend, request: Request) -> Result<Response> {
    let target = target(&request)?;
    let if_match = if_match(&request.headers)?;
    let governance = object_lock::governance(frontend, &request, request.key())?;
    let object_version = frontend.store.delete_annotation(request.found(), target, if_match, governance).await?;
    let mut deleted = response::empty(StatusCode::NO_CONTENT);
    set_object_version(deleted.headers_mut(), object_version);
    Ok(deleted)
}

/// What a copy does with the annotations of `source`: who may not take them along may copy only what has none, unless the
/// request excludes them.
pub(super) async fn directive(
    frontend: &Frontend,
    request: &mut Request,
    source: &CopySource,
) -> Result<AnnotationDirective> {
    const NAME: &str = "x-amz-object-annotation-directive";
    match single(&request.headers, NAME)?.or(request.query.get(NAME)) {
        None | Some("COPY") => {}
        Some("EXCLUDE") => return Ok(AnnotationDirective::Exclude),
        Some(other) => return Err(Error::invalid_argument("Unknown annotation directive.", NAME, other)),
    }
    // What is wrong with the source, the copy itself will say.
    let object = frontend.store.head_object(&source.bucket, &source.key, source.version).await;
    if object.is_ok_and(|object| object.annotations != 0) {
        frontend.check_annotations(request, source).await?;
        return Ok(AnnotationDirective::Copy { protection: Some(Protection::S3) });
    }
    Ok(AnnotationDirective::Absent)
}

/// Which annotation a request is about.
fn target(request: &Request) -> Result<AnnotationTarget> {
    let name = request.query.get("annotationName").unwrap_or_default();
    check_name(name)?;
    Ok(AnnotationTarget { key: request.key().to_owned(), version: request.version()?, name: name.to_owned() })
}

/// Refuses what no annotation can be called.
fn check_name(name: &str) -> Result<()> {
    if NAME_SIZE_MAX < name.len() {
        return Err(ErrorCode::AnnotationNameTooLong.into());
    }
    if name.is_empty() || !is_possible(name) { Err(ErrorCode::InvalidAnnotationName.into()) } else { Ok(()) }
}

/// Refuses what no name of an annotation can begin with.
fn check_prefix(prefix: &str) -> Result<()> {
    let valid = prefix.len() <= NAME_SIZE_MAX && is_possible(prefix);
    if valid { Ok(()) } else { Err(ErrorCode::InvalidPrefix.into()) }
}

/// Whether names can begin like this: with nothing that is reserved, nor that listings could not tell.
fn is_possible(text: &str) -> bool {
    let begins = |prefix: &str| text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    text.chars().all(is_writable) && !RESERVED_PREFIXES.into_iter().any(begins)
}

/// The condition on the object.
fn if_match(headers: &HeaderMap) -> Result<Option<EtagCondition>> {
    Ok(single(headers, "x-amz-object-if-match")?.map(condition::parse_etags))
}

/// Reads how many entries are asked for, from 1; more than all count as all.
fn limit(request: &Request) -> Result<u16> {
    const NAME: &str = "max-annotation-results";
    let max = u16::try_from(COUNT_MAX).unwrap_or(u16::MAX);
    match request.limit(NAME, max)? {
        0 => Err(Error::invalid_argument("Argument max-annotation-results must be at least 1", NAME, "0")),
        limit => Ok(limit),
    }
}

fn set_object_version(headers: &mut HeaderMap, version: Option<VersionName>) {
    if let Some(version) = version {
        response::set(headers, OBJECT_VERSION_ID, &version.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_that_is_not_reserved() {
        let (longest, too_long) = ("n".repeat(512), "n".repeat(513));
        let invalid = Err(ErrorCode::InvalidAnnotationName);
        for (name, expected) in [
            ("a", Ok(())),
            ("aw", Ok(())),
            ("S", Ok(())),
            ("my-aws/s3", Ok(())),
            ("ä b\n€🦀", Ok(())),
            ("sß3", Ok(())),
            (longest.as_str(), Ok(())),
            (too_long.as_str(), Err(ErrorCode::AnnotationNameTooLong)),
            ("", invalid),
            ("aws", invalid),
            ("AwS-x", invalid),
            ("s3:name", invalid),
            ("S3", invalid),
            ("a\0", invalid),
            ("a\u{1b}", invalid),
        ] {
            assert_eq!(check_name(name).map_err(|error| error.code()), expected, "{name:?}");
            let prefix = check_prefix(name).is_ok();
            assert_eq!(prefix, name.is_empty() || expected.is_ok(), "{name:?} as a prefix");
        }
    }
}
