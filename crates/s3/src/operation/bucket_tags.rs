//! Tags of buckets: GetBucketTagging, PutBucketTagging, DeleteBucketTagging, and ListTagsForResource, TagResource,
//! UntagResource of S3 Control, which alone change them where policies decide by them.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use iam::Action;

use crate::access::BucketAccess;
use crate::body::digest;
use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::operation::bucket_configuration::{found, put, remove};
use crate::request::Request;
use crate::response::{self, Response};
use crate::settings::{Abac, Document, Tags, kind, tags};
use crate::xml::{Element, Writer};

/// The namespace of S3 Control.
const NAMESPACE: &str = "http://awss3control.amazonaws.com/doc/2018-08-20/";

/// Somebody else changing the bucket's configurations again and again is no way of life.
const ATTEMPTS_MAX: usize = 16;

pub(super) type TagSet = BTreeMap<String, String>;

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
    let more = read_more(&body)?;
    drop((body, room));
    request.bucket_tags = Some(more.clone());
    frontend.check_described(&mut request, Action::TagResource).await?;
    change(frontend, request, |own| tags::with_more(own, more.clone())).await
}

/// Reads the tags that are added.
///
/// # Errors
///
/// `MalformedXML`, and as the tags of a bucket are checked.
pub(super) fn read_more(body: &[u8]) -> Result<TagSet> {
    let document = Element::parse(body, "TagResourceRequest")?;
    tags::of_bucket(document.child("Tags")?.ok_or(ErrorCode::MalformedXml)?)
}

/// UntagResource: removes tags.
pub(super) async fn untag_resource(frontend: &Frontend, request: Request) -> Result<Response> {
    let named = request.query.pairs().iter().filter(|(name, _)| name == "tagKeys");
    let gone: BTreeSet<String> = named.map(|(_, key)| key.clone()).collect();
    change(frontend, request, |own| Ok(own.into_iter().filter(|(key, _)| !gone.contains(key)).collect())).await
}

/// Has the tags be what `next` makes of them, whoever else changes them meanwhile.
async fn change(
    frontend: &Frontend,
    mut request: Request,
    next: impl Fn(TagSet) -> Result<TagSet>,
) -> Result<Response> {
    for _ in 0..ATTEMPTS_MAX {
        let tags = Some(Tags(next(own(&request))?)).filter(|Tags(tags)| !tags.is_empty());
        let value = tags.map(|tags| tags.write().into_bytes());
        match frontend.store.change_bucket_configuration(request.found(), kind::<Tags>(), value).await {
            Ok(()) => return Ok(response::empty(StatusCode::NO_CONTENT)),
            Err(store::Error::ConcurrentChange) => {}
            Err(error) => return Err(error.into()),
        }
        // What has changed may decide about this request too, and perhaps this node does not have it yet.
        request.seen_at = None;
        frontend.enter(&mut request).await?;
        let action = request.operation.action(&request.query);
        frontend.check_described(&mut request, action).await?;
    }
    Err(ErrorCode::OperationAborted.into())
}

fn own(request: &Request) -> TagSet {
    request.settings().tags.clone().map(|Tags(tags)| tags).unwrap_or_default()
}
