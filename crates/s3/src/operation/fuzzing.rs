//! Any body, for the operations that read documents of their own.

use env::UnixMillis;

use super::{
    bucket, bucket_tags, complete_upload, delete_object, object_encryption, object_lock, restore_object, versioning,
};
use crate::header::lock;
use crate::xml::Element;

/// Reads `body` as each of these documents.
pub(crate) fn read(body: &[u8]) {
    let _ = bucket::read_configuration(body, "us-east-1");
    let _ = bucket_tags::read_more(body);
    let _ = object_encryption::decode(body);
    let _ = restore_object::check(body);
    let _ = versioning::read_configuration(body);
    let _ =
        Element::parse(body, "ObjectLockConfiguration").is_ok_and(|lock| object_lock::read_bucket_lock(&lock).is_ok());
    if let Ok(retention) = Element::parse(body, "Retention")
        && let Ok(Some(until)) = retention.child_text("RetainUntilDate")
    {
        let _ = lock::parse_until(until.trim(), UnixMillis(0));
    }
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
