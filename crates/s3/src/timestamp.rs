//! The three ways in which S3 writes a moment.

use std::borrow::Cow;

use env::UnixMillis;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// `Fri, 24 May 2013 00:00:00 GMT`: what HTTP headers carry (RFC 9110 §5.6.7).
const HTTP_DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// The two older forms that RFC 9110 §5.6.7 asks recipients to accept; the first with its century put in.
const HTTP_DATE_RFC850: &[BorrowedFormatItem<'_>] =
    format_description!("[day]-[month repr:short]-[year] [hour]:[minute]:[second] GMT");
const HTTP_DATE_ASCTIME: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]");

/// `2013-05-24T00:00:00Z`, which clients write as well.
const ISO_8601_SECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// `2013-05-24T00:00:00.000Z`: what XML bodies carry; clients write any number of digits behind the second.
const ISO_8601: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond]Z");

/// `20130524T000000Z`: what signatures carry.
const ISO_8601_BASIC: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second]Z");

/// `06/Feb/2019:00:00:38 +0000`: what the logs of buckets carry.
const LOG_DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");

/// `2019-02-06-00-00-38`: what their keys carry, and the days that may stand before that.
const LOG_KEY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]-[hour]-[minute]-[second]");
const LOG_KEY_DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]/[month]/[day]");

/// Writes `moment` for a line of a bucket's log.
pub(crate) fn log_date(moment: UnixMillis) -> String {
    format(moment, LOG_DATE)
}

/// Writes `moment` for the key of a bucket's log.
pub(crate) fn log_key(moment: UnixMillis) -> String {
    format(moment, LOG_KEY)
}

/// Writes the day of `moment` for the key of a bucket's log.
pub(crate) fn log_key_day(moment: UnixMillis) -> String {
    format(moment, LOG_KEY_DAY)
}

/// Writes `moment` for an HTTP header; parts of a second are dropped.
pub(crate) fn http_date(moment: UnixMillis) -> String {
    format(moment, HTTP_DATE)
}

/// Writes `moment` for an XML body. By hand, since a listing holds a thousand of them.
pub(crate) fn iso_8601(moment: UnixMillis) -> String {
    let moment = date_time(moment);
    let (year, month, day) = moment.to_calendar_date();
    let (hour, minute, second, millisecond) = moment.to_hms_milli();
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let fields = [
        (0, 4, year.unsigned_abs()),
        (5, 2, u32::from(u8::from(month))),
        (8, 2, u32::from(day)),
        (11, 2, u32::from(hour)),
        (14, 2, u32::from(minute)),
        (17, 2, u32::from(second)),
        (20, 3, u32::from(millisecond)),
    ];
    for (start, size, mut number) in fields {
        for digit in text[start..start + size].iter_mut().rev() {
            *digit = b"0123456789"[number as usize % 10];
            number /= 10;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Writes `moment` for an XML body of a service that knows no parts of seconds.
pub(crate) fn iso_8601_seconds(moment: UnixMillis) -> String {
    format(moment, ISO_8601_SECONDS)
}

/// Writes `moment` for a string to sign.
pub(crate) fn iso_8601_basic(moment: UnixMillis) -> String {
    format(moment, ISO_8601_BASIC)
}

/// Reads an HTTP date in any of its three forms. Clients that take it for a date of mail (RFC 5322) write the zone as an
/// offset, which AWS accepts.
pub(crate) fn parse_http_date(text: &str) -> Option<UnixMillis> {
    let with_offset = ["+0000", "-0000"].iter().find_map(|zone| text.strip_suffix(zone));
    let text = with_offset.map_or(Cow::Borrowed(text), |rest| Cow::Owned(format!("{rest}GMT")));
    [HTTP_DATE, HTTP_DATE_ASCTIME].iter().find_map(|form| parse(&text, form)).or_else(|| parse_rfc_850(&text))
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`. Nothing here is older than 1970, so smaller years are of the next century.
fn parse_rfc_850(text: &str) -> Option<UnixMillis> {
    let (_weekday, rest) = text.split_once(", ")?;
    let (date, time) = rest.split_once(' ')?;
    let (day_and_month, year) = date.rsplit_once('-')?;
    let century = if year < "70" { "20" } else { "19" };
    parse(&format!("{day_and_month}-{century}{year} {time}"), HTTP_DATE_RFC850)
}

/// Reads the moment of a signature.
pub(crate) fn parse_iso_8601_basic(text: &str) -> Option<UnixMillis> {
    parse(text, ISO_8601_BASIC)
}

/// Reads a moment of an XML body, where clients write ISO 8601 or an HTTP date.
pub(crate) fn parse_any(text: &str) -> Option<UnixMillis> {
    [ISO_8601, ISO_8601_SECONDS].iter().find_map(|form| parse(text, form)).or_else(|| parse_http_date(text))
}

fn format(moment: UnixMillis, form: &[BorrowedFormatItem<'_>]) -> String {
    date_time(moment).format(&form).unwrap_or_default()
}

/// Beyond the year 9999 no form can say the moment; the epoch is as good as any.
fn date_time(moment: UnixMillis) -> OffsetDateTime {
    let nanoseconds = i128::from(moment.0) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn parse(text: &str, form: &[BorrowedFormatItem<'_>]) -> Option<UnixMillis> {
    let moment = PrimitiveDateTime::parse(text, &form).ok()?.assume_utc();
    u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok().map(UnixMillis)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: UnixMillis = UnixMillis(1_369_353_600_000);

    #[test]
    fn forms_are_those_of_the_documentation() {
        assert_eq!(http_date(MOMENT), "Fri, 24 May 2013 00:00:00 GMT");
        assert_eq!(iso_8601(UnixMillis(MOMENT.0 + 7)), "2013-05-24T00:00:00.007Z");
        assert_eq!(iso_8601_basic(MOMENT), "20130524T000000Z");
    }

    #[test]
    fn all_three_http_dates_are_read() {
        let moment = Some(UnixMillis(784_111_777_000));
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), moment);
        assert_eq!(parse_http_date("Sun Nov  6 08:49:37 1994"), moment);
        assert_eq!(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT"), moment);
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 -0000"), moment);
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 +0000"), moment);
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 +0100"), None);
    }

    #[test]
    fn nonsense_is_no_date() {
        for text in ["", "yesterday", "20130524T000000", "2013-05-24T00:00:00Z", "Fri, 24 May 2013 00:00:00 CEST"] {
            assert_eq!(parse_iso_8601_basic(text), None, "{text:?}");
        }
        assert_eq!(parse_http_date("Fri, 24 May 1913 00:00:00 GMT"), None, "before the epoch");
    }

    #[test]
    fn bodies_may_carry_either_form() {
        for text in [
            "2013-05-24T00:00:00Z",
            "2013-05-24T00:00:00.0Z",
            "2013-05-24T00:00:00.000Z",
            "2013-05-24T00:00:00.000999Z",
            "Fri, 24 May 2013 00:00:00 GMT",
        ] {
            assert_eq!(parse_any(text), Some(MOMENT), "{text:?}");
        }
    }
}
