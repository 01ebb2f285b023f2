//! Other services' routes behind the front door's signatures.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use http::Request;

use crate::frontend::Frontend;

/// `routes` for those who sign as S3 requests are signed (SigV4, service `s3`). The signature covers the head, not the body.
pub fn signed(frontend: Arc<Frontend>, routes: Router) -> Router {
    async fn check(
        State(frontend): State<Arc<Frontend>>,
        request: Request<Body>,
        next: Next,
    ) -> axum::response::Response {
        let (head, body) = request.into_parts();
        match frontend.check_signature(&head).await {
            Ok(()) => next.run(Request::from_parts(head, body)).await,
            Err(error) => (error.code().status(), format!("{:?}\n", error.code())).into_response(),
        }
    }
    routes.route_layer(from_fn_with_state(frontend, check))
}
