//! A request whose sender is known.

use std::sync::Arc;

use http::HeaderMap;
use iam::Credential;
use store::Body;

use crate::body::RequestBody;
use crate::error::{Error, ErrorCode, Result};
use crate::target::Target;
use crate::uri::Query;

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
    pub(crate) credential: Arc<Credential>,
}

impl Request {
    /// The bucket it is about.
    ///
    /// # Panics
    ///
    /// Panics on a request about the service, which is never routed to operations that ask.
    pub(crate) fn bucket(&self) -> &str {
        self.target.bucket().expect("operations on buckets and objects have a bucket")
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

    /// Refuses a `versionId` other than `null`: without versioning that is the only version there is.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`.
    pub(crate) fn check_version(&self) -> Result<()> {
        match self.query.get("versionId") {
            None | Some("null") => Ok(()),
            Some(version) => Err(invalid_version(version)),
        }
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

/// The error for a version that cannot exist.
pub(crate) fn invalid_version(version: &str) -> Error {
    Error::with_message(ErrorCode::InvalidArgument, "Invalid version id specified")
        .detail("ArgumentName", "versionId")
        .detail("ArgumentValue", version)
}
