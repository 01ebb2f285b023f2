//! The ownership controls of a bucket.

use iam::ObjectOwnership;

use crate::error::{ErrorCode, Result};
use crate::settings::Document;
use crate::xml::{Element, Writer};

impl Document for ObjectOwnership {
    const KIND: u8 = 3;
    const SIZE_MAX: usize = 4 * 1024;

    fn parse(body: &[u8], _: &str) -> Result<Self> {
        let document = Element::parse(body, "OwnershipControls")?;
        let rule = document.child("Rule")?.ok_or(ErrorCode::MalformedXml)?;
        let name = rule.child_text("ObjectOwnership")?.ok_or(ErrorCode::MalformedXml)?;
        Self::parse(name.trim()).ok_or_else(|| ErrorCode::MalformedXml.into())
    }

    fn write(&self) -> String {
        let mut document = Writer::new("OwnershipControls");
        document.open("Rule");
        document.text("ObjectOwnership", self.name());
        document.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::document::check_round_trip;

    #[test]
    fn one_rule_names_the_owner() {
        check_round_trip(&ObjectOwnership::BucketOwnerPreferred);
        let rule = "<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>";
        let parse = |inside: &str| {
            let body = format!("<OwnershipControls>{inside}</OwnershipControls>");
            <ObjectOwnership as Document>::parse(body.as_bytes(), "bucket").map_err(|error| error.code())
        };
        assert_eq!(parse(rule), Ok(ObjectOwnership::ObjectWriter));
        for inside in ["", "<Rule/>", &rule.repeat(2), "<Rule><ObjectOwnership>Nobody</ObjectOwnership></Rule>"] {
            assert_eq!(parse(inside), Err(ErrorCode::MalformedXml), "{inside}");
        }
    }
}
