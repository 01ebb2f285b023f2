//! Access control lists of buckets and objects.

use http::StatusCode;
use iam::acl::{Acl, CannedAcl, Grantee};
use iam::{Account, ObjectOwnership};
use store::Object;

use crate::access::BucketAccess;
use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::header;
use crate::operation::bucket_configuration;
use crate::request::Request;
use crate::response::{self, Response};
use crate::settings::{self, Document};
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
    let (bucket, key, version) = (request.found(), request.key(), request.version()?);
    let object = frontend.store.head_object(bucket, key, version).await?;
    let BucketAccess { bucket, settings } = request.access();
    let acl =
        if settings.ownership().has_acls() { of_object(&object, &bucket.owner)? } else { Acl::private(&bucket.owner) };
    Ok(response::xml_text(write(frontend, &acl)))
}

/// PutObjectAcl.
pub(super) async fn put_object_acl(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let version = request.version()?;
    let (bucket, key) = (request.found().clone(), request.key().to_owned());
    let object = frontend.store.head_object(&bucket, &key, version).await?;
    let bucket_owner = request.access().bucket.owner.clone();
    let owner = of_object(&object, &bucket_owner)?.owner;
    let acl = match header::acl::requested(&request.headers, &owner, &bucket_owner)? {
        Some(acl) => acl,
        None => bucket_configuration::read::<Acl>(frontend, &mut request).await?,
    };
    check(frontend, request.access(), &acl, &owner)?;
    frontend.store.set_object_acl(&bucket, &key, version, stored(&acl, &bucket_owner)).await?;
    Ok(response::empty(StatusCode::OK))
}

/// The list of an object as it is kept, in a bucket of `bucket_owner`.
fn of_object(object: &Object, bucket_owner: &str) -> Result<Acl> {
    object.acl.as_deref().map_or_else(|| Ok(Acl::private(bucket_owner)), settings::acl::of_object)
}

/// What is kept of a list: nothing of the one that every object has.
fn stored(acl: &Acl, bucket_owner: &str) -> Option<String> {
    (*acl != Acl::private(bucket_owner)).then(|| acl.write())
}

/// The list that `request` gives to a new object, as the store keeps it. It names the object's owner: who writes it,
/// unless the bucket's ownership controls say otherwise.
///
/// # Errors
///
/// `AccessControlListNotSupported` where lists are off, `AccessDenied` for public ones where they are blocked, and what is
/// wrong with the headers.
pub(super) fn of_new_object(frontend: &Frontend, request: &Request) -> Result<Option<String>> {
    let (access, headers) = (request.access(), &request.headers);
    let bucket_owner = access.bucket.owner.as_str();
    let gives_away = header::acl::canned(headers)? == Some(CannedAcl::BucketOwnerFullControl);
    let owner = match access.settings.ownership() {
        ObjectOwnership::BucketOwnerEnforced if header::acl::is_requested(headers) && !gives_away => {
            return Err(ErrorCode::AccessControlListNotSupported.into());
        }
        ObjectOwnership::BucketOwnerEnforced => return Ok(None),
        ObjectOwnership::BucketOwnerPreferred if gives_away => bucket_owner,
        ObjectOwnership::BucketOwnerPreferred | ObjectOwnership::ObjectWriter => request.caller.account.canonical_id(),
    };
    let requested = header::acl::requested(headers, owner, bucket_owner)?;
    let acl = requested.unwrap_or_else(|| Acl::private(owner));
    check(frontend, access, &acl, owner)?;
    Ok(stored(&acl, bucket_owner))
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
