//! The lifecycle rules of a bucket.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use env::UnixMillis;
use store::lifecycle::{DAY_MILLIS, Expiration, Facts, Filter, LIFECYCLE_DOCUMENT, LifecycleRule, Noncurrent};

use crate::error::{Error, ErrorCode, Result};
use crate::settings::Document;
use crate::timestamp;
use crate::xml::{Element, Writer};

/// Most rules of a bucket.
const RULES_MAX: usize = 1000;

/// Longest id of a rule, in characters.
const ID_LENGTH_MAX: usize = 255;

/// Most versions that a rule keeps above another.
const KEEP_MAX: u32 = 100;

/// The lifecycle configuration of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lifecycle {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    id: Option<String>,
    is_enabled: bool,
    form: Form,
    /// Whether the filter names a prefix, be it empty.
    has_prefix: bool,
    rule: LifecycleRule,
}

/// How a rule writes its filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As a prefix of the rule, without a filter.
    Legacy,
    /// As a filter with one condition, or none.
    Single,
    /// As a filter with several.
    And,
}

impl Lifecycle {
    /// Gives rules without an id one that `name` makes.
    pub(crate) fn name_rules(&mut self, mut name: impl FnMut() -> String) {
        for rule in &mut self.rules {
            rule.id.get_or_insert_with(&mut name);
        }
    }

    /// The rules that act.
    pub(crate) fn enabled(&self) -> Vec<LifecycleRule> {
        self.rules.iter().filter(|rule| rule.is_enabled).map(|rule| rule.rule.clone()).collect()
    }

    /// When an object that was written at `modified` ends, and by which rule.
    pub(crate) fn expires(&self, object: &Facts<'_>, modified: UnixMillis) -> Option<(UnixMillis, &str)> {
        self.first(|rule| rule.expires(object, modified, DAY_MILLIS))
    }

    /// When an upload that was begun at `initiated` is dropped, and by which rule.
    pub(crate) fn aborts(&self, key: &str, initiated: UnixMillis) -> Option<(UnixMillis, &str)> {
        self.first(|rule| rule.aborts(key, initiated, DAY_MILLIS))
    }

    fn first(&self, due: impl Fn(&LifecycleRule) -> Option<UnixMillis>) -> Option<(UnixMillis, &str)> {
        let enabled = self.rules.iter().filter(|rule| rule.is_enabled);
        enabled.filter_map(|rule| Some((due(&rule.rule)?, rule.id.as_deref().unwrap_or_default()))).min()
    }
}

impl Document for Lifecycle {
    const KIND: u8 = LIFECYCLE_DOCUMENT.0.get();
    const SIZE_MAX: usize = 1024 * 1024;

    fn parse(body: &[u8], _: &str) -> Result<Self> {
        let document = Element::parse(body, "LifecycleConfiguration")?;
        let rules = document.children("Rule").map(Rule::parse).collect::<Result<Vec<_>>>()?;
        if rules.is_empty() || RULES_MAX < rules.len() {
            return Err(ErrorCode::MalformedXml.into());
        }
        let mut ids = BTreeSet::new();
        if let Some(id) = rules.iter().filter_map(|rule| rule.id.as_deref()).find(|id| !ids.insert(*id)) {
            return Err(invalid("Rule ID must be unique. Found same ID for more than one rule", "ID", id));
        }
        Ok(Self { rules })
    }

    fn write(&self) -> String {
        let mut document = Writer::new("LifecycleConfiguration");
        for rule in &self.rules {
            document.open("Rule");
            rule.write(&mut document);
            document.close();
        }
        document.finish()
    }
}

