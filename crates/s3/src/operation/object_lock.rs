//! GetObjectLockConfiguration, PutObjectLockConfiguration; Get- and PutObjectRetention; Get- and PutObjectLegalHold.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use iam::Action;
use store::Object;
use store::bucket::{BucketLock, DefaultRetention, RetentionPeriod};
use store::object::{Governance, LegalHold, Retention};

use crate::body::digest;
use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::header::lock;
use crate::request::Request;
use crate::response::{self, Response};
use crate::timestamp;
use crate::xml::{Element, Writer};

/// Largest document of these operations.
const DOCUMENT_SIZE_MAX: usize = 64 * 1024;

/// Longest default retention, as Amazon has it.
const DAYS_MAX: u32 = 36_500;
const YEARS_MAX: u32 = 100;

/// GetObjectLockConfiguration.
pub(super) async fn get_object_lock_configuration(_: &Frontend, request: Request) -> Result<Response> {
    let lock = request.access().bucket.lock.ok_or(ErrorCode::ObjectLockConfigurationNotFound)?;
    let mut document = Writer::new("ObjectLockConfiguration");
    document.text("ObjectLockEnabled", "Enabled");
    if let Some(DefaultRetention { mode, period }) = lock.default {
        document.open("Rule");
        document.open("DefaultRetention");
        document.text("Mode", lock::mode_name(mode));
        match period {
            RetentionPeriod::Days(days) => document.value("Days", days),
            RetentionPeriod::Years(years) => document.value("Years", years),
        }
        document.close();
        document.close();
    }
    Ok(response::xml(document))
}

/// PutObjectLockConfiguration.
pub(super) async fn put_object_lock_configuration(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let lock = read_bucket_lock(&read(frontend, &mut request, "ObjectLockConfiguration").await?)?;
    frontend.store.set_bucket_lock(request.found(), lock).await?;
    Ok(response::empty(StatusCode::OK))
}

pub(super) fn read_bucket_lock(document: &Element) -> Result<BucketLock> {
    let malformed = || Error::new(ErrorCode::MalformedXml);
    if document.child_text("ObjectLockEnabled")?.map(str::trim) != Some("Enabled") {
        return Err(malformed());
    }
    let Some(rule) = document.child("Rule")? else { return Ok(BucketLock::default()) };
    let retention = rule.child("DefaultRetention")?.ok_or_else(malformed)?;
    let mode = retention.child_text("Mode")?.and_then(|text| lock::parse_mode(text.trim())).ok_or_else(malformed)?;
    let period = match (retention.child_text("Days")?, retention.child_text("Years")?) {
        (Some(days), None) => RetentionPeriod::Days(read_count(days, DAYS_MAX)?),
        (None, Some(years)) => RetentionPeriod::Years(read_count(years, YEARS_MAX)?),
        _ => return Err(malformed()),
    };
    Ok(BucketLock { default: Some(DefaultRetention { mode, period }) })
}

fn read_count(text: &str, max: u32) -> Result<u32> {
    let count: i64 = text.trim().parse().map_err(|_| Error::new(ErrorCode::MalformedXml))?;
    let count = u32::try_from(count).ok().filter(|count| (1..=max).contains(count));
    count.ok_or_else(|| ErrorCode::InvalidRetentionPeriod.into())
}

/// GetObjectRetention.
pub(super) async fn get_object_retention(frontend: &Frontend, request: Request) -> Result<Response> {
    let object = find(frontend, request).await?;
    let Retention { mode, until } = object.lock.retention.ok_or(ErrorCode::NoSuchObjectLockConfiguration)?;
    let mut document = Writer::new("Retention");
    document.text("Mode", lock::mode_name(mode));
    document.text("RetainUntilDate", &timestamp::iso_8601(until));
    Ok(response::xml(document))
}

/// PutObjectRetention. An empty document removes the retention.
pub(super) async fn put_object_retention(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let version = request.version()?;
    let document = read(frontend, &mut request, "Retention").await?;
    let (mode, until) = (document.child_text("Mode")?.map(str::trim), document.child_text("RetainUntilDate")?);
    let until = until.map(str::trim);
    show(&mut request.headers, lock::MODE, mode)?;
    show(&mut request.headers, lock::RETAIN_UNTIL, until)?;
    frontend.check_described(&mut request, Action::PutObjectRetention).await?;
    require_lock(&request)?;
    let retention = match (mode, until) {
        (None, None) => None,
        (Some(mode), Some(until)) => {
            let mode = lock::parse_mode(mode).ok_or(ErrorCode::MalformedXml)?;
            Some(Retention { mode, until: lock::parse_until(until, frontend.env.clock.now())? })
        }
        _ => return Err(ErrorCode::MalformedXml.into()),
    };
    let governance = governance(frontend, &request, request.key())?;
    let (bucket, key) = (request.found(), request.key());
    frontend.store.set_object_retention(bucket, key, version, retention, governance).await?;
    Ok(response::empty(StatusCode::OK))
}

/// GetObjectLegalHold.
pub(super) async fn get_object_legal_hold(frontend: &Frontend, request: Request) -> Result<Response> {
    let object = find(frontend, request).await?;
    let hold = object.lock.hold.ok_or(ErrorCode::NoSuchObjectLockConfiguration)?;
    let mut document = Writer::new("LegalHold");
    document.text("Status", lock::hold_name(hold));
    Ok(response::xml(document))
}

