//! What is kept with an object besides its bytes: standard headers, user metadata, storage class.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use store::Object;

use crate::error::{Error, ErrorCode, Result};
use crate::header::single;

/// Starts the name of every header with user metadata.
const USER_PREFIX: &str = "x-amz-meta-";

/// Most bytes of user metadata, names without their prefix and values together (S3 user guide, "Working with object
/// metadata").
const USER_SIZE_MAX: usize = 2048;

/// Headers kept with an object and given back with it.
const STANDARD: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    REDIRECT_LOCATION,
];

/// Where visitors of the object as a page of a website are sent.
pub(crate) const REDIRECT_LOCATION: &str = "x-amz-website-redirect-location";

/// Longest such place, in bytes.
const REDIRECT_LOCATION_SIZE_MAX: usize = 2048;

/// What an object without `Content-Type` gets.
const CONTENT_TYPE_DEFAULT: &str = "binary/octet-stream";

/// The class of an object that names none, which responses leave out of their headers.
const STORAGE_CLASS_DEFAULT: &str = "STANDARD";

/// Classes whose objects can be read at any time, as all of ours can. The archive classes promise a restore that does
/// not exist here, so they are refused rather than kept and ignored.
const STORAGE_CLASSES: [&str; 6] =
    [STORAGE_CLASS_DEFAULT, "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"];

/// Reads the standard headers.
///
/// # Errors
///
/// `InvalidArgument` when one is repeated or not ASCII.
pub(crate) fn standard(headers: &HeaderMap) -> Result<BTreeMap<String, String>> {
    let mut kept = BTreeMap::new();
    for name in STANDARD {
        let Some(value) = single(headers, name)? else { continue };
        if name == REDIRECT_LOCATION {
            check_redirect_location(value)?;
        }
        let value = if name == "content-encoding" { without_aws_chunked(value) } else { value.to_owned() };
        if !value.is_empty() {
            kept.insert(name.to_owned(), value);
        }
    }
    kept.entry("content-type".to_owned()).or_insert_with(|| CONTENT_TYPE_DEFAULT.to_owned());
    Ok(kept)
}

fn check_redirect_location(value: &str) -> Result<()> {
    let is_address = ["http://", "https://", "/"].iter().any(|start| value.starts_with(start));
    if is_address && value.len() <= REDIRECT_LOCATION_SIZE_MAX {
        Ok(())
    } else {
        Err(ErrorCode::InvalidRedirectLocation.into())
    }
}

/// `aws-chunked` is how the request was sent, not what the object is.
fn without_aws_chunked(value: &str) -> String {
    let codings = value.split(',').map(str::trim).filter(|coding| !coding.eq_ignore_ascii_case("aws-chunked"));
    codings.collect::<Vec<_>>().join(", ")
}

/// Reads the user metadata.
///
/// # Errors
///
/// `MetadataTooLarge` beyond 2 KiB, `InvalidArgument` for values that are not UTF-8.
pub(crate) fn user(headers: &HeaderMap) -> Result<BTreeMap<String, String>> {
    let mut kept: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix(USER_PREFIX) else { continue };
        let value = std::str::from_utf8(value.as_bytes())
            .map_err(|_| Error::invalid_argument("User metadata must be UTF-8", "x-amz-meta-*", name))?;
        // Repeated headers are one list (RFC 9110 §5.3).
        kept.entry(name.to_owned())
            .and_modify(|values| {
                values.push(',');
                values.push_str(value);
            })
            .or_insert_with(|| value.to_owned());
    }
    let size: usize = kept.iter().map(|(name, value)| name.len() + value.len()).sum();
    if USER_SIZE_MAX < size {
        return Err(Error::new(ErrorCode::MetadataTooLarge)
            .detail("Size", size.to_string())
            .detail("MaxSizeAllowed", USER_SIZE_MAX.to_string()));
    }
    Ok(kept)
}

/// Reads `x-amz-storage-class`; `None` is `STANDARD`.
///
/// # Errors
///
/// `InvalidStorageClass` for a class that is unknown or cannot be honoured.
pub(crate) fn storage_class(headers: &HeaderMap) -> Result<Option<String>> {
    match single(headers, "x-amz-storage-class")? {
        None | Some(STORAGE_CLASS_DEFAULT) => Ok(None),
        Some(class) if STORAGE_CLASSES.contains(&class) => Ok(Some(class.to_owned())),
        Some(_) => Err(ErrorCode::InvalidStorageClass.into()),
    }
}

/// The name of a storage class, where bodies always give one.
pub(crate) fn storage_class_name(class: Option<&str>) -> &str {
    class.unwrap_or(STORAGE_CLASS_DEFAULT)
}

/// Writes what is kept with `object` into the headers of a response.
pub(crate) fn write(object: &Object, headers: &mut HeaderMap) {
    for (name, value) in &object.headers {
        insert(headers, name, value);
    }
    for (name, value) in &object.user_metadata {
        insert(headers, &format!("{USER_PREFIX}{name}"), value);
    }
    if let Some(class) = &object.storage_class {
        insert(headers, "x-amz-storage-class", class);
    }
}

/// Sets a header that came in as one. Whatever is not a header any more is left out rather than failing the read.
fn insert(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn aws_chunked_is_not_kept() {
        for (sent, kept) in [
            ("gzip", Some("gzip")),
            ("deflate, gzip", Some("deflate, gzip")),
            ("gzip, aws-chunked", Some("gzip")),
            ("aws-chunked,gzip", Some("gzip")),
            ("aws-chunked", None),
            ("aws-chunked, AWS-chunked", None),
        ] {
            let standard = standard(&headers(&[("content-encoding", sent)])).unwrap();
            assert_eq!(standard.get("content-encoding").map(String::as_str), kept, "{sent:?}");
            assert_eq!(standard["content-type"], CONTENT_TYPE_DEFAULT);
        }
    }

    #[test]
    fn user_metadata_is_bounded_and_joined() {
        let user_metadata = user(&headers(&[("x-amz-meta-a", "1"), ("x-amz-meta-a", "2")]));
        assert_eq!(user_metadata.unwrap()["a"], "1,2");
        let fits = "v".repeat(USER_SIZE_MAX - 1);
        assert!(user(&headers(&[("x-amz-meta-a", &fits)])).is_ok());
        let exceeds = "v".repeat(USER_SIZE_MAX);
        let error = user(&headers(&[("x-amz-meta-a", &exceeds)])).unwrap_err();
        assert_eq!(error.code(), ErrorCode::MetadataTooLarge);
    }

    #[test]
    fn archive_classes_are_refused() {
        assert_eq!(storage_class(&headers(&[])).unwrap(), None);
        assert_eq!(storage_class(&headers(&[("x-amz-storage-class", "STANDARD")])).unwrap(), None);
        let kept = storage_class(&headers(&[("x-amz-storage-class", "STANDARD_IA")])).unwrap();
        assert_eq!(kept.as_deref(), Some("STANDARD_IA"));
        for class in ["GLACIER", "standard", "COLD", ""] {
            let error = storage_class(&headers(&[("x-amz-storage-class", class)])).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidStorageClass, "{class:?}");
        }
    }
}
