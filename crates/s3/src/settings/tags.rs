//! Tags of buckets and objects.

use std::collections::BTreeMap;

use http::HeaderMap;

use crate::error::{Error, ErrorCode, Result};
use crate::header::single;
use crate::settings::Document;
use crate::uri::{self, Query};
use crate::xml::{Element, Writer};

/// Most characters of a tag's key, and of its value (S3 user guide, "Categorizing your storage using tags").
const KEY_LENGTH_MAX: usize = 128;
const VALUE_LENGTH_MAX: usize = 256;

/// Most tags of an object.
const OBJECT_TAGS_MAX: usize = 10;

/// Most tags of a bucket.
const BUCKET_TAGS_MAX: usize = 50;

/// What begins the keys that AWS keeps for itself.
const RESERVED_PREFIX: &str = "aws:";

/// Longest body of a PutObjectTagging, in bytes.
pub(crate) const OBJECT_SIZE_MAX: usize = 64 * 1024;

/// The tags of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags(pub(crate) BTreeMap<String, String>);

impl Document for Tags {
    const KIND: u8 = 5;
    const SIZE_MAX: usize = 128 * 1024;

    fn parse(body: &[u8], _: &str) -> Result<Self> {
        of_document(body, BUCKET_TAGS_MAX).map(Self)
    }

    fn write(&self) -> String {
        let mut document = Writer::new("Tagging");
        document.open("TagSet");
        write_set(&mut document, &self.0);
        document.finish()
    }
}

/// The tags of an object in the body of a PutObjectTagging.
///
/// # Errors
///
/// `MalformedXML`, `InvalidTag`, `BadRequest` for too many.
pub(crate) fn of_object(body: &[u8]) -> Result<BTreeMap<String, String>> {
    of_document(body, OBJECT_TAGS_MAX)
}

/// The tags that a request gives to an object in `x-amz-tagging`.
///
/// # Errors
///
/// As [`of_header`].
pub(crate) fn requested(headers: &HeaderMap) -> Result<BTreeMap<String, String>> {
    single(headers, "x-amz-tagging")?.map_or(Ok(BTreeMap::new()), of_header)
}

/// The tags of an object in `x-amz-tagging`.
///
/// # Errors
///
/// `InvalidArgument` for what is no query, `InvalidTag`, `BadRequest` for too many.
pub(crate) fn of_header(text: &str) -> Result<BTreeMap<String, String>> {
    let refused = || {
        Error::invalid_argument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
            "x-amz-tagging",
            text,
        )
    };
    let query = Query::parse(text).map_err(|_| refused())?;
    collect(query.pairs().iter().map(|(key, value)| (key.as_str(), value.as_str())), OBJECT_TAGS_MAX, refused)
}

