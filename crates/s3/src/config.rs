//! What the front door can be told.

use std::time::Duration;

/// Settings of the S3 front door.
#[derive(Clone, Debug)]
pub struct Config {
    /// The region that clients must sign for.
    pub region: String,
    /// Domains below which a host names a bucket (`bucket.domain`), in lower case and without port.
    pub domains: Vec<String>,
    /// Domains below which a host names a bucket whose website is asked for, in lower case and without port.
    pub website_domains: Vec<String>,
    /// Whether signatures of version 2 are accepted, which cover less than those of version 4.
    pub version_2_signatures: bool,
    /// Whether identity providers may be at addresses that are not of the public internet, and without TLS.
    pub private_issuers: bool,
    /// How long the rules of lifecycles take a day for: 24 hours, but for tests.
    pub lifecycle_day: Duration,
    /// How old the lines of a bucket's log become before they are delivered.
    pub bucket_log_delivery: Duration,
    /// Limits of time and size.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            domains: Vec::new(),
            website_domains: Vec::new(),
            version_2_signatures: false,
            private_issuers: false,
            lifecycle_day: Duration::from_secs(24 * 3600),
            bucket_log_delivery: Duration::from_secs(300),
            limits: Limits::default(),
        }
    }
}

/// How much time and room clients get.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most connections at once; more wait in the kernel's queue.
    pub connections_max: usize,
    /// For the head of a request, and between two requests on one connection.
    pub header_patience: Duration,
    /// For the next few kilobytes of a body, and for taking the next bytes of a response.
    pub body_patience: Duration,
    /// For requests in progress when the server shuts down.
    pub shutdown_patience: Duration,
    /// Bytes of XML bodies held in memory at once, over all requests.
    pub xml_bytes_max: usize,
    /// Bytes of lines for the logs of buckets held in memory at once; the oldest are dropped beyond.
    pub bucket_log_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            header_patience: Duration::from_secs(60),
            body_patience: Duration::from_secs(30),
            shutdown_patience: Duration::from_secs(30),
            xml_bytes_max: 64 * 1024 * 1024,
            bucket_log_bytes_max: 32 * 1024 * 1024,
        }
    }
}
