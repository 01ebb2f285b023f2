//! The policy of a form: until when it holds, and what its fields may say (Amazon S3 API reference, "POST policy").

use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use env::UnixMillis;
use serde_json::{Map, Value};

use super::fields::Fields;
use crate::error::{Error, ErrorCode, Result};
use crate::timestamp;

/// Fields that no condition has to name. What begins with [`IGNORED_PREFIX`] is for the page alone.
const EXEMPT: [&str; 5] = ["awsaccesskeyid", "file", "policy", "signature", "x-amz-signature"];
const IGNORED_PREFIX: &str = "x-ignore-";
/// Checksums say nothing but what the file is; SDKs add them to forms that were signed without.
const CHECKSUM_PREFIX: &str = "x-amz-checksum-";

/// A policy, decoded.
#[derive(Debug)]
pub(super) struct Policy {
    expiration: UnixMillis,
    conditions: Vec<Condition>,
    /// Sizes that the file may have.
    sizes: Option<RangeInclusive<u64>>,
}

/// What one field must say. Names are in lower case.
#[derive(Debug)]
enum Condition {
    Equals { field: String, value: String },
    StartsWith { field: String, prefix: String },
}

impl Policy {
    /// Decodes what the form's `policy` field holds.
    ///
    /// # Errors
    ///
    /// `InvalidPolicyDocument`.
    pub(super) fn decode(encoded: &str) -> Result<Self> {
        // Browsers and people break the lines of long values.
        let packed: String = encoded.chars().filter(|character| !character.is_ascii_whitespace()).collect();
        let text = STANDARD.decode(packed).map_err(|_| invalid("Invalid Base64 encoding."))?;
        let value: Value = serde_json::from_slice(&text).map_err(|error| invalid(format!("Invalid JSON: {error}")))?;
        let Value::Object(mut document) = value else { return Err(invalid("Invalid JSON.")) };
        let expiration = match document.remove("expiration") {
            Some(Value::String(text)) => {
                timestamp::parse_any(&text).ok_or_else(|| invalid(format!("Invalid 'expiration' value: '{text}'")))?
            }
            Some(_) => return Err(invalid("'expiration' must be a text.")),
            None => return Err(invalid("Policy missing expiration.")),
        };
        let listed = match document.remove("conditions") {
            Some(Value::Array(listed)) => listed,
            Some(_) => return Err(invalid("'conditions' must be a list.")),
            None => return Err(invalid("Policy missing conditions.")),
        };
        if let Some(name) = document.keys().next() {
            return Err(invalid(format!("Unexpected: '{name}'.")));
        }
        let mut policy = Self { expiration, conditions: Vec::new(), sizes: None };
        listed.into_iter().try_for_each(|condition| policy.add(condition))?;
        Ok(policy)
    }

    fn add(&mut self, condition: Value) -> Result<()> {
        match condition {
            Value::Object(fields) if !fields.is_empty() => self.add_equalities(fields),
            Value::Array(words) => self.add_comparison(&words),
            _ => Err(invalid("Invalid Condition: it is neither an object with a field nor a list.")),
        }
    }

    fn add_equalities(&mut self, fields: Map<String, Value>) -> Result<()> {
        for (field, value) in fields {
            let Value::String(value) = value else {
                return Err(invalid(format!("Invalid Simple-Condition: the value of '{field}' must be a text.")));
            };
            self.conditions.push(Condition::Equals { field: field.to_lowercase(), value });
        }
        Ok(())
    }

    fn add_comparison(&mut self, words: &[Value]) -> Result<()> {
        let [Value::String(operator), left, right] = words else {
            return Err(invalid("Invalid Condition: a list holds an operator and two more values."));
        };
        let operator = operator.to_lowercase();
        if operator == "content-length-range" {
            let (Some(min), Some(max)) = (whole_number(left), whole_number(right)) else {
                return Err(invalid("Invalid content-length-range: both limits must be whole numbers."));
            };
            self.sizes = Some(min..=max);
            return Ok(());
        }
        let (Some(field), Some(value)) = (left.as_str().and_then(|left| left.strip_prefix('$')), right.as_str()) else {
            return Err(invalid("Invalid Condition: a field is written '$name', and its value as a text."));
        };
        let (field, value) = (field.to_lowercase(), value.to_owned());
        self.conditions.push(match operator.as_str() {
            "eq" => Condition::Equals { field, value },
            "starts-with" => Condition::StartsWith { field, prefix: value },
            _ => return Err(invalid(format!("Invalid Condition: unknown operator '{operator}'."))),
        });
        Ok(())
    }

    /// Sizes that the file may have.
    pub(super) fn sizes(&self) -> RangeInclusive<u64> {
        self.sizes.clone().unwrap_or(0..=u64::MAX)
    }

    /// Checks that the form may be sent now, that every condition holds, and that each field is named by one.
    ///
    /// # Errors
    ///
    /// `AccessDenied` with the reason.
    pub(super) fn check(&self, fields: &Fields, now: UnixMillis) -> Result<()> {
        if self.expiration <= now {
            return Err(denied("Policy expired."));
        }
        if let Some(failed) = self.conditions.iter().find(|condition| !condition.holds(fields)) {
            return Err(denied(&format!("Policy Condition failed: {failed}")));
        }
        let is_named = |name: &str| self.conditions.iter().any(|condition| condition.field() == name);
        let is_exempt = |name: &str| {
            EXEMPT.contains(&name) || name.starts_with(IGNORED_PREFIX) || name.starts_with(CHECKSUM_PREFIX)
        };
        let extra: Vec<&str> = fields.names().filter(|name| !is_exempt(name) && !is_named(name)).collect();
        if extra.is_empty() { Ok(()) } else { Err(denied(&format!("Extra input fields: {}", extra.join(", ")))) }
    }
}

