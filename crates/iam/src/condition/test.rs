//! What a condition expects, in the form that compares fastest.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::operator::{Comparison, Order};
use super::{ConditionKey, Context, Value, parse_date};
use crate::policy::{Pattern, Version};

/// Expected values: one of them must match.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    Equals(Vec<Pattern>),
    EqualsIgnoreCase(Vec<Pattern>),
    Like(Vec<Pattern>),
    Numeric(Order, Vec<f64>),
    Date(Order, Vec<i64>),
    Bool(Vec<bool>),
    Binary(Vec<Vec<u8>>),
    IpAddress(Vec<Network>),
    Arn(Vec<ArnPattern>),
    /// Whether the key must be missing.
    Null(bool),
}

impl Test {
    /// Reads the expected values; `None` when one of them has not the type of the operator.
    pub(super) fn compile(comparison: Comparison, expected: &[String], version: Version) -> Option<Self> {
        let each = expected.iter().map(String::as_str);
        let literal = |text: &str| version.literal(text);
        match comparison {
            Comparison::Equals => Some(Self::Equals(each.map(literal).collect())),
            Comparison::EqualsIgnoreCase => Some(Self::EqualsIgnoreCase(each.map(literal).collect())),
            Comparison::Like => Some(Self::Like(each.map(|text| version.glob(text)).collect())),
            Comparison::Numeric(order) => {
                each.map(parse_number).collect::<Option<_>>().map(|all| Self::Numeric(order, all))
            }
            Comparison::Date(order) => each.map(parse_date).collect::<Option<_>>().map(|all| Self::Date(order, all)),
            Comparison::Bool => each.map(parse_flag).collect::<Option<_>>().map(Self::Bool),
            Comparison::Binary => each.map(|text| STANDARD.decode(text).ok()).collect::<Option<_>>().map(Self::Binary),
            Comparison::IpAddress => each.map(Network::parse).collect::<Option<_>>().map(Self::IpAddress),
            Comparison::Arn => each.map(|text| ArnPattern::parse(text, version)).collect::<Option<_>>().map(Self::Arn),
            Comparison::Null => match expected {
                [one] => parse_flag(one).map(Self::Null),
                _ => None,
            },
        }
    }

    /// Whether `value` is one of the expected ones.
    pub(super) fn matches(&self, value: &Value<'_>, context: &dyn Context) -> bool {
        match self {
            Self::Equals(patterns) | Self::Like(patterns) => {
                let text = value.as_text();
                patterns.iter().any(|pattern| pattern.matches(&text, context))
            }
            Self::EqualsIgnoreCase(patterns) => {
                let text = value.as_text();
                patterns.iter().any(|pattern| pattern.equals_ignoring_case(&text, context))
            }
            Self::Numeric(order, numbers) => {
                value.as_number().is_some_and(|found| numbers.iter().any(|number| order.holds(&found, number)))
            }
            Self::Date(order, dates) => {
                value.as_time().is_some_and(|found| dates.iter().any(|date| order.holds(&found, date)))
            }
            Self::Bool(flags) => parse_flag(&value.as_text()).is_some_and(|found| flags.contains(&found)),
            Self::Binary(expected) => {
                STANDARD.decode(value.as_text().as_bytes()).is_ok_and(|found| expected.contains(&found))
            }
            Self::IpAddress(networks) => {
                value.as_address().is_some_and(|found| networks.iter().any(|network| network.contains(found)))
            }
            Self::Arn(patterns) => {
                let text = value.as_text();
                patterns.iter().any(|pattern| pattern.matches(&text, context))
            }
            Self::Null(_) => false,
        }
    }

    /// The patterns in it, whose variables need values.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        let (texts, arns): (&[Pattern], &[ArnPattern]) = match self {
            Self::Equals(patterns) | Self::EqualsIgnoreCase(patterns) | Self::Like(patterns) => (patterns, &[]),
            Self::Arn(patterns) => (&[], patterns),
            _ => (&[], &[]),
        };
        texts.iter().chain(arns.iter().flat_map(|arn| &arn.sections))
    }

    /// Whether what it accepts of `key` is fixed, or a network of a reasonable size.
    pub(super) fn is_narrow(&self, key: &ConditionKey) -> bool {
        match self {
            Self::Equals(patterns) | Self::EqualsIgnoreCase(patterns) => patterns.iter().all(Pattern::is_fixed),
            // The role's id decides; the names of its sessions may vary.
            Self::Like(patterns) if *key == ConditionKey::UserId => {
                patterns.iter().all(|pattern| pattern.is_fixed() || pattern.literal_head().contains(':'))
            }
            Self::Like(patterns) => patterns.iter().all(Pattern::is_fixed),
            Self::Arn(patterns) => patterns.iter().all(|arn| arn.sections.iter().all(Pattern::is_fixed)),
            Self::IpAddress(networks) => networks.iter().all(|network| !network.is_broad()),
            _ => false,
        }
    }
}

fn parse_number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

fn parse_flag(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// An address and how many of its leading bits count (CIDR).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    prefix_bits: u32,
}

impl Network {
    /// Reads `203.0.113.0/24`, `2001:db8::/32`, or one address.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            None => bits_max,
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
        };
        (prefix_bits <= bits_max).then_some(Self { address, prefix_bits })
    }

    fn contains(&self, address: IpAddr) -> bool {
        let same = |difference: u128, bits: u32| self.prefix_bits == 0 || difference >> (bits - self.prefix_bits) == 0;
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => same(u128::from(own.to_bits() ^ other.to_bits()), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits() ^ other.to_bits(), 128),
            _ => false,
        }
    }

    /// Whether it covers so much of the Internet that it confines nobody.
    fn is_broad(&self) -> bool {
        let narrow_from = if self.address.is_ipv4() { 8 } else { 32 };
        self.prefix_bits < narrow_from
    }
}

/// An ARN each of whose six sections is a pattern: a wildcard never reaches over a colon between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ArnPattern {
    sections: Vec<Pattern>,
}

impl ArnPattern {
    fn parse(text: &str, version: Version) -> Option<Self> {
        if text == "*" {
            return Some(Self { sections: vec![version.glob("*"); 6] });
        }
        let sections: Vec<_> = sections(text).map(|section| version.glob(section)).collect();
        (sections.len() == 6).then_some(Self { sections })
    }

    fn matches(&self, text: &str, context: &dyn Context) -> bool {
        let mut found = text.splitn(6, ':');
        let all =
            self.sections.iter().all(|pattern| found.next().is_some_and(|section| pattern.matches(section, context)));
        all && found.next().is_none()
    }
}

/// The sections of a pattern of ARNs. The colon of `${aws:username}` separates nothing.
fn sections(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.splitn(6, move |character| {
        inside = (inside || character == '{') && character != '}';
        character == ':' && !inside
    })
}
