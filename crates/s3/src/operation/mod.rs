//! The operations of S3, one family a file, and the choice among them.
//!
//! Each operation decodes its request, calls the store once, and encodes the answer.

mod acl;
mod annotation;
mod bucket;
mod bucket_configuration;
mod bucket_tags;
mod complete_upload;
mod copy_object;
mod delete_object;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod get_object;
mod lifecycle;
mod list_buckets;
mod list_objects;
mod list_versions;
mod logging;
mod object_attributes;
mod object_encryption;
mod object_lock;
mod preflight;
mod put_object;
mod rename_object;
mod restore_object;
mod tagging;
mod upload;
mod upload_listing;
mod upload_part;
mod versioning;

use http::Method;
use iam::Action;

use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::request::Request;
use crate::response::Response;
use crate::target::Target;
use crate::uri::Query;

pub(crate) use preflight::{preflight, write as write_allowed};

/// Declares [`Operation`], the function that each runs, and the action that permits it, with that for a request that
/// names a version where there is another. No operation can be declared without one.
macro_rules! operations {
    ($($variant:ident => $module:ident :: $function:ident, $action:ident $(or $of_version:ident)?;)*) => {
        /// An operation of the S3 API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Operation { $($variant,)* }

        impl Operation {
            /// Every operation.
            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in the S3 API reference.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }

            /// What the sender of a request with this query must be permitted.
            pub(crate) fn action(self, query: &Query) -> Action {
                match self {
                    $($(Self::$variant if query.has("versionId") => Action::$of_version,)?)*
                    $(Self::$variant => Action::$action,)*
                }
            }

            /// Answers `request`.
            pub(crate) async fn run(self, frontend: &Frontend, request: Request) -> Result<Response> {
                match self { $(Self::$variant => $module::$function(frontend, request).await,)* }
            }
        }
    };
}