/// Writes tags as `x-amz-tagging` has them.
pub(crate) fn to_header(tags: &BTreeMap<String, String>) -> String {
    let pairs = tags.iter().map(|(key, value)| format!("{}={}", uri::encode(key), uri::encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// The tags of a bucket that stand in an element of another document.
///
/// # Errors
///
/// As for the tags of an object.
pub(crate) fn of_bucket(set: &Element) -> Result<BTreeMap<String, String>> {
    of_set(set, BUCKET_TAGS_MAX)
}

/// The tags of a bucket after some were added.
///
/// # Errors
///
/// `BadRequest` for too many.
pub(crate) fn with_more(
    own: BTreeMap<String, String>,
    more: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    let mut all = own;
    all.extend(more);
    check_count(&all, BUCKET_TAGS_MAX)?;
    Ok(all)
}

/// Writes the elements of tags.
pub(crate) fn write_set(document: &mut Writer, tags: &BTreeMap<String, String>) {
    for (key, value) in tags {
        document.open("Tag");
        document.text("Key", key);
        document.text("Value", value);
        document.close();
    }
}

fn of_document(body: &[u8], count_max: usize) -> Result<BTreeMap<String, String>> {
    let document = Element::parse(body, "Tagging")?;
    of_set(document.child("TagSet")?.ok_or(ErrorCode::MalformedXml)?, count_max)
}

fn of_set(set: &Element, count_max: usize) -> Result<BTreeMap<String, String>> {
    let mut pairs = Vec::new();
    for tag in set.children("Tag") {
        let key = tag.child_text("Key")?.ok_or(ErrorCode::MalformedXml)?;
        let value = tag.child_text("Value")?.ok_or(ErrorCode::MalformedXml)?;
        pairs.push((key, value));
    }
    let twice = || Error::with_message(ErrorCode::InvalidTag, "Cannot provide multiple Tags with the same key");
    collect(pairs.into_iter(), count_max, twice)
}

fn collect<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
    count_max: usize,
    twice: impl Fn() -> Error,
) -> Result<BTreeMap<String, String>> {
    let mut tags = BTreeMap::new();
    for (key, value) in pairs {
        check(key, value)?;
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(twice());
        }
    }
    check_count(&tags, count_max)?;
    Ok(tags)
}

fn check_count(tags: &BTreeMap<String, String>, count_max: usize) -> Result<()> {
    if tags.len() <= count_max {
        return Ok(());
    }
    let message = match count_max {
        OBJECT_TAGS_MAX => "Object tags cannot be greater than 10",
        _ => "Bucket tag count cannot be greater than 50",
    };
    Err(Error::with_message(ErrorCode::BadRequest, message))
}

fn check(key: &str, value: &str) -> Result<()> {
    let key_valid = (1..=KEY_LENGTH_MAX).contains(&key.chars().count()) && key.chars().all(is_allowed);
    if !key_valid {
        return Err(Error::with_message(ErrorCode::InvalidTag, "The TagKey you have provided is invalid"));
    }
    if key.starts_with(RESERVED_PREFIX) {
        let message = "System tags cannot be added/updated by requester";
        return Err(Error::with_message(ErrorCode::InvalidTag, message));
    }
    let value_valid = value.chars().count() <= VALUE_LENGTH_MAX && value.chars().all(is_allowed);
    if !value_valid {
        return Err(Error::with_message(ErrorCode::InvalidTag, "The TagValue you have provided is invalid"));
    }
    Ok(())
}

/// Letters, digits and white space of any script, and some signs.
fn is_allowed(character: char) -> bool {
    character.is_alphanumeric() || character.is_whitespace() || "_.:/=+-@".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::document::check_round_trip;

    fn document(tags: &[(&str, &str)]) -> String {
        let tag = |(key, value): &(&str, &str)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
        format!("<Tagging><TagSet>{}</TagSet></Tagging>", tags.iter().map(tag).collect::<String>())
    }

    fn code(tags: &[(&str, &str)]) -> Option<ErrorCode> {
        Tags::parse(document(tags).as_bytes(), "bucket").err().map(|error| error.code())
    }

    #[test]
    fn tags_are_read_back() {
        let tags = Tags::parse(document(&[("b", "1"), ("a", ""), ("ä ö", "x=y+z")]).as_bytes(), "bucket").unwrap();
        assert_eq!(tags.0.len(), 3);
        check_round_trip(&tags);
        check_round_trip(&Tags::default());
        let expected = BTreeMap::from([("a".to_owned(), "b c".to_owned()), ("d".to_owned(), String::new())]);
        assert_eq!(of_header("a=b%20c&d").unwrap(), expected);
        assert_eq!(of_header("").unwrap(), BTreeMap::new());
    }

    #[test]
    fn tags_that_aws_refuses_are_refused() {
        let (long_key, long_value) = ("k".repeat(KEY_LENGTH_MAX), "v".repeat(VALUE_LENGTH_MAX));
        assert_eq!(code(&[(&long_key, &long_value)]), None);
        assert_eq!(code(&[(&format!("{long_key}k"), "")]), Some(ErrorCode::InvalidTag));
        assert_eq!(code(&[("k", &format!("{long_value}v"))]), Some(ErrorCode::InvalidTag));
        for tags in
            [[("", "v")].as_slice(), &[("aws:k", "v")], &[("k", "v"), ("k", "w")], &[("k!", "v")], &[("k", "v#")]]
        {
            assert_eq!(code(tags), Some(ErrorCode::InvalidTag), "{tags:?}");
        }
        let many: Vec<_> = (0..=BUCKET_TAGS_MAX).map(|number| format!("k{number}")).collect();
        let many: Vec<_> = many.iter().map(|key| (key.as_str(), "")).collect();
        assert_eq!(code(&many), Some(ErrorCode::BadRequest));
        let many: Vec<_> = (0..=OBJECT_TAGS_MAX).map(|number| format!("k{number}")).collect();
        assert_eq!(of_header(&many.join("&")).unwrap_err().code(), ErrorCode::BadRequest);
        for body in ["<Tagging/>", "<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>", "<TagSet/>"] {
            assert_eq!(Tags::parse(body.as_bytes(), "bucket").unwrap_err().code(), ErrorCode::MalformedXml, "{body}");
        }
        assert_eq!(of_header("a=1&a=2").unwrap_err().code(), ErrorCode::InvalidArgument);
    }
}
