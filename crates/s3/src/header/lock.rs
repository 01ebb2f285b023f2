//! The `x-amz-object-lock-*` headers, and the one that bypasses governance.

use env::UnixMillis;
use http::{HeaderMap, HeaderName};
use store::Object;
use store::object::{LegalHold, Retention, RetentionMode, VersionLock};

use crate::error::{Error, ErrorCode, Result};
use crate::header::single;
use crate::response;
use crate::timestamp;

pub(crate) const MODE: &str = "x-amz-object-lock-mode";
pub(crate) const RETAIN_UNTIL: &str = "x-amz-object-lock-retain-until-date";
pub(crate) const LEGAL_HOLD: &str = "x-amz-object-lock-legal-hold";
const BYPASS: &str = "x-amz-bypass-governance-retention";

/// The lock that a request gives to a new object.
///
/// # Errors
///
/// `InvalidArgument` for half a retention, one that is over, and unknown words.
pub(crate) fn requested(headers: &HeaderMap, now: UnixMillis) -> Result<VersionLock> {
    let retention = match (single(headers, MODE)?, single(headers, RETAIN_UNTIL)?) {
        (None, None) => None,
        (Some(mode), Some(until)) => {
            let unknown = || Error::invalid_argument("Unknown wormMode directive.", MODE, mode);
            let mode = parse_mode(mode).ok_or_else(unknown)?;
            Some(Retention { mode, until: parse_until(until, now)? })
        }
        (mode, _) => {
            let message = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied";
            let missing = if mode.is_some() { RETAIN_UNTIL } else { MODE };
            return Err(Error::invalid_argument(message, missing, ""));
        }
    };
    let parse = |text| {
        let unknown = || Error::invalid_argument("Legal Hold must be either of 'ON' or 'OFF'", LEGAL_HOLD, text);
        parse_hold(text).ok_or_else(unknown)
    };
    Ok(VersionLock { retention, hold: single(headers, LEGAL_HOLD)?.map(parse).transpose()? })
}

/// Whether a request asks to bypass retentions in governance mode.
pub(crate) fn asks_to_bypass(headers: &HeaderMap) -> Result<bool> {
    Ok(single(headers, BYPASS)?.is_some_and(|value| value.eq_ignore_ascii_case("true")))
}

/// Reads when a retention ends.
///
/// # Errors
///
/// `InvalidArgument` for no date, and for one that is over.
pub(crate) fn parse_until(text: &str, now: UnixMillis) -> Result<UnixMillis> {
    let refused = |message: &'static str| Error::invalid_argument(message, RETAIN_UNTIL, text);
    let until = timestamp::parse_any(text).ok_or_else(|| refused("The retain until date must be a date"))?;
    if now < until { Ok(until) } else { Err(refused("The retain until date must be in the future!")) }
}

/// The mode called `name`, in capitals as always.
pub(crate) fn parse_mode(name: &str) -> Option<RetentionMode> {
    match name {
        "GOVERNANCE" => Some(RetentionMode::Governance),
        "COMPLIANCE" => Some(RetentionMode::Compliance),
        _ => None,
    }
}

/// The name of a mode.
pub(crate) fn mode_name(mode: RetentionMode) -> &'static str {
    match mode {
        RetentionMode::Governance => "GOVERNANCE",
        RetentionMode::Compliance => "COMPLIANCE",
    }
}

/// Reads whether there is a legal hold.
pub(crate) fn parse_hold(text: &str) -> Option<LegalHold> {
    match text {
        "ON" => Some(LegalHold::On),
        "OFF" => Some(LegalHold::Off),
        _ => None,
    }
}

/// Writes whether there is a legal hold.
pub(crate) fn hold_name(hold: LegalHold) -> &'static str {
    match hold {
        LegalHold::On => "ON",
        LegalHold::Off => "OFF",
    }
}

/// Tells the retention of `object`.
pub(crate) fn write_retention(object: &Object, headers: &mut HeaderMap) {
    if let Some(Retention { mode, until }) = object.lock.retention {
        response::set(headers, HeaderName::from_static(MODE), mode_name(mode));
        response::set(headers, HeaderName::from_static(RETAIN_UNTIL), &timestamp::iso_8601(until));
    }
}

/// Tells the legal hold of `object`.
pub(crate) fn write_hold(object: &Object, headers: &mut HeaderMap) {
    if let Some(hold) = object.lock.hold {
        response::set(headers, HeaderName::from_static(LEGAL_HOLD), hold_name(hold));
    }
}

/// The refusal of a write that locks what it has no digest of.
pub(crate) fn digest_missing() -> Error {
    let message =
        "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters";
    Error::with_message(ErrorCode::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_retention_has_a_mode_and_an_end_in_the_future() {
        const NOW: UnixMillis = UnixMillis(1_000_000_000_000); // 2001
        let later = "2030-01-01T00:00:00.123456Z";
        let until = UnixMillis(1_893_456_000_123);
        let governed = Retention { mode: RetentionMode::Governance, until };
        let invalid = Err(ErrorCode::InvalidArgument);
        for (mode, end, hold, expected) in [
            (None, None, None, Ok(VersionLock::default())),
            (Some("GOVERNANCE"), Some(later), None, Ok(VersionLock { retention: Some(governed), hold: None })),
            (None, None, Some("ON"), Ok(VersionLock { retention: None, hold: Some(LegalHold::On) })),
            (None, None, Some("OFF"), Ok(VersionLock { retention: None, hold: Some(LegalHold::Off) })),
            (None, None, Some("on"), invalid),
            (Some("governance"), Some(later), None, invalid),
            (Some("GOVERNANCE"), None, None, invalid),
            (None, Some(later), None, invalid),
            (Some("COMPLIANCE"), Some("1999-01-01T00:00:00Z"), None, invalid),
            (Some("COMPLIANCE"), Some("tomorrow"), None, invalid),
        ] {
            let named = [(MODE, mode), (RETAIN_UNTIL, end), (LEGAL_HOLD, hold)];
            let headers = named
                .into_iter()
                .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_static(value?))));
            let found = requested(&headers.collect(), NOW).map_err(|error| error.code());
            assert_eq!(found, expected, "{mode:?} {end:?} {hold:?}");
        }
    }
}