operations! {
    ListBuckets => list_buckets::list_buckets, ListAllMyBuckets;
    CreateBucket => bucket::create_bucket, CreateBucket;
    HeadBucket => bucket::head_bucket, ListBucket;
    DeleteBucket => bucket::delete_bucket, DeleteBucket;
    GetBucketLocation => bucket::get_bucket_location, GetBucketLocation;
    GetBucketVersioning => versioning::get_bucket_versioning, GetBucketVersioning;
    PutBucketVersioning => versioning::put_bucket_versioning, PutBucketVersioning;
    GetBucketPolicy => bucket_configuration::get_bucket_policy, GetBucketPolicy;
    PutBucketPolicy => bucket_configuration::put_bucket_policy, PutBucketPolicy;
    DeleteBucketPolicy => bucket_configuration::delete_bucket_policy, DeleteBucketPolicy;
    GetBucketPolicyStatus => bucket_configuration::get_bucket_policy_status, GetBucketPolicyStatus;
    GetPublicAccessBlock => bucket_configuration::get_public_access_block, GetBucketPublicAccessBlock;
    PutPublicAccessBlock => bucket_configuration::put_public_access_block, PutBucketPublicAccessBlock;
    DeletePublicAccessBlock => bucket_configuration::delete_public_access_block, PutBucketPublicAccessBlock;
    GetBucketOwnershipControls => bucket_configuration::get_bucket_ownership_controls, GetBucketOwnershipControls;
    PutBucketOwnershipControls => bucket_configuration::put_bucket_ownership_controls, PutBucketOwnershipControls;
    DeleteBucketOwnershipControls => bucket_configuration::delete_bucket_ownership_controls, PutBucketOwnershipControls;
    GetBucketTagging => bucket_tags::get_bucket_tagging, GetBucketTagging;
    PutBucketTagging => bucket_tags::put_bucket_tagging, PutBucketTagging;
    DeleteBucketTagging => bucket_tags::delete_bucket_tagging, PutBucketTagging;
    GetBucketCors => bucket_configuration::get_bucket_cors, GetBucketCors;
    PutBucketCors => bucket_configuration::put_bucket_cors, PutBucketCors;
    DeleteBucketCors => bucket_configuration::delete_bucket_cors, PutBucketCors;
    GetBucketRequestPayment => bucket_configuration::get_bucket_request_payment, GetBucketRequestPayment;
    PutBucketRequestPayment => bucket_configuration::put_bucket_request_payment, PutBucketRequestPayment;
    GetBucketWebsite => bucket_configuration::get_bucket_website, GetBucketWebsite;
    PutBucketWebsite => bucket_configuration::put_bucket_website, PutBucketWebsite;
    DeleteBucketWebsite => bucket_configuration::delete_bucket_website, DeleteBucketWebsite;
    GetBucketAccelerateConfiguration => bucket_configuration::get_bucket_accelerate, GetAccelerateConfiguration;
    PutBucketAccelerateConfiguration => bucket_configuration::put_bucket_accelerate, PutAccelerateConfiguration;
    GetBucketAbac => bucket_configuration::get_bucket_abac, GetBucketAbac;
    PutBucketAbac => bucket_configuration::put_bucket_abac, PutBucketAbac;
    ListTagsForResource => bucket_tags::list_tags_for_resource, ListTagsForResource;
    TagResource => bucket_tags::tag_resource, TagResource;
    UntagResource => bucket_tags::untag_resource, UntagResource;
    ListBucketAnalyticsConfigurations => bucket_configuration::get_unset, GetAnalyticsConfiguration;
    GetBucketEncryption => bucket_configuration::get_bucket_encryption, GetEncryptionConfiguration;
    PutBucketEncryption => bucket_configuration::put_bucket_encryption, PutEncryptionConfiguration;
    DeleteBucketEncryption => bucket_configuration::delete_bucket_encryption, PutEncryptionConfiguration;
    ListBucketIntelligentTieringConfigurations => bucket_configuration::get_unset, GetIntelligentTieringConfiguration;
    ListBucketInventoryConfigurations => bucket_configuration::get_unset, GetInventoryConfiguration;
    GetBucketLifecycleConfiguration => lifecycle::get_bucket_lifecycle_configuration, GetLifecycleConfiguration;
    PutBucketLifecycleConfiguration => lifecycle::put_bucket_lifecycle_configuration, PutLifecycleConfiguration;
    DeleteBucketLifecycle => lifecycle::delete_bucket_lifecycle, PutLifecycleConfiguration;
    GetBucketLogging => logging::get_bucket_logging, GetBucketLogging;
    PutBucketLogging => logging::put_bucket_logging, PutBucketLogging;
    ListBucketMetricsConfigurations => bucket_configuration::get_unset, GetMetricsConfiguration;
    GetBucketNotificationConfiguration => bucket_configuration::get_unset, GetBucketNotification;
    GetObjectLockConfiguration => object_lock::get_object_lock_configuration, GetBucketObjectLockConfiguration;
    PutObjectLockConfiguration => object_lock::put_object_lock_configuration, PutBucketObjectLockConfiguration;
    GetBucketReplication => bucket_configuration::get_unset, GetReplicationConfiguration;
    GetBucketAcl => acl::get_bucket_acl, GetBucketAcl;
    PutBucketAcl => acl::put_bucket_acl, PutBucketAcl;
    GetObjectAcl => acl::get_object_acl, GetObjectAcl or GetObjectVersionAcl;
    PutObjectAcl => acl::put_object_acl, PutObjectAcl or PutObjectVersionAcl;
    ListObjects => list_objects::list_objects, ListBucket;
    ListObjectsV2 => list_objects::list_objects_v2, ListBucket;
    ListObjectVersions => list_versions::list_object_versions, ListBucketVersions;
    GetObject => get_object::get_object, GetObject or GetObjectVersion;
    HeadObject => get_object::head_object, GetObject or GetObjectVersion;
    GetObjectAttributes => object_attributes::get_object_attributes, GetObjectAttributes or GetObjectVersionAttributes;
    GetObjectTagging => tagging::get_object_tagging, GetObjectTagging or GetObjectVersionTagging;
    PutObjectTagging => tagging::put_object_tagging, PutObjectTagging or PutObjectVersionTagging;
    DeleteObjectTagging => tagging::delete_object_tagging, DeleteObjectTagging or DeleteObjectVersionTagging;
    GetObjectRetention => object_lock::get_object_retention, GetObjectRetention;
    PutObjectRetention => object_lock::put_object_retention, PutObjectRetention;
    GetObjectLegalHold => object_lock::get_object_legal_hold, GetObjectLegalHold;
    PutObjectLegalHold => object_lock::put_object_legal_hold, PutObjectLegalHold;
    PutObjectAnnotation => annotation::put_object_annotation, PutObjectAnnotation or PutObjectVersionAnnotation;
    GetObjectAnnotation => annotation::get_object_annotation, GetObjectAnnotation or GetObjectVersionAnnotation;
    ListObjectAnnotations => annotation::list_object_annotations, ListObjectAnnotations or ListObjectVersionAnnotations;
    DeleteObjectAnnotation => annotation::delete_object_annotation, DeleteObjectAnnotation or DeleteObjectVersionAnnotation;
    PutObject => put_object::put_object, PutObject;
    CopyObject => copy_object::copy_object, PutObject;
    UpdateObjectEncryption => object_encryption::update_object_encryption, UpdateObjectEncryption;
    RenameObject => rename_object::rename_object, PutObject;
    RestoreObject => restore_object::restore_object, RestoreObject;
    DeleteObject => delete_object::delete_object, DeleteObject or DeleteObjectVersion;
    DeleteObjects => delete_object::delete_objects, DeleteObject;
    CreateMultipartUpload => upload::create_multipart_upload, PutObject;
    AbortMultipartUpload => upload::abort_multipart_upload, AbortMultipartUpload;
    UploadPart => upload_part::upload_part, PutObject;
    UploadPartCopy => upload_part::upload_part_copy, PutObject;
    CompleteMultipartUpload => complete_upload::complete_multipart_upload, PutObject;
    ListParts => upload_listing::list_parts, ListMultipartUploadParts;
    ListMultipartUploads => upload_listing::list_multipart_uploads, ListBucketMultipartUploads;
}

