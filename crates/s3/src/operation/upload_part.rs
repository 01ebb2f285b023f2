//! UploadPart and UploadPartCopy.

use store::copy::Copied;
use store::multipart::PartTarget;

use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::header::{encryption, range, refusal};
use crate::operation::copy_object::{copy_source, source_error};
use crate::operation::get_object::part_number;
use crate::operation::put_object::{encode, expected_body};
use crate::operation::upload::upload_id;
use crate::request::Request;
use crate::response::{self, Response};
use crate::timestamp;
use crate::xml::Writer;

/// UploadPart.
pub(super) async fn upload_part(frontend: &Frontend, request: Request) -> Result<Response> {
    refusal::check_object_headers(&request.headers)?;
    let (upload, part) = (upload_id(&request), part_target(&request)?);
    let customer_key = part.customer_key.clone();
    let expected = expected_body(&request)?;

    let bucket = request.found().clone();
    let result = frontend.store.put_part(&bucket, &upload, part, expected, request.into_body()).await;

    Ok(encode(&result.map_err(part_error)?, customer_key.as_ref()))
}

/// UploadPartCopy.
pub(super) async fn upload_part_copy(frontend: &Frontend, mut request: Request) -> Result<Response> {
    refusal::check_object_headers(&request.headers)?;
    let (upload, part) = (upload_id(&request), part_target(&request)?);
    let customer_key = part.customer_key.clone();
    let source = copy_source(frontend, &mut request).await?;
    let range = range::copy_source(&request.headers)?;

    let copied = frontend.store.copy_part(&source, range, request.found(), &upload, part).await;
    let Copied { result, source_version } = copied.map_err(source_error)?;

    let mut document = Writer::new("CopyPartResult");
    document.value("LastModified", timestamp::iso_8601(result.modified));
    document.text("ETag", &response::quoted(&result.etag));
    response::write_checksum(&mut document, &result);
    let mut copied = response::xml(document);
    response::set_written(&mut copied, &result);
    response::set_source_version(copied.headers_mut(), source_version);
    encryption::write(copied.headers_mut(), result.encryption.as_ref(), customer_key.as_ref());
    Ok(copied)
}

/// Which part a request writes.
fn part_target(request: &Request) -> Result<PartTarget> {
    let missing = || Error::invalid_argument("The part number is missing", "partNumber", "");
    let number = part_number(request)?.ok_or_else(missing)?;
    Ok(PartTarget { number, customer_key: encryption::customer_key(&request.headers)? })
}

/// What the error of a part becomes: of keys S3 speaks as of those of its upload.
fn part_error(error: store::Error) -> Error {
    use ::encryption::Error as Key;
    let message = match error {
        store::Error::Key(Key::CustomerKeyMissing) => {
            "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate \
             encryption parameters."
        }
        store::Error::Key(Key::CustomerKeyUnexpected) => {
            "The multipart upload initiate did not request encryption. Please resend the request without sending \
             encryption parameters."
        }
        error => return error.into(),
    };
    Error::with_message(ErrorCode::InvalidRequest, message)
}