impl Condition {
    fn field(&self) -> &str {
        match self {
            Self::Equals { field, .. } | Self::StartsWith { field, .. } => field,
        }
    }

    fn holds(&self, fields: &Fields) -> bool {
        // What is not there begins with nothing.
        let beginning = |field: &str| fields.get(field).map_or("", String::as_str);
        match self {
            Self::Equals { field, value } => fields.get(field) == Some(value),
            // Every one of a list of types must begin so.
            Self::StartsWith { field, prefix } if field == "content-type" => {
                beginning(field).split(',').all(|kind| kind.trim().starts_with(prefix))
            }
            Self::StartsWith { field, prefix } => beginning(field).starts_with(prefix),
        }
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (operator, field, value) = match self {
            Self::Equals { field, value } => ("eq", field, value),
            Self::StartsWith { field, prefix } => ("starts-with", field, prefix),
        };
        write!(formatter, "[\"{operator}\", \"${field}\", \"{value}\"]")
    }
}

/// Limits are written as numbers, or as texts of digits.
fn whole_number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn invalid(reason: impl std::fmt::Display) -> Error {
    Error::with_message(ErrorCode::InvalidPolicyDocument, format!("Invalid Policy: {reason}"))
}

fn denied(reason: &str) -> Error {
    Error::with_message(ErrorCode::AccessDenied, format!("Invalid according to Policy: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn policy(json: &str) -> Result<Policy, ErrorCode> {
        Policy::decode(&STANDARD.encode(json)).map_err(|error| error.code())
    }

    fn with_conditions(conditions: &str) -> Result<Policy, ErrorCode> {
        policy(&format!(r#"{{"expiration": "2030-01-01T00:00:00Z", "conditions": {conditions}}}"#))
    }

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields::from_pairs("photos", pairs)
    }

    #[test]
    fn documents_that_say_nothing_clear_are_refused() {
        for document in [
            "",
            "[]",
            "{}",
            r#"{"expiration": "2030-01-01T00:00:00Z"}"#,
            r#"{"conditions": []}"#,
            r#"{"expiration": "tomorrow", "conditions": []}"#,
            r#"{"expiration": "2030-01-01T00:00:00Z", "CONDITIONS": []}"#,
            r#"{"EXPIRATION": "2030-01-01T00:00:00Z", "conditions": []}"#,
        ] {
            assert_eq!(policy(document).unwrap_err(), ErrorCode::InvalidPolicyDocument, "{document}");
        }
        for conditions in [
            "{}",
            "[{}]",
            "[7]",
            r#"[{"acl": 7}]"#,
            r#"[["eq", "$key"]]"#,
            r#"[["eq", "key", "value"]]"#,
            r#"[["ends-with", "$key", "value"]]"#,
            r#"[["content-length-range", 0]]"#,
            r#"[["content-length-range", -1, 0]]"#,
            r#"[["content-length-range", 0, "many"]]"#,
        ] {
            assert_eq!(with_conditions(conditions).unwrap_err(), ErrorCode::InvalidPolicyDocument, "{conditions}");
        }
    }

    #[test]
    fn each_field_is_named_and_each_condition_holds() {
        let form = fields(&[("key", "user/me.jpg"), ("Content-Type", "image/png, image/gif"), ("x-ignore-this", "7")]);
        let allowed = |conditions: &str| with_conditions(conditions).unwrap().check(&form, NOW).is_ok();
        let rest = r#"{"bucket": "photos"}, ["starts-with", "$Content-Type", "image/"]"#;
        for (condition, expected) in [
            (r#"["starts-with", "$key", "user/"]"#, true),
            (r#"["STARTS-WITH", "$KEY", ""]"#, true),
            (r#"{"key": "user/me.jpg"}"#, true),
            (r#"["eq", "$key", "user/me.jpg"]"#, true),
            (r#"["eq", "$key", "user/"]"#, false),
            (r#"["starts-with", "$key", "me"]"#, false),
            (r#"{"key": "user/me.jpg"}, {"acl": "private"}"#, false),
            (r#"{"key": "user/me.jpg"}, ["starts-with", "$acl", ""]"#, true),
            (r#"{"key": "user/me.jpg"}, ["starts-with", "$acl", "p"]"#, false),
        ] {
            assert_eq!(allowed(&format!("[{condition}, {rest}]")), expected, "{condition}");
        }
        assert!(!allowed(&format!("[{rest}]")), "nothing names the key");
        assert!(
            !allowed(r#"[["starts-with", "$key", ""], ["starts-with", "$Content-Type", "image/"]]"#),
            "nor the bucket"
        );
        assert!(!allowed(
            r#"[["starts-with", "$key", ""], {"bucket": "photos"}, ["starts-with", "$Content-Type", "image/p"]]"#
        ));
        let expired =
            policy(r#"{"expiration": "2020-01-01T00:00:00.000Z", "conditions": [["starts-with", "$key", ""]]}"#);
        let error = expired.unwrap().check(&form, NOW).unwrap_err();
        assert!(error.code() == ErrorCode::AccessDenied && error.message().ends_with("Policy expired."), "{error}");
    }

    #[test]
    fn sizes_are_numbers_or_texts_of_digits() {
        let sizes = |condition: &str| with_conditions(&format!("[{condition}]")).unwrap().sizes;
        assert_eq!(sizes(r#"["content-length-range", 1, "1024"]"#), Some(1..=1024));
        assert_eq!(sizes(r#"{"acl": "private"}"#), None);
    }
}
