//! The operations of S3, one family a file, and the choice among them.
//!
//! Each operation decodes its request, calls the store once, and encodes the answer.

mod acl;
mod bucket;
mod bucket_configuration;
mod complete_upload;
mod copy_object;
mod delete_object;
mod get_object;
mod list_buckets;
mod list_objects;
mod list_versions;
mod object_attributes;
mod preflight;
mod put_object;
mod tagging;
mod upload;
mod upload_listing;
mod upload_part;

use http::Method;

use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::request::Request;
use crate::response::Response;
use crate::target::Target;
use crate::uri::Query;

pub(crate) use preflight::preflight;

/// Declares [`Operation`] and the function that each runs.
macro_rules! operations {
    ($($variant:ident => $module:ident :: $function:ident,)*) => {
        /// An operation of the S3 API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Operation { $($variant,)* }

        impl Operation {
            /// The name in the S3 API reference.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }

            /// Answers `request`.
            pub(crate) async fn run(self, frontend: &Frontend, request: Request) -> Result<Response> {
                match self { $(Self::$variant => $module::$function(frontend, request).await,)* }
            }
        }
    };
}

operations! {
    ListBuckets => list_buckets::list_buckets,
    CreateBucket => bucket::create_bucket,
    HeadBucket => bucket::head_bucket,
    DeleteBucket => bucket::delete_bucket,
    GetBucketLocation => bucket::get_bucket_location,
    GetBucketVersioning => bucket::get_bucket_versioning,
    GetBucketConfiguration => bucket_configuration::get_bucket_configuration,
    GetBucketAcl => acl::get_bucket_acl,
    PutBucketAcl => acl::put_bucket_acl,
    GetObjectAcl => acl::get_object_acl,
    PutObjectAcl => acl::put_object_acl,
    ListObjects => list_objects::list_objects,
    ListObjectsV2 => list_objects::list_objects_v2,
    ListObjectVersions => list_versions::list_object_versions,
    GetObject => get_object::get_object,
    HeadObject => get_object::head_object,
    GetObjectAttributes => object_attributes::get_object_attributes,
    GetObjectTagging => tagging::get_object_tagging,
    PutObject => put_object::put_object,
    CopyObject => copy_object::copy_object,
    DeleteObject => delete_object::delete_object,
    DeleteObjects => delete_object::delete_objects,
    CreateMultipartUpload => upload::create_multipart_upload,
    AbortMultipartUpload => upload::abort_multipart_upload,
    UploadPart => upload_part::upload_part,
    UploadPartCopy => upload_part::upload_part_copy,
    CompleteMultipartUpload => complete_upload::complete_multipart_upload,
    ListParts => upload_listing::list_parts,
    ListMultipartUploads => upload_listing::list_multipart_uploads,
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
const BUCKET_UNSUPPORTED: [&str; 7] = [
    "abac",
    "metadataAnnotationTable",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "session",
];

/// The same for objects.
const OBJECT_UNSUPPORTED: [&str; 8] =
    ["annotation", "append", "encryption", "legal-hold", "renameObject", "restore", "retention", "select"];

impl Operation {
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
            Target::Object { .. } => choose_for_object(call),
        }
    }
}

fn choose_for_bucket(call: &Call<'_>) -> Result<Operation> {
    let Call { method, query, .. } = call;
    let has = |name| query.has(name);
    let configuration = bucket_configuration::is_configuration(query);
    let unsupported = BUCKET_UNSUPPORTED.iter().any(|name| query.has(name));
    match method.as_str() {
        _ if unsupported => Err(ErrorCode::NotImplemented.into()),
        "GET" if configuration => Ok(Operation::GetBucketConfiguration),
        _ if configuration => Err(ErrorCode::NotImplemented.into()),
        "GET" if has("location") => Ok(Operation::GetBucketLocation),
        "GET" if has("versioning") => Ok(Operation::GetBucketVersioning),
        "GET" if has("acl") => Ok(Operation::GetBucketAcl),
        "GET" if has("uploads") => Ok(Operation::ListMultipartUploads),
        "GET" if has("versions") => Ok(Operation::ListObjectVersions),
        "GET" => match query.get_non_empty("list-type") {
            None | Some("1") => Ok(Operation::ListObjects),
            Some("2") => Ok(Operation::ListObjectsV2),
            Some(other) => Err(Error::invalid_argument("Invalid List Type specified in Request", "list-type", other)),
        },
        "HEAD" => Ok(Operation::HeadBucket),
        "PUT" if has("acl") => Ok(Operation::PutBucketAcl),
        "PUT" | "DELETE" if has("versioning") => Err(ErrorCode::NotImplemented.into()),
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
        "GET" if has("torrent") => Err(Error::with_message(ErrorCode::NoSuchKey, "There is no torrent of any object")),
        "GET" if has("uploadId") => Ok(Operation::ListParts),
        "GET" if has("acl") => Ok(Operation::GetObjectAcl),
        "GET" if has("attributes") => Ok(Operation::GetObjectAttributes),
        "GET" if has("tagging") => Ok(Operation::GetObjectTagging),
        "GET" => Ok(Operation::GetObject),
        "HEAD" => Ok(Operation::HeadObject),
        "PUT" if part && *copies => Ok(Operation::UploadPartCopy),
        "PUT" if part => Ok(Operation::UploadPart),
        "PUT" if has("uploadId") || has("partNumber") => {
            let message = "This operation does not accept a query-string with one of partNumber and uploadId alone.";
            Err(Error::with_message(ErrorCode::InvalidArgument, message))
        }
        "PUT" if has("acl") => Ok(Operation::PutObjectAcl),
        _ if has("tagging") => Err(ErrorCode::NotImplemented.into()),
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
    fn bucket_operations_are_chosen_by_method_and_query() {
        for (method, query, expected) in [
            ("GET", "", Ok(Operation::ListObjects)),
            ("GET", "list-type=2&prefix=acl", Ok(Operation::ListObjectsV2)),
            ("GET", "list-type=3", Err(ErrorCode::InvalidArgument)),
            ("GET", "location", Ok(Operation::GetBucketLocation)),
            ("GET", "versions&prefix=a", Ok(Operation::ListObjectVersions)),
            ("GET", "policy", Ok(Operation::GetBucketConfiguration)),
            ("PUT", "policy", Err(ErrorCode::NotImplemented)),
            ("DELETE", "lifecycle", Err(ErrorCode::NotImplemented)),
            ("PUT", "versioning", Err(ErrorCode::NotImplemented)),
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
            ("GET", "retention", false, Err(ErrorCode::NotImplemented)),
            ("PUT", "", false, Ok(Operation::PutObject)),
            ("PUT", "", true, Ok(Operation::CopyObject)),
            ("PUT", "partNumber=1&uploadId=1", false, Ok(Operation::UploadPart)),
            ("PUT", "partNumber=1&uploadId=1", true, Ok(Operation::UploadPartCopy)),
            ("PUT", "partNumber=1", false, Err(ErrorCode::InvalidArgument)),
            ("PUT", "tagging", false, Err(ErrorCode::NotImplemented)),
            ("DELETE", "tagging", false, Err(ErrorCode::NotImplemented)),
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