impl Rule {
    fn parse(element: &Element) -> Result<Self> {
        let id = element.child_text("ID")?.map(str::to_owned).filter(|id| !id.is_empty());
        if let Some(id) = id.as_ref().filter(|id| ID_LENGTH_MAX < id.chars().count()) {
            return Err(invalid("ID length should not exceed allowed limit of 255", "ID", id));
        }
        let is_enabled = match element.child_text("Status")?.map(str::trim) {
            Some("Enabled") => true,
            Some("Disabled") => false,
            _ => return Err(ErrorCode::MalformedXml.into()),
        };
        let (form, has_prefix, filter) = match (element.child("Filter")?, element.child_text("Prefix")?) {
            (Some(filter), None) => parse_filter(filter)?,
            (None, Some(prefix)) => (Form::Legacy, true, Filter { prefix: prefix.to_owned(), ..Filter::default() }),
            _ => return Err(ErrorCode::MalformedXml.into()),
        };
        refuse_transitions(element)?;
        let expiration = element.child("Expiration")?.map(parse_expiration).transpose()?;
        let noncurrent = element.child("NoncurrentVersionExpiration")?.map(parse_noncurrent).transpose()?;
        let abort_days = element.child("AbortIncompleteMultipartUpload")?.map(parse_abort).transpose()?;
        if expiration.is_none() && noncurrent.is_none() && abort_days.is_none() {
            return Err(refuse("At least one action needs to be specified in a rule"));
        }
        let expiration = expiration.flatten();
        let rule = LifecycleRule { filter, expiration, noncurrent, abort_days };
        check_filter(&rule)?;
        Ok(Self { id, is_enabled, form, has_prefix, rule })
    }

    fn write(&self, document: &mut Writer) {
        if let Some(id) = &self.id {
            document.text("ID", id);
        }
        if self.form == Form::Legacy {
            document.text("Prefix", &self.rule.filter.prefix);
        } else {
            document.open("Filter");
            if self.form == Form::And {
                document.open("And");
            }
            self.write_conditions(document);
            if self.form == Form::And {
                document.close();
            }
            document.close();
        }
        document.text("Status", if self.is_enabled { "Enabled" } else { "Disabled" });
        self.write_actions(document);
    }

    fn write_conditions(&self, document: &mut Writer) {
        let Filter { prefix, tags, size_above, size_below } = &self.rule.filter;
        if self.has_prefix {
            document.text("Prefix", prefix);
        }
        for (name, value) in tags {
            document.open("Tag");
            document.text("Key", name);
            document.text("Value", value);
            document.close();
        }
        for (name, size) in [("ObjectSizeGreaterThan", size_above), ("ObjectSizeLessThan", size_below)] {
            if let Some(size) = size {
                document.value(name, size);
            }
        }
    }

    fn write_actions(&self, document: &mut Writer) {
        let LifecycleRule { expiration, noncurrent, abort_days, .. } = &self.rule;
        let nothing = noncurrent.is_none() && abort_days.is_none();
        if expiration.is_some() || nothing {
            document.open("Expiration");
            match expiration {
                Some(Expiration::Days(days)) => document.value("Days", days),
                Some(Expiration::Date(date)) => document.text("Date", &timestamp::iso_8601(*date)),
                Some(Expiration::Markers) => document.value("ExpiredObjectDeleteMarker", true),
                None => document.value("ExpiredObjectDeleteMarker", false),
            }
            document.close();
        }
        if let Some(Noncurrent { days, keep }) = noncurrent {
            document.open("NoncurrentVersionExpiration");
            document.value("NoncurrentDays", days);
            if 0 < *keep {
                document.value("NewerNoncurrentVersions", keep);
            }
            document.close();
        }
        if let Some(days) = abort_days {
            document.open("AbortIncompleteMultipartUpload");
            document.value("DaysAfterInitiation", days);
            document.close();
        }
    }
}

/// Reads a filter. Conditions that stand side by side without an `And`, or beside one, must hold together as well.
fn parse_filter(filter: &Element) -> Result<(Form, bool, Filter)> {
    let (mut form, mut has_prefix, mut read) = parse_conditions(filter)?;
    if let Some(and) = filter.child("And")? {
        let (inner_form, inner_has_prefix, inner) = parse_conditions(and)?;
        if inner_form == Form::Single && !inner_has_prefix && inner == Filter::default() {
            return Err(ErrorCode::MalformedXml.into());
        }
        (form, has_prefix) = (Form::And, has_prefix || inner_has_prefix);
        read = both(read, inner)?;
    }
    Ok((form, has_prefix, read))
}

