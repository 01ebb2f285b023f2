//! CompleteMultipartUpload.

use http::HeaderMap;
use http::header::HOST;
use store::multipart::{CompleteRequest, CompletedPart};

use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::header::{checksum, condition, encryption, single};
use crate::operation::upload::upload_id;
use crate::request::Request;
use crate::response::{self, Response};
use crate::uri;
use crate::xml::{Element, Writer};

/// Most parts of an object.
pub(super) const PARTS_MAX: usize = 10_000;

/// Largest body: ten thousand parts with a number, an entity tag and the longest checksum.
const BODY_SIZE_MAX: usize = 4 * 1024 * 1024;

/// Makes an upload an object.
pub(super) async fn complete_multipart_upload(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let room = frontend.reserve_xml(BODY_SIZE_MAX).await?;
    let body = request.body.read_bounded(BODY_SIZE_MAX).await?;
    let parts = read_parts(&body)?;
    drop((body, room));
    let customer_key = encryption::customer_key(&request.headers)?;
    let complete = CompleteRequest {
        parts,
        checksum: checksum::header_value(&request.headers)?,
        checksum_kind: checksum::requested_kind(&request.headers)?,
        size: object_size(&request.headers)?,
        condition: condition::precondition(&request.headers)?,
        customer_key: customer_key.clone(),
    };

    let result = frontend.store.complete_upload(request.found(), &upload_id(&request), complete).await?;

    let mut document = Writer::new("CompleteMultipartUploadResult");
    document.text("Location", &location(&request));
    document.text("Bucket", request.bucket());
    document.text("Key", request.key());
    document.text("ETag", &response::quoted(&result.etag));
    response::write_checksum(&mut document, &result);
    let mut completed = response::xml(document);
    response::set_written(&mut completed, &result);
    encryption::write(completed.headers_mut(), result.encryption.as_ref(), customer_key.as_ref());
    Ok(completed)
}

pub(super) fn read_parts(body: &[u8]) -> Result<Vec<CompletedPart>> {
    let malformed = || Error::new(ErrorCode::MalformedXml);
    let document = Element::parse(body, "CompleteMultipartUpload")?;
    let mut parts: Vec<CompletedPart> = Vec::new();
    for part in document.children("Part").map(read_part) {
        let part = part?;
        // A part that was uploaded again is named again by some clients; the last one counts.
        parts.pop_if(|last| last.number == part.number);
        parts.push(part);
    }
    let count_valid = (1..=PARTS_MAX).contains(&parts.len());
    if count_valid { Ok(parts) } else { Err(malformed()) }
}

fn read_part(part: &Element) -> Result<CompletedPart> {
    let malformed = || Error::new(ErrorCode::MalformedXml);
    let number =
        part.child_text("PartNumber")?.and_then(|text| text.trim().parse::<u32>().ok()).ok_or_else(malformed)?;
    // A number that no part can have names a part that does not exist.
    let number = u16::try_from(number).map_err(|_| Error::new(ErrorCode::InvalidPart))?;
    let etag = part.child_text("ETag")?.ok_or_else(malformed)?;
    let mut checksum = None;
    for algorithm in checksum::ALGORITHMS {
        let Some(text) = part.child_text(checksum::element_name(algorithm))? else { continue };
        let value = checksum::parse_value(algorithm, text.trim()).ok_or_else(|| Error::new(ErrorCode::InvalidPart))?;
        checksum = Some(value);
    }
    Ok(CompletedPart { number, etag: condition::unquote_etag(etag).to_owned(), checksum })
}

fn object_size(headers: &HeaderMap) -> Result<Option<u64>> {
    const NAME: &str = "x-amz-mp-object-size";
    let Some(text) = single(headers, NAME)? else { return Ok(None) };
    text.parse()
        .map(Some)
        .map_err(|_| Error::with_message(ErrorCode::InvalidRequest, "Value for x-amz-mp-object-size header is invalid"))
}

/// Where the object is, in path style: it works whatever the domain.
fn location(request: &Request) -> String {
    let host = request.headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let scheme = if host.is_empty() { "" } else { "http://" };
    format!("{scheme}{host}/{}/{}", request.bucket(), uri::encode_path(request.key()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(inside: &str) -> Result<Vec<CompletedPart>, ErrorCode> {
        let body = format!("<CompleteMultipartUpload>{inside}</CompleteMultipartUpload>");
        read_parts(body.as_bytes()).map_err(|error| error.code())
    }

    #[test]
    fn parts_are_read_with_their_checksums() {
        let parts = check(
            "<Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag></Part><Part><ChecksumCRC32>DUoRhQ==\
             </ChecksumCRC32><ETag>b</ETag><PartNumber>2</PartNumber></Part>",
        )
        .unwrap();
        assert_eq!((parts[0].number, parts[0].etag.as_str(), &parts[0].checksum), (1, "a", &None));
        assert_eq!((parts[1].number, parts[1].etag.as_str()), (2, "b"));
        assert!(parts[1].checksum.is_some());
    }

    #[test]
    fn the_last_mention_of_a_part_counts() {
        let part = |etag| format!("<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>");
        let parts = check(&format!("{}{}", part("a"), part("b"))).unwrap();
        assert_eq!((parts.len(), parts[0].etag.as_str()), (1, "b"));
    }

    #[test]
    fn incomplete_lists_are_refused() {
        let part = |number| format!("<Part><PartNumber>{number}</PartNumber><ETag>a</ETag></Part>");
        let many: String = (0..=PARTS_MAX).map(part).collect();
        for (inside, code) in [
            ("", ErrorCode::MalformedXml),
            ("<Part><ETag>a</ETag></Part>", ErrorCode::MalformedXml),
            ("<Part><PartNumber>1</PartNumber></Part>", ErrorCode::MalformedXml),
            ("<Part><PartNumber>-1</PartNumber><ETag>a</ETag></Part>", ErrorCode::MalformedXml),
            ("<Part><PartNumber>70000</PartNumber><ETag>a</ETag></Part>", ErrorCode::InvalidPart),
            (many.as_str(), ErrorCode::MalformedXml),
        ] {
            assert_eq!(check(inside), Err(code), "{inside:.80}");
        }
    }
}
