//! Entity tags: the MD5 of a body, or of the MD5s of its parts.

use std::fmt;
use std::str::FromStr;

/// An entity tag as S3 forms it. `Display` gives it without quotes, and `FromStr` reads that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ETag {
    /// MD5 of the body, or of the concatenated MD5s of the parts.
    pub md5: [u8; 16],
    /// Number of parts of a multipart object; `None` for an object that was put whole.
    pub part_count: Option<u16>,
}

impl ETag {
    /// The tag of a multipart object from those of its parts, in order.
    pub(crate) fn of_parts(parts: &[ETag]) -> Self {
        let mut hasher = md5_simd::Md5::new();
        parts.iter().for_each(|part| hasher.update(&part.md5));
        let part_count = u16::try_from(parts.len()).expect("S3 allows 10000 parts");
        Self { md5: hasher.finalize(), part_count: Some(part_count) }
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.md5 {
            write!(formatter, "{byte:02x}")?;
        }
        match self.part_count {
            Some(count) => write!(formatter, "-{count}"),
            None => Ok(()),
        }
    }
}

/// The text is no entity tag of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnETag;

impl FromStr for ETag {
    type Err = NotAnETag;

    fn from_str(text: &str) -> Result<Self, NotAnETag> {
        let (digest, count) = match text.split_once('-') {
            Some((digest, count)) => (digest, Some(count.parse().map_err(|_| NotAnETag)?)),
            None => (text, None),
        };
        let hex = digest.len() == 32 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hex {
            return Err(NotAnETag);
        }
        let md5 = u128::from_str_radix(digest, 16).map_err(|_| NotAnETag)?.to_be_bytes();
        Ok(Self { md5, part_count: count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_nonsense_is_refused() {
        for text in ["d41d8cd98f00b204e9800998ecf8427e", "00000000000000000000000000000001-10000"] {
            assert_eq!(text.parse::<ETag>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "-",
            "d41d8cd98f00b204e9800998ecf8427",
            "d41d8cd98f00b204e9800998ecf8427e-",
            "+41d8cd98f00b204e9800998ecf8427e",
        ] {
            assert_eq!(text.parse::<ETag>(), Err(NotAnETag), "{text:?}");
        }
    }

    #[test]
    fn the_tag_of_parts_is_the_digest_of_their_digests() {
        let part = ETag { md5: md5_simd::digest(b"abc"), part_count: None };
        let whole = ETag::of_parts(&[part, part]);
        assert_eq!(whole.md5, md5_simd::digest(&[part.md5, part.md5].concat()));
        assert_eq!(whole.part_count, Some(2));
    }
}
