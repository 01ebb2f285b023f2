//! The credential scope: for whom, for which day, region and service a signature holds.

use crate::auth::Location;
use crate::error::{Error, ErrorCode, Result};

/// What ends every scope.
const TERMINATOR: &str = "aws4_request";

/// Where AWS has its services that know no regions.
const REGION_GLOBAL: &str = "us-east-1";

/// A service that this server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Buckets and objects.
    S3,
    /// Identities.
    Iam,
    /// Temporary credentials.
    Sts,
}

impl Service {
    /// The service that scopes call `name`.
    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::S3, Self::Iam, Self::Sts].into_iter().find(|service| service.name() == name)
    }

    /// What scopes call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Iam => "iam",
            Self::Sts => "sts",
        }
    }
}

/// `<access key>/<date>/<region>/<service>/aws4_request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) access_key: String,
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
    terminator: String,
}

impl Scope {
    /// Splits a credential; `None` unless it has five parts, the last four without slashes.
    pub(super) fn parse(credential: &str) -> Option<Self> {
        let mut parts = credential.rsplitn(5, '/').map(str::to_owned);
        let (terminator, service, region, date) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let access_key = parts.next().filter(|key| !key.is_empty())?;
        let date_valid = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
        date_valid.then_some(Self { access_key, date, region, service, terminator })
    }

    /// Checks region, service and terminator. A signature holds for one of `services`.
    pub(super) fn check_names(&self, region: &str, services: &[Service], location: Location) -> Result<()> {
        let Self { service, terminator, .. } = self;
        // Clients that were told no region sign for none, or for the one of services that know no regions.
        let everywhere = !services.contains(&Service::S3) && self.region == REGION_GLOBAL;
        if self.region != region && !self.region.is_empty() && !everywhere {
            let reason = format!("the region '{}' is wrong; expecting '{region}'", self.region);
            return Err(refuse(location, &reason).detail("Region", region));
        }
        if !services.iter().any(|own| own.name() == service) {
            let names = services.iter().map(|own| own.name()).collect::<Vec<_>>().join("\" or \"");
            let reason = format!("incorrect service \"{service}\". This endpoint belongs to \"{names}\".");
            return Err(refuse(location, &reason));
        }
        if terminator != TERMINATOR {
            let reason = format!("incorrect terminal \"{terminator}\". This endpoint uses \"{TERMINATOR}\".");
            return Err(refuse(location, &reason));
        }
        Ok(())
    }

    /// The scope as strings to sign contain it: without the access key.
    pub(super) fn to_signed_text(&self) -> String {
        let Self { date, region, service, terminator, .. } = self;
        format!("{date}/{region}/{service}/{terminator}")
    }
}

/// The error for a malformed credential at `location`.
pub(super) fn refuse(location: Location, reason: &str) -> Error {
    match location {
        Location::Header => Error::with_message(
            ErrorCode::AuthorizationHeaderMalformed,
            format!("The authorization header is malformed; {reason}"),
        ),
        Location::Query { .. } => Error::with_message(
            ErrorCode::AuthorizationQueryParametersError,
            format!("Error parsing the X-Amz-Credential parameter; {reason}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_keys_may_hold_slashes() {
        let scope = Scope::parse("a/b/20130524/us-east-1/s3/aws4_request").unwrap();
        assert_eq!((scope.access_key.as_str(), scope.date.as_str()), ("a/b", "20130524"));
        assert_eq!(scope.to_signed_text(), "20130524/us-east-1/s3/aws4_request");
    }

    #[test]
    fn malformed_credentials_are_refused() {
        for credential in
            ["", "key", "key/20130524/us-east-1/s3", "/20130524/us-east-1/s3/aws4_request", "k/2013/r/s3/t"]
        {
            assert_eq!(Scope::parse(credential), None, "{credential:?}");
        }
    }
}
