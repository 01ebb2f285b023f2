//! Access control lists: everything belongs to the owner alone, and only that can be said.

use iam::Account;

use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::header::refusal;
use crate::request::Request;
use crate::response::{self, Response};
use crate::xml::{Element, Writer};

/// Largest ACL: a hundred grants.
const ACL_SIZE_MAX: usize = 64 * 1024;

/// GetBucketAcl.
pub(super) async fn get_bucket_acl(frontend: &Frontend, request: Request) -> Result<Response> {
    frontend.store.head_bucket(request.bucket()).await?;
    Ok(response::xml(owners_acl(&request.credential.account)))
}

/// GetObjectAcl.
pub(super) async fn get_object_acl(frontend: &Frontend, request: Request) -> Result<Response> {
    request.check_version()?;
    frontend.store.head_object(request.bucket(), request.key(), &store::ReadConditions::default()).await?;
    Ok(response::xml(owners_acl(&request.credential.account)))
}

/// PutBucketAcl, as far as it changes nothing.
pub(super) async fn put_bucket_acl(frontend: &Frontend, mut request: Request) -> Result<Response> {
    check_acl(frontend, &mut request).await?;
    frontend.store.head_bucket(request.bucket()).await?;
    Ok(response::empty(http::StatusCode::OK))
}

/// PutObjectAcl, as far as it changes nothing.
pub(super) async fn put_object_acl(frontend: &Frontend, mut request: Request) -> Result<Response> {
    request.check_version()?;
    check_acl(frontend, &mut request).await?;
    frontend.store.head_object(request.bucket(), request.key(), &store::ReadConditions::default()).await?;
    Ok(response::empty(http::StatusCode::OK))
}

/// Refuses every ACL but the owner's own.
async fn check_acl(frontend: &Frontend, request: &mut Request) -> Result<()> {
    refusal::check_acl(&request.headers)?;
    let _room = frontend.reserve_xml(ACL_SIZE_MAX).await?;
    let body = request.body.read_bounded(ACL_SIZE_MAX).await?;
    if request.headers.contains_key("x-amz-acl") {
        return Ok(());
    }
    let malformed = || Error::new(ErrorCode::MalformedAcl);
    let policy = Element::parse(&body, "AccessControlPolicy").map_err(|_| malformed())?;
    let grants = policy.child("AccessControlList")?.ok_or_else(malformed)?;
    for grant in grants.children("Grant") {
        let grantee = grant.child("Grantee")?.ok_or_else(malformed)?;
        let is_owner = grantee.child_text("ID")? == Some(request.credential.account.canonical_id());
        let is_full = grant.child_text("Permission")? == Some("FULL_CONTROL");
        if !is_owner || !is_full {
            let message = "Access control lists that grant something to others are not implemented";
            return Err(Error::with_message(ErrorCode::NotImplemented, message));
        }
    }
    let keeps_owner = grants.children("Grant").next().is_some();
    if keeps_owner { Ok(()) } else { Err(ErrorCode::NotImplemented.into()) }
}

fn owners_acl(account: &Account) -> Writer {
    let mut document = Writer::new("AccessControlPolicy");
    write_owner(&mut document, "Owner", account);
    document.open("AccessControlList");
    document.open("Grant");
    document.open_typed("Grantee", "CanonicalUser");
    document.text("ID", account.canonical_id());
    document.text("DisplayName", account.display_name());
    document.close();
    document.text("Permission", "FULL_CONTROL");
    document
}

/// Writes who owns, or started, something.
pub(super) fn write_owner(document: &mut Writer, element: &'static str, account: &Account) {
    document.open(element);
    document.text("ID", account.canonical_id());
    document.text("DisplayName", account.display_name());
    document.close();
}
