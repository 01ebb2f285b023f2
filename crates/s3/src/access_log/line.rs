//! Lines of a bucket's log (S3 user guide, "Amazon S3 server access log format").

use std::borrow::Cow;
use std::fmt::{Display, Write};
use std::time::Duration;

use http::{HeaderValue, Method, Uri, Version};

use super::notes::{LoggedBucket, OneOf};
use super::{AccessLog, Asked};
use crate::operation::Operation;
use crate::target::Target;
use crate::{timestamp, uri};

/// What one line tells that another one of the same request may not.
pub(super) struct Subject<'a> {
    operation: Cow<'static, str>,
    key: Option<&'a str>,
    version: Option<&'a str>,
    status: Option<u16>,
    error_code: Option<&'a str>,
    /// What only the line of the request itself tells.
    whole: Option<Whole>,
}

/// What a request as a whole came to.
struct Whole {
    sent: u64,
    object_size: Option<u64>,
    total: Duration,
    turn_around: Option<Duration>,
}

impl<'a> Subject<'a> {
    /// The request itself.
    pub(super) fn request(log: &'a AccessLog, operation: Option<Operation>) -> Self {
        Self {
            operation: operation_name(log, operation),
            key: log.target.as_ref().and_then(Target::key),
            version: log.version.as_deref(),
            status: log.status.map(|status| status.as_u16()),
            error_code: log.error_code,
            whole: Some(Whole {
                sent: log.sent,
                object_size: log.object_size,
                total: log.elapsed(),
                turn_around: log.turn_around,
            }),
        }
    }

    /// What the request copies.
    pub(super) fn source(log: &'a AccessLog, operation: Option<Operation>, source: &'a OneOf) -> Self {
        let is_part = operation == Some(Operation::UploadPartCopy);
        Self {
            operation: Cow::Borrowed(if is_part { "REST.COPY.PART_GET" } else { "REST.COPY.OBJECT_GET" }),
            key: Some(&source.key),
            version: source.version.as_deref(),
            status: log.status.map(|status| status.as_u16()),
            error_code: log.error_code,
            whole: None,
        }
    }

    /// One of the objects that the request deletes.
    pub(super) fn deletion(deleted: &'a OneOf) -> Self {
        Self {
            operation: Cow::Borrowed("BATCH.DELETE.OBJECT"),
            key: Some(&deleted.key),
            version: deleted.version.as_deref(),
            status: Some(deleted.failure.map_or(204, |(status, _)| status)),
            error_code: deleted.failure.map(|(_, code)| code),
            whole: None,
        }
    }
}

/// `REST.GET.OBJECT` and the like.
fn operation_name(log: &AccessLog, operation: Option<Operation>) -> Cow<'static, str> {
    let by_target = match log.target {
        Some(Target::Object { .. }) => "OBJECT",
        Some(Target::Bucket(_) | Target::Tags(_)) => "BUCKET",
        Some(Target::Service) | None => "SERVICE",
    };
    let method = &log.asked.method;
    if log.is_website {
        return format!("WEBSITE.{method}.OBJECT").into();
    }
    match operation {
        None if *method == Method::OPTIONS => "REST.OPTIONS.PREFLIGHT".into(),
        Some(Operation::CopyObject) => "REST.COPY.OBJECT".into(),
        Some(Operation::UploadPartCopy) => "REST.COPY.PART".into(),
        operation => format!("REST.{method}.{}", operation.and_then(resource).unwrap_or(by_target)).into(),
    }
}

