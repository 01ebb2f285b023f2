//! Configurations of a bucket: one way to set, read and remove those that act here, and for those that cannot be set the
//! answer that AWS gives for a bucket that never had one, which SDKs and tools ask for before they do anything else.

use http::StatusCode;
use http::header::CONTENT_TYPE;
use iam::{ObjectOwnership, PublicAccessBlock};

use crate::access::BucketAccess;
use crate::body::digest;
use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::operation::Operation;
use crate::request::Request;
use crate::response::{self, Response};
use crate::settings::{Abac, Acceleration, BucketEncryption, BucketPolicy, Cors, Document, Payer, Website, kind};
use crate::xml::Writer;

/// Reads a configuration from the body, has `check` compare it with what else is configured, and sets it.
pub(super) async fn put<D: Document>(
    frontend: &Frontend,
    request: &mut Request,
    check: impl FnOnce(&BucketAccess, &D) -> Result<()>,
) -> Result<()> {
    let document = read::<D>(frontend, request).await?;
    check(request.access(), &document)?;
    set(frontend, request.access(), Some(&document)).await
}

/// Reads a configuration from the body.
pub(super) async fn read<D: Document>(frontend: &Frontend, request: &mut Request) -> Result<D> {
    let _room = frontend.reserve_xml(D::SIZE_MAX).await?;
    let body = request.body.read_bounded(D::SIZE_MAX).await?;
    digest::check_declared(&request.headers, &mut request.body, &body)?;
    D::parse(&body, request.bucket())
}

/// Sets or removes a configuration.
pub(super) async fn set<D: Document>(frontend: &Frontend, access: &BucketAccess, document: Option<&D>) -> Result<()> {
    let value = document.map(|document| document.write().into_bytes());
    Ok(frontend.store.set_bucket_configuration(&access.bucket, kind::<D>(), value).await?)
}

/// The answer with a configuration, or the error that says that there is none.
pub(super) fn found<D: Document>(document: Option<&D>, missing: ErrorCode) -> Result<Response> {
    let document = document.ok_or(missing)?;
    Ok(response::xml_text(document.write()))
}

/// GetBucketPolicy.
pub(super) async fn get_bucket_policy(_: &Frontend, request: Request) -> Result<Response> {
    let mut answer = found(request.settings().policy.as_ref(), ErrorCode::NoSuchBucketPolicy)?;
    response::set(answer.headers_mut(), CONTENT_TYPE, "application/json");
    Ok(answer)
}

