//! Metrics in Prometheus' text format.

use axum::Router;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use store::Store;

use crate::health_routes;

/// Collects what every crate counts through the `metrics` facade.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Installs the process's recorder. Counts made before are lost.
    ///
    /// # Panics
    ///
    /// Panics when the process has a recorder already.
    pub fn install() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).expect("a process installs its recorder once");
        Self { handle }
    }

    /// All metrics, in the text format that Prometheus scrapes.
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }
}

/// Routes of the admin address: `/metrics` and health.
pub fn admin_routes(metrics: Metrics, store: &Store) -> Router {
    let answer = move || {
        let text = metrics.render();
        async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text) }
    };
    health_routes(store).route("/metrics", get(answer))
}
