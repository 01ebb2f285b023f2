//! The table of actions against the operations of the S3 model.

use super::*;

/// The operations of the newest S3 model, and the action that permits each.
const OPERATIONS: [(&str, Action); 116] = [
    ("ListBuckets", Action::ListAllMyBuckets),
    ("ListDirectoryBuckets", Action::ListAllMyDirectoryBuckets),
    ("CreateSession", Action::CreateSession),
    ("CreateBucket", Action::CreateBucket),
    ("HeadBucket", Action::ListBucket),
    ("DeleteBucket", Action::DeleteBucket),
    ("GetBucketLocation", Action::GetBucketLocation),
    ("PutObject", Action::PutObject),
    ("GetObject", Action::GetObject),
    ("HeadObject", Action::GetObject),
    ("DeleteObject", Action::DeleteObject),
    ("DeleteObjects", Action::DeleteObject),
    ("CopyObject", Action::PutObject),
    ("RenameObject", Action::PutObject),
    ("GetObjectAttributes", Action::GetObjectAttributes),
    ("GetObjectTorrent", Action::GetObjectTorrent),
    ("WriteGetObjectResponse", Action::WriteGetObjectResponse),
    ("PutObjectAnnotation", Action::PutObjectAnnotation),
    ("GetObjectAnnotation", Action::GetObjectAnnotation),
    ("ListObjectAnnotations", Action::ListObjectAnnotations),
    ("DeleteObjectAnnotation", Action::DeleteObjectAnnotation),
    ("ListObjects", Action::ListBucket),
    ("ListObjectsV2", Action::ListBucket),
    ("ListObjectVersions", Action::ListBucketVersions),
    ("CreateMultipartUpload", Action::PutObject),
    ("UploadPart", Action::PutObject),
    ("UploadPartCopy", Action::PutObject),
    ("CompleteMultipartUpload", Action::PutObject),
    ("AbortMultipartUpload", Action::AbortMultipartUpload),
    ("ListParts", Action::ListMultipartUploadParts),
    ("ListMultipartUploads", Action::ListBucketMultipartUploads),
    ("GetBucketVersioning", Action::GetBucketVersioning),
    ("PutBucketVersioning", Action::PutBucketVersioning),
    ("GetObjectLockConfiguration", Action::GetBucketObjectLockConfiguration),
    ("PutObjectLockConfiguration", Action::PutBucketObjectLockConfiguration),
    ("GetObjectRetention", Action::GetObjectRetention),
    ("PutObjectRetention", Action::PutObjectRetention),
    ("GetObjectLegalHold", Action::GetObjectLegalHold),
    ("PutObjectLegalHold", Action::PutObjectLegalHold),
    ("GetObjectTagging", Action::GetObjectTagging),
    ("PutObjectTagging", Action::PutObjectTagging),
    ("DeleteObjectTagging", Action::DeleteObjectTagging),
    ("GetBucketTagging", Action::GetBucketTagging),
    ("PutBucketTagging", Action::PutBucketTagging),
    ("DeleteBucketTagging", Action::PutBucketTagging),
    ("GetBucketAcl", Action::GetBucketAcl),
    ("PutBucketAcl", Action::PutBucketAcl),
    ("GetObjectAcl", Action::GetObjectAcl),
    ("PutObjectAcl", Action::PutObjectAcl),
    ("GetBucketPolicy", Action::GetBucketPolicy),
    ("PutBucketPolicy", Action::PutBucketPolicy),
    ("DeleteBucketPolicy", Action::DeleteBucketPolicy),
    ("GetBucketPolicyStatus", Action::GetBucketPolicyStatus),
    ("GetPublicAccessBlock", Action::GetBucketPublicAccessBlock),
    ("PutPublicAccessBlock", Action::PutBucketPublicAccessBlock),
    ("DeletePublicAccessBlock", Action::PutBucketPublicAccessBlock),
    ("GetBucketOwnershipControls", Action::GetBucketOwnershipControls),
    ("PutBucketOwnershipControls", Action::PutBucketOwnershipControls),
    ("DeleteBucketOwnershipControls", Action::PutBucketOwnershipControls),
    ("GetBucketAbac", Action::GetBucketAbac),
    ("PutBucketAbac", Action::PutBucketAbac),
    ("GetBucketCors", Action::GetBucketCors),
    ("PutBucketCors", Action::PutBucketCors),
    ("DeleteBucketCors", Action::PutBucketCors),
    ("GetBucketLifecycleConfiguration", Action::GetLifecycleConfiguration),
    ("PutBucketLifecycleConfiguration", Action::PutLifecycleConfiguration),
    ("DeleteBucketLifecycle", Action::PutLifecycleConfiguration),
    ("GetBucketLifecycle", Action::GetLifecycleConfiguration),
    ("PutBucketLifecycle", Action::PutLifecycleConfiguration),
    ("RestoreObject", Action::RestoreObject),
    ("GetBucketReplication", Action::GetReplicationConfiguration),
    ("PutBucketReplication", Action::PutReplicationConfiguration),
    ("DeleteBucketReplication", Action::PutReplicationConfiguration),
    ("GetBucketNotificationConfiguration", Action::GetBucketNotification),
    ("PutBucketNotificationConfiguration", Action::PutBucketNotification),
    ("GetBucketNotification", Action::GetBucketNotification),
    ("PutBucketNotification", Action::PutBucketNotification),
    ("GetBucketEncryption", Action::GetEncryptionConfiguration),
    ("PutBucketEncryption", Action::PutEncryptionConfiguration),
    ("DeleteBucketEncryption", Action::PutEncryptionConfiguration),
    ("UpdateObjectEncryption", Action::UpdateObjectEncryption),
    ("GetBucketWebsite", Action::GetBucketWebsite),
    ("PutBucketWebsite", Action::PutBucketWebsite),
    ("DeleteBucketWebsite", Action::DeleteBucketWebsite),
    ("GetBucketLogging", Action::GetBucketLogging),
    ("PutBucketLogging", Action::PutBucketLogging),
    ("GetBucketInventoryConfiguration", Action::GetInventoryConfiguration),
    ("PutBucketInventoryConfiguration", Action::PutInventoryConfiguration),
    ("DeleteBucketInventoryConfiguration", Action::PutInventoryConfiguration),
    ("ListBucketInventoryConfigurations", Action::GetInventoryConfiguration),
    ("GetBucketAnalyticsConfiguration", Action::GetAnalyticsConfiguration),
    ("PutBucketAnalyticsConfiguration", Action::PutAnalyticsConfiguration),
    ("DeleteBucketAnalyticsConfiguration", Action::PutAnalyticsConfiguration),
    ("ListBucketAnalyticsConfigurations", Action::GetAnalyticsConfiguration),
    ("GetBucketMetricsConfiguration", Action::GetMetricsConfiguration),
    ("PutBucketMetricsConfiguration", Action::PutMetricsConfiguration),
    ("DeleteBucketMetricsConfiguration", Action::PutMetricsConfiguration),
    ("ListBucketMetricsConfigurations", Action::GetMetricsConfiguration),
    ("GetBucketIntelligentTieringConfiguration", Action::GetIntelligentTieringConfiguration),
    ("PutBucketIntelligentTieringConfiguration", Action::PutIntelligentTieringConfiguration),
    ("DeleteBucketIntelligentTieringConfiguration", Action::PutIntelligentTieringConfiguration),
    ("ListBucketIntelligentTieringConfigurations", Action::GetIntelligentTieringConfiguration),
    ("GetBucketAccelerateConfiguration", Action::GetAccelerateConfiguration),
    ("PutBucketAccelerateConfiguration", Action::PutAccelerateConfiguration),
    ("GetBucketRequestPayment", Action::GetBucketRequestPayment),
    ("PutBucketRequestPayment", Action::PutBucketRequestPayment),
    ("SelectObjectContent", Action::GetObject),
    ("CreateBucketMetadataConfiguration", Action::CreateBucketMetadataTableConfiguration),
    ("GetBucketMetadataConfiguration", Action::GetBucketMetadataTableConfiguration),
    ("DeleteBucketMetadataConfiguration", Action::DeleteBucketMetadataTableConfiguration),
    ("CreateBucketMetadataTableConfiguration", Action::CreateBucketMetadataTableConfiguration),
    ("GetBucketMetadataTableConfiguration", Action::GetBucketMetadataTableConfiguration),
    ("DeleteBucketMetadataTableConfiguration", Action::DeleteBucketMetadataTableConfiguration),
    ("UpdateBucketMetadataInventoryTableConfiguration", Action::UpdateBucketMetadataInventoryTableConfiguration),
    ("UpdateBucketMetadataJournalTableConfiguration", Action::UpdateBucketMetadataJournalTableConfiguration),
    ("UpdateBucketMetadataAnnotationTableConfiguration", Action::UpdateBucketMetadataAnnotationTableConfiguration),
];

