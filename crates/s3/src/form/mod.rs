//! Uploads by HTML forms (Amazon S3 API reference, "POST Object"): a browser sends the fields that a page gave it and a
//! file, and a policy that the page's owner has signed says what they may be.
//!
//! The fields are turned into the headers of a PutObject, which then goes the way of all requests: both mean the same.

mod fields;
mod file;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod gate;
mod policy;

use std::ops::RangeInclusive;
use std::sync::Arc;

use axum::body::Body;
use env::UnixMillis;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HOST, LOCATION, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use identity::Known;
use multer::Field;

use self::fields::Fields;
use self::file::{Fault, File};
use self::policy::Policy;
use crate::auth::{Authenticator, FormClaim, Signature};
use crate::body::RequestBody;
use crate::error::{Error, ErrorCode, Result};
use crate::response::{self, Response};
use crate::target::{Target, check_key};
use crate::uri;
use crate::xml::Writer;

/// What the access log calls an upload by a form.
pub(crate) const OPERATION: &str = "PostObject";

/// Whether a request about a bucket is a form that uploads into it.
pub(crate) fn is_form(head: &Parts) -> bool {
    head.method == Method::POST
        && !head.headers.contains_key(AUTHORIZATION)
        && content_type(head).trim_start().to_ascii_lowercase().starts_with("multipart/form-data")
}

fn content_type(head: &Parts) -> &str {
    head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default()
}

/// A form that has been read up to its file.
pub(crate) struct Form {
    sent: Sent,
    /// Sizes that the file may have.
    sizes: RangeInclusive<u64>,
    file: Field<'static>,
}

/// What the answer to a form depends on.
pub(crate) struct Sent {
    bucket: String,
    key: String,
    /// Where the object can be read.
    location: String,
    fields: Fields,
    headers: HeaderMap,
    fault: Fault,
}

/// The PutObject that a form stands for.
pub(crate) struct Put {
    pub(crate) target: Target,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

impl Form {
    /// Reads the fields of the form that `body` holds, for `bucket`.
    ///
    /// # Errors
    ///
    /// What is wrong with the form.
    pub(crate) async fn read(bucket: &str, head: &Parts, body: RequestBody) -> Result<Self> {
        let form = fields::form(content_type(head), body.into_stream())?;
        let (fields, file) = Fields::read(form, bucket).await?;
        let key = fields.require("key")?.to_owned();
        check_key(&key)?;
        if key.is_empty() {
            return Err(Error::invalid_argument("User key must have a length greater than 0.", "key", ""));
        }
        let (headers, location) = (fields.to_headers()?, location(head, &key));
        let sent = Sent { bucket: bucket.to_owned(), key, location, fields, headers, fault: Fault::default() };
        Ok(Self { sent, sizes: 0..=u64::MAX, file })
    }

    /// What the form says about who signed its policy; `None` for a form without policy or signature.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a claim of which something is missing.
    pub(crate) fn claim(&self) -> Result<Option<FormClaim<'_>>> {
        let fields = &self.sent.fields;
        let has = |name: &&str| fields.get(name).is_some();
        let version_4 = ["x-amz-algorithm", "x-amz-credential", "x-amz-signature"].iter().any(has);
        if !version_4 && !["awsaccesskeyid", "signature", "policy"].iter().any(has) {
            return Ok(None);
        }
        let required = |name| fields.require(name);
        required("policy")?;
        Ok(Some(if version_4 {
            FormClaim::Version4 {
                algorithm: required("X-Amz-Algorithm")?,
                credential: required("X-Amz-Credential")?,
                date: required("X-Amz-Date")?,
                signature: required("X-Amz-Signature")?,
            }
        } else {
            FormClaim::Version2 { access_key: required("AWSAccessKeyId")?, signature: required("Signature")? }
        }))
    }

    /// The token that comes with temporary credentials.
    pub(crate) fn token(&self) -> Option<&str> {
        self.sent.fields.get("x-amz-security-token").map(String::as_str)
    }

    /// Checks that the holder of `known` signed the form's policy, and holds the form to it.
    ///
    /// # Errors
    ///
    /// As the signature fails, and what the policy forbids.
    pub(crate) fn verify(
        &mut self,
        authenticator: &Authenticator,
        known: Arc<Known>,
        now: UnixMillis,
    ) -> Result<Signature> {
        let encoded = self.sent.fields.require("policy")?;
        let claim = self.claim()?.ok_or(ErrorCode::AccessDenied)?;
        authenticator.verify_form(encoded, &claim, &known.credential)?;
        let policy = Policy::decode(encoded)?;
        policy.check(&self.sent.fields, now)?;
        self.sizes = policy.sizes();
        Ok(Signature { known, presigned: false, signed_at: now })
    }

    /// The PutObject that the form stands for, and what turns its answer into that of the form.
    pub(crate) fn open(self) -> (Sent, Put) {
        let Self { mut sent, sizes, file } = self;
        let (file, fault) = File::new(file, sizes);
        sent.fault = fault;
        let target = Target::Object { bucket: sent.bucket.clone(), key: sent.key.clone() };
        let mut headers = std::mem::take(&mut sent.headers);
        // How long the file is shows at its end.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        (sent, Put { target, headers, body: Body::from_stream(file) })
    }
}

impl Sent {
    /// Turns the answer of the PutObject into that of the form: with the status that it asks for, or the page that it names.
    ///
    /// # Errors
    ///
    /// What has failed; what ended the file early, if that was it.
    pub(crate) fn answer(self, stored: Result<Response>) -> Result<Response> {
        let stored = stored.map_err(|error| self.fault.lock().take().unwrap_or(error))?;
        let etag = stored.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).unwrap_or_default();
        let field = |name| self.fields.get(name).map(String::as_str);
        let page = field("success_action_redirect").or_else(|| field("redirect"));
        let page = page.filter(|page| page.parse::<Uri>().is_ok_and(|page| page.scheme().is_some()));
        let (status, location) = match (page, field("success_action_status")) {
            (Some(page), _) => (StatusCode::SEE_OTHER, self.redirection(page, etag)),
            (None, Some("200")) => (StatusCode::OK, self.location.clone()),
            (None, Some("201")) => (StatusCode::CREATED, self.location.clone()),
            (None, _) => (StatusCode::NO_CONTENT, self.location.clone()),
        };
        let mut answer = match status {
            StatusCode::CREATED => response::xml(self.document(etag)),
            _ => response::empty(status),
        };
        *answer.status_mut() = status;
        let more = stored.headers().iter().filter(|(name, _)| *name != CONTENT_LENGTH);
        answer.headers_mut().extend(more.map(|(name, value)| (name.clone(), value.clone())));
        response::set(answer.headers_mut(), LOCATION, &location);
        Ok(answer)
    }

    fn redirection(&self, page: &str, etag: &str) -> String {
        let joint = if page.contains('?') { '&' } else { '?' };
        let (bucket, key, etag) = (uri::encode(&self.bucket), uri::encode(&self.key), uri::encode(etag));
        format!("{page}{joint}bucket={bucket}&key={key}&etag={etag}")
    }

    fn document(&self, etag: &str) -> Writer {
        let mut document = Writer::without_namespace("PostResponse");
        document.text("Location", &self.location);
        document.text("Bucket", &self.bucket);
        document.text("Key", &self.key);
        document.text("ETag", etag);
        document
    }
}

/// The address of the object, as the client wrote that of the bucket.
fn location(head: &Parts, key: &str) -> String {
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let path = head.uri.path().trim_end_matches('/');
    format!("http://{host}{path}/{}", uri::encode_path(key))
}
