//! CreateMultipartUpload and AbortMultipartUpload.

use http::{HeaderMap, HeaderName, StatusCode};
use store::multipart::{CreateUploadRequest, UploadId};
use store::{ChecksumAlgorithm, ChecksumKind};

use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::header::{checksum, encryption, lock, metadata, refusal};
use crate::operation::{acl, lifecycle};
use crate::request::Request;
use crate::response::{self, Response};
use crate::settings::{protection, tags};
use crate::xml::Writer;

/// CreateMultipartUpload.
pub(super) async fn create_multipart_upload(frontend: &Frontend, mut request: Request) -> Result<Response> {
    refusal::check_object_headers(&request.headers)?;
    let checksum = upload_checksum(&request.headers)?;
    let create = CreateUploadRequest {
        headers: metadata::standard(&request.headers)?,
        user_metadata: metadata::user(&request.headers)?,
        storage_class: metadata::storage_class(&request.headers)?,
        tags: tags::requested(&request.headers)?,
        acl: acl::of_new_object(frontend, &mut request).await?,
        protection: protection(&request.headers, request.settings())?,
        lock: lock::requested(&request.headers, frontend.env.clock.now())?,
        checksum,
    };
    let customer_key = encryption::customer_key(&request.headers)?;

    let upload = frontend.store.create_upload(request.found(), request.key(), create).await?;

    let mut document = Writer::new("InitiateMultipartUploadResult");
    document.text("Bucket", request.bucket());
    document.text("Key", request.key());
    document.text("UploadId", &upload.id.token);
    let mut created = response::xml(document);
    encryption::write(created.headers_mut(), upload.encryption.as_ref(), customer_key.as_ref());
    encryption::write_context(created.headers_mut(), upload.encryption.as_ref());
    let rules = request.settings().lifecycle.as_ref();
    lifecycle::announce_abort(rules, request.key(), upload.created, created.headers_mut());
    if let Some((algorithm, kind)) = checksum {
        let headers = created.headers_mut();
        response::set(headers, HeaderName::from_static("x-amz-checksum-algorithm"), checksum::name(algorithm));
        response::set(headers, HeaderName::from_static("x-amz-checksum-type"), checksum::kind_name(kind));
    }
    Ok(created)
}

/// Which checksum the object will have: S3 allows `FULL_OBJECT` for CRCs, and `COMPOSITE` for all but CRC64NVME.
fn upload_checksum(headers: &HeaderMap) -> Result<Option<(ChecksumAlgorithm, ChecksumKind)>> {
    let kind = checksum::requested_kind(headers)?;
    let Some(algorithm) = checksum::requested_algorithm(headers)? else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(Error::with_message(
                ErrorCode::InvalidRequest,
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )),
        };
    };
    let (full_allowed, composite_allowed) = match algorithm {
        ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => (true, true),
        ChecksumAlgorithm::Crc64Nvme => (true, false),
        // Nobody can join the values of parts into that of the whole.
        _ => (false, true),
    };
    let default = if composite_allowed { ChecksumKind::Composite } else { ChecksumKind::FullObject };
    let kind = kind.unwrap_or(default);
    let allowed = if kind == ChecksumKind::FullObject { full_allowed } else { composite_allowed };
    if allowed {
        return Ok(Some((algorithm, kind)));
    }
    let (kind, algorithm) = (checksum::kind_name(kind), checksum::name(algorithm).to_ascii_lowercase());
    let message = format!("The {kind} checksum type cannot be used with the {algorithm} checksum algorithm.");
    Err(Error::with_message(ErrorCode::InvalidRequest, message))
}

/// AbortMultipartUpload.
pub(super) async fn abort_multipart_upload(frontend: &Frontend, request: Request) -> Result<Response> {
    frontend.store.abort_upload(request.found(), &upload_id(&request)).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// The upload that a request is about.
pub(super) fn upload_id(request: &Request) -> UploadId {
    UploadId { key: request.key().to_owned(), token: request.query.get("uploadId").unwrap_or_default().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn kinds_of_checksums_fit_their_algorithms() {
        use ChecksumKind::{Composite, FullObject};
        for (algorithm, kind, expected) in [
            (None, None, Ok(None)),
            (Some("CRC32"), None, Ok(Some((ChecksumAlgorithm::Crc32, Composite)))),
            (Some("CRC32"), Some("FULL_OBJECT"), Ok(Some((ChecksumAlgorithm::Crc32, FullObject)))),
            (Some("CRC64NVME"), None, Ok(Some((ChecksumAlgorithm::Crc64Nvme, FullObject)))),
            (Some("CRC64NVME"), Some("COMPOSITE"), Err(ErrorCode::InvalidRequest)),
            (Some("SHA256"), None, Ok(Some((ChecksumAlgorithm::Sha256, Composite)))),
            (Some("SHA256"), Some("FULL_OBJECT"), Err(ErrorCode::InvalidRequest)),
            (Some("SHA512"), Some("FULL_OBJECT"), Err(ErrorCode::InvalidRequest)),
            (Some("MD5"), None, Ok(Some((ChecksumAlgorithm::Md5, Composite)))),
            (Some("XXHASH3"), None, Ok(Some((ChecksumAlgorithm::Xxhash3, Composite)))),
            (Some("XXHASH64"), Some("FULL_OBJECT"), Err(ErrorCode::InvalidRequest)),
            (Some("xxhash128"), Some("COMPOSITE"), Ok(Some((ChecksumAlgorithm::Xxhash128, Composite)))),
            (Some("MD4"), None, Err(ErrorCode::InvalidRequest)),
            (Some("SHA1"), Some("HALF_OBJECT"), Err(ErrorCode::InvalidRequest)),
            (None, Some("COMPOSITE"), Err(ErrorCode::InvalidRequest)),
        ] {
            let mut headers = HeaderMap::new();
            algorithm.map(|value| headers.insert("x-amz-checksum-algorithm", HeaderValue::from_static(value)));
            kind.map(|value| headers.insert("x-amz-checksum-type", HeaderValue::from_static(value)));
            let found = upload_checksum(&headers).map_err(|error| error.code());
            assert_eq!(found, expected, "{algorithm:?} {kind:?}");
        }
    }
}
