//! What a request is about: the server, a bucket or an object.

use http::header::HOST;
use http::request::Parts;

use crate::error::{Error, ErrorCode, Result};
use crate::uri;

/// Where S3 Control has the tags of what an ARN names, and the header that tells its requests from others.
const CONTROL_TAGS: &str = "v20180820/tags/";
const CONTROL_ACCOUNT: &str = "x-amz-account-id";

/// What stands between a bucket and a domain where transfers are accelerated.
const ACCELERATED: [&str; 2] = ["s3-accelerate", "s3-accelerate.dualstack"];

/// Longest key, in bytes of UTF-8.
pub(crate) const KEY_SIZE_MAX: usize = 1024;

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// All buckets.
    Service,
    /// The bucket of this name.
    Bucket(String),
    /// The tags of the bucket of this name, as S3 Control speaks of them.
    Tags(String),
    /// An object.
    Object {
        /// Name of its bucket.
        bucket: String,
        /// Its key: any text, never a path.
        key: String,
    },
}

impl Target {
    /// Reads the target of a request from its host, when that is a bucket below one of `domains`, and its path.
    ///
    /// # Errors
    ///
    /// `InvalidURI` for a path that cannot be decoded, `InvalidBucketName`, `KeyTooLongError`.
    pub(crate) fn parse(head: &Parts, domains: &[String]) -> Result<Self> {
        let path = head.uri.path().strip_prefix('/').ok_or_else(|| Error::new(ErrorCode::InvalidUri))?;
        if let Some(resource) = path.strip_prefix(CONTROL_TAGS)
            && head.headers.contains_key(CONTROL_ACCOUNT)
        {
            return tags_of(&uri::decode(resource)?);
        }
        let (bucket, key) = match bucket_of_host(head, domains) {
            Some(bucket) => (bucket, path),
            None => {
                let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
                (uri::decode(bucket)?, key)
            }
        };
        let key = uri::decode(key)?;
        if bucket.is_empty() {
            return if key.is_empty() { Ok(Self::Service) } else { Err(invalid_name(&bucket)) };
        }
        if !is_valid_bucket_name(&bucket) {
            return Err(invalid_name(&bucket));
        }
        if key.is_empty() {
            return Ok(Self::Bucket(bucket));
        }
        check_key(&key)?;
        Ok(Self::Object { bucket, key })
    }

    /// The name of the bucket.
    pub(crate) fn bucket(&self) -> Option<&str> {
        match self {
            Self::Service => None,
            Self::Bucket(bucket) | Self::Tags(bucket) | Self::Object { bucket, .. } => Some(bucket),
        }
    }

    /// The key of the object.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::Service | Self::Bucket(_) | Self::Tags(_) => None,
            Self::Object { key, .. } => Some(key),
        }
    }
}

/// Refuses a key that is too long.
///
/// # Errors
///
/// `KeyTooLongError`.
pub(crate) fn check_key(key: &str) -> Result<()> {
    check_key_size(key.len())
}

/// Checks how long a key is to be, in bytes, before it is put together.
///
/// # Errors
///
/// `KeyTooLongError`.
pub(crate) fn check_key_size(size: usize) -> Result<()> {
    if size <= KEY_SIZE_MAX {
        return Ok(());
    }
    Err(Error::new(ErrorCode::KeyTooLong)
        .detail("Size", size.to_string())
        .detail("MaxSizeAllowed", KEY_SIZE_MAX.to_string()))
}

fn invalid_name(bucket: &str) -> Error {
    Error::new(ErrorCode::InvalidBucketName).detail("BucketName", bucket)
}

/// The tags of the bucket with this ARN, the only things whose tags S3 Control has here.
fn tags_of(arn: &str) -> Result<Target> {
    let bucket = arn.strip_prefix("arn:aws:s3:::").ok_or(ErrorCode::NotImplemented)?;
    if is_valid_bucket_name(bucket) { Ok(Target::Tags(bucket.to_owned())) } else { Err(invalid_name(bucket)) }
}

