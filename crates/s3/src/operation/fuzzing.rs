//! Any body, for the operations that read documents of their own.

use super::{bucket, complete_upload, delete_object, object_encryption, object_lock, versioning};
use crate::xml::Element;

/// Reads `body` as each of these documents.
pub(crate) fn read(body: &[u8]) {
    let _ = bucket::read_configuration(body, "us-east-1");
    let _ = object_encryption::decode(body);
    let _ = versioning::read_configuration(body);
    let _ =
        Element::parse(body, "ObjectLockConfiguration").is_ok_and(|lock| object_lock::read_bucket_lock(&lock).is_ok());
    if let Ok(parts) = complete_upload::read_parts(body) {
        assert!((1..=complete_upload::PARTS_MAX).contains(&parts.len()));
    }
    if let Ok(delete) = Element::parse(body, "Delete") {
        let versions = [None, Some("null")];
        delete.children("Object").for_each(|object| {
            versions.iter().for_each(|version| drop(delete_object::read_deletion(object, "key", *version)));
        });
    }
}
