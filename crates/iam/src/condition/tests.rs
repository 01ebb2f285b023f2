//! Tables of conditions: operator, key, what is expected, what the request has, whether it holds.

use std::collections::BTreeMap;

use super::*;
use crate::policy::Version;

/// A request with the given values.
struct Given(BTreeMap<ConditionKey, Vec<Value<'static>>>);

impl Context for Given {
    fn values(&self, key: &ConditionKey) -> Values<'_> {
        match self.0.get(key) {
            None => Values::Missing,
            Some(values) if values.len() == 1 => Values::One(values[0].clone()),
            Some(values) => Values::Many(values.clone()),
        }
    }
}

fn given(key: &str, texts: &[&'static str]) -> Given {
    let values = texts.iter().map(|text| Value::text(text)).collect();
    let texts = if texts.is_empty() { None } else { Some((ConditionKey::parse(key), values)) };
    Given(BTreeMap::from_iter(texts))
}

fn compile(operator: &str, key: &str, expected: &[&str]) -> Result<Condition, PolicyError> {
    let expected: Vec<_> = expected.iter().map(|text| (*text).to_owned()).collect();
    Condition::compile(Operator::parse(operator).expect(operator), key, &expected, Version::Newest)
}

#[track_caller]
fn check(operator: &str, expected: &[&str], found: &[&'static str], holds: bool) {
    let key = "aws:UserAgent";
    let condition = compile(operator, key, expected).unwrap();
    assert_eq!(condition.holds(&given(key, found)), holds, "{operator} {expected:?} {found:?}");
}

#[test]
fn texts_are_compared() {
    check("StringEquals", &["a"], &["a"], true);
    check("StringEquals", &["a", "b"], &["b"], true);
    check("StringEquals", &["a"], &["A"], false);
    check("StringEquals", &["a*"], &["a*"], true);
    check("StringEquals", &["a*"], &["ab"], false);
    check("StringNotEquals", &["a", "b"], &["b"], false);
    check("StringNotEquals", &["a", "b"], &["c"], true);
    check("StringEqualsIgnoreCase", &["Ab"], &["aB"], true);
    check("StringEqualsIgnoreCase", &["Ab"], &["aBc"], false);
    check("StringNotEqualsIgnoreCase", &["Ab"], &["aB"], false);
    check("StringLike", &["a*"], &["abc"], true);
    check("StringLike", &["a?"], &["abc"], false);
    check("StringNotLike", &["a*", "b*"], &["bc"], false);
    check("StringNotLike", &["a*", "b*"], &["c"], true);
}

#[test]
fn numbers_dates_and_flags_are_compared() {
    check("NumericEquals", &["10"], &["10.0"], true);
    check("NumericEquals", &["10"], &["ten"], false);
    check("NumericNotEquals", &["10"], &["11"], true);
    check("NumericLessThan", &["10"], &["9"], true);
    check("NumericLessThan", &["10"], &["10"], false);
    check("NumericLessThanEquals", &["10"], &["10"], true);
    check("NumericGreaterThan", &["10"], &["9"], false);
    check("NumericGreaterThanEquals", &["10"], &["10"], true);
    check("DateLessThan", &["2024-01-01T00:00:00Z"], &["2023-12-31T23:59:59Z"], true);
    check("DateLessThan", &["2024-01-01T00:00:00Z"], &["2024-01-01T00:00:00Z"], false);
    check("DateLessThanEquals", &["2024-01-01"], &["1704067200"], true);
    check("DateGreaterThan", &["2024-01-01T00:00:00+02:00"], &["2023-12-31T22:00:01Z"], true);
    check("DateGreaterThanEquals", &["2024-01-01"], &["2023-12-31"], false);
    check("DateEquals", &["2024-01-01"], &["2024-01-01T00:00:00Z"], true);
    check("DateNotEquals", &["2024-01-01"], &["2024-01-01T00:00:00Z"], false);
    check("Bool", &["true"], &["true"], true);
    check("Bool", &["FALSE"], &["true"], false);
    check("BinaryEquals", &["QmluYXJ5"], &["QmluYXJ5"], true);
    check("BinaryEquals", &["QmluYXJ5"], &["QmluYXJ6"], false);
}

#[test]
fn addresses_lie_in_networks() {
    check("IpAddress", &["203.0.113.0/24"], &["203.0.113.7"], true);
    check("IpAddress", &["203.0.113.0/24"], &["203.0.114.7"], false);
    check("IpAddress", &["203.0.113.7"], &["203.0.113.7"], true);
    check("IpAddress", &["0.0.0.0/0"], &["8.8.8.8"], true);
    check("IpAddress", &["0.0.0.0/0"], &["2001:db8::1"], false);
    check("IpAddress", &["::/0"], &["2001:db8::1"], true);
    check("IpAddress", &["2001:db8::/33"], &["2001:db8:8000::1"], false);
    check("IpAddress", &["2001:db8:8000::/33"], &["2001:db8:8000::1"], true);
    check("IpAddress", &["10.0.0.0/8"], &["::ffff:10.1.2.3"], true);
    check("NotIpAddress", &["10.0.0.0/8", "192.168.0.0/16"], &["192.168.1.1"], false);
    check("NotIpAddress", &["10.0.0.0/8", "192.168.0.0/16"], &["11.0.0.1"], true);
}

#[test]
fn arns_match_section_by_section() {
    for operator in ["ArnLike", "ArnEquals"] {
        check(operator, &["arn:aws:iam::123456789012:user/*"], &["arn:aws:iam::123456789012:user/a/b"], true);
        check(operator, &["arn:aws:iam::*:user/a"], &["arn:aws:iam::1:user/a"], true);
        check(operator, &["arn:aws:iam:*:user/a:x"], &["arn:aws:iam::1:user/a:x"], false);
        check(operator, &["*"], &["arn:aws:iam::1:user/a"], true);
        check(operator, &["arn:aws:s3:::b"], &["b"], false);
    }
    check("ArnNotLike", &["arn:aws:iam::*:role/*"], &["arn:aws:iam::1:user/a"], true);
    check("ArnNotEquals", &["arn:aws:iam::1:user/a"], &["arn:aws:iam::1:user/a"], false);
    check("ArnLike", &["arn:aws:s3:::b{x:y"], &["arn:aws:s3:::b{x:y"], true);
    assert!(compile("ArnLike", "aws:SourceArn", &["arn:aws:*:user/a"]).is_err());
    assert!(
        compile("ArnLike", "aws:SourceArn", &["arn:aws:iam::${aws:PrincipalAccount}:user/${aws:username}"]).is_ok()
    );
}

#[test]
fn missing_keys_follow_the_operator() {
    for (operator, value, holds) in [
        ("StringEquals", "a", false),
        ("StringNotEquals", "a", true),
        ("StringLike", "*", false),
        ("StringNotLike", "*", true),
        ("NumericEquals", "1", false),
        ("NumericNotEquals", "1", true),
        ("NumericLessThan", "1", false),
        ("DateNotEquals", "2024-01-01", true),
        ("Bool", "false", false),
        ("IpAddress", "0.0.0.0/0", false),
        ("NotIpAddress", "0.0.0.0/0", true),
        ("ArnLike", "arn:aws:s3:::*", false),
        ("ArnNotLike", "arn:aws:s3:::*", true),
    ] {
        check(operator, &[value], &[], holds);
        check(&format!("{operator}IfExists"), &[value], &[], true);
        check(&format!("ForAllValues:{operator}"), &[value], &[], true);
        check(&format!("ForAnyValue:{operator}"), &[value], &[], false);
        check(&format!("ForAnyValue:{operator}IfExists"), &[value], &[], true);
    }
    check("Null", &["true"], &[], true);
    check("Null", &["false"], &[], false);
    check("Null", &["true"], &["a"], false);
    check("Null", &["false"], &["a"], true);
}

#[test]
fn keys_of_many_values_are_quantified() {
    check("ForAllValues:StringEquals", &["a", "b"], &["a", "b"], true);
    check("ForAllValues:StringEquals", &["a", "b"], &["a", "c"], false);
    check("ForAnyValue:StringEquals", &["a", "b"], &["c", "b"], true);
    check("ForAnyValue:StringEquals", &["a", "b"], &["c", "d"], false);
    check("ForAllValues:StringNotEquals", &["a", "b"], &["c", "d"], true);
    check("ForAllValues:StringNotEquals", &["a", "b"], &["c", "a"], false);
    check("ForAnyValue:StringNotEquals", &["a", "b"], &["a", "c"], true);
    check("ForAnyValue:StringNotEquals", &["a", "b"], &["a", "b"], false);
    check("ForAllValues:StringLike", &["a*"], &["ab", "ac"], true);
    check("StringEquals", &["b"], &["a", "b"], true);
    check("StringNotEquals", &["b"], &["a", "b"], false);
}

#[test]
fn typed_values_are_compared_without_their_text() {
    let holds = |operator: &str, key: &str, expected: &str, value: Value<'static>| {
        let given = Given(BTreeMap::from([(ConditionKey::parse(key), vec![value])]));
        compile(operator, key, &[expected]).unwrap().holds(&given)
    };
    assert!(holds("NumericLessThanEquals", "s3:max-keys", "10", Value::Number(10)));
    assert!(holds("StringEquals", "s3:max-keys", "10", Value::Number(10)));
    assert!(holds("DateLessThan", "aws:CurrentTime", "2024-01-01", Value::Time(0)));
    assert!(holds("DateLessThan", "aws:EpochTime", "2024-01-01", Value::Number(0)));
    assert!(holds("NumericLessThan", "aws:EpochTime", "1", Value::Number(0)));
    assert!(holds("Bool", "aws:SecureTransport", "false", Value::Flag(false)));
    assert!(holds("StringEquals", "aws:SecureTransport", "false", Value::Flag(false)));
    assert!(holds("IpAddress", "aws:SourceIp", "127.0.0.0/8", Value::Address([127, 0, 0, 1].into())));
    assert!(holds("StringLike", "aws:SourceIp", "127.*", Value::Address([127, 0, 0, 1].into())));
    assert!(!holds("NumericEquals", "aws:SourceIp", "1", Value::Address([127, 0, 0, 1].into())));
}

#[test]
fn values_of_a_wrong_type_are_refused() {
    for (operator, value) in [
        ("NumericEquals", "ten"),
        ("NumericEquals", "inf"),
        ("DateEquals", "tomorrow"),
        ("Bool", "yes"),
        ("BinaryEquals", "not base64!"),
        ("IpAddress", "10.0.0.0/33"),
        ("IpAddress", "10.0.0/8"),
        ("IpAddress", "10.0.0.0/-1"),
        ("IpAddress", "2001:db8::/129"),
        ("ArnLike", "bucket"),
        ("Null", "maybe"),
    ] {
        let error = compile(operator, "aws:UserAgent", &[value]).unwrap_err();
        assert_eq!(error, PolicyError::BadConditionValue("aws:UserAgent".into()), "{operator} {value}");
    }
    assert!(compile("Null", "aws:UserAgent", &["true", "false"]).is_err());
}
