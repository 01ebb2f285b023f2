//! GetBucketVersioning and PutBucketVersioning.

use http::StatusCode;
use store::bucket::Versioning;

use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::request::Request;
use crate::response::{self, Response};
use crate::xml::{Element, Writer};

/// Largest VersioningConfiguration.
const CONFIGURATION_SIZE_MAX: usize = 64 * 1024;

/// GetBucketVersioning. A bucket whose versioning was never set has no status.
pub(super) async fn get_bucket_versioning(_: &Frontend, request: Request) -> Result<Response> {
    let mut document = Writer::new("VersioningConfiguration");
    match request.access().bucket.versioning {
        Some(Versioning::Enabled) => document.text("Status", "Enabled"),
        Some(Versioning::Suspended) => document.text("Status", "Suspended"),
        None => {}
    }
    Ok(response::xml(document))
}

/// PutBucketVersioning.
pub(super) async fn put_bucket_versioning(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let room = frontend.reserve_xml(CONFIGURATION_SIZE_MAX).await?;
    let body = request.body.read_bounded(CONFIGURATION_SIZE_MAX).await?;
    let versioning = read_configuration(&body)?;
    drop((body, room));
    frontend.store.set_versioning(request.found(), versioning).await?;
    Ok(response::empty(StatusCode::OK))
}

pub(super) fn read_configuration(body: &[u8]) -> Result<Versioning> {
    let configuration = Element::parse(body, "VersioningConfiguration")?;
    match configuration.child_text("MfaDelete")?.map(str::trim) {
        None | Some("Disabled") => {}
        // No device is registered here whose code could be right.
        Some("Enabled") => {
            let message = "Mfa Authentication must be used for this request";
            return Err(Error::with_message(ErrorCode::AccessDenied, message));
        }
        Some(_) => return Err(ErrorCode::MalformedXml.into()),
    }
    match configuration.child_text("Status")?.map(str::trim) {
        Some("Enabled") => Ok(Versioning::Enabled),
        Some("Suspended") => Ok(Versioning::Suspended),
        Some(_) => Err(ErrorCode::MalformedXml.into()),
        None => Err(ErrorCode::IllegalVersioningConfiguration.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_enabled_and_suspended_are_states() {
        let status = |text: &str| format!("<Status>{text}</Status>");
        let mfa_delete = |text: &str| format!("<Status>Enabled</Status><MfaDelete>{text}</MfaDelete>");
        for (inside, expected) in [
            (status("Enabled"), Ok(Versioning::Enabled)),
            (status(" Suspended\n"), Ok(Versioning::Suspended)),
            (status("enabled"), Err(ErrorCode::MalformedXml)),
            (status(""), Err(ErrorCode::MalformedXml)),
            (String::new(), Err(ErrorCode::IllegalVersioningConfiguration)),
            (mfa_delete("Disabled"), Ok(Versioning::Enabled)),
            (mfa_delete("Enabled"), Err(ErrorCode::AccessDenied)),
            (mfa_delete("on"), Err(ErrorCode::MalformedXml)),
        ] {
            let body = format!("<VersioningConfiguration>{inside}</VersioningConfiguration>");
            assert_eq!(read_configuration(body.as_bytes()).map_err(|error| error.code()), expected, "{inside}");
        }
        assert_eq!(read_configuration(b"<Other/>").unwrap_err().code(), ErrorCode::MalformedXml);
    }
}
