//! Values of condition keys, taken from a request only when a policy asks for them.

use std::collections::BTreeMap;

use env::UnixMillis;
use http::HeaderName;
use http::header::{IF_MATCH, IF_NONE_MATCH, REFERER, USER_AGENT};
use iam::Account;
use iam::condition::{ConditionKey, Context, Value, Values};

use crate::caller::Proof;
use crate::operation::Operation;
use crate::request::Request;
use crate::settings::tags;
use crate::timestamp;
use crate::uri;

/// A request as policies see it, but for its sender.
pub(super) struct RequestContext<'a> {
    pub(super) request: &'a Request,
    pub(super) region: &'a str,
    pub(super) now: UnixMillis,
    /// What a listing would ask for, where the question is whether the sender may list one key.
    pub(super) prefix: Option<&'a str>,
    /// Canonical id of the account that owns the bucket.
    pub(super) owner: Option<&'a str>,
    /// The tags of the object as it is, when a policy needs them.
    pub(super) object_tags: Option<&'a BTreeMap<String, String>>,
    /// The tags of the bucket, where policies may decide by them.
    pub(super) bucket_tags: Option<&'a BTreeMap<String, String>>,
}

/// The header that a condition key repeats.
fn header_of(key: &ConditionKey) -> Option<HeaderName> {
    use ConditionKey as Key;
    let name = match key {
        Key::UserAgent => return Some(USER_AGENT),
        Key::Referer => return Some(REFERER),
        Key::IfMatch => return Some(IF_MATCH),
        Key::IfNoneMatch => return Some(IF_NONE_MATCH),
        Key::Acl => "x-amz-acl",
        Key::ContentSha256 => "x-amz-content-sha256",
        Key::GrantFullControl => "x-amz-grant-full-control",
        Key::GrantRead => "x-amz-grant-read",
        Key::GrantReadAcp => "x-amz-grant-read-acp",
        Key::GrantWrite => "x-amz-grant-write",
        Key::GrantWriteAcp => "x-amz-grant-write-acp",
        Key::MetadataDirective => "x-amz-metadata-directive",
        Key::ObjectOwnership => "x-amz-object-ownership",
        Key::ObjectLockMode => "x-amz-object-lock-mode",
        Key::ObjectLockLegalHold => "x-amz-object-lock-legal-hold",
        Key::ObjectLockRetainUntilDate => RETAIN_UNTIL,
        Key::ServerSideEncryption => "x-amz-server-side-encryption",
        Key::ServerSideEncryptionKmsKeyId => "x-amz-server-side-encryption-aws-kms-key-id",
        Key::ServerSideEncryptionCustomerAlgorithm => "x-amz-server-side-encryption-customer-algorithm",
        Key::StorageClass => "x-amz-storage-class",
        Key::WebsiteRedirectLocation => "x-amz-website-redirect-location",
        _ => return None,
    };
    Some(HeaderName::from_static(name))
}

const RETAIN_UNTIL: &str = "x-amz-object-lock-retain-until-date";

impl RequestContext<'_> {
    fn header(&self, name: &HeaderName) -> Option<&str> {
        self.request.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// `bucket/key`, whatever the client has escaped and however it begins.
    fn copy_source(&self) -> Option<String> {
        let source = self.header(&HeaderName::from_static("x-amz-copy-source"))?;
        let source = uri::decode(source.split("?versionId=").next()?).ok()?;
        Some(source.strip_prefix('/').unwrap_or(&source).to_owned())
    }

    /// The tags that the request gives to an object.
    fn new_tags(&self) -> BTreeMap<String, String> {
        let sent = self.header(&HeaderName::from_static("x-amz-tagging"));
        sent.and_then(|text| tags::of_header(text).ok()).unwrap_or_default()
    }

    /// How many whole days an object is to be retained from now on.
    fn retention_days(&self) -> Option<i64> {
        const DAY_MILLIS: i64 = 24 * 3600 * 1000;
        let until = timestamp::parse_any(self.header(&HeaderName::from_static(RETAIN_UNTIL))?)?;
        Some((millis(until) - millis(self.now)).div_euclid(DAY_MILLIS))
    }

    fn by_proof(&self, key: &ConditionKey) -> Values<'_> {
        let proof = self.request.caller.proof;
        match (key, proof) {
            (_, Proof::None) => Values::Missing,
            (ConditionKey::AuthType, Proof::Header) => Values::of_text(Some("REST-HEADER")),
            (ConditionKey::AuthType, Proof::Query(_)) => Values::of_text(Some("REST-QUERY-STRING")),
            (ConditionKey::SignatureVersion, _) => Values::of_text(Some("AWS4-HMAC-SHA256")),
            (ConditionKey::SignatureAge, Proof::Query(signed_at)) => {
                Values::One(Value::Number(millis(self.now) - millis(signed_at)))
            }
            _ => Values::Missing,
        }
    }

    /// The names of the tags that the request gives to a bucket, or takes from it.
    fn tag_keys(&self) -> Values<'_> {
        let text = |name: &str| Value::Text(name.to_owned().into());
        if self.request.operation == Operation::UntagResource {
            let removed = self.request.query.pairs().iter().filter(|(name, _)| name == "tagKeys");
            return Values::Many(removed.map(|(_, key)| text(key)).collect());
        }
        let given = self.request.bucket_tags.as_ref();
        given.map_or(Values::Missing, |tags| Values::Many(tags.keys().map(|name| text(name)).collect()))
    }

    fn creates_object(&self) -> Option<bool> {
        match self.request.operation {
            Operation::PutObject | Operation::CopyObject | Operation::CompleteMultipartUpload => Some(true),
            Operation::CreateMultipartUpload | Operation::UploadPart | Operation::UploadPartCopy => Some(false),
            _ => None,
        }
    }
}

