//! Object lock: what keeps a version from being removed, and what a bucket gives to new ones.

use env::UnixMillis;
use serde::{Deserialize, Serialize};
use time::{Date, Month, OffsetDateTime};

use crate::codec::{Input, Value, write_varint};
use crate::error::CodecError;

const DAY_MILLIS: u64 = 24 * 3600 * 1000;

/// Who may end a retention early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetentionMode {
    /// Whoever may bypass governance.
    Governance,
    /// Nobody.
    Compliance,
}

/// Whether a request bypasses retentions in governance mode, which its sender must be permitted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Governance {
    /// It does not.
    #[default]
    Observed,
    /// It does.
    Bypassed,
}

/// Keeps a version until some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Who may end it early.
    pub mode: RetentionMode,
    /// The version may be removed from then on.
    pub until: UnixMillis,
}

/// Keeps a version while it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LegalHold {
    /// It keeps nothing any more.
    Off,
    /// It keeps the version.
    On,
}

/// What keeps a version of an object from being removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VersionLock {
    /// Until when.
    pub retention: Option<Retention>,
    /// The legal hold, if one was ever set or lifted.
    pub hold: Option<LegalHold>,
}

/// Object lock of a bucket: its versions can be locked. A bucket that has it never loses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketLock {
    /// The retention of new versions that name none.
    pub default: Option<DefaultRetention>,
}

/// For how long new versions are retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultRetention {
    /// Who may end it early.
    pub mode: RetentionMode,
    /// How long it lasts.
    pub period: RetentionPeriod,
}

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetentionPeriod {
    /// Of 24 hours each.
    Days(u32),
    /// Of the calendar, in UTC.
    Years(u32),
}

impl VersionLock {
    /// Whether nothing was ever set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the version must stay at `now`.
    pub fn keeps(&self, now: UnixMillis, governance: Governance) -> bool {
        let retained = self.retention.is_some_and(|retention| retention.binds(now, governance));
        retained || self.hold == Some(LegalHold::On)
    }
}

impl Retention {
    /// Whether it may be replaced by `next`, or removed, at `now`. While it binds it may only be extended.
    pub fn may_become(&self, next: Option<Self>, now: UnixMillis, governance: Governance) -> bool {
        let extended = next.is_some_and(|next| next.mode == self.mode && self.until <= next.until);
        extended || !self.binds(now, governance)
    }

    fn binds(&self, now: UnixMillis, governance: Governance) -> bool {
        let bypassed = self.mode == RetentionMode::Governance && governance == Governance::Bypassed;
        now < self.until && !bypassed
    }
}

impl DefaultRetention {
    /// The retention of a version that is committed at `now`.
    pub fn from(&self, now: UnixMillis) -> Retention {
        let until = match self.period {
            RetentionPeriod::Days(days) => UnixMillis(now.0.saturating_add(u64::from(days) * DAY_MILLIS)),
            RetentionPeriod::Years(years) => years_after(now, years),
        };
        Retention { mode: self.mode, until }
    }
}

/// The same day of the calendar some years later. 29 February becomes 1 March, so that nothing is retained for less than
/// was asked for. Beyond the calendar lies forever.
fn years_after(time: UnixMillis, years: u32) -> UnixMillis {
    const FOREVER: UnixMillis = UnixMillis(u64::MAX >> 16);
    let days = i64::try_from(time.0 / DAY_MILLIS).unwrap_or(i64::MAX);
    let later = || {
        let date = OffsetDateTime::from_unix_timestamp(days.checked_mul(24 * 3600)?).ok()?.date();
        let year = date.year().checked_add(i32::try_from(years).ok()?)?;
        let same_day = date.replace_year(year).or_else(|_| Date::from_calendar_date(year, Month::March, 1)).ok()?;
        u64::try_from((same_day.midnight().assume_utc()).unix_timestamp()).ok()
    };
    later().map_or(FOREVER, |seconds| UnixMillis(seconds * 1000 + time.0 % DAY_MILLIS))
}

impl Value for RetentionMode {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Governance => 1,
            Self::Compliance => 2,
        });
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        match input.u8()? {
            1 => Ok(Self::Governance),
            2 => Ok(Self::Compliance),
            _ => Err(CodecError::Invalid("retention mode")),
        }
    }
}

impl Value for Retention {
    fn write(&self, out: &mut Vec<u8>) {
        self.mode.write(out);
        write_varint(self.until.0, out);
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self { mode: RetentionMode::read(input)?, until: UnixMillis(input.varint()?) })
    }
}

