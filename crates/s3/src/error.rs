//! The S3 errors: one table of codes, and what each error of the store becomes.

use std::borrow::Cow;

use http::header::{ALLOW, LAST_MODIFIED};
use http::{HeaderName, StatusCode};
use identity::LookUpError;
use store::{BodyError, DeleteMarker};

use crate::response::{DELETE_MARKER, VERSION_ID};
use crate::timestamp;

/// Result of decoding and answering a request.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// One error as a client sees it.
#[derive(Debug, thiserror::Error)]
#[error("{code:?}: {message}")]
pub struct Error {
    code: ErrorCode,
    message: Cow<'static, str>,
    details: Vec<(&'static str, String)>,
    headers: Vec<(HeaderName, String)>,
}

impl Error {
    /// The error `code` with its usual message.
    pub(crate) fn new(code: ErrorCode) -> Self {
        Self::with_message(code, code.message())
    }

    /// The error `code` with a message of its own.
    pub(crate) fn with_message(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), details: Vec::new(), headers: Vec::new() }
    }

    /// `InvalidArgument` that names the argument and the value it had.
    pub(crate) fn invalid_argument(
        message: impl Into<Cow<'static, str>>,
        name: &'static str,
        value: impl Into<String>,
    ) -> Self {
        Self::with_message(ErrorCode::InvalidArgument, message)
            .detail("ArgumentName", name)
            .detail("ArgumentValue", value)
    }

    /// `NotImplemented` for a header whose meaning this server does not act on, so that it is never kept and ignored.
    pub(crate) fn header_not_implemented(name: impl Into<String>) -> Self {
        Self::with_message(
            ErrorCode::NotImplemented,
            "A header you provided implies functionality that is not implemented",
        )
        .detail("Header", name)
    }

    /// Adds an element to the XML of the error.
    pub(crate) fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// Adds a header to the response; `value` is visible ASCII.
    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The code, which clients decide by.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Elements that only some errors have.
    pub(crate) fn details(&self) -> &[(&'static str, String)] {
        &self.details
    }

    /// Headers that only some errors have.
    pub(crate) fn headers(&self) -> &[(HeaderName, String)] {
        &self.headers
    }

    /// Adds what is told of a delete marker that was met.
    fn delete_marker(self, marker: &DeleteMarker) -> Self {
        self.header(DELETE_MARKER, "true").header(VERSION_ID, marker.version.to_string())
    }
}

