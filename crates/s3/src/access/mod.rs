//! Whether a request may happen: its action, what it acts on, and what `iam` says about both.
//!
//! [`Frontend::enter`] runs before every operation. It reads the bucket's record and settings, once for the whole
//! request, and asks for the action that the operation names, and for those that single headers add. DeleteObjects asks
//! for each of its keys itself, and copies ask for their source.

mod context;

use std::sync::Arc;

use http::HeaderMap;
use iam::{AccessRequest, Action, Decision, IdentityPolicies, Resource, ResourcePolicies, evaluate};
use store::bucket::Bucket;

use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::header::single;
use crate::operation::Operation;
use crate::request::Request;
use crate::settings::{Payer, Settings};
use context::RequestContext;

/// The bucket that a request is about, as it was when the request came in.
pub(crate) struct BucketAccess {
    /// Its record.
    pub(crate) bucket: Bucket,
    /// What is configured for it.
    pub(crate) settings: Arc<Settings>,
}

/// What deciding about a request has shown besides that it may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    /// Whether the sender may know which keys there are. Who may not is told that access is denied where there is none.
    pub(crate) may_list: bool,
    /// Whether the sender pays.
    pub(crate) charged: bool,
}

/// Headers that need a permission of their own, and that permission.
const HEADER_ACTIONS: [(&str, Action); 3] = [
    ("x-amz-tagging", Action::PutObjectTagging),
    ("x-amz-object-lock-mode", Action::PutObjectRetention),
    ("x-amz-object-lock-legal-hold", Action::PutObjectLegalHold),
];

impl Frontend {
    /// The bucket called `name` with its settings.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`.
    pub(crate) async fn bucket_access(&self, name: &str) -> Result<BucketAccess> {
        let bucket = self.store.head_bucket(name).await?;
        let settings = self.settings.settings(&self.store, &bucket).await?;
        Ok(BucketAccess { bucket, settings })
    }

    /// Decides whether `request` may happen, and notes the bucket it is about.
    ///
    /// # Errors
    ///
    /// `AccessDenied`, `NoSuchBucket`.
    pub(crate) async fn enter(&self, request: &mut Request) -> Result<Admission> {
        let operation = request.operation;
        let action = operation.action(&request.query);
        let (Some(name), false) = (request.target.bucket(), operation == Operation::CreateBucket) else {
            let name = request.target.bucket().unwrap_or("*").to_owned();
            self.check(request, None, action, &name)?;
            return Ok(Admission { may_list: true, charged: false });
        };
        let access = self.bucket_access(name).await?;
        check_owner(&request.headers, "x-amz-expected-bucket-owner", &access)?;
        let charged = check_payer(request, &access)?;
        request.access = Some(access);
        let access = request.access();
        if operation != Operation::DeleteObjects {
            let resource = resource_name(request.bucket(), request.target.key());
            self.check(request, Some(access), action, &resource)?;
            for action in more_actions(request) {
                self.check(request, Some(access), action, &resource)?;
            }
        }
        let may_list = self.check(request, Some(access), Action::ListBucket, request.bucket()).is_ok();
        Ok(Admission { may_list, charged })
    }

    /// Whether `request` may read the source of a copy.
    ///
    /// # Errors
    ///
    /// `AccessDenied`, `NoSuchBucket`.
    pub(crate) async fn enter_source(
        &self,
        request: &mut Request,
        bucket: &str,
        key: &str,
        action: Action,
    ) -> Result<()> {
        let access = self.bucket_access(bucket).await?;
        check_owner(&request.headers, "x-amz-source-expected-bucket-owner", &access)?;
        check_payer(request, &access)?;
        self.check(request, Some(&access), action, &resource_name(bucket, Some(key)))
    }

    /// Whether `request` may do `action` to an object of its bucket.
    ///
    /// # Errors
    ///
    /// `AccessDenied`.
    pub(crate) fn check_object(&self, request: &Request, action: Action, key: &str) -> Result<()> {
        self.check(request, Some(request.access()), action, &resource_name(request.bucket(), Some(key)))
    }

    fn check(&self, request: &Request, access: Option<&BucketAccess>, action: Action, resource: &str) -> Result<()> {
        let context = RequestContext {
            request,
            region: &self.config.region,
            now: self.env.clock.now(),
            owner: access.map(|access| access.bucket.owner.as_str()),
            object_tags: None,
        };
        let principal = &request.caller.principal;
        let resource = Resource::S3(resource);
        let asked = AccessRequest { principal, action, resource, context: &context };
        let policies = access.map(|BucketAccess { bucket, settings }| ResourcePolicies {
            owner: &bucket.owner,
            policy: settings.policy.as_ref().map(|document| document.policy()),
            acl: settings.acl.as_ref(),
            object_acl: None,
            ownership: settings.ownership(),
            block: settings.public_access.unwrap_or_default(),
        });
        match evaluate(&asked, &IdentityPolicies::default(), policies.as_ref()) {
            Decision::Allowed(_) => Ok(()),
            Decision::Denied(denied) => {
                let reason = denied.explain(action);
                tracing::debug!(action = action.name(), caller = principal.caller_arn(), ?denied, "denied");
                let at_home = access.is_none_or(|access| principal.canonical_id() == Some(&access.bucket.owner));
                Err(match principal.caller_arn().filter(|_| at_home) {
                    // Only the own account is told why: others must not learn how a bucket is guarded.
                    Some(arn) => Error::with_message(
                        ErrorCode::AccessDenied,
                        format!(
                            "User: {arn} is not authorized to perform: {} on resource: \"{}\" {reason}",
                            action.name(),
                            resource.arn()
                        ),
                    ),
                    None => ErrorCode::AccessDenied.into(),
                })
            }
        }
    }
}

/// What policies call the bucket, or an object in it.
fn resource_name(bucket: &str, key: Option<&str>) -> String {
    match key {
        Some(key) => format!("{bucket}/{key}"),
        None => bucket.to_owned(),
    }
}

/// The actions that the headers of `request` add to that of its operation.
fn more_actions(request: &Request) -> Vec<Action> {
    match request.operation {
        Operation::PutObject | Operation::CopyObject | Operation::CreateMultipartUpload => {
            let named = HEADER_ACTIONS.iter().filter(|(name, _)| request.headers.contains_key(*name));
            named.map(|(_, action)| *action).collect()
        }
        Operation::GetObjectAttributes if request.query.has("versionId") => vec![Action::GetObjectVersion],
        Operation::GetObjectAttributes => vec![Action::GetObject],
        _ => Vec::new(),
    }
}

/// Compares the owner that the client expects with the one that the bucket has.
fn check_owner(headers: &HeaderMap, name: &'static str, access: &BucketAccess) -> Result<()> {
    let Some(expected) = single(headers, name)? else { return Ok(()) };
    let owner = iam::Account::account_id_of(&access.bucket.owner);
    if owner.as_deref() == Some(expected) { Ok(()) } else { Err(ErrorCode::AccessDenied.into()) }
}

/// Whether the sender pays, who must have said so.
fn check_payer(request: &Request, access: &BucketAccess) -> Result<bool> {
    let own = request.caller.account.canonical_id() == access.bucket.owner;
    if own || access.settings.payer != Some(Payer::Requester) {
        return Ok(false);
    }
    let agreed = single(&request.headers, "x-amz-request-payer")? == Some("requester");
    let known = !request.caller.principal.is_anonymous();
    if agreed && known { Ok(true) } else { Err(ErrorCode::AccessDenied.into()) }
}