/// PutObjectLegalHold.
pub(super) async fn put_object_legal_hold(frontend: &Frontend, mut request: Request) -> Result<Response> {
    let version = request.version()?;
    let document = read(frontend, &mut request, "LegalHold").await?;
    let status = document.child_text("Status")?.map(str::trim);
    show(&mut request.headers, lock::LEGAL_HOLD, status)?;
    frontend.check_described(&mut request, Action::PutObjectLegalHold).await?;
    require_lock(&request)?;
    let hold: LegalHold = status.and_then(lock::parse_hold).ok_or(ErrorCode::MalformedXml)?;
    frontend.store.set_object_hold(request.found(), request.key(), version, hold).await?;
    Ok(response::empty(StatusCode::OK))
}

/// Reads a body, of which there must be a digest.
async fn read(frontend: &Frontend, request: &mut Request, root: &str) -> Result<Element> {
    let _room = frontend.reserve_xml(DOCUMENT_SIZE_MAX).await?;
    let body = request.body.read_bounded(DOCUMENT_SIZE_MAX).await?;
    digest::check_required(&request.headers, &mut request.body, &body)?;
    Element::parse(&body, root)
}

/// Has policies see what a body says as they see it in the headers of a PutObject.
fn show(headers: &mut HeaderMap, name: &'static str, value: Option<&str>) -> Result<()> {
    let name = HeaderName::from_static(name);
    headers.remove(&name);
    if let Some(value) = value {
        headers.insert(name, HeaderValue::try_from(value).map_err(|_| ErrorCode::MalformedXml)?);
    }
    Ok(())
}

fn require_lock(request: &Request) -> Result<()> {
    if request.access().bucket.lock.is_some() { Ok(()) } else { Err(store::Error::NoObjectLock.into()) }
}

async fn find(frontend: &Frontend, request: Request) -> Result<Object> {
    require_lock(&request)?;
    Ok(frontend.store.head_object(request.found(), request.key(), request.version()?).await?)
}

/// Whether `request` bypasses retentions in governance mode: when it asks to and may.
pub(super) fn governance(frontend: &Frontend, request: &Request, key: &str) -> Result<Governance> {
    let bypassed = lock::asks_to_bypass(&request.headers)?
        && frontend.check_object(request, Action::BypassGovernanceRetention, key).is_ok();
    Ok(if bypassed { Governance::Bypassed } else { Governance::Observed })
}

/// Tells what of the lock of `object` the sender may know.
pub(super) fn write(frontend: &Frontend, request: &Request, object: &Object, headers: &mut HeaderMap) {
    let may = |action| frontend.check_object(request, action, request.key()).is_ok();
    if object.lock.retention.is_some() && may(Action::GetObjectRetention) {
        lock::write_retention(object, headers);
    }
    if object.lock.hold.is_some() && may(Action::GetObjectLegalHold) {
        lock::write_hold(object, headers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::object::RetentionMode;

    #[test]
    fn a_default_retention_has_one_period_of_possible_length() {
        let (malformed, period) = (Err(ErrorCode::MalformedXml), Err(ErrorCode::InvalidRetentionPeriod));
        let lock = |mode, period| Ok(BucketLock { default: Some(DefaultRetention { mode, period }) });
        let rule = |inside: &str| {
            format!(
                "<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>{inside}</DefaultRetention></Rule>"
            )
        };
        for (inside, expected) in [
            ("<ObjectLockEnabled>Enabled</ObjectLockEnabled>".to_owned(), Ok(BucketLock::default())),
            (
                rule("<Mode>GOVERNANCE</Mode><Days>30</Days>"),
                lock(RetentionMode::Governance, RetentionPeriod::Days(30)),
            ),
            (
                rule("<Mode>COMPLIANCE</Mode><Years>100</Years>"),
                lock(RetentionMode::Compliance, RetentionPeriod::Years(100)),
            ),
            (rule("<Mode>COMPLIANCE</Mode><Years>101</Years>"), period),
            (rule("<Mode>COMPLIANCE</Mode><Days>0</Days>"), period),
            (rule("<Mode>COMPLIANCE</Mode><Years>-1</Years>"), period),
            (rule("<Mode>COMPLIANCE</Mode><Days>1</Days><Years>1</Years>"), malformed),
            (rule("<Mode>COMPLIANCE</Mode>"), malformed),
            (rule("<Mode>COMPLIANCE</Mode><Days>many</Days>"), malformed),
            (rule("<Mode>compliance</Mode><Days>1</Days>"), malformed),
            (rule("<Days>1</Days>"), malformed),
            ("<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule/>".to_owned(), malformed),
            ("<ObjectLockEnabled>Disabled</ObjectLockEnabled>".to_owned(), malformed),
            (String::new(), malformed),
        ] {
            let body = format!("<ObjectLockConfiguration>{inside}</ObjectLockConfiguration>");
            let document = Element::parse(body.as_bytes(), "ObjectLockConfiguration").unwrap();
            assert_eq!(read_bucket_lock(&document).map_err(|error| error.code()), expected, "{inside}");
        }
    }
}