impl From<ErrorCode> for Error {
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        use store::Error as Store;
        match error {
            Store::NoSuchBucket => ErrorCode::NoSuchBucket.into(),
            Store::NoSuchKey => ErrorCode::NoSuchKey.into(),
            Store::KeyDeleted(marker) => Self::new(ErrorCode::NoSuchKey).delete_marker(&marker),
            Store::NoSuchVersion(version) => {
                Self::new(ErrorCode::NoSuchVersion).detail("VersionId", version.to_string())
            }
            Store::IsDeleteMarker(marker) => Self::new(ErrorCode::MethodNotAllowed)
                .detail("ResourceType", "DeleteMarker")
                .delete_marker(&marker)
                .header(ALLOW, "DELETE")
                .header(LAST_MODIFIED, timestamp::http_date(marker.modified)),
            Store::NoSuchUpload => ErrorCode::NoSuchUpload.into(),
            Store::BucketExists => ErrorCode::BucketAlreadyOwnedByYou.into(),
            Store::BucketNotEmpty => ErrorCode::BucketNotEmpty.into(),
            Store::InvalidPart { number } => Self::new(ErrorCode::InvalidPart).detail("PartNumber", number.to_string()),
            Store::InvalidPartOrder => ErrorCode::InvalidPartOrder.into(),
            Store::EntityTooSmall { number, size } => Self::new(ErrorCode::EntityTooSmall)
                .detail("ProposedSize", size.to_string())
                .detail("MinSizeAllowed", MULTIPART_PART_SIZE_MIN.to_string())
                .detail("PartNumber", number.to_string()),
            Store::EntityTooLarge { size, limit } => Self::new(ErrorCode::EntityTooLarge)
                .detail("ProposedSize", size.to_string())
                .detail("MaxSizeAllowed", limit.to_string()),
            Store::NoSuchPart { count } => {
                Self::new(ErrorCode::InvalidPart).detail("ActualPartCount", count.to_string())
            }
            Store::PreconditionFailed { condition } => {
                Self::new(ErrorCode::PreconditionFailed).detail("Condition", condition)
            }
            Store::NotModified(_) => ErrorCode::NotModified.into(),
            Store::InvalidRange { size } => {
                Self::new(ErrorCode::InvalidRange).detail("ActualObjectSize", size.to_string())
            }
            Store::BadDigest => ErrorCode::BadDigest.into(),
            Store::ChecksumMismatch { algorithm } => Self::with_message(
                ErrorCode::BadDigest,
                format!(
                    "The {} you specified did not match the calculated checksum.",
                    crate::header::checksum::name(algorithm)
                ),
            ),
            Store::InvalidRequest(reason) => Self::with_message(ErrorCode::InvalidRequest, reason),
            Store::Key(error) => error.into(),
            Store::Locked => {
                let message = "Access Denied because object protected by object lock.";
                Self::with_message(ErrorCode::AccessDenied, message)
            }
            Store::QuotaExceeded => ErrorCode::BucketQuotaExceeded.into(),
            Store::NoObjectLock => {
                Self::with_message(ErrorCode::InvalidRequest, "Bucket is missing Object Lock Configuration")
            }
            Store::InvalidWriteOffset => ErrorCode::InvalidWriteOffset.into(),
            Store::TooManyParts => ErrorCode::TooManyParts.into(),
            Store::EncryptionTypeMismatch => ErrorCode::EncryptionTypeMismatch.into(),
            Store::ConcurrentChange => ErrorCode::OperationAborted.into(),
            Store::TokenReused => ErrorCode::IdempotencyParameterMismatch.into(),
            Store::NoSuchAnnotation => ErrorCode::NoSuchAnnotation.into(),
            Store::TooManyAnnotations => ErrorCode::AnnotationLimitExceeded.into(),
            Store::NotText => ErrorCode::UnsupportedMediaType.into(),
            Store::InvalidBucketState(reason) => Self::with_message(ErrorCode::InvalidBucketState, reason),
            Store::Body(error) => error.into(),
            Store::SlowDown => ErrorCode::SlowDown.into(),
            Store::DiskFull => ErrorCode::StorageFull.into(),
            Store::Unavailable { .. } => ErrorCode::ServiceUnavailable.into(),
        }
    }
}

impl From<LookUpError> for Error {
    fn from(error: LookUpError) -> Self {
        match error {
            LookUpError::UnknownKey => ErrorCode::InvalidAccessKeyId.into(),
            LookUpError::BadToken => ErrorCode::InvalidToken.into(),
            LookUpError::Expired => ErrorCode::ExpiredToken.into(),
            LookUpError::Failed(error) => error.into(),
        }
    }
}

impl From<identity::Error> for Error {
    /// Of look-ups: S3's operations change no identities.
    fn from(error: identity::Error) -> Self {
        match error {
            identity::Error::Meta(_) | identity::Error::Contended => ErrorCode::ServiceUnavailable.into(),
            error => {
                tracing::error!(%error, "an identity cannot be read");
                ErrorCode::InternalError.into()
            }
        }
    }
}

impl From<encryption::Error> for Error {
    fn from(error: encryption::Error) -> Self {
        use encryption::Error as Key;
        let (code, message) = match error {
            Key::NoSuchKey { name } => {
                return Self::with_message(ErrorCode::KmsNotFound, format!("Invalid keyId {name}"));
            }
            Key::KeyRefused { name } => {
                let message = format!("The key service does not let this server use the key {name}");
                return Self::with_message(ErrorCode::AccessDenied, message);
            }
            Key::CustomerKeyMissing => (
                ErrorCode::InvalidRequest,
                "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to \
                 retrieve the object.",
            ),
            Key::CustomerKeyWrong => (
                ErrorCode::InvalidRequest,
                "The provided encryption parameters did not match the ones used originally.",
            ),
            Key::CustomerKeyUnexpected => {
                (ErrorCode::InvalidRequest, "The encryption parameters are not applicable to this object.")
            }
            Key::ServiceUnavailable { reason } => {
                tracing::error!(reason, "the key service is unavailable");
                (ErrorCode::ServiceUnavailable, "Please try again later: the key service does not answer.")
            }
            error @ (Key::Damaged { .. } | Key::Setting { .. }) => {
                tracing::error!(%error, "an encrypted object cannot be opened");
                return ErrorCode::InternalError.into();
            }
        };
        Self::with_message(code, message)
    }
}