/// The conditions among the children of an element.
fn parse_conditions(element: &Element) -> Result<(Form, bool, Filter)> {
    let prefix = element.child_text("Prefix")?;
    let tags = parse_tags(element)?;
    let size = |name| element.child_text(name)?.map(|text| parse_number(text, name)).transpose();
    let (size_above, size_below) = (size("ObjectSizeGreaterThan")?, size("ObjectSizeLessThan")?);
    let sizes = usize::from(size_above.is_some()) + usize::from(size_below.is_some());
    let count = usize::from(prefix.is_some()) + tags.len() + sizes;
    let form = if count <= 1 { Form::Single } else { Form::And };
    let filter = Filter { prefix: prefix.unwrap_or_default().to_owned(), tags, size_above, size_below };
    Ok((form, prefix.is_some(), filter))
}

/// What matches both filters.
fn both(left: Filter, right: Filter) -> Result<Filter> {
    let (longer, shorter) =
        if left.prefix.len() < right.prefix.len() { (right.prefix, left.prefix) } else { (left.prefix, right.prefix) };
    let mut tags = left.tags;
    let differs = right.tags.iter().any(|(name, value)| tags.get(name).is_some_and(|other| other != value));
    if !longer.starts_with(&shorter) || differs {
        return Err(refuse("No object can match this filter."));
    }
    tags.extend(right.tags);
    Ok(Filter {
        prefix: longer,
        tags,
        size_above: left.size_above.max(right.size_above),
        size_below: left.size_below.into_iter().chain(right.size_below).min(),
    })
}

fn parse_tags(conditions: &Element) -> Result<BTreeMap<String, String>> {
    let mut tags = BTreeMap::new();
    for tag in conditions.children("Tag") {
        let name = tag.child_text("Key")?.ok_or(ErrorCode::MalformedXml)?.to_owned();
        let value = tag.child_text("Value")?.ok_or(ErrorCode::MalformedXml)?.to_owned();
        if tags.insert(name, value).is_some() {
            return Err(refuse("Duplicate Tag Keys are not allowed."));
        }
    }
    Ok(tags)
}

/// The inner `None` is an action that does nothing.
fn parse_expiration(element: &Element) -> Result<Option<Expiration>> {
    let texts = (
        element.child_text("Days")?,
        element.child_text("Date")?,
        element.child_text("ExpiredObjectDeleteMarker")?.map(str::trim),
    );
    Ok(match texts {
        (Some(days), None, None) => Some(Expiration::Days(parse_days(days, "Days")?)),
        (None, Some(date), None) => Some(Expiration::Date(parse_date(date)?)),
        (None, None, Some("true")) => Some(Expiration::Markers),
        (None, None, Some("false")) => None,
        _ => return Err(ErrorCode::MalformedXml.into()),
    })
}

fn parse_noncurrent(element: &Element) -> Result<Noncurrent> {
    let days = element.child_text("NoncurrentDays")?.ok_or(ErrorCode::MalformedXml)?;
    let keep = match element.child_text("NewerNoncurrentVersions")? {
        None => 0,
        Some(text) => {
            let keep = parse_days(text, "NewerNoncurrentVersions")?;
            if KEEP_MAX < keep {
                let message = "'NewerNoncurrentVersions' must be from 1 to 100";
                return Err(invalid(message, "NewerNoncurrentVersions", text));
            }
            keep
        }
    };
    Ok(Noncurrent { days: parse_days(days, "NoncurrentDays")?, keep })
}

fn parse_abort(element: &Element) -> Result<u32> {
    let days = element.child_text("DaysAfterInitiation")?.ok_or(ErrorCode::MalformedXml)?;
    parse_days(days, "DaysAfterInitiation")
}

/// Objects stay in the class that they were written in: there is no other place for them here.
fn refuse_transitions(element: &Element) -> Result<()> {
    let transitions = element.children("Transition").chain(element.children("NoncurrentVersionTransition"));
    let mut count = 0;
    for transition in transitions {
        if let Some(date) = transition.child_text("Date")? {
            parse_date(date)?;
        }
        count += 1;
    }
    if count == 0 {
        return Ok(());
    }
    let message = "Transitions are not implemented: this server has no other storage class to move objects to";
    Err(Error::with_message(ErrorCode::NotImplemented, message))
}