/// What a request without the headers looks like to [`Operation::choose`].
pub(crate) struct Call<'a> {
    pub(crate) method: &'a Method,
    pub(crate) target: &'a Target,
    pub(crate) query: &'a Query,
    /// Whether `x-amz-copy-source` is there.
    pub(crate) copies: bool,
}

/// Query parameters that name a part of a bucket, or an operation on it, that this server does not have.
const BUCKET_UNSUPPORTED: [&str; 6] = [
    "metadataAnnotationTable",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "session",
];

/// The same for objects.
const OBJECT_UNSUPPORTED: [&str; 2] = ["append", "select"];

/// Query parameters that name a configuration of a bucket, with the operations that read, set and remove it. What S3 has
/// and this server has not is missing.
const CONFIGURATIONS: [(&str, [Option<Operation>; 3]); 23] = {
    use Operation as O;
    [
        ("abac", [Some(O::GetBucketAbac), Some(O::PutBucketAbac), None]),
        ("accelerate", [Some(O::GetBucketAccelerateConfiguration), Some(O::PutBucketAccelerateConfiguration), None]),
        ("acl", [Some(O::GetBucketAcl), Some(O::PutBucketAcl), None]),
        ("analytics", [Some(O::ListBucketAnalyticsConfigurations), None, None]),
        ("cors", [Some(O::GetBucketCors), Some(O::PutBucketCors), Some(O::DeleteBucketCors)]),
        ("encryption", [Some(O::GetBucketEncryption), Some(O::PutBucketEncryption), Some(O::DeleteBucketEncryption)]),
        ("intelligent-tiering", [Some(O::ListBucketIntelligentTieringConfigurations), None, None]),
        ("inventory", [Some(O::ListBucketInventoryConfigurations), None, None]),
        (
            "lifecycle",
            [
                Some(O::GetBucketLifecycleConfiguration),
                Some(O::PutBucketLifecycleConfiguration),
                Some(O::DeleteBucketLifecycle),
            ],
        ),
        ("location", [Some(O::GetBucketLocation), None, None]),
        ("logging", [Some(O::GetBucketLogging), Some(O::PutBucketLogging), None]),
        ("metrics", [Some(O::ListBucketMetricsConfigurations), None, None]),
        ("notification", [Some(O::GetBucketNotificationConfiguration), None, None]),
        ("object-lock", [Some(O::GetObjectLockConfiguration), Some(O::PutObjectLockConfiguration), None]),
        (
            "ownershipControls",
            [
                Some(O::GetBucketOwnershipControls),
                Some(O::PutBucketOwnershipControls),
                Some(O::DeleteBucketOwnershipControls),
            ],
        ),
        ("policy", [Some(O::GetBucketPolicy), Some(O::PutBucketPolicy), Some(O::DeleteBucketPolicy)]),
        ("policyStatus", [Some(O::GetBucketPolicyStatus), None, None]),
        (
            "publicAccessBlock",
            [Some(O::GetPublicAccessBlock), Some(O::PutPublicAccessBlock), Some(O::DeletePublicAccessBlock)],
        ),
        ("replication", [Some(O::GetBucketReplication), None, None]),
        ("requestPayment", [Some(O::GetBucketRequestPayment), Some(O::PutBucketRequestPayment), None]),
        ("tagging", [Some(O::GetBucketTagging), Some(O::PutBucketTagging), Some(O::DeleteBucketTagging)]),
        ("versioning", [Some(O::GetBucketVersioning), Some(O::PutBucketVersioning), None]),
        ("website", [Some(O::GetBucketWebsite), Some(O::PutBucketWebsite), Some(O::DeleteBucketWebsite)]),
    ]
};

