//! Commands of operators, and the overview: JSON over HTTP. Whoever mounts these routes says who may use them.
//!
//! Everything that a command needs is in the path, so that a signature over the head covers it; a directory travels as the
//! hexadecimal digits of its bytes.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use cluster::{Cluster, DiskCommand, NodeCommand};
use http::StatusCode;
use identity::Directory;
use serde_json::json;
use store::Store;

use crate::accounts;
use crate::answer::{answer, refusal};
use crate::bucket::{quota, set_quota};
use crate::work::{heal, heal_order, info, rebalance, rebalance_order, scrub, scrub_order};

/// How long a token admits nodes.
const TOKEN_VALIDITY: Duration = Duration::from_secs(24 * 3600);

/// What commands act on.
#[derive(Clone)]
pub(crate) struct Acted {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) store: Store,
    pub(crate) directory: Arc<Directory>,
}

/// Routes below `/admin/v1`: `GET info`, `accounts`, `table`, `heal`, `rebalance`, `scrub`, `node/NUMBER/safe-to-stop`;
/// `POST token`, `account/NAME/create`, `account/NAME/create/MAIL`, `account/NAME/remove`, `disk/ID/COMMAND`, `node/NUMBER/COMMAND`, `node/NUMBER/add-disk/DIRECTORY`, `heal/COMMAND`, `rebalance/COMMAND`,
/// `scrub/COMMAND`; `GET bucket/NAME/quota`, and `POST` the same with two limits: bytes, objects.
pub fn command_routes(cluster: Arc<Cluster>, store: Store, directory: Arc<Directory>) -> Router {
    Router::new()
        .route("/admin/v1/info", get(info))
        .route("/admin/v1/token", post(token))
        .route("/admin/v1/accounts", get(accounts::list))
        .route("/admin/v1/account/{name}/create", post(accounts::create))
        .route("/admin/v1/account/{name}/create/{email}", post(accounts::create_with_email))
        .route("/admin/v1/account/{name}/remove", post(accounts::remove))
        .route("/admin/v1/disk/{disk}/{command}", post(disk))
        .route("/admin/v1/node/{node}/add-disk/{directory}", post(add_disk))
        .route("/admin/v1/node/{node}/{command}", post(node))
        .route("/admin/v1/node/{node}/safe-to-stop", get(safe_to_stop))
        .route("/admin/v1/bucket/{bucket}/quota", get(quota))
        .route("/admin/v1/bucket/{bucket}/quota/{bytes}/{objects}", post(set_quota))
        .route("/admin/v1/table", get(table))
        .route("/admin/v1/heal", get(heal))
        .route("/admin/v1/heal/{command}", post(heal_order))
        .route("/admin/v1/rebalance", get(rebalance))
        .route("/admin/v1/rebalance/{command}", post(rebalance_order))
        .route("/admin/v1/scrub", get(scrub))
        .route("/admin/v1/scrub/{command}", post(scrub_order))
        .with_state(Acted { cluster, store, directory })
}

async fn token(State(acted): State<Acted>) -> Response {
    answer(acted.cluster.create_join_token(TOKEN_VALIDITY).await.map(|token| json!({ "token": token })))
}

async fn disk(State(acted): State<Acted>, Path((disk, command)): Path<(String, String)>) -> Response {
    let command = match command.as_str() {
        "drain" => DiskCommand::Drain,
        "undrain" => DiskCommand::Undrain,
        "offline" => DiskCommand::Offline,
        "online" => DiskCommand::Online,
        "remove" => DiskCommand::Remove,
        _ => return no_such_command(),
    };
    answer(acted.cluster.command_disk(&disk, command).await.map(|disk| json!({ "disk": disk })))
}

async fn node(State(acted): State<Acted>, Path((node, command)): Path<(u64, String)>) -> Response {
    let command = match command.as_str() {
        "drain" => NodeCommand::Drain,
        "undrain" => NodeCommand::Undrain,
        "remove" => NodeCommand::Remove,
        _ => return no_such_command(),
    };
    answer(acted.cluster.command_node(node, command).await.map(|()| json!({ "node": node })))
}

async fn add_disk(State(acted): State<Acted>, Path((node, directory)): Path<(u64, String)>) -> Response {
    let Ok(directory) = hex::decode(directory) else {
        return refusal(StatusCode::BAD_REQUEST, "a directory travels as hexadecimal digits");
    };
    let directory = PathBuf::from(OsString::from_vec(directory));
    answer(acted.cluster.add_disk(node, &directory).await.map(|disk| json!({ "disk": disk })))
}

async fn safe_to_stop(State(acted): State<Acted>, Path(node): Path<u64>) -> Response {
    answer(acted.store.judge_stop(node).await)
}

async fn table(State(acted): State<Acted>) -> Response {
    answer(Ok(acted.cluster.table_overview()))
}

pub(crate) fn no_such_command() -> Response {
    refusal(StatusCode::NOT_FOUND, "there is no such command")
}
