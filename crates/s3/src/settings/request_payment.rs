//! Who pays for requests.

use crate::error::{ErrorCode, Result};
use crate::settings::{Document, Payer};
use crate::xml::{Element, Writer};

impl Document for Payer {
    const KIND: u8 = 7;
    const SIZE_MAX: usize = 4 * 1024;

    fn parse(body: &[u8], _: &str) -> Result<Self> {
        let document = Element::parse(body, "RequestPaymentConfiguration")?;
        match document.child_text("Payer")?.map(str::trim) {
            Some("BucketOwner") => Ok(Self::BucketOwner),
            Some("Requester") => Ok(Self::Requester),
            _ => Err(ErrorCode::MalformedXml.into()),
        }
    }

    fn write(&self) -> String {
        let mut document = Writer::new("RequestPaymentConfiguration");
        document.text("Payer", if *self == Self::Requester { "Requester" } else { "BucketOwner" });
        document.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::document::check_round_trip;

    #[test]
    fn either_the_owner_or_the_requester_pays() {
        check_round_trip(&Payer::BucketOwner);
        check_round_trip(&Payer::Requester);
        for inside in ["", "<Payer>Nobody</Payer>", "<Payer/>"] {
            let body = format!("<RequestPaymentConfiguration>{inside}</RequestPaymentConfiguration>");
            assert_eq!(Payer::parse(body.as_bytes(), "bucket").unwrap_err().code(), ErrorCode::MalformedXml);
        }
    }
}