impl Operation {
    /// Whether it tells what is in an object, or about one.
    pub(crate) fn reads_object(self) -> bool {
        matches!(
            self,
            Self::GetObject
                | Self::HeadObject
                | Self::GetObjectAttributes
                | Self::GetObjectAcl
                | Self::GetObjectTagging
                | Self::GetObjectRetention
                | Self::GetObjectLegalHold
                | Self::GetObjectAnnotation
                | Self::ListObjectAnnotations
        )
    }

    /// Whether it is about an object that is there already.
    pub(crate) fn needs_object(self) -> bool {
        let changes = matches!(
            self,
            Self::PutObjectAcl
                | Self::PutObjectTagging
                | Self::DeleteObjectTagging
                | Self::UpdateObjectEncryption
                | Self::RestoreObject
                | Self::PutObjectRetention
                | Self::PutObjectLegalHold
                | Self::PutObjectAnnotation
                | Self::DeleteObjectAnnotation
        );
        changes || self.reads_object()
    }

    /// Whether only its body says what permissions may depend on, so that it asks for them itself once that is read.
    pub(crate) fn is_described_by_body(self) -> bool {
        matches!(self, Self::PutObjectRetention | Self::PutObjectLegalHold | Self::TagResource)
    }

    /// Chooses the operation by method, target and query.
    ///
    /// # Errors
    ///
    /// `NotImplemented` for what S3 has and this server has not, `MethodNotAllowed` for what nobody has.
    pub(crate) fn choose(call: &Call<'_>) -> Result<Self> {
        match call.target {
            Target::Service if *call.method == Method::GET => Ok(Self::ListBuckets),
            Target::Service => Err(method_not_allowed(call.method, "SERVICE")),
            Target::Bucket(_) => choose_for_bucket(call),
            Target::Tags(_) => choose_for_tags(call.method),
            Target::Object { .. } => choose_for_object(call),
        }
    }
}

