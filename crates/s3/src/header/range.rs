//! `Range`, `x-amz-copy-source-range` and `Content-Range`.

use std::ops::Range;

use http::HeaderMap;
use store::ByteRange;

use crate::error::{Error, Result};
use crate::header::single;

/// The one range a GET or HEAD asks for. Several ranges, another unit or nonsense count as none (RFC 9110 §14.2), and
/// the whole object is the answer, as on AWS.
pub(crate) fn requested(headers: &HeaderMap) -> Result<Option<ByteRange>> {
    Ok(single(headers, "range")?.and_then(parse))
}

fn parse(text: &str) -> Option<ByteRange> {
    let (unit, range) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", last) => number(last).map(ByteRange::Last),
        (first, "") => number(first).map(ByteRange::From),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(ByteRange::Between(first, last))
        }
    }
}

/// Digits only; more than fit mean "to the end" as any number behind it does.
fn number(text: &str) -> Option<u64> {
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// The range of the source that UploadPartCopy copies.
///
/// # Errors
///
/// `InvalidArgument` unless it is `bytes=first-last`.
pub(crate) fn copy_source(headers: &HeaderMap) -> Result<Option<ByteRange>> {
    const NAME: &str = "x-amz-copy-source-range";
    let Some(text) = single(headers, NAME)? else { return Ok(None) };
    let range = text.starts_with("bytes=").then(|| parse(text)).flatten();
    match range {
        Some(range @ ByteRange::Between(..)) => Ok(Some(range)),
        _ => Err(Error::invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
             zero-based offsets of the first and last bytes to copy",
            NAME,
            text,
        )),
    }
}

/// `Content-Range` of a part of an object of `size` bytes.
pub(crate) fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn one_range_of_bytes_is_read() {
        for (text, expected) in [
            ("bytes=0-4", Some(ByteRange::Between(0, 4))),
            ("Bytes = 0 - 4", Some(ByteRange::Between(0, 4))),
            ("bytes=4-", Some(ByteRange::From(4))),
            ("bytes=-4", Some(ByteRange::Last(4))),
            ("bytes=0-99999999999999999999999", Some(ByteRange::Between(0, u64::MAX))),
            ("bytes=4-0", None),
            ("bytes=-", None),
            ("bytes=0-4,6-8", None),
            ("bytes=a-b", None),
            ("bytes=+0-4", None),
            ("lines=0-4", None),
            ("bytes", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_range_of_a_copy_must_be_closed() {
        let check = |text| {
            let mut headers = HeaderMap::new();
            headers.insert("x-amz-copy-source-range", HeaderValue::from_static(text));
            copy_source(&headers)
        };
        assert_eq!(check("bytes=0-4").unwrap(), Some(ByteRange::Between(0, 4)));
        for text in ["0-2", "bytes=0", "bytes=hello-world", "bytes=0-bar", "bytes=hello-", "bytes=0-2,3-5", "bytes=4-"]
        {
            assert!(check(text).is_err(), "{text:?}");
        }
    }
}
