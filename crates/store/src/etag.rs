//! Entity tags: the MD5 of a body, or of the MD5s of its parts.

pub use meta::record::Etag;

/// The tag of a multipart object from those of its parts, in order. `None` unless there are 1 to 10,000 parts and all
/// their tags are MD5s.
pub(crate) fn of_parts<'a>(parts: impl IntoIterator<Item = &'a Etag>) -> Option<Etag> {
    let mut hasher = md5_many::Md5State::new();
    let mut part_count = 0u16;
    for part in parts {
        let Etag::Md5(md5) = part else { return None };
        hasher.update(md5);
        part_count = part_count.checked_add(1)?;
    }
    (0 < part_count).then(|| Etag::Multipart { md5: hasher.finalize(), part_count })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_parts_is_the_digest_of_their_digests() {
        let digest = md5_many::md5(b"abc");
        let part = Etag::Md5(digest);
        let expected = md5_many::md5(&[digest, digest].concat());
        assert_eq!(of_parts([&part, &part]), Some(Etag::Multipart { md5: expected, part_count: 2 }));
        assert_eq!(of_parts([]), None);
    }
}