fn choose_for_tags(method: &Method) -> Result<Operation> {
    match method.as_str() {
        "GET" => Ok(Operation::ListTagsForResource),
        "POST" => Ok(Operation::TagResource),
        "DELETE" => Ok(Operation::UntagResource),
        _ => Err(method_not_allowed(method, "BUCKET")),
    }
}

fn choose_for_bucket(call: &Call<'_>) -> Result<Operation> {
    let Call { method, query, .. } = call;
    let has = |name| query.has(name);
    let unsupported = BUCKET_UNSUPPORTED.iter().any(|name| query.has(name));
    if unsupported {
        return Err(ErrorCode::NotImplemented.into());
    }
    if let Some((_, [read, set, remove])) = CONFIGURATIONS.iter().find(|(name, _)| query.has(name)) {
        let operation = match method.as_str() {
            "GET" => read,
            "PUT" => set,
            "DELETE" => remove,
            _ => return Err(method_not_allowed(method, "BUCKET")),
        };
        return operation.ok_or_else(|| ErrorCode::NotImplemented.into());
    }
    match method.as_str() {
        "GET" if has("uploads") => Ok(Operation::ListMultipartUploads),
        "GET" if has("versions") => Ok(Operation::ListObjectVersions),
        "GET" => match query.get_non_empty("list-type") {
            None | Some("1") => Ok(Operation::ListObjects),
            Some("2") => Ok(Operation::ListObjectsV2),
            Some(other) => Err(Error::invalid_argument("Invalid List Type specified in Request", "list-type", other)),
        },
        "HEAD" => Ok(Operation::HeadBucket),
        "PUT" => Ok(Operation::CreateBucket),
        "DELETE" => Ok(Operation::DeleteBucket),
        "POST" if has("delete") => Ok(Operation::DeleteObjects),
        _ => Err(method_not_allowed(method, "BUCKET")),
    }
}

fn choose_for_object(call: &Call<'_>) -> Result<Operation> {
    let Call { method, query, copies, .. } = call;
    let has = |name| query.has(name);
    let unsupported = OBJECT_UNSUPPORTED.iter().any(|name| query.has(name));
    let part = has("partNumber") && has("uploadId");
    match method.as_str() {
        _ if unsupported => Err(ErrorCode::NotImplemented.into()),
        "PUT" if has("annotation") => Ok(Operation::PutObjectAnnotation),
        "GET" if has("annotation") && has("annotationName") => Ok(Operation::GetObjectAnnotation),
        "GET" if has("annotation") => Ok(Operation::ListObjectAnnotations),
        "DELETE" if has("annotation") => Ok(Operation::DeleteObjectAnnotation),
        _ if has("annotation") => Err(method_not_allowed(method, "OBJECT")),
        "PUT" if has("renameObject") => Ok(Operation::RenameObject),
        _ if has("renameObject") => Err(method_not_allowed(method, "OBJECT")),
        "POST" if has("restore") => Ok(Operation::RestoreObject),
        _ if has("restore") => Err(method_not_allowed(method, "OBJECT")),
        "GET" if has("torrent") => Err(Error::with_message(ErrorCode::NoSuchKey, "There is no torrent of any object")),
        "GET" if has("uploadId") => Ok(Operation::ListParts),
        "GET" if has("acl") => Ok(Operation::GetObjectAcl),
        "GET" if has("attributes") => Ok(Operation::GetObjectAttributes),
        "GET" if has("tagging") => Ok(Operation::GetObjectTagging),
        "GET" if has("retention") => Ok(Operation::GetObjectRetention),
        "GET" if has("legal-hold") => Ok(Operation::GetObjectLegalHold),
        "GET" => Ok(Operation::GetObject),
        "HEAD" => Ok(Operation::HeadObject),
        "PUT" if part && *copies => Ok(Operation::UploadPartCopy),
        "PUT" if part => Ok(Operation::UploadPart),
        "PUT" if has("uploadId") || has("partNumber") => {
            let message = "This operation does not accept a query-string with one of partNumber and uploadId alone.";
            Err(Error::with_message(ErrorCode::InvalidArgument, message))
        }
        "PUT" if has("encryption") => Ok(Operation::UpdateObjectEncryption),
        _ if has("encryption") => Err(method_not_allowed(method, "OBJECT")),
        "PUT" if has("acl") => Ok(Operation::PutObjectAcl),
        "PUT" if has("tagging") => Ok(Operation::PutObjectTagging),
        "PUT" if has("retention") => Ok(Operation::PutObjectRetention),
        "PUT" if has("legal-hold") => Ok(Operation::PutObjectLegalHold),
        "DELETE" if has("tagging") => Ok(Operation::DeleteObjectTagging),
        _ if ["acl", "legal-hold", "retention", "tagging"].iter().any(|name| query.has(name)) => {
            Err(method_not_allowed(method, "OBJECT"))
        }
        "PUT" if *copies => Ok(Operation::CopyObject),
        "PUT" => Ok(Operation::PutObject),
        "DELETE" if has("uploadId") => Ok(Operation::AbortMultipartUpload),
        "DELETE" => Ok(Operation::DeleteObject),
        "POST" if has("uploads") => Ok(Operation::CreateMultipartUpload),
        "POST" if has("uploadId") => Ok(Operation::CompleteMultipartUpload),
        _ => Err(method_not_allowed(method, "OBJECT")),
    }
}

