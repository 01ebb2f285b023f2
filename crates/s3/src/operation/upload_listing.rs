//! ListParts and ListMultipartUploads.

use iam::Account;
use store::ChecksumAlgorithm;
use store::multipart::{ListUploadsRequest, Upload};

use crate::error::Result;
use crate::frontend::Frontend;
use crate::header::{checksum, metadata};
use crate::operation::acl::write_owner;
use crate::operation::list_objects::{KEYS_MAX, Listing};
use crate::operation::upload::upload_id;
use crate::request::Request;
use crate::response::{self, Response};
use crate::settings;
use crate::timestamp;
use crate::xml::Writer;

/// ListParts.
pub(super) async fn list_parts(frontend: &Frontend, request: Request) -> Result<Response> {
    let limit = request.limit("max-parts", KEYS_MAX)?;
    let marker = request.marker("part-number-marker")?;
    let encodes_keys = request.encodes_keys()?;

    let page = frontend.store.list_parts(request.found(), &upload_id(&request), marker, usize::from(limit)).await?;

    let account = &frontend.account(&owner(&request.access().bucket.owner, &page.upload)?).await?;
    let mut document = Writer::new("ListPartsResult");
    document.text("Bucket", request.bucket());
    if encodes_keys {
        document.text("EncodingType", "url");
        document.value("Key", crate::uri::encode_path(request.key()));
    } else {
        document.text("Key", request.key());
    }
    document.text("UploadId", &page.upload.id.token);
    write_owner(&mut document, "Initiator", account);
    write_owner(&mut document, "Owner", account);
    document.text("StorageClass", metadata::storage_class_name(page.upload.storage_class.as_deref()));
    document.value("PartNumberMarker", marker);
    document.value("NextPartNumberMarker", page.parts.last().map_or(0, |part| part.number));
    document.value("MaxParts", limit);
    document.value("IsTruncated", page.truncated);
    write_kind(&mut document, page.upload.checksum);
    for part in &page.parts {
        document.open("Part");
        document.value("PartNumber", part.number);
        document.value("LastModified", timestamp::iso_8601(part.modified));
        document.text("ETag", &response::quoted(&part.etag));
        document.value("Size", part.size);
        if let Some(checksum) = &part.checksum {
            document.text(checksum::element_name(checksum.algorithm()), &checksum::encode_value(checksum, None));
        }
        document.close();
    }
    Ok(response::xml(document))
}

/// ListMultipartUploads.
pub(super) async fn list_multipart_uploads(frontend: &Frontend, request: Request) -> Result<Response> {
    let listing = Listing::decode(&request, "max-uploads")?;
    let key_marker = request.query.get_non_empty("key-marker");
    let upload_marker = request.query.get_non_empty("upload-id-marker").filter(|_| key_marker.is_some());
    let list = ListUploadsRequest {
        prefix: listing.prefix.to_owned(),
        delimiter: listing.delimiter.map(str::to_owned),
        key_marker: key_marker.map(str::to_owned),
        upload_marker: upload_marker.map(str::to_owned),
        limit: usize::from(listing.limit),
    };

    let page = frontend.store.list_uploads(request.found(), &list).await?;

    let mut document = Writer::new("ListMultipartUploadsResult");
    document.text("Bucket", request.bucket());
    document.text("KeyMarker", &listing.name(key_marker.unwrap_or_default()));
    document.text("UploadIdMarker", upload_marker.unwrap_or_default());
    if let Some((key, upload)) = &page.next {
        document.text("NextKeyMarker", &listing.name(key));
        document.text("NextUploadIdMarker", upload);
    }
    document.text("Prefix", &listing.name(listing.prefix));
    listing.write_request(&mut document, "MaxUploads");
    document.value("IsTruncated", page.next.is_some());
    // Most uploads have the same owner as the one before.
    let mut account = None;
    for upload in &page.uploads {
        document.open("Upload");
        document.text("Key", &listing.name(&upload.id.key));
        document.text("UploadId", &upload.id.token);
        let owner = owner(&request.access().bucket.owner, upload)?;
        if account.as_ref().is_none_or(|account: &Account| account.canonical_id() != owner) {
            account = Some(frontend.account(&owner).await?);
        }
        let account = account.as_ref().expect("found above");
        write_owner(&mut document, "Initiator", account);
        write_owner(&mut document, "Owner", account);
        document.text("StorageClass", metadata::storage_class_name(upload.storage_class.as_deref()));
        document.value("Initiated", timestamp::iso_8601(upload.created));
        write_kind(&mut document, upload.checksum);
        document.close();
    }
    listing.write_common_prefixes(&mut document, &page.common_prefixes);
    Ok(response::xml(document))
}

/// Canonical id of the account that the object will belong to, in a bucket of `bucket_owner`.
fn owner(bucket_owner: &str, upload: &Upload) -> Result<String> {
    let acl = upload.acl.as_deref().map(settings::acl::of_object).transpose()?;
    Ok(acl.map_or_else(|| bucket_owner.to_owned(), |acl| acl.owner))
}

fn write_kind(document: &mut Writer, checksum: Option<(ChecksumAlgorithm, store::ChecksumKind)>) {
    if let Some((algorithm, kind)) = checksum {
        document.text("ChecksumAlgorithm", checksum::name(algorithm));
        document.text("ChecksumType", checksum::kind_name(kind));
    }
}
