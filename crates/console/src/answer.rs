//! Answers to operators: JSON, with a status that tells refusals from failures.

use axum::Json;
use axum::response::{IntoResponse, Response};
use cluster::Error;
use http::StatusCode;
use serde::Serialize;
use serde_json::json;

/// What the cluster answers, or its reason not to.
pub(crate) fn answer(result: cluster::Result<impl Serialize>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error) => {
            let status = match &error {
                Error::NoSuchDisk { .. } | Error::NoSuchNode { .. } => StatusCode::NOT_FOUND,
                Error::TooFewLeft { .. }
                | Error::NoRoom { .. }
                | Error::Shortfall { .. }
                | Error::DiskInUse { .. }
                | Error::SubstitutesLeft { .. }
                | Error::LastDisk { .. }
                | Error::NotAdded { .. }
                | Error::Damaged { .. } => StatusCode::CONFLICT,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            refusal(status, &error.to_string())
        }
    }
}

/// What the store answers, or why it cannot.
pub(crate) fn answer_store(result: store::Result<impl Serialize>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error @ store::Error::NoSuchBucket) => refusal(StatusCode::NOT_FOUND, &error.to_string()),
        Err(error) => refusal(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

pub(crate) fn refusal(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": message }))).into_response()
}
