//! CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation.

use std::collections::BTreeMap;

use http::header::LOCATION;
use http::{HeaderName, StatusCode};
use iam::ObjectOwnership;
use iam::acl::Acl;
use store::bucket::{ConfigurationKind, NewBucket};

use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::header::{self, single};
use crate::operation::bucket_configuration;
use crate::request::Request;
use crate::response::{self, Response};
use crate::settings::{Document, kind};
use crate::xml::{Element, Writer};

/// Largest CreateBucketConfiguration.
const CONFIGURATION_SIZE_MAX: usize = 64 * 1024;

/// The region whose location is written as nothing, and where creating one's own bucket again succeeds.
const REGION_CLASSIC: &str = "us-east-1";

/// CreateBucket.
pub(super) async fn create_bucket(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let mut wanted = Wanted::decode(&request)?;
    wanted.acl = match wanted.acl {
        Some(acl) => Some(super::acl::resolve(frontend, acl).await?),
        None => None,
    };
    let room = frontend.reserve_xml(CONFIGURATION_SIZE_MAX).await?;
    let body = request.body.read_bounded(CONFIGURATION_SIZE_MAX).await?;
    let region = read_region(&body, &frontend.config.region)?;
    drop((body, room));
    let owner = request.caller.account.canonical_id();

    let bucket = NewBucket {
        region,
        has_lock: wanted.has_lock,
        configurations: wanted.configurations(),
        ..NewBucket::new(request.bucket(), owner)
    };
    match frontend.store.create_bucket(bucket).await {
        Err(store::Error::BucketExists) => recreate(frontend, request.bucket(), owner, &wanted).await?,
        created => drop(created?),
    }

    let mut created = response::empty(StatusCode::OK);
    response::set(created.headers_mut(), LOCATION, &format!("/{}", request.bucket()));
    Ok(created)
}

/// Creates a bucket that exists: its owner may in one region, and replaces its list then.
async fn recreate(frontend: &Frontend, name: &str, owner: &str, wanted: &Wanted) -> Result<()> {
    let access = frontend.bucket_access(name).await?;
    if access.bucket.owner != owner {
        return Err(ErrorCode::BucketAlreadyExists.into());
    }
    // Nobody must believe that a bucket has a lock that it has not.
    let lacks_lock = wanted.has_lock && access.bucket.lock.is_none();
    if frontend.config.region != REGION_CLASSIC || lacks_lock {
        return Err(ErrorCode::BucketAlreadyOwnedByYou.into());
    }
    if wanted.ownership.is_some() {
        bucket_configuration::set(frontend, &access, wanted.ownership.as_ref()).await?;
    }
    if wanted.acl.is_some() {
        bucket_configuration::set(frontend, &access, wanted.acl.as_ref()).await?;
    }
    Ok(())
}

/// What the headers of a CreateBucket ask for.
struct Wanted {
    has_lock: bool,
    ownership: Option<ObjectOwnership>,
    acl: Option<Acl>,
}

impl Wanted {
    fn decode(request: &Request) -> Result<Self> {
        const LOCK: &str = "x-amz-bucket-object-lock-enabled";
        const OWNERSHIP: &str = "x-amz-object-ownership";
        let has_lock = match single(&request.headers, LOCK)? {
            None => false,
            Some(value) if value.eq_ignore_ascii_case("false") => false,
            Some(value) if value.eq_ignore_ascii_case("true") => true,
            Some(other) => return Err(Error::invalid_argument("Must be true or false", LOCK, other)),
        };
        let parse = |name| {
            let refused = || Error::invalid_argument("Invalid x-amz-object-ownership header", OWNERSHIP, name);
            ObjectOwnership::parse(name).ok_or_else(refused)
        };
        let ownership = single(&request.headers, OWNERSHIP)?.map(parse).transpose()?;
        let owner = request.caller.account.canonical_id();
        let acl = header::acl::requested(&request.headers, owner, owner)?;
        let enforced = ownership.is_some_and(|ownership| !ownership.has_acls());
        if enforced && acl.as_ref().is_some_and(Acl::shares) {
            return Err(ErrorCode::InvalidBucketAclWithObjectOwnership.into());
        }
        Ok(Self { has_lock, ownership, acl })
    }

    /// What the bucket is configured with from the beginning.
    fn configurations(&self) -> BTreeMap<ConfigurationKind, Vec<u8>> {
        let ownership = self.ownership.as_ref().map(stored);
        ownership.into_iter().chain(self.acl.as_ref().map(stored)).collect()
    }
}

/// A configuration as it is kept.
fn stored<D: Document>(document: &D) -> (ConfigurationKind, Vec<u8>) {
    (kind::<D>(), document.write().into_bytes())
}

/// The region that a configuration names, which can only be that of this server.
pub(super) fn read_region(body: &[u8], region: &str) -> Result<Option<String>> {
    if body.is_empty() {
        return Ok(None);
    }
    let configuration = Element::parse(body, "CreateBucketConfiguration")?;
    for unsupported in ["Bucket", "Location", "Tags"] {
        if configuration.child(unsupported)?.is_some_and(|element| !element.is_empty()) {
            return Err(ErrorCode::NotImplemented.into());
        }
    }
    match configuration.child_text("LocationConstraint")?.map(str::trim) {
        None | Some("") => Ok(None),
        Some(location) if location == region => Ok(Some(location.to_owned())),
        Some(location) => Err(Error::with_message(
            ErrorCode::IllegalLocationConstraint,
            format!(
                "The {location} location constraint is incompatible for the region specific endpoint this request was \
                 sent to."
            ),
        )),
    }
}

/// HeadBucket.
pub(super) async fn head_bucket(frontend: &Frontend, _: Request) -> Result<Response> {
    let mut found = response::empty(StatusCode::OK);
    let name = HeaderName::from_static("x-amz-bucket-region");
    response::set(found.headers_mut(), name, &frontend.config.region);
    Ok(found)
}

/// DeleteBucket.
pub(super) async fn delete_bucket(frontend: &Frontend, request: Request) -> Result<Response> {
    frontend.store.delete_bucket(request.found()).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// GetBucketLocation.
pub(super) async fn get_bucket_location(frontend: &Frontend, request: Request) -> Result<Response> {
    let bucket = &request.access().bucket;
    // Amazon takes no `us-east-1` for a location; who gave it here gets it back.
    let given = bucket.region.as_deref();
    let own = Some(frontend.config.region.as_str()).filter(|region| *region != REGION_CLASSIC);
    Ok(response::xml(Writer::leaf("LocationConstraint", given.or(own).unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_region_is_a_location() {
        let configuration = |inside: &str| {
            let body = format!("<CreateBucketConfiguration>{inside}</CreateBucketConfiguration>");
            read_region(body.as_bytes(), "eu-central-1").map_err(|error| error.code())
        };
        assert!(read_region(b"", "eu-central-1").unwrap().is_none());
        assert_eq!(configuration(""), Ok(None));
        let here = configuration("<LocationConstraint>eu-central-1</LocationConstraint>");
        assert_eq!(here, Ok(Some("eu-central-1".to_owned())));
        let elsewhere = configuration("<LocationConstraint>mars-north-1</LocationConstraint>");
        assert_eq!(elsewhere, Err(ErrorCode::IllegalLocationConstraint));
        assert_eq!(configuration("<Bucket><Type>Directory</Type></Bucket>"), Err(ErrorCode::NotImplemented));
        let other = read_region(b"<Other/>", "eu-central-1").unwrap_err();
        assert_eq!(other.code(), ErrorCode::MalformedXml);
    }
}
