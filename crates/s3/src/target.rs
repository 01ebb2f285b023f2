//! What a request is about: the server, a bucket or an object.

use http::header::HOST;
use http::request::Parts;

use crate::error::{Error, ErrorCode, Result};
use crate::uri;

/// Longest key, in bytes of UTF-8.
pub(crate) const KEY_SIZE_MAX: usize = 1024;

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// All buckets.
    Service,
    /// The bucket of this name.
    Bucket(String),
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
            Self::Bucket(bucket) | Self::Object { bucket, .. } => Some(bucket),
        }
    }

    /// The key of the object.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::Service | Self::Bucket(_) => None,
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

/// The bucket of a virtual-hosted request: what stands before one of our domains in `Host`.
pub(crate) fn bucket_of_host(head: &Parts, domains: &[String]) -> Option<String> {
    let host = match head.uri.host() {
        Some(host) => host,
        None => head.headers.get(HOST)?.to_str().ok()?,
    };
    let host = host.rsplit_once(':').map_or(host, |(host, _port)| host).to_ascii_lowercase();
    domains.iter().find_map(|domain| {
        let bucket = host.strip_suffix(domain.as_str())?.strip_suffix('.')?;
        (!bucket.is_empty()).then(|| bucket.to_owned())
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
        ] {
            assert_eq!(parse(host, uri).unwrap(), expected, "{host} {uri}");
        }
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
