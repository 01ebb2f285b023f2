//! RenameObject.

use http::{HeaderMap, StatusCode};
use iam::Action;
use store::rename::{RenameCondition, RenameRequest};
use store::{Precondition, ReadConditions};

use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::header::{condition, single};
use crate::request::Request;
use crate::response::{self, Response};
use crate::target::check_key;
use crate::uri;

/// Most characters of a client's token.
const TOKEN_SIZE_MAX: usize = 64;

/// Gives the object that `x-amz-rename-source` names the key of the request. Who asks must be permitted to put that, and to
/// read and delete what is renamed.
pub(super) async fn rename_object(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let source = source(&request)?;
    let rename = RenameRequest {
        source: source.clone(),
        source_condition: of(condition::rename_source_conditions(&request.headers)?),
        target_condition: of(condition::read_conditions(&request.headers)?),
        token: token(&request.headers)?,
    };
    let bucket = request.bucket().to_owned();
    frontend.enter_source(&mut request, &bucket, &source, None).await?;
    frontend.check_object(&request, Action::DeleteObject, &source)?;
    if request.found().versioning.is_some() {
        // Its version leaves the key for good.
        frontend.check_object(&request, Action::DeleteObjectVersion, &source)?;
    }

    let result = frontend.store.rename_object(request.found(), request.key(), rename).await?;

    let mut renamed = response::empty(StatusCode::OK);
    response::set_written(&mut renamed, &result);
    Ok(renamed)
}

/// The conditions as the metadata decides them.
fn of(conditions: ReadConditions) -> RenameCondition {
    let ReadConditions { if_match, if_none_match, if_modified_since, if_unmodified_since } = conditions;
    RenameCondition {
        tags: Precondition { if_match, if_none_match, ..Precondition::default() },
        modified_since_seconds: if_modified_since.map(|time| time.0 / 1000),
        unmodified_since_seconds: if_unmodified_since.map(|time| time.0 / 1000),
    }
}

/// The key in `x-amz-rename-source`, which says the bucket before it, or nothing but the key.
fn source(request: &Request) -> Result<String> {
    const NAME: &str = "x-amz-rename-source";
    // Some clients send the key unencoded, as UTF-8.
    let text = request.headers.get(NAME).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let text = text.unwrap_or_default();
    let path = uri::decode(text)?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    let key = match path.split_once('/') {
        Some((bucket, key)) if bucket == request.bucket() => key,
        None => path,
        Some(_) => {
            let message = "The source of a rename must be in the bucket of its destination: bucket/key";
            return Err(Error::invalid_argument(message, NAME, text));
        }
    };
    if key.is_empty() {
        return Err(Error::invalid_argument("The source of a rename must name a key: bucket/key", NAME, text));
    }
    check_key(key)?;
    if key == request.key() {
        let message = "An object cannot be renamed to the name that it has";
        return Err(Error::with_message(ErrorCode::InvalidRequest, message));
    }
    Ok(key.to_owned())
}

/// The token that makes a renaming happen once.
fn token(headers: &HeaderMap) -> Result<Option<String>> {
    const NAME: &str = "x-amz-client-token";
    let Some(text) = single(headers, NAME)? else { return Ok(None) };
    let valid = (1..=TOKEN_SIZE_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    let message = "A client token has 1 to 64 visible ASCII characters";
    if valid { Ok(Some(text.to_owned())) } else { Err(Error::invalid_argument(message, NAME, text)) }
}
