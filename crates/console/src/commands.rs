//! Commands of operators, and the overview: JSON over HTTP. Whoever mounts these routes says who may use them.
//!
//! Everything that a command needs is in the path, so that a signature over the head covers it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use cluster::{Cluster, DiskCommand, Error};
use http::StatusCode;
use serde_json::json;

/// How long a token admits nodes.
const TOKEN_VALIDITY: Duration = Duration::from_secs(24 * 3600);

/// Routes below `/admin/v1`: `GET info`; `POST token`, `disk/ID/COMMAND`, `node/NUMBER/remove`.
pub fn command_routes(cluster: Arc<Cluster>) -> Router {
    Router::new()
        .route("/admin/v1/info", get(info))
        .route("/admin/v1/token", post(token))
        .route("/admin/v1/disk/{disk}/{command}", post(disk))
        .route("/admin/v1/node/{node}/remove", post(remove_node))
        .with_state(cluster)
}

async fn info(State(cluster): State<Arc<Cluster>>) -> Response {
    answer(cluster.overview().await)
}

async fn token(State(cluster): State<Arc<Cluster>>) -> Response {
    answer(cluster.create_join_token(TOKEN_VALIDITY).await.map(|token| json!({ "token": token })))
}

async fn disk(State(cluster): State<Arc<Cluster>>, Path((disk, command)): Path<(String, String)>) -> Response {
    let command = match command.as_str() {
        "drain" => DiskCommand::Drain,
        "undrain" => DiskCommand::Undrain,
        "offline" => DiskCommand::Offline,
        "online" => DiskCommand::Online,
        _ => return refusal(StatusCode::NOT_FOUND, "there is no such command"),
    };
    answer(cluster.command_disk(&disk, command).await.map(|disk| json!({ "disk": disk })))
}

async fn remove_node(State(cluster): State<Arc<Cluster>>, Path(node): Path<u64>) -> Response {
    answer(cluster.remove_node(node).await.map(|()| json!({ "node": node })))
}

fn answer(result: cluster::Result<impl serde::Serialize>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error) => {
            let status = match &error {
                Error::NoSuchDisk { .. } | Error::NoSuchNode { .. } => StatusCode::NOT_FOUND,
                Error::TooFewLeft { .. } | Error::Damaged { .. } => StatusCode::CONFLICT,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            refusal(status, &error.to_string())
        }
    }
}

fn refusal(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": message }))).into_response()
}
