//! Reading: what the operations ask of a view.

mod bucket;
mod internal;
mod list_objects;
mod list_uploads;
mod object;
mod upload;

pub use bucket::{Bucket, BucketPage, bucket, bucket_by_id, draining_buckets, list_buckets};
pub use internal::{
    RepairEntry, document, group_fence, intent_epochs, is_referenced, owner_of, pinned_write, pinned_writes,
    placement_table, repair_queue, retired_segments, segment_of, segments,
};
pub use list_objects::{ListObjects, ObjectEntry, ObjectPage, list_objects};
pub use list_uploads::{ListUploads, UploadEntry, UploadPage, list_uploads};
pub use object::{bucket_usage, object, prefix_usage};
pub use upload::{PartPage, list_parts, part, parts, upload};
