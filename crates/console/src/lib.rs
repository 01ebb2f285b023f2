//! What operators and their tools look at: health and metrics.
//!
//! [`health_routes`] answers liveness and readiness, on the S3 address under MinIO's paths too; [`admin_routes`] adds
//! the metrics, on an address of its own because they are not signed. [`Metrics`] collects what all crates count.
//!
//! Invariant: this crate changes nothing and knows nothing of S3's XML.

mod gauges;
mod health;
mod metrics;

pub use health::health_routes;
pub use metrics::{Metrics, admin_routes};
