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
use crate::settings::{Document, Tags, kind, tags};
use crate::xml::{Element, Writer};

/// Largest CreateBucketConfiguration.
const CONFIGURATION_SIZE_MAX: usize = 64 * 1024;

/// The region whose location is written as nothing, and where creating one's own bucket again succeeds.
const REGION_CLASSIC: &str = "us-east-1";

/// CreateBucket.
pub(super) async fn create_bucket(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let room = frontend.reserve_xml(CONFIGURATION_SIZE_MAX).await?;
    let body = request.body.read_bounded(CONFIGURATION_SIZE_MAX).await?;
    let configuration = read_configuration(&body, &frontend.config.region);
    drop((body, room));
    request.bucket_tags = configuration.as_ref().ok().map(|configuration| configuration.tags.clone());
    frontend.check_creation(&request)?;
    let Configuration { region, tags } = configuration?;
    let mut wanted = Wanted { tags, ..Wanted::decode(&request)? };
    wanted.acl = match wanted.acl {
        Some(acl) => Some(super::acl::resolve(frontend, acl).await?),
        None => None,
    };
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
    // Nobody must believe that a bucket has a lock, or tags, that it has not.
    let lacks_lock = wanted.has_lock && access.bucket.lock.is_none();
    let lacks_tags = !wanted.tags.is_empty() && access.settings.tags.as_ref() != Some(&Tags(wanted.tags.clone()));
    if frontend.config.region != REGION_CLASSIC || lacks_lock || lacks_tags {
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

/// What a CreateBucket asks for.
struct Wanted {
    tags: BTreeMap<String, String>,
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
        Ok(Self { tags: BTreeMap::new(), has_lock, ownership, acl })
    }

    /// What the bucket is configured with from the beginning.
    fn configurations(&self) -> BTreeMap<ConfigurationKind, Vec<u8>> {
        let ownership = self.ownership.as_ref().map(stored);
        let tags = Some(Tags(self.tags.clone())).filter(|Tags(tags)| !tags.is_empty());
        ownership.into_iter().chain(self.acl.as_ref().map(stored)).chain(tags.as_ref().map(stored)).collect()
    }
}

/// A configuration as it is kept.
fn stored<D: Document>(document: &D) -> (ConfigurationKind, Vec<u8>) {
    (kind::<D>(), document.write().into_bytes())
}

/// What the body of a CreateBucket asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Configuration {
    /// Which can only be that of this server.
    region: Option<String>,
    tags: BTreeMap<String, String>,
}

pub(super) fn read_configuration(body: &[u8], region: &str) -> Result<Configuration> {
    if body.is_empty() {
        return Ok(Configuration::default());
    }
    let configuration = Element::parse(body, "CreateBucketConfiguration")?;
    for unsupported in ["Bucket", "Location"] {
        if configuration.child(unsupported)?.is_some_and(|element| !element.is_empty()) {
            return Err(ErrorCode::NotImplemented.into());
        }
    }
    let region = match configuration.child_text("LocationConstraint")?.map(str::trim) {
        None | Some("") => None,
        Some(location) if location == region => Some(location.to_owned()),
        Some(location) => {
            let message = format!(
                "The {location} location constraint is incompatible for the region specific endpoint this request was \
                 sent to."
            );
            return Err(Error::with_message(ErrorCode::IllegalLocationConstraint, message));
        }
    };
    let tags = configuration.child("Tags")?.map_or(Ok(BTreeMap::new()), tags::of_bucket)?;
    Ok(Configuration { region, tags })
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
            let read = read_configuration(body.as_bytes(), "eu-central-1");
            read.map(|configuration| configuration.region).map_err(|error| error.code())
        };
        assert_eq!(read_configuration(b"", "eu-central-1").unwrap(), Configuration::default());
        assert_eq!(configuration(""), Ok(None));
        let here = configuration("<LocationConstraint>eu-central-1</LocationConstraint>");
        assert_eq!(here, Ok(Some("eu-central-1".to_owned())));
        let elsewhere = configuration("<LocationConstraint>mars-north-1</LocationConstraint>");
        assert_eq!(elsewhere, Err(ErrorCode::IllegalLocationConstraint));
        assert_eq!(configuration("<Bucket><Type>Directory</Type></Bucket>"), Err(ErrorCode::NotImplemented));
        let other = read_configuration(b"<Other/>", "eu-central-1").unwrap_err();
        assert_eq!(other.code(), ErrorCode::MalformedXml);
    }
}
