//! GetBucketLifecycleConfiguration, PutBucketLifecycleConfiguration, DeleteBucketLifecycle, and the headers that announce
//! what rules will end.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use env::UnixMillis;
use http::{HeaderMap, HeaderName, StatusCode};
use store::lifecycle::{self, Facts};

use crate::error::{ErrorCode, Result};
use crate::frontend::Frontend;
use crate::operation::bucket_configuration;
use crate::request::Request;
use crate::response::{self, Response};
use crate::settings::{Document, Lifecycle};
use crate::timestamp;
use crate::uri;

/// GetBucketLifecycleConfiguration.
pub(super) async fn get_bucket_lifecycle_configuration(_: &Frontend, request: Request) -> Result<Response> {
    let document = request.settings().lifecycle.as_ref().ok_or(ErrorCode::NoSuchLifecycleConfiguration)?;
    Ok(response::xml_text(document.write()))
}

/// PutBucketLifecycleConfiguration.
pub(super) async fn put_bucket_lifecycle_configuration(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let mut document = bucket_configuration::read::<Lifecycle>(frontend, &mut request).await?;
    document.name_rules(|| {
        let mut id = [0; 36];
        frontend.env.entropy.fill(&mut id);
        URL_SAFE_NO_PAD.encode(id)
    });
    let rules = lifecycle::rules(frontend.config.lifecycle_day, document.enabled());
    let lifecycle = lifecycle::Lifecycle { document: document.write().into_bytes(), rules };
    frontend.store.set_lifecycle(request.found(), Some(lifecycle)).await?;
    Ok(response::empty(StatusCode::OK))
}

/// DeleteBucketLifecycle.
pub(super) async fn delete_bucket_lifecycle(frontend: &Frontend, request: Request) -> Result<Response> {
    if request.settings().lifecycle.is_some() {
        frontend.store.set_lifecycle(request.found(), None).await?;
    }
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// Tells when the rules of the bucket end an object, if they do. In days of 24 hours, whatever a test takes for a day.
pub(super) fn announce_expiry(
    settings: Option<&Lifecycle>,
    object: &Facts<'_>,
    modified: UnixMillis,
    headers: &mut HeaderMap,
) {
    if let Some((due, rule)) = settings.and_then(|lifecycle| lifecycle.expires(object, modified)) {
        let (date, rule) = (timestamp::http_date(due), uri::encode_path(rule));
        let value = format!("expiry-date=\"{date}\", rule-id=\"{rule}\"");
        response::set(headers, HeaderName::from_static("x-amz-expiration"), &value);
    }
}

/// Tells when the rules of the bucket drop an upload, if they do.
pub(super) fn announce_abort(settings: Option<&Lifecycle>, key: &str, initiated: UnixMillis, headers: &mut HeaderMap) {
    if let Some((due, rule)) = settings.and_then(|lifecycle| lifecycle.aborts(key, initiated)) {
        response::set(headers, HeaderName::from_static("x-amz-abort-date"), &timestamp::http_date(due));
        response::set(headers, HeaderName::from_static("x-amz-abort-rule-id"), &uri::encode_path(rule).to_string());
    }
}
