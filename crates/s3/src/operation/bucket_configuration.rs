//! Configurations of a bucket that cannot be set here. Reading them answers what AWS answers for a bucket that never had
//! one, which SDKs and tools ask for before they do anything else.

use crate::error::{ErrorCode, Result};
use crate::frontend::Frontend;
use crate::request::Request;
use crate::response::{self, Response};
use crate::uri::Query;
use crate::xml::Writer;

/// What a bucket without a configuration answers.
#[derive(Clone, Copy)]
enum Unset {
    /// This error.
    Error(ErrorCode),
    /// An empty document with this root.
    Empty(&'static str),
    /// A document with this root and one element of this name and text.
    Fixed(&'static str, &'static str, &'static str),
}

/// Query parameters that name a configuration.
const CONFIGURATIONS: [(&str, Unset); 19] = [
    ("accelerate", Unset::Empty("AccelerateConfiguration")),
    ("analytics", Unset::Fixed("ListBucketAnalyticsConfigurationResult", "IsTruncated", "false")),
    ("cors", Unset::Error(ErrorCode::NoSuchCorsConfiguration)),
    ("encryption", Unset::Error(ErrorCode::ServerSideEncryptionConfigurationNotFound)),
    ("intelligent-tiering", Unset::Fixed("ListBucketIntelligentTieringConfigurationsOutput", "IsTruncated", "false")),
    ("inventory", Unset::Fixed("ListInventoryConfigurationsResult", "IsTruncated", "false")),
    ("lifecycle", Unset::Error(ErrorCode::NoSuchLifecycleConfiguration)),
    ("logging", Unset::Empty("BucketLoggingStatus")),
    ("metrics", Unset::Fixed("ListMetricsConfigurationsResult", "IsTruncated", "false")),
    ("notification", Unset::Empty("NotificationConfiguration")),
    ("object-lock", Unset::Error(ErrorCode::ObjectLockConfigurationNotFound)),
    ("ownershipControls", Unset::Error(ErrorCode::OwnershipControlsNotFound)),
    ("policy", Unset::Error(ErrorCode::NoSuchBucketPolicy)),
    ("policyStatus", Unset::Error(ErrorCode::NoSuchBucketPolicy)),
    ("publicAccessBlock", Unset::Error(ErrorCode::NoSuchPublicAccessBlockConfiguration)),
    ("replication", Unset::Error(ErrorCode::ReplicationConfigurationNotFound)),
    ("requestPayment", Unset::Fixed("RequestPaymentConfiguration", "Payer", "BucketOwner")),
    ("tagging", Unset::Error(ErrorCode::NoSuchTagSet)),
    ("website", Unset::Error(ErrorCode::NoSuchWebsiteConfiguration)),
];

fn named(query: &Query) -> Option<Unset> {
    CONFIGURATIONS.iter().find(|(name, _)| query.has(name)).map(|(_, unset)| *unset)
}

/// Whether the query names a configuration.
pub(super) fn is_configuration(query: &Query) -> bool {
    named(query).is_some()
}

/// Answers that the configuration is not there.
pub(super) async fn get_bucket_configuration(frontend: &Frontend, request: Request) -> Result<Response> {
    frontend.store.head_bucket(request.bucket()).await?;
    match named(&request.query) {
        None => Err(ErrorCode::NotImplemented.into()),
        Some(Unset::Error(code)) => Err(code.into()),
        Some(Unset::Empty(root)) => Ok(response::xml(Writer::new(root))),
        Some(Unset::Fixed(root, name, text)) => {
            let mut document = Writer::new(root);
            document.text(name, text);
            Ok(response::xml(document))
        }
    }
}
