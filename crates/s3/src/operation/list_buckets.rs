//! ListBuckets.

use crate::error::{Error, Result};
use crate::frontend::Frontend;
use crate::operation::acl::write_owner;
use crate::request::Request;
use crate::response::{self, Response};
use crate::timestamp;
use crate::xml::Writer;

/// Most buckets in one answer.
const BUCKETS_MAX: u16 = 10_000;

/// Answers with the buckets of the account.
pub(super) async fn list_buckets(frontend: &Frontend, request: Request) -> Result<Response> {
    let limit = bucket_limit(&request)?;
    let prefix = request.query.get("prefix").unwrap_or_default();
    let after = request.query.get_non_empty("continuation-token");
    let region = frontend.config.region.as_str();
    let elsewhere = request.query.get_non_empty("bucket-region").is_some_and(|wanted| wanted != region);

    let mut buckets = match elsewhere {
        true => Vec::new(),
        false => frontend.store.list_buckets(prefix, after, usize::from(limit) + 1).await?,
    };

    let truncated = usize::from(limit) < buckets.len();
    buckets.truncate(usize::from(limit));
    let mut document = Writer::new("ListAllMyBucketsResult");
    document.open("Buckets");
    for bucket in &buckets {
        document.open("Bucket");
        document.value("CreationDate", timestamp::iso_8601(bucket.created));
        document.text("Name", &bucket.name);
        document.text("BucketRegion", region);
        document.close();
    }
    document.close();
    write_owner(&mut document, "Owner", &request.credential.account);
    if let Some(last) = buckets.last().filter(|_| truncated) {
        // A bucket's name says where the next page starts, and is no secret to who lists.
        document.text("ContinuationToken", &last.name);
    }
    if request.query.has("prefix") {
        document.text("Prefix", prefix);
    }
    Ok(response::xml(document))
}

fn bucket_limit(request: &Request) -> Result<u16> {
    let Some(text) = request.query.get_non_empty("max-buckets") else { return Ok(BUCKETS_MAX) };
    let limit = text.parse().ok().filter(|limit| (1..=BUCKETS_MAX).contains(limit));
    let refused =
        || Error::invalid_argument("Argument max-buckets must be an integer between 1 and 10000", "max-buckets", text);
    limit.ok_or_else(refused)
}