/// What AWS calls the thing that the operation is about, where that is neither a bucket nor an object as a whole.
fn resource(operation: Operation) -> Option<&'static str> {
    use Operation as O;
    Some(match operation {
        O::GetBucketLocation => "LOCATION",
        O::GetBucketVersioning | O::PutBucketVersioning => "VERSIONING",
        O::GetBucketPolicy | O::PutBucketPolicy | O::DeleteBucketPolicy => "BUCKETPOLICY",
        O::GetBucketPolicyStatus => "POLICY_STATUS",
        O::GetPublicAccessBlock | O::PutPublicAccessBlock | O::DeletePublicAccessBlock => "PUBLIC_ACCESS_BLOCK",
        O::GetBucketOwnershipControls | O::PutBucketOwnershipControls | O::DeleteBucketOwnershipControls => {
            "OWNERSHIP_CONTROLS"
        }
        O::GetBucketTagging | O::PutBucketTagging | O::DeleteBucketTagging => "TAGGING",
        O::ListTagsForResource | O::TagResource | O::UntagResource => "TAGGING",
        O::GetBucketCors | O::PutBucketCors | O::DeleteBucketCors => "CORS",
        O::GetBucketRequestPayment | O::PutBucketRequestPayment => "REQUEST_PAYMENT",
        O::GetBucketWebsite | O::PutBucketWebsite | O::DeleteBucketWebsite => "WEBSITE",
        O::GetBucketAccelerateConfiguration | O::PutBucketAccelerateConfiguration => "ACCELERATE",
        O::GetBucketAbac | O::PutBucketAbac => "ABAC",
        O::RestoreObject => "RESTORE",
        O::ListBucketAnalyticsConfigurations => "ANALYTICS",
        O::GetBucketEncryption | O::PutBucketEncryption | O::DeleteBucketEncryption => "ENCRYPTION",
        O::ListBucketIntelligentTieringConfigurations => "INTELLIGENT_TIERING",
        O::ListBucketInventoryConfigurations => "INVENTORY",
        O::GetBucketLifecycleConfiguration | O::PutBucketLifecycleConfiguration | O::DeleteBucketLifecycle => {
            "LIFECYCLE"
        }
        O::GetBucketLogging | O::PutBucketLogging => "LOGGING_STATUS",
        O::ListBucketMetricsConfigurations => "METRICS",
        O::GetBucketNotificationConfiguration => "NOTIFICATION",
        O::GetObjectLockConfiguration | O::PutObjectLockConfiguration => "OBJECT_LOCK_CONFIGURATION",
        O::GetBucketReplication => "REPLICATION",
        O::GetBucketAcl | O::PutBucketAcl | O::GetObjectAcl | O::PutObjectAcl => "ACL",
        O::ListObjectVersions => "BUCKETVERSIONS",
        O::GetObjectAttributes => "OBJECT_ATTRIBUTES",
        O::GetObjectTagging | O::PutObjectTagging | O::DeleteObjectTagging => "OBJECT_TAGGING",
        O::GetObjectAnnotation | O::PutObjectAnnotation | O::DeleteObjectAnnotation => "OBJECT_ANNOTATION",
        O::ListObjectAnnotations => "OBJECT_ANNOTATIONS",
        O::GetObjectRetention | O::PutObjectRetention => "OBJECT_LOCK_RETENTION",
        O::GetObjectLegalHold | O::PutObjectLegalHold => "OBJECT_LOCK_LEGALHOLD",
        O::UpdateObjectEncryption => "OBJECT_ENCRYPTION",
        O::DeleteObjects => "MULTI_OBJECT_DELETE",
        O::CreateMultipartUpload | O::ListMultipartUploads => "UPLOADS",
        O::AbortMultipartUpload | O::CompleteMultipartUpload | O::ListParts => "UPLOAD",
        O::UploadPart => "PART",
        _ => return None,
    })
}

