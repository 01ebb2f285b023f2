//! CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation.

use http::header::LOCATION;
use http::{HeaderName, StatusCode};
use iam::ObjectOwnership;
use iam::acl::Acl;

use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::header::{self, single};
use crate::operation::bucket_configuration;
use crate::request::Request;
use crate::response::{self, Response};
use crate::xml::{Element, Writer};

/// Largest CreateBucketConfiguration.
const CONFIGURATION_SIZE_MAX: usize = 64 * 1024;

/// The region whose location is written as nothing, and where creating one's own bucket again succeeds.
const REGION_CLASSIC: &str = "us-east-1";

/// CreateBucket.
pub(super) async fn create_bucket(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let wanted = Wanted::decode(frontend, &request)?;
    let room = frontend.reserve_xml(CONFIGURATION_SIZE_MAX).await?;
    let body = request.body.read_bounded(CONFIGURATION_SIZE_MAX).await?;
    let region = read_region(&body, &frontend.config.region)?;
    drop((body, room));
    let owner = request.caller.account.canonical_id();

    let created = frontend.store.create_bucket(request.bucket(), owner, region.as_deref()).await;
    let access = frontend.bucket_access(request.bucket()).await?;
    match created {
        Ok(_) => {}
        Err(store::Error::BucketExists) if access.bucket.owner != owner => {
            return Err(ErrorCode::BucketAlreadyExists.into());
        }
        Err(store::Error::BucketExists) if frontend.config.region == REGION_CLASSIC => {}
        Err(error) => return Err(error.into()),
    }
    // A crash in between leaves a bucket that lets nobody in but its owner.
    if wanted.ownership.is_some() {
        bucket_configuration::set(frontend, &access, wanted.ownership.as_ref()).await?;
    }
    if wanted.acl.is_some() {
        bucket_configuration::set(frontend, &access, wanted.acl.as_ref()).await?;
    }

    let mut created = response::empty(StatusCode::OK);
    response::set(created.headers_mut(), LOCATION, &format!("/{}", request.bucket()));
    Ok(created)
}

/// What the headers of a CreateBucket ask for.
struct Wanted {
    ownership: Option<ObjectOwnership>,
    acl: Option<Acl>,
}

impl Wanted {
    fn decode(frontend: &Frontend, request: &Request) -> Result<Self> {
        const LOCK: &str = "x-amz-bucket-object-lock-enabled";
        const OWNERSHIP: &str = "x-amz-object-ownership";
        if single(&request.headers, LOCK)?.is_some_and(|value| !value.eq_ignore_ascii_case("false")) {
            return Err(Error::header_not_implemented(LOCK));
        }
        let parse = |name| {
            let refused = || Error::invalid_argument("Invalid x-amz-object-ownership header", OWNERSHIP, name);
            ObjectOwnership::parse(name).ok_or_else(refused)
        };
        let ownership = single(&request.headers, OWNERSHIP)?.map(parse).transpose()?;
        let owner = request.caller.account.canonical_id();
        let acl = header::acl::requested(&request.headers, owner, owner)?;
        acl.iter().try_for_each(|acl| super::acl::check_grantees(frontend, acl))?;
        let enforced = ownership.is_some_and(|ownership| !ownership.has_acls());
        if enforced && acl.as_ref().is_some_and(Acl::shares) {
            return Err(ErrorCode::InvalidBucketAclWithObjectOwnership.into());
        }
        Ok(Self { ownership, acl })
    }
}

/// The region that a configuration names, which can only be that of this server.
fn read_region(body: &[u8], region: &str) -> Result<Option<String>> {
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