/// The bucket of a virtual-hosted request: what stands before one of our domains in `Host`.
pub(crate) fn bucket_of_host(head: &Parts, domains: &[String]) -> Option<String> {
    let name = name_of_host(head, domains)?;
    Some(unaccelerated(&name).unwrap_or(&name).to_owned())
}

/// Whether `Host` asks for a bucket with its transfers accelerated.
///
/// # Errors
///
/// `InvalidRequest` for an accelerated host that names no bucket.
pub(crate) fn is_accelerated(head: &Parts, domains: &[String]) -> Result<bool> {
    let Some(name) = name_of_host(head, domains) else { return Ok(false) };
    if ACCELERATED.contains(&name.as_str()) {
        let message = "S3 Transfer Accelerate endpoint only supports virtual style requests";
        return Err(Error::with_message(ErrorCode::InvalidRequest, message));
    }
    Ok(unaccelerated(&name).is_some())
}

fn unaccelerated(name: &str) -> Option<&str> {
    ACCELERATED.iter().find_map(|accelerated| name.strip_suffix(accelerated)?.strip_suffix('.'))
}

/// What stands before one of `domains` in `Host`.
fn name_of_host(head: &Parts, domains: &[String]) -> Option<String> {
    let host = match head.uri.host() {
        Some(host) => host,
        None => head.headers.get(HOST)?.to_str().ok()?,
    };
    let host = host.rsplit_once(':').map_or(host, |(host, _port)| host).to_ascii_lowercase();
    domains.iter().find_map(|domain| {
        let name = host.strip_suffix(domain.as_str())?.strip_suffix('.')?;
        (!name.is_empty()).then(|| name.to_owned())
    })
}