/// What delete markers and uploads, which have neither tags nor sizes, cannot be chosen by.
fn check_filter(rule: &LifecycleRule) -> Result<()> {
    let Filter { tags, size_above, size_below, .. } = &rule.filter;
    if let (Some(above), Some(below)) = (size_above, size_below)
        && below <= above
    {
        return Err(refuse("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'"));
    }
    let by_size = size_above.is_some() || size_below.is_some();
    let message = match (rule.expiration, rule.abort_days) {
        (Some(Expiration::Markers), _) if !tags.is_empty() => {
            "ExpiredObjectDeleteMarker cannot be specified with Tags."
        }
        (Some(Expiration::Markers), _) if by_size => "ExpiredObjectDeleteMarker cannot be specified with object size.",
        (_, Some(_)) if !tags.is_empty() => "AbortIncompleteMultipartUpload cannot be specified with Tags.",
        (_, Some(_)) if by_size => "AbortIncompleteMultipartUpload cannot be specified with object size.",
        _ => return Ok(()),
    };
    Err(refuse(message))
}

fn parse_number(text: &str, name: &'static str) -> Result<u64> {
    let number: i64 = text.trim().parse().map_err(|_| Error::new(ErrorCode::MalformedXml))?;
    u64::try_from(number).map_err(|_| invalid("The value must not be negative", name, text))
}

fn parse_days(text: &str, name: &'static str) -> Result<u32> {
    let number: i64 = text.trim().parse().map_err(|_| Error::new(ErrorCode::MalformedXml))?;
    let days = i32::try_from(number).ok().filter(|days| 0 < *days).map(i32::unsigned_abs);
    days.ok_or_else(|| invalid(format!("'{name}' must be a positive integer"), name, text))
}

fn parse_date(text: &str) -> Result<UnixMillis> {
    let date = timestamp::parse_any(text.trim()).ok_or(ErrorCode::MalformedXml)?;
    if date.0 % DAY_MILLIS == 0 { Ok(date) } else { Err(invalid("'Date' must be at midnight GMT", "Date", text)) }
}

fn refuse(message: &'static str) -> Error {
    Error::with_message(ErrorCode::InvalidRequest, message)
}