/// The value of a tag whose name stands in a condition key, in which letter case means nothing.
fn tag_in_any_case<'a>(tags: Option<&'a BTreeMap<String, String>>, name: &str) -> Values<'a> {
    let found = tags.and_then(|tags| tags.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)));
    Values::of_text(found.map(|(_, value)| value.as_str()))
}

fn millis(time: UnixMillis) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

fn number(number: Option<i64>) -> Values<'static> {
    number.map_or(Values::Missing, |number| Values::One(Value::Number(number)))
}

fn owned(text: Option<String>) -> Values<'static> {
    text.map_or(Values::Missing, |text| Values::One(Value::Text(text.into())))
}

impl Context for RequestContext<'_> {
    fn values(&self, key: &ConditionKey) -> Values<'_> {
        use ConditionKey as Key;
        let query = &self.request.query;
        let tag_of = |tags: &BTreeMap<String, String>, name: &str| owned(tags.get(name).cloned());
        match key {
            Key::SourceIp => {
                self.request.remote.map_or(Values::Missing, |remote| Values::One(Value::Address(remote.ip())))
            }
            Key::CurrentTime => Values::One(Value::Time(millis(self.now))),
            Key::EpochTime => Values::One(Value::Number(millis(self.now) / 1000)),
            // Who wants TLS puts a proxy in front, and nothing tells that it is there.
            Key::SecureTransport => Values::One(Value::Flag(false)),
            Key::RequestedRegion => Values::of_text(Some(self.region)),
            Key::ResourceAccount | Key::AccountOfResource => owned(self.owner.and_then(Account::account_id_of)),
            Key::Prefix => Values::of_text(self.prefix.or(query.get("prefix"))),
            Key::Delimiter => Values::of_text(query.get("delimiter")),
            Key::MaxKeys => number(query.get("max-keys").and_then(|text| text.parse().ok())),
            Key::VersionId => Values::of_text(query.get("versionId")),
            Key::CopySource => owned(self.copy_source()),
            Key::AuthType | Key::SignatureVersion | Key::SignatureAge => self.by_proof(key),
            Key::ObjectCreationOperation => {
                self.creates_object().map_or(Values::Missing, |creates| Values::One(Value::Flag(creates)))
            }
            Key::ObjectLockRemainingRetentionDays => number(self.retention_days()),
            Key::RequestObjectTag(name) => tag_of(&self.new_tags(), name),
            Key::RequestObjectTagKeys => {
                Values::Many(self.new_tags().into_keys().map(|name| Value::Text(name.into())).collect())
            }
            Key::ResourceTag(name) | Key::BucketTag(name) => tag_in_any_case(self.bucket_tags, name),
            Key::RequestTag(name) => tag_in_any_case(self.request.bucket_tags.as_ref(), name),
            Key::TagKeys => self.tag_keys(),
            Key::ExistingObjectTag(name) => {
                Values::of_text(self.object_tags.and_then(|tags| tags.get(&**name)).map(String::as_str))
            }
            key => Values::of_text(header_of(key).and_then(|name| self.header(&name))),
        }
    }
}
