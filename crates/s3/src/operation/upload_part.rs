//! UploadPart and UploadPartCopy.

use store::copy::Copied;

use crate::error::{Error, Result};
use crate::frontend::Frontend;
use crate::header::{range, refusal};
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
    let (upload, number) = (upload_id(&request), required_part_number(&request)?);
    let expected = expected_body(&request)?;

    let bucket = request.found().clone();
    let result = frontend.store.put_part(&bucket, &upload, number, expected, request.into_body()).await?;

    Ok(encode(&result))
}

/// UploadPartCopy.
pub(super) async fn upload_part_copy(frontend: &Frontend, mut request: Request) -> Result<Response> {
    refusal::check_object_headers(&request.headers)?;
    let (upload, number) = (upload_id(&request), required_part_number(&request)?);
    let source = copy_source(frontend, &mut request).await?;
    let range = range::copy_source(&request.headers)?;

    let copied = frontend.store.copy_part(&source, range, request.found(), &upload, number).await;
    let Copied { result, source_version } = copied.map_err(source_error)?;

    let mut document = Writer::new("CopyPartResult");
    document.value("LastModified", timestamp::iso_8601(result.modified));
    document.text("ETag", &response::quoted(&result.etag));
    response::write_checksum(&mut document, &result);
    let mut copied = response::xml(document);
    response::set_source_version(copied.headers_mut(), source_version);
    Ok(copied)
}

fn required_part_number(request: &Request) -> Result<u16> {
    part_number(request)?.ok_or_else(|| Error::invalid_argument("The part number is missing", "partNumber", ""))
}
