//! Access control lists of buckets and objects.

use http::StatusCode;
use iam::Account;
use iam::acl::{Acl, Grantee};

use crate::access::BucketAccess;
use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::header::{self, refusal};
use crate::operation::bucket_configuration;
use crate::request::Request;
use crate::response::{self, Response};
use crate::settings;
use crate::xml::Writer;

/// GetBucketAcl.
pub(super) async fn get_bucket_acl(frontend: &Frontend, request: Request) -> Result<Response> {
    let BucketAccess { bucket, settings } = request.access();
    let acl = if settings.ownership().has_acls() { settings.acl(bucket) } else { Acl::private(&bucket.owner) };
    Ok(response::xml_text(write(frontend, &acl)))
}

/// PutBucketAcl.
pub(super) async fn put_bucket_acl(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let owner = request.access().bucket.owner.clone();
    let acl = match header::acl::requested(&request.headers, &owner, &owner)? {
        Some(acl) => acl,
        None => bucket_configuration::read::<Acl>(frontend, &mut request).await?,
    };
    check(frontend, request.access(), &acl, &owner)?;
    bucket_configuration::set(frontend, request.access(), Some(&acl)).await?;
    Ok(response::empty(StatusCode::OK))
}

/// GetObjectAcl.
pub(super) async fn get_object_acl(frontend: &Frontend, request: Request) -> Result<Response> {
    let version = request.version()?;
    frontend.store.head_object(request.bucket(), request.key(), version).await?;
    let acl = Acl::private(&request.access().bucket.owner);
    Ok(response::xml_text(write(frontend, &acl)))
}

/// PutObjectAcl, as far as it changes nothing.
pub(super) async fn put_object_acl(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let version = request.version()?;
    refusal::check_acl(&request.headers)?;
    let owner = request.access().bucket.owner.clone();
    if !header::acl::is_requested(&request.headers) {
        let acl = bucket_configuration::read::<Acl>(frontend, &mut request).await?;
        check(frontend, request.access(), &acl, &owner)?;
        if acl != Acl::private(&owner) {
            let message = "Access control lists that grant something to others are not implemented";
            return Err(Error::with_message(ErrorCode::NotImplemented, message));
        }
    }
    frontend.store.head_object(request.bucket(), request.key(), version).await?;
    Ok(response::empty(StatusCode::OK))
}

/// Whether `acl` may be set on something of `owner` in the bucket.
fn check(frontend: &Frontend, access: &BucketAccess, acl: &Acl, owner: &str) -> Result<()> {
    if !access.settings.ownership().has_acls() {
        return Err(ErrorCode::AccessControlListNotSupported.into());
    }
    let blocked = access.settings.public_access.is_some_and(|block| block.block_public_acls);
    if acl.owner != owner || blocked && acl.is_public() {
        return Err(ErrorCode::AccessDenied.into());
    }
    check_grantees(frontend, acl)
}

/// Whether all accounts that `acl` names exist.
///
/// # Errors
///
/// `InvalidArgument` with the one that does not.
pub(super) fn check_grantees(frontend: &Frontend, acl: &Acl) -> Result<()> {
    for grant in &acl.grants {
        if let Grantee::Account(id) = &grant.grantee
            && *id != acl.owner
            && frontend.known_account(id).is_none()
        {
            return Err(Error::invalid_argument("Invalid id", "CanonicalUser/ID", id));
        }
    }
    Ok(())
}

fn write(frontend: &Frontend, acl: &Acl) -> String {
    settings::acl::write(acl, |id| frontend.known_account(id))
}

/// Writes who owns, or started, something.
pub(super) fn write_owner(document: &mut Writer, element: &'static str, account: &Account) {
    document.open(element);
    document.text("ID", account.canonical_id());
    if !account.display_name().is_empty() {
        document.text("DisplayName", account.display_name());
    }
    document.close();
}
