//! GetBucketLogging, PutBucketLogging.

use std::sync::Arc;

use http::StatusCode;
use iam::acl::Acl;
use store::bucket::Bucket;

use crate::bucket_logs;
use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::operation::{acl, bucket_configuration};
use crate::request::Request;
use crate::response::{self, Response};
use crate::settings::{Document, Logging, LoggingStatus, Payer};

/// GetBucketLogging.
pub(super) async fn get_bucket_logging(_: &Frontend, request: Request) -> Result<Response> {
    Ok(response::xml_text(LoggingStatus(request.settings().logging.clone()).write()))
}

/// PutBucketLogging. Lines are delivered only where they may be, which is asked each time; what can be seen now is told now.
pub(super) async fn put_bucket_logging(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let LoggingStatus(logging) = bucket_configuration::read(frontend, &mut request).await?;
    let status = match logging {
        Some(logging) => {
            let source = request.found().clone();
            Some(LoggingStatus(Some(Arc::new(checked(frontend, &source, &logging).await?))))
        }
        None => None,
    };
    bucket_configuration::set(frontend, request.access(), status.as_ref()).await?;
    Ok(response::empty(StatusCode::OK))
}

/// The same with accounts in the place of their mail addresses, once its target is known to take the lines.
async fn checked(frontend: &Frontend, source: &Bucket, logging: &Logging) -> Result<Logging> {
    let refused = |message| Error::with_message(ErrorCode::InvalidTargetBucketForLogging, message);
    let target = frontend.bucket_access(&logging.target).await.map_err(|error| match error.code() {
        ErrorCode::NoSuchBucket => refused("The target bucket for logging does not exist"),
        _ => error,
    })?;
    let now = frontend.env.clock.now();
    bucket_logs::check_target((&source.name, &source.owner), &target, &logging.prefix, now)?;
    if target.settings.payer == Some(Payer::Requester) {
        return Err(refused("The target bucket for logging must not have requesters pay"));
    }
    if target.bucket.lock.is_some_and(|lock| lock.default.is_some()) {
        return Err(refused("The target bucket for logging must not have a default retention"));
    }
    if !logging.grants.is_empty() && !target.settings.ownership().has_acls() {
        return Err(ErrorCode::AccessControlListNotSupported.into());
    }
    let grants = Acl { owner: target.bucket.owner, grants: logging.grants.clone() };
    let Acl { grants, .. } = acl::resolve(frontend, grants).await?;
    Ok(Logging { grants, ..logging.clone() })
}
