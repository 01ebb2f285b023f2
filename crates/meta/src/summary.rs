//! What a record adds to the sums that every inner page of a tree carries.

pub use prolly::Summary;

/// The summary rule of all metadata trees.
pub struct RecordSummaries;

impl prolly::Summarize for RecordSummaries {
    fn version(&self) -> u32 {
        1
    }

    fn summarize(&self, key: &[u8], value: &[u8]) -> Summary {
        let _ = (key, value);
        unimplemented!()
    }
}
