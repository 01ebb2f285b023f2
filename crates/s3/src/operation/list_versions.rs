//! ListObjectVersions.

use iam::Account;
use store::VersionName;
use store::version::{ListVersionsRequest, Listed};

use crate::error::{Error, Result};
use crate::frontend::Frontend;
use crate::operation::acl::write_owner;
use crate::operation::list_objects::Listing;
use crate::request::{Request, parse_version};
use crate::response::{self, Response};
use crate::timestamp;
use crate::xml::Writer;

/// Lists the versions and the delete markers of a bucket.
pub(super) async fn list_object_versions(frontend: &Frontend, request: Request) -> Result<Response> {
    let listing = Listing::decode(&request, "max-keys")?;
    let key_marker = request.query.get("key-marker").unwrap_or_default();
    let version_marker = request.query.get_non_empty("version-id-marker");
    let list = ListVersionsRequest {
        prefix: listing.prefix.to_owned(),
        delimiter: listing.delimiter.map(str::to_owned),
        key_marker: key_marker.to_owned(),
        version_marker: read_marker(key_marker, version_marker)?,
        limit: usize::from(listing.limit),
    };

    let page = frontend.store.list_versions(request.found(), &list).await?;

    let owner = frontend.account(&request.access().bucket.owner).await?;
    let mut document = Writer::new("ListVersionsResult");
    document.text("Name", request.bucket());
    document.text("Prefix", &listing.name(listing.prefix));
    document.text("KeyMarker", &listing.name(key_marker));
    document.text("VersionIdMarker", version_marker.unwrap_or_default());
    if let Some((next_key, next_version)) = &page.next {
        document.text("NextKeyMarker", &listing.name(next_key));
        if let Some(next_version) = next_version {
            document.text("NextVersionIdMarker", &next_version.to_string());
        }
    }
    listing.write_request(&mut document, "MaxKeys");
    document.value("IsTruncated", page.next.is_some());
    for version in &page.versions {
        write_version(&mut document, &listing, version, &owner);
    }
    listing.write_common_prefixes(&mut document, &page.common_prefixes);
    Ok(response::xml(document))
}

fn read_marker(key_marker: &str, version_marker: Option<&str>) -> Result<Option<VersionName>> {
    let Some(version_marker) = version_marker else { return Ok(None) };
    if key_marker.is_empty() {
        let message = "A version-id marker cannot be specified without a key marker.";
        return Err(Error::invalid_argument(message, "version-id-marker", version_marker));
    }
    parse_version(version_marker).map(Some)
}

fn write_version(document: &mut Writer, listing: &Listing<'_>, version: &Listed, owner: &Account) {
    let (element, key, version_id, is_latest) = match version {
        Listed::Object { object, version, is_latest } => ("Version", &object.key, version, is_latest),
        Listed::Marker { key, marker, is_latest } => ("DeleteMarker", key, &marker.version, is_latest),
    };
    document.open(element);
    document.text("Key", &listing.name(key));
    document.text("VersionId", &version_id.to_string());
    document.value("IsLatest", is_latest);
    match version {
        Listed::Object { object, .. } => listing.write_object(document, object, Some(owner)),
        Listed::Marker { marker, .. } => {
            document.value("LastModified", timestamp::iso_8601(marker.modified));
            write_owner(document, "Owner", owner);
        }
    }
    document.close();
}
