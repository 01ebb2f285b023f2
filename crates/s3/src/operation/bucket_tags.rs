//! Tags of buckets: GetBucketTagging, PutBucketTagging, DeleteBucketTagging, and ListTagsForResource, TagResource,
//! UntagResource of S3 Control, which alone change them where policies decide by them.

use std::collections::BTreeMap;

use http::StatusCode;
use iam::Action;

use crate::access::BucketAccess;
use crate::body::digest;
use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::operation::bucket_configuration::{found, put, remove, set};
use crate::request::Request;
use crate::response::{self, Response};
use crate::settings::{Abac, Document, Tags, tags};
use crate::xml::{Element, Writer};

/// The namespace of S3 Control.
const NAMESPACE: &str = "http://awss3control.amazonaws.com/doc/2018-08-20/";

/// GetBucketTagging.
pub(super) async fn get_bucket_tagging(_: &Frontend, request: Request) -> Result<Response> {
    found(request.settings().tags.as_ref(), ErrorCode::NoSuchTagSet)
}

/// PutBucketTagging.
pub(super) async fn put_bucket_tagging(frontend: &Frontend, mut request: Request) -> Result<Response> {
    put::<Tags>(frontend, &mut request, |access, _| check_replaceable(access)).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// DeleteBucketTagging.
pub(super) async fn delete_bucket_tagging(frontend: &Frontend, request: Request) -> Result<Response> {
    check_replaceable(request.access())?;
    remove::<Tags>(frontend, request.access()).await
}

/// Whether the tags may be replaced as a whole: not where policies decide by them.
fn check_replaceable(access: &BucketAccess) -> Result<()> {
    if access.settings.abac != Some(Abac::Enabled) {
        return Ok(());
    }
    let message = "Attribute-based access control is enabled on this bucket: use TagResource and UntagResource to change its tags.";
    Err(Error::with_message(ErrorCode::InvalidRequest, message))
}

/// ListTagsForResource.
pub(super) async fn list_tags_for_resource(_: &Frontend, request: Request) -> Result<Response> {
    let mut document = Writer::in_namespace("ListTagsForResourceResult", NAMESPACE);
    document.open("Tags");
    tags::write_set(&mut document, &own(&request));
    Ok(response::xml(document))
}

/// TagResource: adds tags, and gives those that are there other values.
pub(super) async fn tag_resource(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let room = frontend.reserve_xml(Tags::SIZE_MAX).await?;
    let body = request.body.read_bounded(Tags::SIZE_MAX).await?;
    digest::check_declared(&request.headers, &mut request.body, &body)?;
    let document = Element::parse(&body, "TagResourceRequest")?;
    let more = tags::of_bucket(document.child("Tags")?.ok_or(ErrorCode::MalformedXml)?)?;
    drop((document, body, room));
    request.bucket_tags = Some(more.clone());
    frontend.check_described(&mut request, Action::TagResource).await?;
    let tags = tags::with_more(own(&request), more)?;
    set(frontend, request.access(), Some(&Tags(tags))).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// UntagResource: removes tags.
pub(super) async fn untag_resource(frontend: &Frontend, request: Request) -> Result<Response> {
    let mut tags = own(&request);
    for (_, key) in request.query.pairs().iter().filter(|(name, _)| name == "tagKeys") {
        tags.remove(key);
    }
    let tags = Some(Tags(tags)).filter(|Tags(tags)| !tags.is_empty());
    set(frontend, request.access(), tags.as_ref()).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

fn own(request: &Request) -> BTreeMap<String, String> {
    request.settings().tags.clone().map(|Tags(tags)| tags).unwrap_or_default()
}
