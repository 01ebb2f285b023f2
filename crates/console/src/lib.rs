//! What operators and their tools look at: health and metrics.
//!
//! [`health_routes`] answers liveness and readiness, on the S3 address under MinIO's paths too; [`admin_routes`] adds
//! the metrics, on an address of its own because they are not signed. [`Metrics`] collects what all crates count.
//!
//! [`command_routes`] tell how the cluster is and have it changed; they are for signed requests only.
//!
//! Invariant: this crate knows nothing of S3's XML, nor who may ask.

mod accounts;
mod answer;
mod bucket;
mod commands;
mod gauges;
mod health;
mod metrics;
mod work;

pub use commands::command_routes;
pub use health::health_routes;
pub use metrics::{Metrics, admin_routes};
