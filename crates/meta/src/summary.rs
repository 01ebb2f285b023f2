//! What a record adds to the sums that every inner page of a tree carries.

pub use prolly::Summary;

use crate::keys;
use crate::record::{Hlc, ObjectHead, PartRecord};

/// The summary rule of all metadata trees: objects are the current versions, bytes those of all versions and of their
/// annotations; parts of unfinished uploads are other bytes.
///
/// The kind byte of the key says which tree it is from, so that one rule serves all.
pub struct RecordSummaries;

impl prolly::Summarize for RecordSummaries {
    fn version(&self) -> u32 {
        1
    }

    fn summarize(&self, key: &[u8], value: &[u8]) -> Summary {
        summarize(key, value)
    }
}

/// What one record amounts to. An unreadable record counts as a record without bytes: reading it reports the damage.
pub(crate) fn summarize(key: &[u8], value: &[u8]) -> Summary {
    let record = Summary { records: 1, ..Summary::EMPTY };
    if keys::is_object(key) {
        let Ok(head) = ObjectHead::decode(value) else { return record };
        Summary { objects: 1, bytes: head.size, ..stamped(record, head.modified) }
    } else if keys::is_version(key) || keys::is_annotation(key) {
        // Delete markers are no objects.
        let Ok(head) = ObjectHead::decode(value) else { return record };
        Summary { bytes: head.size, ..stamped(record, head.modified) }
    } else if keys::is_part(key) {
        let Ok((size, modified)) = PartRecord::decode_size(value) else { return record };
        Summary { other_bytes: size, ..stamped(record, modified) }
    } else {
        record
    }
}

fn stamped(record: Summary, modified: Hlc) -> Summary {
    let seconds = modified.millis().0 / 1000;
    Summary { oldest: u32::try_from(seconds).unwrap_or(u32::MAX), newest: modified.bits(), ..record }
}
