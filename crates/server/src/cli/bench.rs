//! Flags of `stonecrop bench`.

use clap::{Args, ValueEnum};

use super::Signing;

#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// What each operation does. `get`, `head` and `delete` work on what `put` with the same prefix wrote.
    pub(crate) operation: BenchOperation,

    /// The S3 endpoint.
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL", default_value = "http://127.0.0.1:9000")]
    pub(crate) endpoint: String,

    #[command(flatten)]
    pub(crate) signing: Signing,

    /// Bucket to work in.
    #[arg(long, value_name = "NAME", default_value = "stonecrop-bench")]
    pub(crate) bucket: String,

    /// First part of each key.
    #[arg(long, value_name = "TEXT", default_value = "load")]
    pub(crate) prefix: String,

    /// Size of each object, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    pub(crate) size: usize,

    /// Size of each part of a multipart upload, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024 * 1024)]
    pub(crate) part_size: usize,

    /// Number of operations in all.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) count: u64,

    /// Connections that work side by side.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) concurrency: usize,

    /// Print the result as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What each operation of a load does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchOperation {
    /// Create the bucket.
    CreateBucket,
    /// Write objects.
    Put,
    /// Read objects whole.
    Get,
    /// Ask for objects' headers.
    Head,
    /// List the objects, 1000 keys an operation.
    List,
    /// Delete objects.
    Delete,
    /// Write objects as multipart uploads.
    Multipart,
}
