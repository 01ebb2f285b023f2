//! A request whose sender is known.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderMap;
use store::bucket::Bucket;
use store::{Body, VersionName};

use crate::access::BucketAccess;
use crate::access_log::Notes;
use crate::body::RequestBody;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::operation::Operation;
use crate::settings::Settings;
use crate::target::Target;
use crate::uri::Query;

/// How a request came in.
#[derive(Clone)]
pub(crate) struct Origin {
    /// Where it came from, if that is known.
    pub(crate) remote: Option<SocketAddr>,
    /// Whether its host asks for accelerated transfers.
    pub(crate) is_accelerated: bool,
    /// What its log lines tell.
    pub(crate) notes: Arc<Notes>,
    /// Index of a state that was read since it came in, if one was: it need see none that is newer.
    pub(crate) seen_at: Option<u64>,
}

/// A request whose sender is known, as operations receive it.
pub(crate) struct Request {
    /// What it is about.
    pub(crate) target: Target,
    /// Its query.
    pub(crate) query: Query,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body. Only reading it to its end proves that it is what the sender signed.
    pub(crate) body: RequestBody,
    /// Whose request it is.
    pub(crate) caller: Caller,
    /// Where it came from, if that is known.
    pub(crate) remote: Option<SocketAddr>,
    /// What it asks for.
    pub(crate) operation: Operation,
    /// The tags that it gives to a bucket, once its body is read.
    pub(crate) bucket_tags: Option<BTreeMap<String, String>>,
    /// Whether its host asks for accelerated transfers.
    pub(crate) is_accelerated: bool,
    /// What its log lines tell.
    pub(crate) notes: Arc<Notes>,
    /// Index of a state that was read since it came in, if one was: it need see none that is newer.
    pub(crate) seen_at: Option<u64>,
    /// The bucket it is about, once [`Frontend::enter`](crate::frontend::Frontend::enter) has found it.
    pub(crate) access: Option<BucketAccess>,
}

impl Request {
    /// A request with neither query nor headers.
    pub(crate) fn new(operation: Operation, target: Target, body: RequestBody, caller: Caller, origin: Origin) -> Self {
        let Origin { remote, is_accelerated, notes, seen_at } = origin;
        let (query, headers) = (Query::default(), HeaderMap::new());
        let (bucket_tags, access) = (None, None);
        Self {
            target,
            query,
            headers,
            body,
            caller,
            remote,
            operation,
            bucket_tags,
            is_accelerated,
            notes,
            seen_at,
            access,
        }
    }

    /// Name of the bucket it is about.
    ///
    /// # Panics
    ///
    /// Panics on a request about the service, which is never routed to operations that ask.
    pub(crate) fn bucket(&self) -> &str {
        self.target.bucket().expect("operations on buckets and objects have a bucket")
    }

    /// The bucket it is about, with its settings.
    ///
    /// # Panics
    ///
    /// Panics on a request about the service or on one that creates a bucket, whose operations do not ask.
    pub(crate) fn access(&self) -> &BucketAccess {
        self.access.as_ref().expect("requests enter before they run")
    }

    /// The record of the bucket it is about: what is done, is done in this one. Panics as [`Request::access`] does.
    pub(crate) fn found(&self) -> &Bucket {
        &self.access().bucket
    }

    /// What is configured for the bucket it is about. Panics as [`Request::access`] does.
    pub(crate) fn settings(&self) -> &Settings {
        &self.access().settings
    }

    /// The key it is about.
    ///
    /// # Panics
    ///
    /// Panics on a request about a bucket, which is never routed to operations that ask.
    pub(crate) fn key(&self) -> &str {
        self.target.key().expect("operations on objects have a key")
    }

    /// The body as the store takes it.
    pub(crate) fn into_body(self) -> Box<dyn Body> {
        Box::new(self.body)
    }

    /// Reads `versionId`; `None` is the current version.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for what no version was ever called.
    pub(crate) fn version(&self) -> Result<Option<VersionName>> {
        self.query.get("versionId").map(parse_version).transpose()
    }

    /// Reads a query parameter that is a number from 0 to `max`; larger ones count as `max`, a missing one too.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for what is no number, or negative, or beyond 2^31 as on AWS.
    pub(crate) fn limit(&self, name: &'static str, max: u16) -> Result<u16> {
        let Some(text) = self.query.get_non_empty(name) else { return Ok(max) };
        match text.parse::<i64>() {
            Ok(number) if number < 0 || i64::from(i32::MAX) < number => Err(Error::invalid_argument(
                format!("Argument {name} must be an integer between 0 and 2147483647"),
                name,
                text,
            )),
            Ok(number) => Ok(u16::try_from(number).map_or(max, |number| number.min(max))),
            Err(_) => Err(Error::invalid_argument(
                format!("Provided {name} not an integer or within integer range"),
                name,
                text,
            )),
        }
    }

    /// Reads a query parameter that is a part number to start behind; a missing one is 0.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for what is no number, or negative.
    pub(crate) fn marker(&self, name: &'static str) -> Result<u16> {
        if self.query.get_non_empty(name).is_none() {
            return Ok(0);
        }
        self.limit(name, u16::MAX)
    }

    /// Whether listed keys are to be percent-encoded.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for another encoding than `url`.
    pub(crate) fn encodes_keys(&self) -> Result<bool> {
        match self.query.get_non_empty("encoding-type") {
            None => Ok(false),
            Some("url") => Ok(true),
            Some(other) => {
                Err(Error::invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", other))
            }
        }
    }
}

/// Reads the name of a version.
///
/// # Errors
///
/// `InvalidArgument` for what no version was ever called.
pub(crate) fn parse_version(text: &str) -> Result<VersionName> {
    let message =
        if text.is_empty() { "Version id cannot be the empty string" } else { "Invalid version id specified" };
    VersionName::parse(text).ok_or_else(|| Error::invalid_argument(message, "versionId", text))
}