/// The rules of the S3 user guide, "General purpose bucket naming rules", and of DNS, which older buckets had to follow:
/// no dash beside a dot.
fn is_valid_bucket_name(name: &str) -> bool {
    const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
    const RESERVED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
    let length_valid = (3..=63).contains(&name.len());
    let characters_valid = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'));
    let labels_valid =
        name.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'));
    let is_address = name.parse::<std::net::Ipv4Addr>().is_ok();
    let is_reserved = RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || RESERVED_SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
    length_valid && characters_valid && labels_valid && !is_address && !is_reserved
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parse(host: &str, uri: &str) -> Result<Target> {
        let (head, ()) = Request::builder().uri(uri).header(HOST, host).body(()).unwrap().into_parts();
        Target::parse(&head, &["s3.example.com".to_owned()])
    }

    fn object(bucket: &str, key: &str) -> Target {
        Target::Object { bucket: bucket.to_owned(), key: key.to_owned() }
    }

    #[test]
    fn path_style_and_virtual_host_style_name_the_same() {
        for (host, uri, expected) in [
            ("localhost:9000", "/", Target::Service),
            ("localhost:9000", "/bucket", Target::Bucket("bucket".to_owned())),
            ("localhost:9000", "/bucket/?acl", Target::Bucket("bucket".to_owned())),
            ("localhost:9000", "/bucket/a/b", object("bucket", "a/b")),
            ("s3.example.com", "/bucket/a", object("bucket", "a")),
            ("bucket.s3.example.com", "/", Target::Bucket("bucket".to_owned())),
            ("Bucket.S3.Example.COM:9000", "/a/b", object("bucket", "a/b")),
            ("my.bucket.s3.example.com", "/a", object("my.bucket", "a")),
            ("other.example.com", "/bucket/a", object("bucket", "a")),
            ("bucket.s3-accelerate.s3.example.com", "/a", object("bucket", "a")),
            ("bucket.s3-accelerate.dualstack.s3.example.com", "/a", object("bucket", "a")),
        ] {
            assert_eq!(parse(host, uri).unwrap(), expected, "{host} {uri}");
        }
    }

    #[test]
    fn hosts_and_headers_tell_acceleration_and_s3_control() {
        let head = |host: &str, uri: &str, account: bool| {
            let request = Request::builder().uri(uri).header(HOST, host);
            let request = if account { request.header(CONTROL_ACCOUNT, "123456789012") } else { request };
            request.body(()).unwrap().into_parts().0
        };
        let domains = ["s3.example.com".to_owned()];
        for (host, expected) in [
            ("bucket.s3-accelerate.s3.example.com:9000", Ok(true)),
            ("bucket.s3-accelerate.dualstack.s3.example.com", Ok(true)),
            ("bucket.s3.example.com", Ok(false)),
            ("s3-accelerate.s3.example.com", Err(ErrorCode::InvalidRequest)),
            ("s3-accelerate.dualstack.s3.example.com:9000", Err(ErrorCode::InvalidRequest)),
            ("bucket.s3-accelerate.example.com", Ok(false)),
        ] {
            let accelerated = is_accelerated(&head(host, "/", false), &domains);
            assert_eq!(accelerated.map_err(|error| error.code()), expected, "{host}");
        }
        let uri = "/v20180820/tags/arn%3Aaws%3As3%3A%3A%3Abucket";
        let parse = |uri: &str, account| {
            let head = head("123456789012.s3.example.com", uri, account);
            Target::parse(&head, &domains).map_err(|error| error.code())
        };
        assert_eq!(parse(uri, true), Ok(Target::Tags("bucket".to_owned())));
        assert_eq!(parse(uri, false), Ok(object("123456789012", "v20180820/tags/arn:aws:s3:::bucket")));
        assert_eq!(parse("/v20180820/tags/arn:aws:s3:::A", true), Err(ErrorCode::InvalidBucketName));
        assert_eq!(parse("/v20180820/tags/arn:aws:iam::1:user/a", true), Err(ErrorCode::NotImplemented));
    }

    #[test]
    fn keys_are_text_and_never_paths() {
        for (path, key) in [
            ("/bucket//a", "/a"),
            ("/bucket/../other/a", "../other/a"),
            ("/bucket/./a//", "./a//"),
            ("/bucket/a%2Fb", "a/b"),
            ("/bucket/a+b%20c", "a+b c"),
            ("/bucket/%00%01%7F", "\0\u{1}\u{7f}"),
            ("/bucket/%F0%9F%8C%B1", "🌱"),
            ("/bucket/%252F", "%2F"),
            ("/bucket/%5Ca", "\\a"),
        ] {
            assert_eq!(parse("localhost", path).unwrap(), object("bucket", key), "{path}");
        }
    }

    #[test]
    fn broken_targets_are_refused() {
        let long_key = format!("/bucket/{}", "k".repeat(1025));
        for (uri, code) in [
            ("/bucket/%", ErrorCode::InvalidUri),
            ("/bucket/%ff", ErrorCode::InvalidUri),
            ("/Bucket/a", ErrorCode::InvalidBucketName),
            ("//a", ErrorCode::InvalidBucketName),
            ("/bu%2Fcket/a", ErrorCode::InvalidBucketName),
            (long_key.as_str(), ErrorCode::KeyTooLong),
        ] {
            assert_eq!(parse("localhost", uri).unwrap_err().code(), code, "{uri}");
        }
        let longest_key = format!("/bucket/{}", "k".repeat(1024));
        assert!(parse("localhost", &longest_key).is_ok());
    }

    #[test]
    fn bucket_names_follow_the_rules() {
        for name in ["abc", "a-b", "a.b.c", "0bucket", &"a".repeat(63)] {
            assert!(is_valid_bucket_name(name), "{name}");
        }
        let too_long = "a".repeat(64);
        for name in [
            "ab",
            "Abc",
            "a_b",
            "-ab",
            "ab-",
            "a..b",
            "a.-b",
            "a-.b",
            ".ab",
            "ab.",
            "192.168.5.123",
            "xn--abc",
            "sthree-a",
            "a-s3alias",
            "a--ol-s3",
            "a b",
            "äbc",
            &too_long,
        ] {
            assert!(!is_valid_bucket_name(name), "{name}");
        }
    }
}
