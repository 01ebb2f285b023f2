//! GetObjectAttributes.

use http::HeaderMap;
use http::header::LAST_MODIFIED;
use store::{Attributes, Checksum};

use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::header::{checksum, encryption, metadata, single};
use crate::request::Request;
use crate::response::{self, Response};
use crate::timestamp;
use crate::xml::Writer;

/// Most parts in one answer.
const PARTS_MAX: u16 = 1000;

/// The attributes that can be asked for.
const ATTRIBUTES: [&str; 5] = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

/// Describes an object, and a page of its parts.
pub(super) async fn get_object_attributes(frontend: &Frontend, request: Request) -> Result<Response> {
    let version = request.version()?;
    encryption::check_reader(&request.headers)?;
    let customer_key = encryption::customer_key(&request.headers)?;
    let wanted = wanted(&request.headers)?;
    let page = Page {
        limit: number(&request.headers, "x-amz-max-parts", PARTS_MAX)?.min(PARTS_MAX),
        marker: number(&request.headers, "x-amz-part-number-marker", 0)?,
    };

    let (bucket, key, limit) = (request.found(), request.key(), usize::from(page.limit));
    let attributes = frontend.store.object_attributes(bucket, key, version, page.marker, limit).await?;
    frontend.store.check_customer_key(&attributes.object, customer_key.as_ref()).await?;

    let mut found = response::xml(encode(&attributes, &wanted, page));
    response::set(found.headers_mut(), LAST_MODIFIED, &timestamp::http_date(attributes.object.modified));
    response::set_version(found.headers_mut(), attributes.object.version);
    Ok(found)
}

/// Which of the parts.
#[derive(Clone, Copy)]
struct Page {
    limit: u16,
    marker: u16,
}

/// Reads `x-amz-object-attributes`, a list in one header or in several.
fn wanted(headers: &HeaderMap) -> Result<Vec<&str>> {
    const NAME: &str = "x-amz-object-attributes";
    let lists = headers.get_all(NAME).iter().map(|list| list.to_str().unwrap_or_default());
    let names: Vec<&str> =
        lists.flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        let message =
            "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty";
        return Err(Error::with_message(ErrorCode::InvalidRequest, message));
    }
    match names.iter().find(|name| !ATTRIBUTES.contains(name)) {
        Some(unknown) => Err(Error::invalid_argument("Invalid attribute name specified.", NAME, *unknown)),
        None => Ok(names),
    }
}

fn number(headers: &HeaderMap, name: &'static str, default: u16) -> Result<u16> {
    let Some(text) = single(headers, name)? else { return Ok(default) };
    let number = text.parse::<u32>().map_err(|_| Error::invalid_argument("The value is not a number", name, text))?;
    Ok(u16::try_from(number).unwrap_or(u16::MAX))
}

fn encode(attributes: &Attributes, wanted: &[&str], page: Page) -> Writer {
    let object = &attributes.object;
    let mut document = Writer::new("GetObjectAttributesResponse");
    if wanted.contains(&"ETag") {
        document.text("ETag", &object.etag.to_string());
    }
    if let Some(checksum) = object.checksum.as_ref().filter(|_| wanted.contains(&"Checksum")) {
        document.open("Checksum");
        write_value(&mut document, checksum, object.part_count);
        document.text("ChecksumType", checksum::kind_name(checksum.kind()));
        document.close();
    }
    if let Some(part_count) = object.part_count.filter(|_| wanted.contains(&"ObjectParts")) {
        write_parts(&mut document, attributes, part_count, page);
    }
    if wanted.contains(&"StorageClass") {
        document.text("StorageClass", metadata::storage_class_name(object.storage_class.as_deref()));
    }
    if wanted.contains(&"ObjectSize") {
        document.value("ObjectSize", object.size);
    }
    document
}

fn write_parts(document: &mut Writer, attributes: &Attributes, part_count: u16, page: Page) {
    document.open("ObjectParts");
    document.value("PartsCount", part_count);
    document.value("PartNumberMarker", page.marker);
    let last = attributes.parts.last().map_or(page.marker, |part| part.number);
    document.value("NextPartNumberMarker", last);
    document.value("MaxParts", page.limit);
    document.value("IsTruncated", attributes.truncated);
    for part in &attributes.parts {
        document.open("Part");
        document.value("PartNumber", part.number);
        document.value("Size", part.size);
        if let Some(checksum) = &part.checksum {
            write_value(document, checksum, None);
        }
        document.close();
    }
    document.close();
}

fn write_value(document: &mut Writer, checksum: &Checksum, part_count: Option<u16>) {
    document.text(checksum::element_name(checksum.algorithm()), &checksum::encode_value(checksum, part_count));
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_known_attributes_can_be_asked_for() {
        let check = |list: &'static str| {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static("x-amz-object-attributes"),
                HeaderValue::from_static(list),
            )]);
            wanted(&headers).map(|names| names.len()).map_err(|error| error.code())
        };
        assert_eq!(check("ETag,Checksum, ObjectSize"), Ok(3));
        assert_eq!(check(""), Err(ErrorCode::InvalidRequest));
        assert_eq!(check("ETag,Color"), Err(ErrorCode::InvalidArgument));
        assert_eq!(wanted(&HeaderMap::new()).unwrap_err().code(), ErrorCode::InvalidRequest);
    }
}
