//! Metrics in Prometheus' text format.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use env::FileCounts;
use http::header::CONTENT_TYPE;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use store::Store;

use crate::gauges::observe;
use crate::health_routes;

/// Collects what every crate counts through the `metrics` facade, and what the file system was asked for.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    files: Arc<FileCounts>,
}

impl Metrics {
    /// Installs the process's recorder. Counts made before are lost, except those in `files`.
    ///
    /// # Panics
    ///
    /// Panics when the process has a recorder already.
    pub fn install(files: Arc<FileCounts>) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).expect("a process installs its recorder once");
        Self { handle, files }
    }

    /// All metrics, in the text format that Prometheus scrapes.
    pub fn render(&self) -> String {
        metrics::counter!("stonecrop_fsyncs_total").absolute(self.files.syncs());
        metrics::counter!("stonecrop_written_bytes_total").absolute(self.files.bytes_written());
        self.handle.run_upkeep();
        self.handle.render()
    }
}

/// Routes of the admin address: `/metrics` and health.
pub fn admin_routes(metrics: Metrics, store: &Store) -> Router {
    let observed = store.clone();
    let answer = move || {
        observe(&observed);
        let text = metrics.render();
        async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text) }
    };
    health_routes(store).route("/metrics", get(answer))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use env::{CountedFiles, Files, OpenMode, SimFiles};

    use super::*;

    #[test]
    fn syncs_and_written_bytes_are_rendered() {
        let files = CountedFiles::new(Arc::new(SimFiles::new(1)));
        let metrics = Metrics::install(files.counts());
        let file = files.open(Path::new("/file"), OpenMode::CreateNew).unwrap();
        file.write_all_at(&[b"abc"], 0).unwrap();
        file.sync_data().unwrap();
        let text = metrics.render();
        assert!(text.contains("stonecrop_fsyncs_total 1\n"), "{text}");
        assert!(text.contains("stonecrop_written_bytes_total 3\n"), "{text}");
    }
}