/// PutBucketPolicy.
pub(super) async fn put_bucket_policy(frontend: &Frontend, mut request: Request) -> Result<Response> {
    put::<BucketPolicy>(frontend, &mut request, |access, document| {
        let blocked = access.settings.public_access.is_some_and(|block| block.block_public_policy);
        if blocked && document.policy().is_public() { Err(ErrorCode::AccessDenied.into()) } else { Ok(()) }
    })
    .await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// DeleteBucketPolicy.
pub(super) async fn delete_bucket_policy(frontend: &Frontend, request: Request) -> Result<Response> {
    remove::<BucketPolicy>(frontend, request.access()).await
}

/// GetBucketPolicyStatus: whether the policy, or the list, lets the public in.
pub(super) async fn get_bucket_policy_status(_: &Frontend, request: Request) -> Result<Response> {
    let settings = request.settings();
    let block = settings.public_access.unwrap_or_default();
    let by_policy = settings.policy.as_ref().is_some_and(|document| document.policy().is_public());
    let by_acl = settings.ownership().has_acls() && settings.acl.as_ref().is_some_and(|acl| acl.is_public());
    let is_public = by_policy && !block.restrict_public_buckets || by_acl && !block.ignore_public_acls;
    let mut document = Writer::new("PolicyStatus");
    document.value("IsPublic", is_public);
    Ok(response::xml(document))
}

/// GetPublicAccessBlock.
pub(super) async fn get_public_access_block(_: &Frontend, request: Request) -> Result<Response> {
    found(request.settings().public_access.as_ref(), ErrorCode::NoSuchPublicAccessBlockConfiguration)
}

/// PutPublicAccessBlock.
pub(super) async fn put_public_access_block(frontend: &Frontend, mut request: Request) -> Result<Response> {
    put::<PublicAccessBlock>(frontend, &mut request, |_, _| Ok(())).await?;
    Ok(response::empty(StatusCode::OK))
}

/// DeletePublicAccessBlock.
pub(super) async fn delete_public_access_block(frontend: &Frontend, request: Request) -> Result<Response> {
    remove::<PublicAccessBlock>(frontend, request.access()).await
}

/// GetBucketOwnershipControls.
pub(super) async fn get_bucket_ownership_controls(_: &Frontend, request: Request) -> Result<Response> {
    found(request.settings().ownership.as_ref(), ErrorCode::OwnershipControlsNotFound)
}

/// PutBucketOwnershipControls. Lists can only be switched off while they grant nothing to others.
pub(super) async fn put_bucket_ownership_controls(frontend: &Frontend, mut request: Request) -> Result<Response> {
    put::<ObjectOwnership>(frontend, &mut request, |access, ownership| {
        let shared = access.settings.acl.as_ref().is_some_and(|acl| acl.shares());
        let refused = shared && !ownership.has_acls();
        if refused { Err(ErrorCode::InvalidBucketAclWithObjectOwnership.into()) } else { Ok(()) }
    })
    .await?;
    Ok(response::empty(StatusCode::OK))
}

/// DeleteBucketOwnershipControls.
pub(super) async fn delete_bucket_ownership_controls(frontend: &Frontend, request: Request) -> Result<Response> {
    remove::<ObjectOwnership>(frontend, request.access()).await
}

/// GetBucketCors.
pub(super) async fn get_bucket_cors(_: &Frontend, request: Request) -> Result<Response> {
    found(request.settings().cors.as_ref(), ErrorCode::NoSuchCorsConfiguration)
}

/// PutBucketCors.
pub(super) async fn put_bucket_cors(frontend: &Frontend, mut request: Request) -> Result<Response> {
    put::<Cors>(frontend, &mut request, |_, _| Ok(())).await?;
    Ok(response::empty(StatusCode::OK))
}

/// DeleteBucketCors.
pub(super) async fn delete_bucket_cors(frontend: &Frontend, request: Request) -> Result<Response> {
    remove::<Cors>(frontend, request.access()).await
}

/// GetBucketEncryption.
pub(super) async fn get_bucket_encryption(_: &Frontend, request: Request) -> Result<Response> {
    found(request.settings().encryption.as_ref(), ErrorCode::ServerSideEncryptionConfigurationNotFound)
}

/// PutBucketEncryption.
pub(super) async fn put_bucket_encryption(frontend: &Frontend, mut request: Request) -> Result<Response> {
    put::<BucketEncryption>(frontend, &mut request, |_, _| Ok(())).await?;
    Ok(response::empty(StatusCode::OK))
}

/// DeleteBucketEncryption.
pub(super) async fn delete_bucket_encryption(frontend: &Frontend, request: Request) -> Result<Response> {
    remove::<BucketEncryption>(frontend, request.access()).await
}

/// GetBucketRequestPayment.
pub(super) async fn get_bucket_request_payment(_: &Frontend, request: Request) -> Result<Response> {
    let payer = request.settings().payer.unwrap_or(Payer::BucketOwner);
    Ok(response::xml_text(payer.write()))
}

/// PutBucketRequestPayment.
pub(super) async fn put_bucket_request_payment(frontend: &Frontend, mut request: Request) -> Result<Response> {
    put::<Payer>(frontend, &mut request, |_, _| Ok(())).await?;
    Ok(response::empty(StatusCode::OK))
}

/// GetBucketAccelerateConfiguration. Where it never was set, there is no status.
pub(super) async fn get_bucket_accelerate(_: &Frontend, request: Request) -> Result<Response> {
    let unset = || Writer::new("AccelerateConfiguration").finish();
    Ok(response::xml_text(request.settings().acceleration.as_ref().map_or_else(unset, Acceleration::write)))
}

/// PutBucketAccelerateConfiguration.
pub(super) async fn put_bucket_accelerate(frontend: &Frontend, mut request: Request) -> Result<Response> {
    put::<Acceleration>(frontend, &mut request, |_, _| Ok(())).await?;
    Ok(response::empty(StatusCode::OK))
}

/// GetBucketAbac.
pub(super) async fn get_bucket_abac(_: &Frontend, request: Request) -> Result<Response> {
    Ok(response::xml_text(request.settings().abac.unwrap_or_default().write()))
}

/// PutBucketAbac.
pub(super) async fn put_bucket_abac(frontend: &Frontend, mut request: Request) -> Result<Response> {
    put::<Abac>(frontend, &mut request, |_, _| Ok(())).await?;
    Ok(response::empty(StatusCode::OK))
}

/// GetBucketWebsite.
pub(super) async fn get_bucket_website(_: &Frontend, request: Request) -> Result<Response> {
    found(request.settings().website.as_ref(), ErrorCode::NoSuchWebsiteConfiguration)
}

/// PutBucketWebsite. A server that has no domain for websites keeps none.
pub(super) async fn put_bucket_website(frontend: &Frontend, mut request: Request) -> Result<Response> {
    if frontend.config.website_domains.is_empty() {
        let message = "This server serves no websites: it was started without --website-domain.";
        return Err(Error::with_message(ErrorCode::NotImplemented, message));
    }
    put::<Website>(frontend, &mut request, |_, _| Ok(())).await?;
    Ok(response::empty(StatusCode::OK))
}

/// DeleteBucketWebsite.
pub(super) async fn delete_bucket_website(frontend: &Frontend, request: Request) -> Result<Response> {
    remove::<Website>(frontend, request.access()).await
}

/// Removes a configuration.
pub(super) async fn remove<D: Document>(frontend: &Frontend, access: &BucketAccess) -> Result<Response> {
    set::<D>(frontend, access, None).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// What a bucket without a configuration answers.
#[derive(Clone, Copy)]
enum Unset {
    /// This error.
    Error(ErrorCode),
    /// An empty document with this root.
    Empty(&'static str),
    /// A document with this root and one element of this name and text.
    Fixed(&'static str, &'static str, &'static str),
}

/// Answers that the configuration is not there.
pub(super) async fn get_unset(_: &Frontend, request: Request) -> Result<Response> {
    match unset(request.operation) {
        None => Err(ErrorCode::NotImplemented.into()),
        Some(Unset::Error(code)) => Err(code.into()),
        Some(Unset::Empty(root)) => Ok(response::xml(Writer::new(root))),
        Some(Unset::Fixed(root, name, text)) => {
            let mut document = Writer::new(root);
            document.text(name, text);
            Ok(response::xml(document))
        }
    }
}

fn unset(operation: Operation) -> Option<Unset> {
    use Operation as O;
    let listing = |root| Unset::Fixed(root, "IsTruncated", "false");
    Some(match operation {
        O::ListBucketAnalyticsConfigurations => listing("ListBucketAnalyticsConfigurationResult"),
        O::ListBucketIntelligentTieringConfigurations => listing("ListBucketIntelligentTieringConfigurationsOutput"),
        O::ListBucketInventoryConfigurations => listing("ListInventoryConfigurationsResult"),
        O::ListBucketMetricsConfigurations => listing("ListMetricsConfigurationsResult"),
        O::GetBucketNotificationConfiguration => Unset::Empty("NotificationConfiguration"),
        O::GetBucketReplication => Unset::Error(ErrorCode::ReplicationConfigurationNotFound),
        _ => return None,
    })
}
