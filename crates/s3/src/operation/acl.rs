//! Access control lists of buckets and objects.

use std::collections::BTreeMap;

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
    Ok(response::xml_text(write(frontend, &acl).await?))
}

/// PutBucketAcl.
pub(super) async fn put_bucket_acl(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let owner = request.access().bucket.owner.clone();
    let acl = match header::acl::requested(&request.headers, &owner, &owner)? {
        Some(acl) => acl,
        None => bucket_configuration::read::<Acl>(frontend, &mut request).await?,
    };
    check(request.access(), &acl, &owner)?;
    let acl = resolve(frontend, acl).await?;
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
    Ok(response::xml_text(write(frontend, &acl).await?))
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
    check(request.access(), &acl, &owner)?;
    let acl = resolve(frontend, acl).await?;
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
pub(super) async fn of_new_object(frontend: &Frontend, request: &mut Request) -> Result<Option<String>> {
    let Some(acl) = requested_for_object(request)? else { return Ok(None) };
    let bucket_owner = request.access().bucket.owner.clone();
    Ok(stored(&resolve(frontend, acl).await?, &bucket_owner))
}

fn requested_for_object(request: &Request) -> Result<Option<Acl>> {
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
    check(access, &acl, owner)?;
    Ok(Some(acl))
}

/// Whether `acl` may be set on something of `owner` in the bucket.
fn check(access: &BucketAccess, acl: &Acl, owner: &str) -> Result<()> {
    if !access.settings.ownership().has_acls() {
        return Err(ErrorCode::AccessControlListNotSupported.into());
    }
    let blocked = access.settings.public_access.is_some_and(|block| block.block_public_acls);
    if acl.owner != owner || blocked && acl.is_public() {
        return Err(ErrorCode::AccessDenied.into());
    }
    Ok(())
}

/// The same list with accounts in the place of their mail addresses, once all of them are known to exist.
///
/// # Errors
///
/// `InvalidArgument` with the account that does not, `UnresolvableGrantByEmailAddress`.
pub(super) async fn resolve(frontend: &Frontend, mut acl: Acl) -> Result<Acl> {
    for grant in &mut acl.grants {
        match &grant.grantee {
            Grantee::Account(id) if *id != acl.owner && frontend.known_account(id).await?.is_none() => {
                return Err(Error::invalid_argument("Invalid id", "CanonicalUser/ID", id));
            }
            Grantee::Mail(address) => {
                let found = frontend.directory.account_by_email(address).await?;
                let found = found.ok_or(ErrorCode::UnresolvableGrantByEmailAddress)?;
                grant.grantee = Grantee::Account(found.canonical_id().to_owned());
            }
            Grantee::Account(_) | Grantee::Group(_) => {}
        }
    }
    Ok(acl)
}

/// The document of a list, with the names of the accounts in it.
async fn write(frontend: &Frontend, acl: &Acl) -> Result<String> {
    let mut accounts = BTreeMap::new();
    let granted = acl.grants.iter().filter_map(|grant| match &grant.grantee {
        Grantee::Account(id) => Some(id),
        Grantee::Mail(_) | Grantee::Group(_) => None,
    });
    for id in std::iter::once(&acl.owner).chain(granted) {
        if !accounts.contains_key(id)
            && let Some(account) = frontend.known_account(id).await?
        {
            accounts.insert(id.clone(), account);
        }
    }
    Ok(settings::acl::write(acl, |id| accounts.get(id)))
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
