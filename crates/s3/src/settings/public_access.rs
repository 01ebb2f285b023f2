//! The public access block of a bucket.

use iam::PublicAccessBlock;

use crate::error::{Error, ErrorCode, Result};
use crate::settings::Document;
use crate::xml::{Element, Writer};

impl Document for PublicAccessBlock {
    const KIND: u8 = 2;
    const SIZE_MAX: usize = 4 * 1024;

    fn parse(body: &[u8], _: &str) -> Result<Self> {
        let document = Element::parse(body, "PublicAccessBlockConfiguration")?;
        let switch = |name| match document.child_text(name)?.map(str::trim) {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(Error::new(ErrorCode::MalformedXml)),
        };
        Ok(Self {
            block_public_acls: switch("BlockPublicAcls")?,
            ignore_public_acls: switch("IgnorePublicAcls")?,
            block_public_policy: switch("BlockPublicPolicy")?,
            restrict_public_buckets: switch("RestrictPublicBuckets")?,
        })
    }

    fn write(&self) -> String {
        let mut document = Writer::new("PublicAccessBlockConfiguration");
        document.value("BlockPublicAcls", self.block_public_acls);
        document.value("IgnorePublicAcls", self.ignore_public_acls);
        document.value("BlockPublicPolicy", self.block_public_policy);
        document.value("RestrictPublicBuckets", self.restrict_public_buckets);
        document.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::document::check_round_trip;

    #[test]
    fn switches_are_off_unless_they_are_on() {
        let parse = |inside: &str| {
            let body = format!("<PublicAccessBlockConfiguration>{inside}</PublicAccessBlockConfiguration>");
            PublicAccessBlock::parse(body.as_bytes(), "bucket").map_err(|error| error.code())
        };
        assert_eq!(parse(""), Ok(PublicAccessBlock::default()));
        let block = parse("<BlockPublicAcls>TRUE</BlockPublicAcls><IgnorePublicAcls>false</IgnorePublicAcls>").unwrap();
        assert_eq!(block, PublicAccessBlock { block_public_acls: true, ..PublicAccessBlock::default() });
        check_round_trip(&block);
        assert_eq!(parse("<BlockPublicAcls>yes</BlockPublicAcls>"), Err(ErrorCode::MalformedXml));
        let twice = "<BlockPublicAcls>true</BlockPublicAcls>".repeat(2);
        assert_eq!(parse(&twice), Err(ErrorCode::MalformedXml));
    }
}