fn invalid(message: impl Into<Cow<'static, str>>, name: &'static str, value: &str) -> Error {
    Error::invalid_argument(message, name, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::document::check_round_trip;

    fn parse(inside: &str) -> Result<Lifecycle, ErrorCode> {
        let body = format!("<LifecycleConfiguration>{inside}</LifecycleConfiguration>");
        <Lifecycle as Document>::parse(body.as_bytes(), "bucket").map_err(|error| error.code())
    }

    fn rule(inside: &str) -> String {
        format!("<Rule><ID>one</ID><Status>Enabled</Status>{inside}</Rule>")
    }

    #[test]
    fn rules_are_written_as_they_were_put() {
        let tag = "<Tag><Key>k</Key><Value>v</Value></Tag>";
        let days = "<Expiration><Days>3</Days></Expiration>";
        for inside in [
            format!("<Prefix>logs/</Prefix>{days}"),
            format!("<Filter/>{days}"),
            format!("<Filter><Prefix></Prefix></Filter>{days}"),
            format!("<Filter>{tag}</Filter>{days}"),
            format!(
                "<Filter><And><Prefix>a</Prefix>{tag}<ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></And></Filter>{days}"
            ),
            "<Prefix/><Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>".to_owned(),
            "<Prefix/><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>".to_owned(),
            "<Prefix/><Expiration><ExpiredObjectDeleteMarker>false</ExpiredObjectDeleteMarker></Expiration>".to_owned(),
            "<Filter/><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>5\
             </NewerNoncurrentVersions></NoncurrentVersionExpiration>"
                .to_owned(),
            "<Filter/><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation>\
             </AbortIncompleteMultipartUpload>"
                .to_owned(),
        ] {
            let document = parse(&rule(&inside)).unwrap_or_else(|code| panic!("{code:?}: {inside}"));
            check_round_trip(&document);
        }
    }

    #[test]
    fn conditions_side_by_side_hold_together() {
        let days = "<Expiration><Days>3</Days></Expiration>";
        let tag = |name: &str| format!("<Tag><Key>{name}</Key><Value>v</Value></Tag>");
        let [one, two] = ["k", "l"].map(tag);
        let mixed = format!("<Filter><Prefix>a/</Prefix>{one}<And><Prefix>a</Prefix>{two}</And></Filter>{days}");
        let and = format!("<Filter><And><Prefix>a/</Prefix>{one}{two}</And></Filter>{days}");
        assert_eq!(parse(&rule(&mixed)), parse(&rule(&and)));
    }

    #[test]
    fn rules_without_an_id_get_one_and_disabled_ones_do_nothing() {
        let days = "<Prefix/><Expiration><Days>3</Days></Expiration>";
        let disabled = format!("<Rule><Status>Disabled</Status>{days}</Rule>");
        let mut document = parse(&format!("{}{disabled}", rule(days))).unwrap();
        document.name_rules(|| "made".to_owned());
        assert_eq!(
            document.rules.iter().map(|rule| rule.id.as_deref()).collect::<Vec<_>>(),
            [Some("one"), Some("made")]
        );
        assert_eq!(document.enabled().len(), 1);
        let tags = BTreeMap::new();
        let ends = document.expires(&Facts { key: "key", size: 0, tags: &tags }, UnixMillis(5));
        assert_eq!(ends, Some((UnixMillis(4 * DAY_MILLIS), "one")));
    }

    #[test]
    fn what_no_rule_can_be_is_refused() {
        let (malformed, argument, request) =
            (ErrorCode::MalformedXml, ErrorCode::InvalidArgument, ErrorCode::InvalidRequest);
        let days = "<Expiration><Days>3</Days></Expiration>";
        let tag = "<Tag><Key>k</Key><Value>v</Value></Tag>";
        let abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>";
        for (inside, code) in [
            (String::new(), malformed),
            ("<Filter/>".to_owned(), request),
            (days.to_owned(), malformed),
            (format!("<Prefix/><Filter/>{days}"), malformed),
            (format!("<Filter><Prefix>a</Prefix><And><Prefix>b</Prefix>{tag}</And></Filter>{days}"), request),
            (format!("<Filter><And/></Filter>{days}"), malformed),
            (format!("<Filter><And>{tag}{tag}</And></Filter>{days}"), request),
            (format!("<Filter>{tag}</Filter>{abort}"), request),
            ("<Filter/><Expiration><Days>0</Days></Expiration>".to_owned(), argument),
            ("<Filter/><Expiration><Days>x</Days></Expiration>".to_owned(), malformed),
            ("<Filter/><Expiration/>".to_owned(), malformed),
            ("<Filter/><Expiration><Days>1</Days><Date>2030-01-01T00:00:00Z</Date></Expiration>".to_owned(), malformed),
            ("<Filter/><Expiration><Date>2030-01-01T00:00:01Z</Date></Expiration>".to_owned(), argument),
            (
                "<Filter/><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>101\
                 </NewerNoncurrentVersions></NoncurrentVersionExpiration>"
                    .to_owned(),
                argument,
            ),
            (
                "<Filter/><Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>".to_owned(),
                ErrorCode::NotImplemented,
            ),
        ] {
            assert_eq!(parse(&rule(&inside)), Err(code), "{inside}");
        }
        let long = format!("<Rule><ID>{}</ID><Status>Enabled</Status><Prefix/>{days}</Rule>", "i".repeat(256));
        assert_eq!(parse(&long), Err(argument));
        assert_eq!(parse(&rule(&format!("<Prefix/>{days}")).repeat(2)), Err(argument));
        assert_eq!(parse(&format!("<Rule><Status>enabled</Status><Prefix/>{days}</Rule>")), Err(malformed));
        assert_eq!(parse(""), Err(malformed));
    }
}
