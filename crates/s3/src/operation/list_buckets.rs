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
    let owner = request.caller.account.canonical_id();
    let region = frontend.config.region.as_str();
    let elsewhere = request.query.get_non_empty("bucket-region").is_some_and(|wanted| wanted != region);

    let mut buckets = match elsewhere {
        true => Vec::new(),
        false => own_buckets(frontend, owner, prefix, after, usize::from(limit) + 1).await?,
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
    write_owner(&mut document, "Owner", &request.caller.account);
    if let Some(last) = buckets.last().filter(|_| truncated) {
        // A bucket's name says where the next page starts, and is no secret to who lists.
        document.text("ContinuationToken", &last.name);
    }
    if request.query.has("prefix") {
        document.text("Prefix", prefix);
    }
    Ok(response::xml(document))
}

/// At most `limit` buckets of the account `owner`. Those of others are skipped a page at a time.
async fn own_buckets(
    frontend: &Frontend,
    owner: &str,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<store::bucket::Bucket>> {
    let (mut own, mut after) = (Vec::new(), after.map(str::to_owned));
    loop {
        let page = frontend.store.list_buckets(prefix, after.as_deref(), limit).await?;
        let is_last = page.len() < limit;
        after = page.last().map(|bucket| bucket.name.clone());
        own.extend(page.into_iter().filter(|bucket| bucket.owner == owner));
        if is_last || limit <= own.len() {
            own.truncate(limit);
            return Ok(own);
        }
    }
}

fn bucket_limit(request: &Request) -> Result<u16> {
    let Some(text) = request.query.get_non_empty("max-buckets") else { return Ok(BUCKETS_MAX) };
    let limit = text.parse().ok().filter(|limit| (1..=BUCKETS_MAX).contains(limit));
    let refused =
        || Error::invalid_argument("Argument max-buckets must be an integer between 1 and 10000", "max-buckets", text);
    limit.ok_or_else(refused)
}
