//! Conditional requests: `If-*` and `x-amz-copy-source-if-*`.

use http::HeaderMap;
use store::{Etag, EtagCondition, Precondition, ReadConditions};

use crate::error::{Error, Result};
use crate::header::single;
use crate::timestamp;

/// The conditions of a GET or HEAD, and on what a rename replaces.
pub(crate) fn read_conditions(headers: &HeaderMap) -> Result<ReadConditions> {
    from_headers(headers, ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"])
}

/// The conditions on the source of a copy.
pub(crate) fn copy_source_conditions(headers: &HeaderMap) -> Result<ReadConditions> {
    let names = [
        "x-amz-copy-source-if-match",
        "x-amz-copy-source-if-none-match",
        "x-amz-copy-source-if-modified-since",
        "x-amz-copy-source-if-unmodified-since",
    ];
    from_headers(headers, names)
}

/// The conditions on what is renamed.
pub(crate) fn rename_source_conditions(headers: &HeaderMap) -> Result<ReadConditions> {
    let names = [
        "x-amz-rename-source-if-match",
        "x-amz-rename-source-if-none-match",
        "x-amz-rename-source-if-modified-since",
        "x-amz-rename-source-if-unmodified-since",
    ];
    from_headers(headers, names)
}

/// `If-Range`: the range counts only while this holds.
pub(crate) fn range_condition(headers: &HeaderMap) -> Result<Option<ReadConditions>> {
    let Some(text) = single(headers, "if-range")? else { return Ok(None) };
    let conditions = match timestamp::parse_http_date(text) {
        Some(moment) => ReadConditions { if_unmodified_since: Some(moment), ..ReadConditions::default() },
        None => ReadConditions { if_match: Some(parse_etags(text)), ..ReadConditions::default() },
    };
    Ok(Some(conditions))
}

fn from_headers(headers: &HeaderMap, names: [&'static str; 4]) -> Result<ReadConditions> {
    let [if_match, if_none_match, if_modified_since, if_unmodified_since] = names;
    let etags = |name| Ok::<_, Error>(single(headers, name)?.map(parse_etags));
    // RFC 9110 §13.1.3: a date that is none is ignored.
    let date = |name| Ok::<_, Error>(single(headers, name)?.and_then(timestamp::parse_http_date));
    Ok(ReadConditions {
        if_match: etags(if_match)?,
        if_none_match: etags(if_none_match)?,
        if_modified_since: date(if_modified_since)?,
        if_unmodified_since: date(if_unmodified_since)?,
    })
}

/// The conditions of a write.
///
/// # Errors
///
/// `InvalidArgument` when one is repeated.
pub(crate) fn precondition(headers: &HeaderMap) -> Result<Precondition> {
    let if_match = single(headers, "if-match")?.map(parse_etags);
    let if_none_match = single(headers, "if-none-match")?.map(parse_etags);
    Ok(Precondition { if_match, if_none_match, ..Precondition::default() })
}

/// Reads a list of entity tags; clients leave out the quotes at times. What cannot be a tag matches nothing.
pub(crate) fn parse_etags(text: &str) -> EtagCondition {
    if text.trim() == "*" {
        return EtagCondition::Any;
    }
    EtagCondition::OneOf(text.split(',').filter_map(|etag| Etag::parse(unquote_etag(etag))).collect())
}

/// An entity tag without white space, `W/` and quotes.
pub(crate) fn unquote_etag(text: &str) -> &str {
    let text = text.trim();
    let text = text.strip_prefix("W/").unwrap_or(text);
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use env::UnixMillis;
    use http::HeaderValue;

    fn one_of(etags: &[&str]) -> EtagCondition {
        EtagCondition::OneOf(etags.iter().filter_map(|etag| Etag::parse(etag)).collect())
    }

    #[test]
    fn etags_are_read_with_and_without_quotes() {
        for (text, expected) in [
            ("*", EtagCondition::Any),
            ("\"a\"", one_of(&["a"])),
            ("a", one_of(&["a"])),
            ("\"a\", W/\"b\" ,c", one_of(&["a", "b", "c"])),
            ("", one_of(&[])),
        ] {
            assert_eq!(parse_etags(text), expected, "{text:?}");
        }
    }

    #[test]
    fn read_conditions_ignore_dates_that_are_none() {
        let mut headers = HeaderMap::new();
        headers.insert("if-none-match", HeaderValue::from_static("\"a\""));
        headers.insert("if-modified-since", HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        headers.insert("if-unmodified-since", HeaderValue::from_static("once upon a time"));
        let conditions = read_conditions(&headers).unwrap();
        assert_eq!(conditions.if_match, None);
        assert_eq!(conditions.if_none_match, Some(one_of(&["a"])));
        assert_eq!(conditions.if_modified_since, Some(UnixMillis(784_111_777_000)));
        assert_eq!(conditions.if_unmodified_since, None);
    }

    #[test]
    fn writes_take_conditions_on_tags() {
        let mut headers = HeaderMap::new();
        assert_eq!(precondition(&headers).unwrap(), Precondition::default());
        headers.insert("if-none-match", HeaderValue::from_static("*"));
        assert_eq!(precondition(&headers).unwrap(), Precondition::absent());
        headers.insert("if-match", HeaderValue::from_static("\"a\""));
        assert_eq!(precondition(&headers).unwrap().if_match, Some(one_of(&["a"])));
        headers.append("if-match", HeaderValue::from_static("\"b\""));
        assert!(precondition(&headers).is_err());
    }
}
