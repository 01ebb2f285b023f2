//! GetObjectTagging, PutObjectTagging, DeleteObjectTagging.

use std::collections::BTreeMap;

use http::StatusCode;

use crate::body::digest;
use crate::error::Result;
use crate::frontend::Frontend;
use crate::request::Request;
use crate::response::{self, Response};
use crate::settings::{Document, Tags, tags};

/// GetObjectTagging.
pub(super) async fn get_object_tagging(frontend: &Frontend, request: Request) -> Result<Response> {
    let (bucket, key, version) = (request.found(), request.key(), request.version()?);
    let object = frontend.store.head_object(bucket, key, version).await?;
    Ok(response::xml_text(Tags(object.tags).write()))
}

/// PutObjectTagging.
pub(super) async fn put_object_tagging(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let version = request.version()?;
    let room = frontend.reserve_xml(tags::OBJECT_SIZE_MAX).await?;
    let body = request.body.read_bounded(tags::OBJECT_SIZE_MAX).await?;
    digest::check_declared(&request.headers, &mut request.body, &body)?;
    let tags = tags::of_object(&body)?;
    drop((body, room));
    frontend.store.set_object_tags(request.found(), request.key(), version, tags).await?;
    Ok(response::empty(StatusCode::OK))
}

/// DeleteObjectTagging.
pub(super) async fn delete_object_tagging(frontend: &Frontend, request: Request) -> Result<Response> {
    let version = request.version()?;
    frontend.store.set_object_tags(request.found(), request.key(), version, BTreeMap::new()).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}