fn method_not_allowed(method: &Method, resource: &'static str) -> Error {
    Error::new(ErrorCode::MethodNotAllowed).detail("Method", method.as_str()).detail("ResourceType", resource)
}

#[cfg(test)]
mod tests {
    use super::*;
    use iam::ActionResource;

    fn choose(method: &str, key: Option<&str>, query: &str, copies: bool) -> Result<Operation, ErrorCode> {
        let bucket = "bucket".to_owned();
        let target = match key {
            Some(key) => Target::Object { bucket, key: key.to_owned() },
            None => Target::Bucket(bucket),
        };
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let query = Query::parse(query).unwrap();
        Operation::choose(&Call { method: &method, target: &target, query: &query, copies })
            .map_err(|error| error.code())
    }

    #[test]
    fn every_operation_names_an_action_on_what_it_is_about() {
        let (plain, of_version) = (Query::default(), Query::parse("versionId=1").unwrap());
        for operation in Operation::ALL {
            for query in [&plain, &of_version] {
                let (name, action) = (operation.name(), operation.action(query));
                let lists = ["ListObjects", "ListObjectsV2", "ListObjectVersions"];
                let of_object = name.contains("Object") && !lists.contains(&name);
                let expected = match name {
                    "ListBuckets" => ActionResource::Other,
                    "GetObjectLockConfiguration" | "PutObjectLockConfiguration" => ActionResource::Bucket,
                    "UploadPart" | "UploadPartCopy" | "ListParts" => ActionResource::Object,
                    _ if of_object || name.ends_with("MultipartUpload") => ActionResource::Object,
                    _ => ActionResource::Bucket,
                };
                assert_eq!(action.resource(), expected, "{name}");
            }
        }
        assert_eq!(Operation::GetObject.action(&of_version), Action::GetObjectVersion);
        assert_eq!(Operation::PutObject.action(&of_version), Action::PutObject);
    }

