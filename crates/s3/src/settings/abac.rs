//! Access control by the tags of a bucket.

use crate::error::{ErrorCode, Result};
use crate::settings::Document;
use crate::xml::{Element, Writer};

/// Whether policies may decide by the tags of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Abac {
    /// They may, and tags are changed one by one then.
    Enabled,
    /// Tags mean nothing to them.
    #[default]
    Disabled,
}

impl Document for Abac {
    const KIND: u8 = 27;
    const SIZE_MAX: usize = 4 * 1024;

    fn parse(body: &[u8], _: &str) -> Result<Self> {
        let document = Element::parse(body, "AbacStatus")?;
        match document.child_text("Status")?.map(str::trim) {
            Some("Enabled") => Ok(Self::Enabled),
            Some("Disabled") => Ok(Self::Disabled),
            _ => Err(ErrorCode::MalformedXml.into()),
        }
    }

    fn write(&self) -> String {
        let mut document = Writer::new("AbacStatus");
        document.text("Status", if *self == Self::Enabled { "Enabled" } else { "Disabled" });
        document.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::document::check_round_trip;

    #[test]
    fn tags_count_or_do_not() {
        check_round_trip(&Abac::Enabled);
        check_round_trip(&Abac::Disabled);
        for inside in ["", "<Status/>", "<Status>Suspended</Status>"] {
            let body = format!("<AbacStatus>{inside}</AbacStatus>");
            assert_eq!(Abac::parse(body.as_bytes(), "bucket").unwrap_err().code(), ErrorCode::MalformedXml);
        }
    }
}