impl Value for LegalHold {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Off => 0,
            Self::On => 1,
        });
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        match input.u8()? {
            0 => Ok(Self::Off),
            1 => Ok(Self::On),
            _ => Err(CodecError::Invalid("legal hold")),
        }
    }
}

/// Nothing without a default: only as a whole field.
impl Value for BucketLock {
    fn write(&self, out: &mut Vec<u8>) {
        let Some(DefaultRetention { mode, period }) = self.default else { return };
        mode.write(out);
        let (unit, count) = match period {
            RetentionPeriod::Days(days) => (1, days),
            RetentionPeriod::Years(years) => (2, years),
        };
        out.push(unit);
        write_varint(u64::from(count), out);
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        if input.0.is_empty() {
            return Ok(Self::default());
        }
        let mode = RetentionMode::read(input)?;
        let period = match input.u8()? {
            1 => RetentionPeriod::Days(input.narrow("days")?),
            2 => RetentionPeriod::Years(input.narrow("years")?),
            _ => return Err(CodecError::Invalid("unit of a retention period")),
        };
        Ok(Self { default: Some(DefaultRetention { mode, period }) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RetentionMode::{Compliance, Governance as Governed};

    const fn until(mode: RetentionMode, until: u64) -> Retention {
        Retention { mode, until: UnixMillis(until) }
    }

    #[test]
    fn locks_keep_versions_until_they_end() {
        let (observed, bypassed) = (Governance::Observed, Governance::Bypassed);
        let held = |hold| VersionLock { hold: Some(hold), ..VersionLock::default() };
        let retained = |mode| VersionLock { retention: Some(until(mode, 10)), hold: Some(LegalHold::Off) };
        for (lock, now, governance, expected) in [
            (VersionLock::default(), 0, observed, false),
            (held(LegalHold::On), 0, bypassed, true),
            (held(LegalHold::Off), 0, observed, false),
            (retained(Governed), 9, observed, true),
            (retained(Governed), 9, bypassed, false),
            (retained(Governed), 10, observed, false),
            (retained(Compliance), 9, bypassed, true),
            (retained(Compliance), 10, observed, false),
            (VersionLock { hold: Some(LegalHold::On), ..retained(Governed) }, 9, bypassed, true),
        ] {
            assert_eq!(lock.keeps(UnixMillis(now), governance), expected, "{lock:?} at {now}, {governance:?}");
        }
    }

    #[test]
    fn a_binding_retention_may_only_be_extended() {
        let (observed, bypassed) = (Governance::Observed, Governance::Bypassed);
        for (old, next, now, governance, expected) in [
            (until(Compliance, 10), Some(until(Compliance, 10)), 5, observed, true),
            (until(Compliance, 10), Some(until(Compliance, 11)), 5, observed, true),
            (until(Compliance, 10), Some(until(Compliance, 9)), 5, bypassed, false),
            (until(Compliance, 10), Some(until(Governed, 11)), 5, bypassed, false),
            (until(Compliance, 10), None, 5, bypassed, false),
            (until(Compliance, 10), None, 10, observed, true),
            (until(Governed, 10), Some(until(Governed, 11)), 5, observed, true),
            (until(Governed, 10), Some(until(Governed, 9)), 5, observed, false),
            (until(Governed, 10), Some(until(Governed, 9)), 5, bypassed, true),
            (until(Governed, 10), Some(until(Compliance, 11)), 5, observed, false),
            (until(Governed, 10), Some(until(Compliance, 11)), 5, bypassed, true),
            (until(Governed, 10), None, 5, bypassed, true),
            (until(Governed, 10), None, 10, observed, true),
        ] {
            assert_eq!(old.may_become(next, UnixMillis(now), governance), expected, "{old:?} {next:?} at {now}");
        }
    }

    #[test]
    fn periods_end_by_the_calendar() {
        const LEAP_DAY: u64 = 1_709_164_800_000; // 2024-02-29
        let ends = |period, now| DefaultRetention { mode: Governed, period }.from(UnixMillis(now)).until.0;
        assert_eq!(ends(RetentionPeriod::Days(2), 5), 2 * DAY_MILLIS + 5);
        assert_eq!(ends(RetentionPeriod::Years(1), LEAP_DAY + 7), LEAP_DAY + 366 * DAY_MILLIS + 7, "1 March 2025");
        assert_eq!(ends(RetentionPeriod::Years(4), LEAP_DAY), LEAP_DAY + 1461 * DAY_MILLIS, "29 February 2028");
        assert_eq!(ends(RetentionPeriod::Years(u32::MAX), 0), u64::MAX >> 16);
        assert_eq!(ends(RetentionPeriod::Days(u32::MAX), u64::MAX), u64::MAX);
    }
}
