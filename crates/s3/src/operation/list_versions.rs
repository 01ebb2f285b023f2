//! ListObjectVersions: without versioning every object has one version, called `null`.

use crate::error::{Error, Result};
use crate::frontend::Frontend;
use crate::operation::list_objects::Listing;
use crate::request::Request;
use crate::response::{self, Response};
use crate::xml::Writer;

/// Lists the versions of the objects of a bucket.
pub(super) async fn list_object_versions(frontend: &Frontend, request: Request) -> Result<Response> {
    let listing = Listing::decode(&request, "max-keys")?;
    let key_marker = request.query.get("key-marker").unwrap_or_default();
    let version_marker = request.query.get("version-id-marker").unwrap_or_default();
    if key_marker.is_empty() && !version_marker.is_empty() {
        let message = "A version-id marker cannot be specified without a key marker.";
        return Err(Error::invalid_argument(message, "version-id-marker", version_marker));
    }

    let page = frontend.store.list_objects(request.bucket(), &listing.request(key_marker)).await?;

    let owner = frontend.account(&request.access().bucket.owner);
    let mut document = Writer::new("ListVersionsResult");
    document.text("Name", request.bucket());
    document.text("Prefix", &listing.name(listing.prefix));
    document.text("KeyMarker", &listing.name(key_marker));
    document.text("VersionIdMarker", version_marker);
    if let Some(next) = &page.next {
        document.text("NextKeyMarker", &listing.name(next));
        document.text("NextVersionIdMarker", "null");
    }
    listing.write_request(&mut document, "MaxKeys");
    document.value("IsTruncated", page.next.is_some());
    for object in &page.objects {
        document.open("Version");
        document.text("Key", &listing.name(&object.key));
        document.text("VersionId", "null");
        document.value("IsLatest", true);
        listing.write_object(&mut document, object, Some(&owner));
        document.close();
    }
    listing.write_common_prefixes(&mut document, &page.common_prefixes);
    Ok(response::xml(document))
}
