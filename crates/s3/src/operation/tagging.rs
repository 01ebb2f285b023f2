//! GetObjectTagging: no object has tags, since setting them is refused.

use crate::error::Result;
use crate::frontend::Frontend;
use crate::request::Request;
use crate::response::{self, Response};
use crate::xml::Writer;

/// Answers with the empty set of tags of an object that exists.
pub(super) async fn get_object_tagging(frontend: &Frontend, request: Request) -> Result<Response> {
    let version = request.version()?;
    frontend.store.head_object(request.bucket(), request.key(), version).await?;
    let mut document = Writer::new("Tagging");
    document.text("TagSet", "");
    Ok(response::xml(document))
}
