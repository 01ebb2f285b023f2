//! Liveness and readiness.

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use store::Store;

/// Routes that tell whether the process lives and whether it can serve. Unsigned: they reveal nothing else.
///
/// `/-/health/…` cannot collide with a bucket, whose name is at least three characters long. `/minio/health/…` is
/// where load balancers set up for MinIO look; it hides keys below `health/` of a bucket named `minio`.
pub fn health_routes(store: &Store) -> Router {
    let mut routes = Router::new();
    for prefix in ["/-/health", "/minio/health"] {
        let store = store.clone();
        let ready = move || {
            let store = store.clone();
            async move { if store.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE } }
        };
        routes = routes
            .route(&format!("{prefix}/live"), get(|| async { StatusCode::OK }))
            .route(&format!("{prefix}/ready"), get(ready));
    }
    routes
}