impl From<BodyError> for Error {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Incomplete => ErrorCode::IncompleteBody.into(),
            BodyError::TooSlow => ErrorCode::RequestTimeout.into(),
            BodyError::ChunkSignature => ErrorCode::SignatureDoesNotMatch.into(),
            BodyError::Malformed(reason) => Self::with_message(ErrorCode::InvalidRequest, reason),
            BodyError::ContentSha256Mismatch => ErrorCode::XAmzContentSha256Mismatch.into(),
        }
    }
}

/// Smallest part of a multipart upload that is not the last, as S3 documents it.
const MULTIPART_PART_SIZE_MIN: u64 = 5 * 1024 * 1024;

/// Declares [`ErrorCode`] and its table in one place.
macro_rules! error_codes {
    ($($variant:ident, $code:literal, $status:ident, $message:literal;)*) => {
        /// A code of the S3 API (Amazon S3 API reference, "Error responses").
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the message beside each code in the table documents it")]
        pub enum ErrorCode { $($variant,)* }

        impl ErrorCode {
            /// The code as `Error/Code` shows it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The status of the response.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// What `Error/Message` says unless the place of the error knows better.
            fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)* }
            }
        }
    };
}

error_codes! {
    AccessControlListNotSupported, "AccessControlListNotSupported", BAD_REQUEST, "The bucket does not allow ACLs";
    AccessDenied, "AccessDenied", FORBIDDEN, "Access Denied";
    AccessForbidden, "AccessForbidden", FORBIDDEN, "CORSResponse: CORS is not enabled for this bucket.";
    AnnotationLimitExceeded, "AnnotationLimitExceeded", BAD_REQUEST, "The request would exceed the maximum number of annotations allowed per object.";
    AnnotationNameTooLong, "AnnotationNameTooLong", BAD_REQUEST, "The annotation name exceeds 512 bytes.";
    AuthorizationHeaderMalformed, "AuthorizationHeaderMalformed", BAD_REQUEST, "The authorization header is malformed";
    AuthorizationQueryParametersError, "AuthorizationQueryParametersError", BAD_REQUEST, "Error parsing the authorization query parameters";
    BadRequest, "BadRequest", BAD_REQUEST, "Insufficient information. Origin request header needed.";
    BadDigest, "BadDigest", BAD_REQUEST, "The Content-MD5 you specified did not match what we received.";
    BucketAlreadyExists, "BucketAlreadyExists", CONFLICT, "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.";
    BucketAlreadyOwnedByYou, "BucketAlreadyOwnedByYou", CONFLICT, "Your previous request to create the named bucket succeeded and you already own it.";
    BucketQuotaExceeded, "XMinioAdminBucketQuotaExceeded", BAD_REQUEST, "Bucket quota exceeded";
    BucketNotEmpty, "BucketNotEmpty", CONFLICT, "The bucket you tried to delete is not empty";
    EncryptionTypeMismatch, "EncryptionTypeMismatch", BAD_REQUEST, "The existing object was created with a different encryption type. Subsequent write requests must include the appropriate encryption parameters in the request or while creating the session.";
    EntityTooLarge, "EntityTooLarge", BAD_REQUEST, "Your proposed upload exceeds the maximum allowed size";
    EntityTooSmall, "EntityTooSmall", BAD_REQUEST, "Your proposed upload is smaller than the minimum allowed size";
    ExpiredToken, "ExpiredToken", BAD_REQUEST, "The provided token has expired.";
    IdempotencyParameterMismatch, "IdempotencyParameterMismatch", BAD_REQUEST, "Parameters on this idempotent request are inconsistent with parameters used in previous request(s).";
    IllegalLocationConstraint, "IllegalLocationConstraintException", BAD_REQUEST, "The specified location constraint is incompatible for the region specific endpoint this request was sent to.";
    IllegalVersioningConfiguration, "IllegalVersioningConfigurationException", BAD_REQUEST, "The Versioning element must be specified";
    IncompleteBody, "IncompleteBody", BAD_REQUEST, "You did not provide the number of bytes specified by the Content-Length HTTP header";
    InternalError, "InternalError", INTERNAL_SERVER_ERROR, "We encountered an internal error. Please try again.";
    InvalidAccessKeyId, "InvalidAccessKeyId", FORBIDDEN, "The AWS Access Key Id you provided does not exist in our records.";
    InvalidAnnotationName, "InvalidAnnotationName", BAD_REQUEST, "The annotation name you provided is invalid.";
    InvalidArgument, "InvalidArgument", BAD_REQUEST, "Invalid Argument";
    InvalidBucketAclWithObjectOwnership, "InvalidBucketAclWithObjectOwnership", BAD_REQUEST, "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
    InvalidBucketName, "InvalidBucketName", BAD_REQUEST, "The specified bucket is not valid.";
    InvalidBucketState, "InvalidBucketState", CONFLICT, "The request is not valid with the current state of the bucket.";
    InvalidDigest, "InvalidDigest", BAD_REQUEST, "The Content-MD5 you specified was invalid.";
    InvalidEncryptionAlgorithm, "InvalidEncryptionAlgorithmError", BAD_REQUEST, "The encryption request you specified is not valid. The valid value is AES256.";
    InvalidLocationConstraint, "InvalidLocationConstraint", BAD_REQUEST, "The specified location-constraint is not valid";
    InvalidObjectState, "InvalidObjectState", FORBIDDEN, "Restore is not allowed for the object's current storage class";
    InvalidPart, "InvalidPart", BAD_REQUEST, "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.";
    InvalidPartOrder, "InvalidPartOrder", BAD_REQUEST, "The list of parts was not in ascending order. Parts must be ordered by part number.";
    InvalidPolicyDocument, "InvalidPolicyDocument", BAD_REQUEST, "The content of the form does not meet the conditions specified in the policy document.";
    InvalidPrefix, "InvalidPrefix", BAD_REQUEST, "The annotation prefix you provided is invalid.";
    InvalidRange, "InvalidRange", RANGE_NOT_SATISFIABLE, "The requested range is not satisfiable";
    InvalidRedirectLocation, "InvalidRedirectLocation", BAD_REQUEST, "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.";
    InvalidRequest, "InvalidRequest", BAD_REQUEST, "Invalid Request";
    InvalidRetentionPeriod, "InvalidRetentionPeriod", BAD_REQUEST, "Default retention period must be a positive integer value, at most 36500 days or 100 years.";
    InvalidStorageClass, "InvalidStorageClass", BAD_REQUEST, "The storage class you specified is not valid";
    InvalidTag, "InvalidTag", BAD_REQUEST, "The tag provided was not a valid tag.";
    InvalidTargetBucketForLogging, "InvalidTargetBucketForLogging", BAD_REQUEST, "The target bucket for logging does not exist, is not owned by you, or does not have the appropriate grants for the log-delivery group.";
    InvalidToken, "InvalidToken", BAD_REQUEST, "The provided token is malformed or otherwise invalid.";
    InvalidUri, "InvalidURI", BAD_REQUEST, "Couldn't parse the specified URI.";
    InvalidWriteOffset, "InvalidWriteOffset", BAD_REQUEST, "The write offset value that you specified does not match the current object size.";
    KeyTooLong, "KeyTooLongError", BAD_REQUEST, "Your key is too long";
    KmsNotFound, "KMS.NotFoundException", BAD_REQUEST, "Invalid keyId";
    MalformedAcl, "MalformedACLError", BAD_REQUEST, "The XML you provided was not well-formed or did not validate against our published schema";
    MalformedPolicy, "MalformedPolicy", BAD_REQUEST, "Policies must be valid JSON and the first byte must be '{'";
    MalformedPostRequest, "MalformedPOSTRequest", BAD_REQUEST, "The body of your POST request is not well-formed multipart/form-data.";
    MalformedXml, "MalformedXML", BAD_REQUEST, "The XML you provided was not well-formed or did not validate against our published schema";
    MaxMessageLengthExceeded, "MaxMessageLengthExceeded", BAD_REQUEST, "Your request was too big.";
    MaxPostPreDataLengthExceeded, "MaxPostPreDataLengthExceeded", BAD_REQUEST, "Your POST request fields preceding the upload file were too large.";
    MetadataTooLarge, "MetadataTooLarge", BAD_REQUEST, "Your metadata headers exceed the maximum allowed metadata size";
    MethodNotAllowed, "MethodNotAllowed", METHOD_NOT_ALLOWED, "The specified method is not allowed against this resource.";
    MissingContentLength, "MissingContentLength", LENGTH_REQUIRED, "You must provide the Content-Length HTTP header.";
    MissingRequestBody, "MissingRequestBodyError", BAD_REQUEST, "Request Body is empty";
    NoSuchAnnotation, "NoSuchAnnotation", NOT_FOUND, "The specified annotation does not exist on this object.";
    NoSuchBucket, "NoSuchBucket", NOT_FOUND, "The specified bucket does not exist";
    NoSuchBucketPolicy, "NoSuchBucketPolicy", NOT_FOUND, "The bucket policy does not exist";
    NoSuchCorsConfiguration, "NoSuchCORSConfiguration", NOT_FOUND, "The CORS configuration does not exist";
    NoSuchKey, "NoSuchKey", NOT_FOUND, "The specified key does not exist.";
    NoSuchLifecycleConfiguration, "NoSuchLifecycleConfiguration", NOT_FOUND, "The lifecycle configuration does not exist";
    NoSuchObjectLockConfiguration, "NoSuchObjectLockConfiguration", NOT_FOUND, "The specified object does not have a ObjectLock configuration";
    NoSuchPublicAccessBlockConfiguration, "NoSuchPublicAccessBlockConfiguration", NOT_FOUND, "The public access block configuration was not found";
    NoSuchTagSet, "NoSuchTagSet", NOT_FOUND, "The TagSet does not exist";
    NoSuchUpload, "NoSuchUpload", NOT_FOUND, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
    NoSuchVersion, "NoSuchVersion", NOT_FOUND, "The specified version does not exist.";
    NoSuchWebsiteConfiguration, "NoSuchWebsiteConfiguration", NOT_FOUND, "The specified bucket does not have a website configuration";
    NotImplemented, "NotImplemented", NOT_IMPLEMENTED, "A header or query you provided implies functionality that is not implemented";
    NotModified, "NotModified", NOT_MODIFIED, "Not Modified";
    ObjectLockConfigurationNotFound, "ObjectLockConfigurationNotFoundError", NOT_FOUND, "Object Lock configuration does not exist for this bucket";
    OperationAborted, "OperationAborted", CONFLICT, "A conflicting conditional operation is currently in progress against this resource. Please try again.";
    OwnershipControlsNotFound, "OwnershipControlsNotFoundError", NOT_FOUND, "The bucket ownership controls were not found";
    PreconditionFailed, "PreconditionFailed", PRECONDITION_FAILED, "At least one of the pre-conditions you specified did not hold";
    ReplicationConfigurationNotFound, "ReplicationConfigurationNotFoundError", NOT_FOUND, "The replication configuration was not found";
    RequestHeaderSectionTooLarge, "RequestHeaderSectionTooLarge", BAD_REQUEST, "Your request header and query parameters exceed the maximum allowed size.";
    RequestTimeTooSkewed, "RequestTimeTooSkewed", FORBIDDEN, "The difference between the request time and the current time is too large.";
    RequestTimeout, "RequestTimeout", BAD_REQUEST, "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.";
    ServerSideEncryptionConfigurationNotFound, "ServerSideEncryptionConfigurationNotFoundError", NOT_FOUND, "The server side encryption configuration was not found";
    ServiceUnavailable, "ServiceUnavailable", SERVICE_UNAVAILABLE, "Please reduce your request rate or try again later: too few disks answer.";
    SignatureDoesNotMatch, "SignatureDoesNotMatch", FORBIDDEN, "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
    SlowDown, "SlowDown", SERVICE_UNAVAILABLE, "Please reduce your request rate.";
    StorageFull, "XMinioStorageFull", INSUFFICIENT_STORAGE, "The storage has reached its capacity: delete objects or add disks.";
    TooManyParts, "TooManyParts", BAD_REQUEST, "You have attempted to add more parts than the maximum of 10000 that are allowed for this object. You can use the CopyObject operation to copy this object to another and then add more data to the newly copied object.";
    UnresolvableGrantByEmailAddress, "UnresolvableGrantByEmailAddress", BAD_REQUEST, "The e-mail address you provided does not match any account on record.";
    UnsupportedMediaType, "UnsupportedMediaType", UNSUPPORTED_MEDIA_TYPE, "The annotation payload is not valid UTF-8 encoded text.";
    XAmzContentSha256Mismatch, "XAmzContentSHA256Mismatch", BAD_REQUEST, "The provided 'x-amz-content-sha256' header does not match what was computed.";
}
