//! The credential scope: for whom, for which day, region and service a signature holds.

use crate::auth::Location;
use crate::auth::algorithm::Algorithm;
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

/// `<access key>/<date>/<region>/<service>/aws4_request`, in version 4A without the region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) algorithm: Algorithm,
    pub(super) access_key: String,
    pub(super) date: String,
    /// In version 4A the set of regions, patterns with commas in between.
    pub(super) region: String,
    pub(super) service: String,
    terminator: String,
}

impl Scope {
    /// Splits a credential; `None` unless it has five parts, the last four without slashes. In version 4A there are four,
    /// and the region is what `region_set` says.
    pub(super) fn parse(algorithm: Algorithm, credential: &str, region_set: Option<&str>) -> Option<Self> {
        let part_count = if algorithm == Algorithm::Ecdsa { 4 } else { 5 };
        let mut parts = credential.rsplitn(part_count, '/').map(str::to_owned);
        let (terminator, service) = (parts.next()?, parts.next()?);
        let region = match algorithm {
            Algorithm::Hmac => parts.next()?,
            Algorithm::Ecdsa => region_set.unwrap_or_default().to_owned(),
        };
        let date = parts.next()?;
        let access_key = parts.next().filter(|key| !key.is_empty())?;
        let date_valid = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
        date_valid.then_some(Self { algorithm, access_key, date, region, service, terminator })
    }

    /// Whether the signature is one for `region`.
    fn holds_in(&self, region: &str) -> bool {
        match self.algorithm {
            // Clients that were told no region sign for none.
            Algorithm::Hmac => self.region == region || self.region.is_empty(),
            Algorithm::Ecdsa => self.region.split(',').any(|pattern| matches(pattern.trim(), region)),
        }
    }

    /// Checks region, service and terminator. A signature holds for one of `services`.
    pub(super) fn check_names(&self, region: &str, services: &[Service], location: Location) -> Result<()> {
        let Self { service, terminator, .. } = self;
        // Or for the region of services that know none.
        let everywhere = !services.contains(&Service::S3) && self.holds_in(REGION_GLOBAL);
        if !self.holds_in(region) && !everywhere {
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
        let Self { algorithm, date, region, service, terminator, .. } = self;
        match algorithm {
            Algorithm::Hmac => format!("{date}/{region}/{service}/{terminator}"),
            Algorithm::Ecdsa => format!("{date}/{service}/{terminator}"),
        }
    }
}

/// Whether `pattern`, in which `*` stands for any characters, is that of `region`. What is between two of them may as well
/// be where it comes first: nobody who has not signed yet has others try every place.
fn matches(pattern: &str, region: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == region };
    let (between, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let inside = region.strip_prefix(start).and_then(|behind| behind.strip_suffix(end));
    let left = between.split('*').try_fold(inside, |left, part| Some(left?.split_once(part).map(|(_, behind)| behind)));
    left.flatten().is_some()
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
        let scope = Scope::parse(Algorithm::Hmac, "a/b/20130524/us-east-1/s3/aws4_request", None).unwrap();
        assert_eq!((scope.access_key.as_str(), scope.date.as_str()), ("a/b", "20130524"));
        assert_eq!(scope.to_signed_text(), "20130524/us-east-1/s3/aws4_request");
    }

    #[test]
    fn malformed_credentials_are_refused() {
        for credential in
            ["", "key", "key/20130524/us-east-1/s3", "/20130524/us-east-1/s3/aws4_request", "k/2013/r/s3/t"]
        {
            assert_eq!(Scope::parse(Algorithm::Hmac, credential, None), None, "{credential:?}");
        }
    }

    #[test]
    fn version_4a_signs_for_a_set_of_regions() {
        for (set, holds) in [
            ("us-east-1", true),
            ("*", true),
            ("us-*", true),
            ("eu-west-1, us-*-1", true),
            ("us-east", false),
            ("us-east-1*2", false),
            ("eu-*", false),
            ("", false),
            ("us-east-1*", true),
            ("*us-east-1", true),
            ("u*s*-e*t-1", true),
            ("us-east*east-1", false),
            ("u*t*s*1", false),
            (&"*".repeat(8192), true),
            (&format!("{}2", "*".repeat(8192)), false),
        ] {
            let scope = Scope::parse(Algorithm::Ecdsa, "key/20130524/s3/aws4_request", Some(set)).unwrap();
            assert_eq!(scope.check_names("us-east-1", &[Service::S3], Location::Header).is_ok(), holds, "{set:?}");
            assert_eq!(scope.to_signed_text(), "20130524/s3/aws4_request");
        }
    }
}
