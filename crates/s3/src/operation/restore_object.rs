//! RestoreObject.

use crate::body::digest;
use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::request::Request;
use crate::response::Response;
use crate::xml::Element;

/// Largest body: a few numbers and names.
const BODY_SIZE_MAX: usize = 64 * 1024;

/// Answers what AWS answers for objects that are not archived, which none is here.
pub(super) async fn restore_object(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let version = request.version()?;
    let room = frontend.reserve_xml(BODY_SIZE_MAX).await?;
    let body = request.body.read_bounded(BODY_SIZE_MAX).await?;
    digest::check_declared(&request.headers, &mut request.body, &body)?;
    check(&body)?;
    drop((body, room));

    let object = frontend.store.head_object(request.found(), request.key(), version).await?;

    let class = object.storage_class.unwrap_or_else(|| "STANDARD".to_owned());
    Err(Error::new(ErrorCode::InvalidObjectState).detail("StorageClass", class))
}

/// Checks a request to restore.
///
/// # Errors
///
/// What AWS answers for what is wrong with it.
pub(super) fn check(body: &[u8]) -> Result<()> {
    let malformed = || Error::new(ErrorCode::MalformedXml);
    let document = Element::parse(body, "RestoreRequest")?;
    if document.child("Type")?.is_some() || document.child("SelectParameters")?.is_some() {
        // Queries on archives: AWS does not take them any more either.
        return Err(ErrorCode::MethodNotAllowed.into());
    }
    let job_tier = match document.child("GlacierJobParameters")? {
        Some(parameters) => Some(parameters.child_text("Tier")?.ok_or_else(malformed)?),
        None => None,
    };
    let tiers = [document.child_text("Tier")?, job_tier].into_iter().flatten().map(str::trim);
    if tiers.into_iter().any(|tier| !matches!(tier, "Standard" | "Bulk" | "Expedited")) {
        return Err(malformed());
    }
    let Some(days) = document.child_text("Days")? else { return Ok(()) };
    match days.trim().parse::<i32>() {
        Ok(days) if 0 < days => Ok(()),
        Ok(_) => Err(Error::invalid_argument("restoration days should be at least 1", "Days", days.trim())),
        Err(_) => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_to_restore_are_checked_first() {
        for (inside, expected) in [
            ("<Days>1</Days>", Ok(())),
            ("<Days>1</Days><GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters>", Ok(())),
            ("", Ok(())),
            ("<Days>0</Days>", Err(ErrorCode::InvalidArgument)),
            ("<Days>many</Days>", Err(ErrorCode::MalformedXml)),
            ("<Days>1</Days><Tier>Slow</Tier>", Err(ErrorCode::MalformedXml)),
            ("<Days>1</Days><GlacierJobParameters/>", Err(ErrorCode::MalformedXml)),
            ("<Type>SELECT</Type>", Err(ErrorCode::MethodNotAllowed)),
        ] {
            let body = format!("<RestoreRequest>{inside}</RestoreRequest>");
            assert_eq!(check(body.as_bytes()).map_err(|error| error.code()), expected, "{inside}");
        }
        assert_eq!(check(b"").unwrap_err().code(), ErrorCode::MalformedXml);
    }
}
