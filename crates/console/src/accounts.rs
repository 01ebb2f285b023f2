//! Accounts as operators make and remove them.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use identity::{AccountEntry, Error};
use serde_json::{Value, json};

use crate::answer::{answer_store, refusal};
use crate::commands::Acted;

/// Buckets that are looked at at once.
const PAGE: usize = 1000;

pub(crate) async fn list(State(acted): State<Acted>) -> Response {
    let accounts = acted.directory.accounts().await;
    answer(accounts.map(|accounts| json!({ "accounts": accounts.iter().map(describe).collect::<Vec<_>>() })))
}

pub(crate) async fn create(State(acted): State<Acted>, Path(name): Path<String>) -> Response {
    create_account(&acted, name, None).await
}

pub(crate) async fn create_with_email(
    State(acted): State<Acted>,
    Path((name, email)): Path<(String, String)>,
) -> Response {
    match hex::decode(email).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(email) => create_account(&acted, name, Some(email)).await,
        None => refusal(StatusCode::BAD_REQUEST, "a mail address travels as hexadecimal digits"),
    }
}

/// The answer has the secret of the account's root user, which nobody can ask for again.
async fn create_account(acted: &Acted, name: String, email: Option<String>) -> Response {
    answer(acted.directory.create_account(name, email, None).await.map(|created| {
        let mut described = describe(&created.entry);
        described["access_key"] = created.access_key.into();
        described["secret_key"] = created.secret_key.into();
        described
    }))
}

pub(crate) async fn remove(State(acted): State<Acted>, Path(name): Path<String>) -> Response {
    let accounts = match acted.directory.accounts().await {
        Ok(accounts) => accounts,
        Err(error) => return answer::<Value>(Err(error)),
    };
    if let Some(found) = accounts.iter().find(|entry| entry.account.display_name() == name) {
        match owned_bucket(&acted, found.account.canonical_id()).await {
            Ok(None) => {}
            Ok(Some(bucket)) => {
                let message = format!("it owns buckets, {bucket} for one: delete them first");
                return refusal(StatusCode::CONFLICT, &message);
            }
            Err(error) => return answer_store(Err::<Value, _>(error)),
        }
    }
    answer(acted.directory.delete_account(name.clone()).await.map(|()| json!({ "account": name })))
}

/// The name of some bucket that the account with this canonical id owns.
async fn owned_bucket(acted: &Acted, owner: &str) -> store::Result<Option<String>> {
    let mut after: Option<String> = None;
    loop {
        let page = acted.store.list_buckets("", after.as_deref(), PAGE).await?;
        if let Some(own) = page.iter().find(|bucket| bucket.owner == owner) {
            return Ok(Some(own.name.clone()));
        }
        if page.len() < PAGE {
            return Ok(None);
        }
        after = page.last().map(|bucket| bucket.name.clone());
    }
}

fn describe(entry: &AccountEntry) -> Value {
    let AccountEntry { account, email, created } = entry;
    json!({
        "name": account.display_name(),
        "account_id": account.account_id(),
        "canonical_id": account.canonical_id(),
        "email": email,
        "created": created.0,
    })
}

/// What the directory answers, or its reason not to.
fn answer<T: serde::Serialize>(result: identity::Result<T>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error) => {
            let status = match &error {
                Error::NoSuchEntity { .. } => StatusCode::NOT_FOUND,
                Error::EntityAlreadyExists { .. } | Error::DeleteConflict(_) | Error::LimitExceeded { .. } => {
                    StatusCode::CONFLICT
                }
                Error::Validation(_) | Error::InvalidInput(_) => StatusCode::BAD_REQUEST,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            refusal(status, &error.to_string())
        }
    }
}