#[test]
fn every_operation_of_the_model_has_an_action_for_its_kind_of_resource() {
    for (operation, action) in OPERATIONS {
        let of_other = matches!(operation, "ListBuckets" | "ListDirectoryBuckets");
        assert_eq!(action.resource() == ActionResource::Other, of_other, "{operation}");
        if operation.contains("Bucket") && !of_other {
            assert_eq!(action.resource(), ActionResource::Bucket, "{operation}");
        }
    }
    let mut names: Vec<_> = OPERATIONS.iter().map(|(operation, _)| operation).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), OPERATIONS.len());
}

#[test]
fn no_two_actions_share_a_name() {
    let mut names: Vec<_> = Action::ALL.iter().map(|action| action.name().to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Action::ALL.len());
}

#[test]
fn patterns_choose_actions_without_regard_to_case() {
    let names = |pattern: &str| ActionSet::matching(pattern).iter().map(Action::name).collect::<Vec<_>>();
    assert_eq!(names("s3:getobject"), ["s3:GetObject"]);
    assert_eq!(names("S3:GetBucketCors"), ["s3:GetBucketCORS"]);
    assert_eq!(names("s3:PutObject???"), ["s3:PutObjectAcl"]);
    assert!(names("s3:Missing").is_empty());
    assert_eq!(names("*").len(), Action::ALL.len());
    assert!(names("s3:*").iter().all(|name| name.starts_with("s3:")));
    assert!(names("s3:*Acl").contains(&"s3:PutBucketAcl"));
}
