//! PutObject.

use std::collections::BTreeMap;

use ::encryption::CustomerKey;
use http::header::TRANSFER_ENCODING;
use http::{HeaderMap, HeaderValue, StatusCode};
use store::append::Append;
use store::lifecycle::Facts;
use store::object::VersionLock;
use store::put::ExpectedBody;
use store::{ChecksumRequest, PutRequest, PutResult};

use crate::error::{Error, ErrorCode, Result};
use crate::frontend::{Frontend, content_length};
use crate::header::{checksum, condition, encryption, lock, metadata, single};
use crate::operation::{acl, lifecycle};
use crate::request::Request;
use crate::response::{self, Response};
use crate::settings::{protection, tags};

/// Stores the body under the key.
pub(super) async fn put_object(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let append = append(&request.headers)?;
    let customer_key = encryption::customer_key(&request.headers)?;
    let lock = lock::requested(&request.headers, frontend.env.clock.now())?;
    let expected = expected_body(&request)?;
    check_digest(&request, &lock, &expected)?;
    let put = PutRequest {
        headers: metadata::standard(&request.headers)?,
        user_metadata: metadata::user(&request.headers)?,
        storage_class: metadata::storage_class(&request.headers)?,
        tags: tags::requested(&request.headers)?,
        acl: acl::of_new_object(frontend, &mut request).await?,
        protection: protection(&request.headers, request.settings())?,
        lock,
        condition: condition::precondition(&request.headers)?,
        expected,
    };
    let (bucket, key) = (request.found().clone(), request.key().to_owned());
    // What is appended to an object has no say in its tags, on which its rules depend.
    let has_rules = append.is_none() && request.settings().lifecycle.is_some();
    let rules = has_rules.then(|| request.access().settings.clone());
    let tags = if rules.is_some() { put.tags.clone() } else { BTreeMap::new() };

    let result = match &append {
        None => frontend.store.put_object(&bucket, &key, put, request.into_body()).await?,
        Some(append) => frontend.store.append_object(&bucket, &key, append, put, request.into_body()).await?,
    };

    let mut stored = encode(&result, customer_key.as_ref());
    if append.is_some() {
        stored.headers_mut().insert("x-amz-object-size", HeaderValue::from(result.size));
    }
    if let Some(rules) = rules {
        let facts = Facts { key: &key, size: result.size, tags: &tags };
        lifecycle::announce_expiry(rules.lifecycle.as_ref(), &facts, result.modified, stored.headers_mut());
    }
    Ok(stored)
}

/// Where to append, if that is asked for.
fn append(headers: &HeaderMap) -> Result<Option<Append>> {
    const NAME: &str = "x-amz-write-offset-bytes";
    let Some(text) = single(headers, NAME)? else { return Ok(None) };
    let message = "The write offset must be the size of the object";
    let offset = text.parse().map_err(|_| Error::invalid_argument(message, NAME, text))?;
    Ok(Some(Append { offset, names_encryption: encryption::is_requested(headers) }))
}

/// Whether there is a digest of what will be locked, as S3 demands.
fn check_digest(request: &Request, lock: &VersionLock, expected: &ExpectedBody) -> Result<()> {
    let by_default = request.access().bucket.lock.is_some_and(|lock| lock.default.is_some());
    let declared = matches!(expected.checksum, ChecksumRequest::Expect(_) | ChecksumRequest::Trailer(_));
    let proven = declared || expected.md5.is_some();
    if proven || lock.is_empty() && !by_default { Ok(()) } else { Err(lock::digest_missing()) }
}

/// What the client declared about the body of an object or of a part.
///
/// # Errors
///
/// `MissingContentLength` without any declaration of its size, and what is wrong with the checksums.
pub(super) fn expected_body(request: &Request) -> Result<ExpectedBody> {
    let framed = content_length(&request.headers)?.is_some() || request.headers.contains_key(TRANSFER_ENCODING);
    if !framed {
        return Err(ErrorCode::MissingContentLength.into());
    }
    Ok(ExpectedBody {
        size: request.body.declared_size(),
        md5: checksum::content_md5(&request.headers)?,
        checksum: checksum::request(&request.headers)?,
    })
}

/// The answer for an object or a part, whose customer has sent this key if it is his.
pub(super) fn encode(result: &PutResult, customer_key: Option<&CustomerKey>) -> Response {
    let mut stored = response::empty(StatusCode::OK);
    response::set_etag(stored.headers_mut(), &result.etag);
    response::set_written(&mut stored, result);
    encryption::write(stored.headers_mut(), result.encryption.as_ref(), customer_key);
    encryption::write_context(stored.headers_mut(), result.encryption.as_ref());
    response::set_checksum(stored.headers_mut(), result.checksum.as_ref(), response::part_count(&result.etag));
    stored
}
