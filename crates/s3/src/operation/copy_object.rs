//! CopyObject.

use std::collections::BTreeMap;

use store::VersionName;
use store::copy::{AnnotationDirective, Copied, CopyRequest, CopySource};

use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::header::{checksum, condition, encryption, lock, metadata, refusal, single};
use crate::operation::{acl, annotation};
use crate::request::{Request, parse_version};
use crate::response::{self, Response};
use crate::settings::{protection, tags};
use crate::target::check_key;
use crate::timestamp;
use crate::uri;
use crate::xml::Writer;

/// Copies an object.
pub(super) async fn copy_object(frontend: &Frontend, mut request: Request) -> Result<Response> {
    refusal::check_object_headers(&request.headers)?;
    let source = copy_source(frontend, &mut request).await?;
    let acl = acl::of_new_object(frontend, &mut request).await?;
    let annotations = annotation::directive(frontend, &mut request, &source).await?;
    let copy = CopyRequest { acl, annotations, ..decode(frontend, &request, &source)? };
    let customer_key = encryption::customer_key(&request.headers)?;

    let copied = frontend.store.copy_object(&source, request.found(), request.key(), copy).await;
    let Copied { result, source_version } = copied.map_err(source_error)?;

    let mut document = Writer::new("CopyObjectResult");
    document.value("LastModified", timestamp::iso_8601(result.modified));
    document.text("ETag", &response::quoted(&result.etag));
    response::write_checksum(&mut document, &result);
    let mut copied = response::xml(document);
    response::set_written(&mut copied, &result);
    response::set_source_version(copied.headers_mut(), source_version);
    encryption::write(copied.headers_mut(), result.encryption.as_ref(), customer_key.as_ref());
    encryption::write_context(copied.headers_mut(), result.encryption.as_ref());
    Ok(copied)
}

/// What the error of a copy becomes. Headers tell nothing of delete markers, which would be the source's.
pub(super) fn source_error(error: store::Error) -> Error {
    match error {
        store::Error::KeyDeleted(_) => ErrorCode::NoSuchKey.into(),
        store::Error::IsDeleteMarker(_) => Error::with_message(
            ErrorCode::InvalidRequest,
            "The source of a copy request may not specifically refer to a delete marker by version id.",
        ),
        error => error.into(),
    }
}

fn decode(frontend: &Frontend, request: &Request, source: &CopySource) -> Result<CopyRequest> {
    let headers = &request.headers;
    let replaces = replaces_metadata(request)?;
    let storage_class = metadata::storage_class(headers)?;
    let checksum_algorithm = checksum::requested_algorithm(headers)?;
    let reencrypts = encryption::is_requested(headers) || source.customer_key.is_some();
    let changes = replaces || checksum_algorithm.is_some() || headers.contains_key("x-amz-storage-class") || reencrypts;
    // A version that is named may be another one than the current one.
    let same = source.bucket.id == request.found().id && source.key == request.key() && source.version.is_none();
    if same && !changes {
        return Err(Error::with_message(
            ErrorCode::InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the \
             object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    let replaced_metadata =
        if replaces { Some((metadata::standard(headers)?, metadata::user(headers)?)) } else { None };
    Ok(CopyRequest {
        replaced_metadata,
        replaced_tags: replaced_tags(request)?,
        acl: None,
        lock: lock::requested(headers, frontend.env.clock.now())?,
        storage_class,
        checksum_algorithm,
        protection: protection(headers, request.settings())?,
        condition: condition::precondition(headers)?,
        annotations: AnnotationDirective::Exclude,
    })
}

/// The tags of the copy, unless it gets those of its source.
fn replaced_tags(request: &Request) -> Result<Option<BTreeMap<String, String>>> {
    const TAGGING: &str = "x-amz-tagging-directive";
    match single(&request.headers, TAGGING)? {
        None | Some("COPY") => Ok(None),
        Some("REPLACE") => tags::requested(&request.headers).map(Some),
        Some(other) => Err(Error::invalid_argument("Unknown tagging directive.", TAGGING, other)),
    }
}

fn replaces_metadata(request: &Request) -> Result<bool> {
    const METADATA: &str = "x-amz-metadata-directive";
    match single(&request.headers, METADATA)? {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(Error::invalid_argument("Unknown metadata directive.", METADATA, other)),
    }
}

/// Reads `x-amz-copy-source` and its conditions, and whether the source may be read.
///
/// # Errors
///
/// `InvalidArgument` unless it names a bucket and a key, `AccessDenied`, `NoSuchBucket`.
pub(super) async fn copy_source(frontend: &Frontend, request: &mut Request) -> Result<CopySource> {
    let Named { bucket, key, version } = decode_source(request)?;
    let conditions = condition::copy_source_conditions(&request.headers)?;
    let bucket = frontend.enter_source(request, &bucket, &key, version).await?;
    let customer_key = encryption::customer_key_of_source(&request.headers)?;
    Ok(CopySource { bucket, key, version, conditions, customer_key })
}

/// What `x-amz-copy-source` names.
struct Named {
    bucket: String,
    key: String,
    version: Option<VersionName>,
}

fn decode_source(request: &Request) -> Result<Named> {
    const NAME: &str = "x-amz-copy-source";
    // Some clients send the key unencoded, as UTF-8.
    let text = request.headers.get(NAME).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let text = text.unwrap_or_default();
    let (path, version) = match text.split_once("?versionId=") {
        Some((path, version)) => (path, Some(version)),
        None => (text, None),
    };
    let version = version.map(parse_version).transpose()?;
    let path = uri::decode(path)?;
    let source = path.strip_prefix('/').unwrap_or(&path).split_once('/');
    match source {
        Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
            check_key(key)?;
            Ok(Named { bucket: bucket.to_owned(), key: key.to_owned(), version })
        }
        _ => {
            let message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
            Err(Error::invalid_argument(message, NAME, text))
        }
    }
}