/// The line about `subject` for the log of `bucket`, without its end.
pub(super) fn write(
    log: &AccessLog,
    bucket: &LoggedBucket,
    subject: &Subject<'_>,
    host_id: &str,
    by_acl: bool,
) -> String {
    let Asked { received_at, remote, id, uri, version, .. } = &log.asked;
    let mut line = Fields(String::with_capacity(512));
    line.text(Some(&bucket.owner));
    line.text(Some(&bucket.name));
    line.add(format_args!("[{}]", timestamp::log_date(*received_at)));
    line.value(remote.map(|remote| remote.ip()));
    line.text(log.requester.as_deref());
    line.text(Some(id));
    line.text(Some(&subject.operation));
    line.value(subject.key.map(uri::encode_path));
    line.quoted(Some(request_line(&log.asked.method, uri, *version).as_bytes()));
    line.value(subject.status);
    line.text(subject.error_code);
    let whole = subject.whole.as_ref();
    line.value(whole.map(|whole| whole.sent).filter(|sent| *sent != 0));
    line.value(whole.and_then(|whole| whole.object_size));
    line.value(whole.map(|whole| whole.total.as_millis()));
    line.value(whole.and_then(|whole| whole.turn_around).map(|span| span.as_millis()));
    let header = |value: &'static str| log.asked.header(value).map(HeaderValue::as_bytes);
    line.quoted(header("referer"));
    line.quoted(header("user-agent"));
    line.text(subject.version);
    line.text(Some(host_id));
    let signature = log.asked.signature;
    line.text(signature.map(|(version, _)| version));
    // TLS ends in front of this server.
    line.text(None);
    line.text(signature.map(|(_, place)| place));
    line.text(log.asked.header("host").and_then(|host| host.to_str().ok()));
    line.text(None);
    // There are no access points, and where a request comes from is not known beyond its address.
    line.text(None);
    line.text(by_acl.then_some("Yes"));
    line.text(None);
    line.0
}

fn request_line(method: &Method, uri: &Uri, version: Version) -> String {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    format!("{method} {path} {version:?}")
}

/// Fields with spaces between them.
struct Fields(String);

impl Fields {
    /// Adds a field that needs neither quotes nor escapes.
    fn add(&mut self, field: impl Display) {
        let space = if self.0.is_empty() { "" } else { " " };
        write!(self.0, "{space}{field}").expect("writing to a string cannot fail");
    }

    /// The same, or that it is not known.
    fn value(&mut self, field: Option<impl Display>) {
        match field {
            Some(field) => self.add(field),
            None => self.add('-'),
        }
    }

    /// Adds a word; nothing in it ends the field.
    fn text(&mut self, field: Option<&str>) {
        let field = field.filter(|field| !field.is_empty());
        self.value(field.map(|field| escaped(field.as_bytes(), |byte| byte.is_ascii_graphic() && byte != b'"')));
    }

    /// Adds what a client has sent, between quotes; nothing in it ends them.
    fn quoted(&mut self, field: Option<&[u8]>) {
        let field = field.filter(|field| !field.is_empty()).unwrap_or(b"-");
        let keeps = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && byte != b'"' && byte != b'\\';
        self.add(format_args!("\"{}\"", escaped(field, keeps)));
    }
}

/// `bytes` with those that `keeps` does not want percent-encoded.
fn escaped(bytes: &[u8], keeps: impl Fn(u8) -> bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if keeps(byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_client_sends_ends_a_field() {
        let mut line = Fields(String::new());
        line.text(Some("a b\"\n"));
        line.text(Some(""));
        line.value(None::<u64>);
        line.value(Some(7));
        line.quoted(Some(b"agent \"1\"\\ \xc3\xa4\r\n"));
        line.quoted(None);
        assert_eq!(line.0, "a%20b%22%0A - - 7 \"agent %221%22%5C %C3%A4%0D%0A\" \"-\"");
    }

    #[test]
    fn the_request_line_is_the_one_that_was_sent() {
        let uri: Uri = "/bucket/a%20b?acl&x=1".parse().unwrap();
        assert_eq!(request_line(&Method::GET, &uri, Version::HTTP_11), "GET /bucket/a%20b?acl&x=1 HTTP/1.1");
    }

    #[test]
    fn what_is_asked_has_the_names_of_aws() {
        for (operation, expected) in [
            (Operation::GetObject, None),
            (Operation::GetBucketLogging, Some("LOGGING_STATUS")),
            (Operation::ListObjectVersions, Some("BUCKETVERSIONS")),
            (Operation::CompleteMultipartUpload, Some("UPLOAD")),
        ] {
            assert_eq!(resource(operation), expected, "{operation:?}");
        }
    }
}
