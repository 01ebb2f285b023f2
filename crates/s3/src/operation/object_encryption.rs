//! UpdateObjectEncryption.

use encryption::{KeyUse, Protection};
use http::StatusCode;

use crate::body::digest;
use crate::error::{ErrorCode, Result};
use crate::frontend::Frontend;
use crate::request::Request;
use crate::response::{self, Response};
use crate::xml::Element;

/// Largest body: one key's name and one flag.
const BODY_SIZE_MAX: usize = 16 * 1024;

/// Wraps the keys of an object under a named key. Its bytes, its version and its tag stay.
pub(super) async fn update_object_encryption(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let version = request.version()?;
    let room = frontend.reserve_xml(BODY_SIZE_MAX).await?;
    let body = request.body.read_bounded(BODY_SIZE_MAX).await?;
    digest::check_declared(&request.headers, &mut request.body, &body)?;
    let protection = Protection::Kms(decode(&body)?);
    drop((body, room));

    frontend.store.rewrap_object(request.found(), request.key(), version, &protection).await?;

    let mut updated = response::empty(StatusCode::OK);
    response::set_version(updated.headers_mut(), version);
    Ok(updated)
}

pub(super) fn decode(body: &[u8]) -> Result<KeyUse> {
    let document = Element::parse(body, "ObjectEncryption")?;
    let kms = document.child("SSE-KMS")?.ok_or(ErrorCode::MalformedXml)?;
    let key_id = kms.child_text("KMSKeyArn")?.map(str::trim).filter(|key_id| !key_id.is_empty());
    let bucket_key = match kms.child_text("BucketKeyEnabled")?.map(str::trim) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(ErrorCode::MalformedXml.into()),
    };
    let key_id = key_id.filter(|key_id| key_id.bytes().all(|byte| byte.is_ascii_graphic()));
    Ok(KeyUse { key_id: key_id.ok_or(ErrorCode::MalformedXml)?.to_owned(), context: None, bucket_key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_a_key() {
        let check = |inside: &str| {
            let body = format!("<ObjectEncryption>{inside}</ObjectEncryption>");
            decode(body.as_bytes()).map_err(|error| error.code())
        };
        let found = check("<SSE-KMS><KMSKeyArn>a</KMSKeyArn><BucketKeyEnabled>true</BucketKeyEnabled></SSE-KMS>");
        assert_eq!(found, Ok(KeyUse { key_id: "a".to_owned(), context: None, bucket_key: true }));
        for inside in ["", "<SSE-S3/>", "<SSE-KMS/>", "<SSE-KMS><KMSKeyArn> </KMSKeyArn></SSE-KMS>"] {
            assert_eq!(check(inside), Err(ErrorCode::MalformedXml), "{inside}");
        }
    }
}
