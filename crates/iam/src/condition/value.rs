//! Values that a request has for condition keys.

use std::borrow::Cow;
use std::net::IpAddr;

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, PrimitiveDateTime};

/// One value of a condition key, in the type that its key has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A text, an ARN, or anything that the request says in letters.
    Text(Cow<'a, str>),
    /// A number.
    Number(i64),
    /// Milliseconds since 1970.
    Time(i64),
    /// Where a request came from.
    Address(IpAddr),
    /// Yes or no.
    Flag(bool),
}

/// The values of a condition key in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values<'a> {
    /// The request does not have the key.
    Missing,
    /// As for most keys.
    One(Value<'a>),
    /// Of a key with any number of values. Empty counts as missing.
    Many(Vec<Value<'a>>),
}

impl<'a> Value<'a> {
    /// A borrowed text.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The value in letters, as string operators compare it.
    pub(super) fn as_text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Number(number) => Cow::Owned(number.to_string()),
            Self::Time(millis) => Cow::Owned(write_date(*millis)),
            Self::Address(address) => Cow::Owned(address.to_string()),
            Self::Flag(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
        }
    }

    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "counts and ages of requests are far below 2^53")]
            Self::Number(number) => Some(*number as f64),
            Self::Text(text) => text.parse().ok(),
            Self::Time(_) | Self::Address(_) | Self::Flag(_) => None,
        }
    }

    /// Milliseconds since 1970.
    pub(super) fn as_time(&self) -> Option<i64> {
        match self {
            Self::Time(millis) => Some(*millis),
            Self::Number(seconds) => seconds.checked_mul(1000),
            Self::Text(text) => parse_date(text),
            Self::Address(_) | Self::Flag(_) => None,
        }
    }

    pub(super) fn as_address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address.to_canonical()),
            Self::Text(text) => text.parse().ok().map(|address: IpAddr| address.to_canonical()),
            Self::Number(_) | Self::Time(_) | Self::Flag(_) => None,
        }
    }

    fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => text,
            other => Cow::Owned(other.as_text().into_owned()),
        }
    }
}

impl<'a> Values<'a> {
    /// One text, or none.
    pub fn of_text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Missing, |text| Self::One(Value::text(text)))
    }

    pub(super) fn as_slice(&self) -> &[Value<'a>] {
        match self {
            Self::Missing => &[],
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }

    /// The text that a policy variable stands for: keys with several values have none.
    pub(crate) fn into_single_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::One(value) => Some(value.into_text()),
            Self::Missing | Self::Many(_) => None,
        }
    }
}

/// Reads a date as policies write it: ISO 8601 (W3C note), whole or only down to the day, or seconds since 1970.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<i64>() {
        return seconds.checked_mul(1000);
    }
    let day = format_description!("[year]-[month]-[day]");
    let minute = format_description!("[year]-[month]-[day]T[hour]:[minute]Z");
    let time = OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| PrimitiveDateTime::parse(text, &minute).map(PrimitiveDateTime::assume_utc))
        .or_else(|_| Date::parse(text, &day).map(|day| day.midnight().assume_utc()))
        .ok()?;
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}

fn write_date(millis: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(millis.div_euclid(1000)).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_every_form_that_policies_use() {
        for (text, millis) in [
            ("1970-01-01T00:00:01Z", Some(1000)),
            ("1970-01-01T00:00:01.250Z", Some(1250)),
            ("1970-01-01T01:00:00+01:00", Some(0)),
            ("1970-01-01T00:01Z", Some(60_000)),
            ("1970-01-02", Some(86_400_000)),
            ("86400", Some(86_400_000)),
            ("yesterday", None),
            ("2024-13-01", None),
            ("", None),
        ] {
            assert_eq!(parse_date(text), millis, "{text}");
        }
        assert_eq!(Value::Time(1_700_000_000_000).as_text(), "2023-11-14T22:13:20Z");
    }
}
