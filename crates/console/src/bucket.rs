//! What operators ask and say about buckets.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use store::Store;
use store::bucket::Quota;

use crate::answer::{answer_store, refusal};
use crate::commands::Acted;

/// What stands in a path for a limit that is not set.
const UNBOUNDED: &str = "none";

/// The quota of a bucket, and what it holds.
pub(crate) async fn quota(State(acted): State<Acted>, Path(bucket): Path<String>) -> Response {
    answer_store(tell(&acted.store, &bucket).await)
}

/// Sets the quota of a bucket; without any limit it is removed.
pub(crate) async fn set_quota(
    State(acted): State<Acted>,
    Path((bucket, bytes, objects)): Path<(String, String, String)>,
) -> Response {
    let (Ok(bytes), Ok(objects)) = (limit(&bytes), limit(&objects)) else {
        return refusal(StatusCode::BAD_REQUEST, "a limit is a whole number or `none`");
    };
    let quota = Some(Quota { bytes, objects }).filter(|quota| *quota != Quota::default());
    answer_store(set(&acted.store, &bucket, quota).await)
}

fn limit(text: &str) -> Result<Option<u64>, std::num::ParseIntError> {
    if text == UNBOUNDED { Ok(None) } else { text.parse().map(Some) }
}

async fn set(store: &Store, bucket: &str, quota: Option<Quota>) -> store::Result<Value> {
    let found = store.head_bucket(bucket).await?;
    store.set_bucket_quota(&found, quota).await?;
    tell(store, bucket).await
}

async fn tell(store: &Store, bucket: &str) -> store::Result<Value> {
    let bucket = store.head_bucket(bucket).await?;
    let usage = store.usage(&bucket).await?;
    let quota = bucket.quota.unwrap_or_default();
    Ok(json!({
        "bucket": bucket.name,
        "quota": { "bytes": quota.bytes, "objects": quota.objects },
        "usage": { "bytes": usage.bytes, "objects": usage.objects },
    }))
}