    #[test]
    fn bucket_operations_are_chosen_by_method_and_query() {
        for (method, query, expected) in [
            ("GET", "", Ok(Operation::ListObjects)),
            ("GET", "list-type=2&prefix=acl", Ok(Operation::ListObjectsV2)),
            ("GET", "list-type=3", Err(ErrorCode::InvalidArgument)),
            ("GET", "location", Ok(Operation::GetBucketLocation)),
            ("GET", "versions&prefix=a", Ok(Operation::ListObjectVersions)),
            ("GET", "policy", Ok(Operation::GetBucketPolicy)),
            ("PUT", "policy", Ok(Operation::PutBucketPolicy)),
            ("DELETE", "policy", Ok(Operation::DeleteBucketPolicy)),
            ("POST", "policy", Err(ErrorCode::MethodNotAllowed)),
            ("DELETE", "acl", Err(ErrorCode::NotImplemented)),
            ("DELETE", "lifecycle", Ok(Operation::DeleteBucketLifecycle)),
            ("DELETE", "replication", Err(ErrorCode::NotImplemented)),
            ("PUT", "versioning", Ok(Operation::PutBucketVersioning)),
            ("PUT", "", Ok(Operation::CreateBucket)),
            ("DELETE", "", Ok(Operation::DeleteBucket)),
            ("POST", "delete", Ok(Operation::DeleteObjects)),
            ("POST", "", Err(ErrorCode::MethodNotAllowed)),
            ("PATCH", "", Err(ErrorCode::MethodNotAllowed)),
        ] {
            assert_eq!(choose(method, None, query, false), expected, "{method} ?{query}");
        }
    }

    #[test]
    fn object_operations_are_chosen_by_method_query_and_copy_source() {
        for (method, query, copies, expected) in [
            ("GET", "x-id=GetObject", false, Ok(Operation::GetObject)),
            ("GET", "uploadId=1", false, Ok(Operation::ListParts)),
            ("GET", "retention", false, Ok(Operation::GetObjectRetention)),
            ("PUT", "legal-hold", false, Ok(Operation::PutObjectLegalHold)),
            ("DELETE", "legal-hold", false, Err(ErrorCode::MethodNotAllowed)),
            ("GET", "restore", false, Err(ErrorCode::MethodNotAllowed)),
            ("POST", "restore", false, Ok(Operation::RestoreObject)),
            ("PUT", "", false, Ok(Operation::PutObject)),
            ("PUT", "", true, Ok(Operation::CopyObject)),
            ("PUT", "partNumber=1&uploadId=1", false, Ok(Operation::UploadPart)),
            ("PUT", "partNumber=1&uploadId=1", true, Ok(Operation::UploadPartCopy)),
            ("PUT", "partNumber=1", false, Err(ErrorCode::InvalidArgument)),
            ("PUT", "tagging", false, Ok(Operation::PutObjectTagging)),
            ("PUT", "annotation&annotationName=a", false, Ok(Operation::PutObjectAnnotation)),
            ("GET", "annotation&annotationName=a", false, Ok(Operation::GetObjectAnnotation)),
            ("GET", "annotation&annotation-prefix=a", false, Ok(Operation::ListObjectAnnotations)),
            ("DELETE", "annotation", false, Ok(Operation::DeleteObjectAnnotation)),
            ("POST", "annotation", false, Err(ErrorCode::MethodNotAllowed)),
            ("PUT", "renameObject", false, Ok(Operation::RenameObject)),
            ("GET", "renameObject", false, Err(ErrorCode::MethodNotAllowed)),
            ("PUT", "encryption", false, Ok(Operation::UpdateObjectEncryption)),
            ("DELETE", "encryption", false, Err(ErrorCode::MethodNotAllowed)),
            ("DELETE", "tagging", false, Ok(Operation::DeleteObjectTagging)),
            ("POST", "tagging", false, Err(ErrorCode::MethodNotAllowed)),
            ("DELETE", "acl", false, Err(ErrorCode::MethodNotAllowed)),
            ("DELETE", "uploadId=1", false, Ok(Operation::AbortMultipartUpload)),
            ("POST", "uploads", false, Ok(Operation::CreateMultipartUpload)),
            ("POST", "uploadId=1", false, Ok(Operation::CompleteMultipartUpload)),
            ("POST", "select&select-type=2", false, Err(ErrorCode::NotImplemented)),
            ("POST", "", false, Err(ErrorCode::MethodNotAllowed)),
        ] {
            assert_eq!(choose(method, Some("key"), query, copies), expected, "{method} ?{query}");
        }
    }
}
