//! The names of condition operators.

/// What an operator does with the values of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) comparison: Comparison,
    /// `Not` in its name.
    pub(super) negated: bool,
    /// Whether the condition holds when the key is missing.
    pub(super) if_exists: bool,
    pub(super) quantifier: Quantifier,
}

/// How one value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equals,
    EqualsIgnoreCase,
    Like,
    Numeric(Order),
    Date(Order),
    Bool,
    Binary,
    IpAddress,
    Arn,
    Null,
}

/// Where a number or date must lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Of how many values of the key the comparison must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantifier {
    /// The key is taken as one.
    Whole,
    /// `ForAllValues:`; of no values it holds.
    All,
    /// `ForAnyValue:`; of no values it does not.
    Any,
}

/// Every operator without its prefix and suffix, and whether it is a negation.
const OPERATORS: [(&str, Comparison, bool); 27] = [
    ("StringEquals", Comparison::Equals, false),
    ("StringNotEquals", Comparison::Equals, true),
    ("StringEqualsIgnoreCase", Comparison::EqualsIgnoreCase, false),
    ("StringNotEqualsIgnoreCase", Comparison::EqualsIgnoreCase, true),
    ("StringLike", Comparison::Like, false),
    ("StringNotLike", Comparison::Like, true),
    ("NumericEquals", Comparison::Numeric(Order::Equal), false),
    ("NumericNotEquals", Comparison::Numeric(Order::Equal), true),
    ("NumericLessThan", Comparison::Numeric(Order::Less), false),
    ("NumericLessThanEquals", Comparison::Numeric(Order::LessOrEqual), false),
    ("NumericGreaterThan", Comparison::Numeric(Order::Greater), false),
    ("NumericGreaterThanEquals", Comparison::Numeric(Order::GreaterOrEqual), false),
    ("DateEquals", Comparison::Date(Order::Equal), false),
    ("DateNotEquals", Comparison::Date(Order::Equal), true),
    ("DateLessThan", Comparison::Date(Order::Less), false),
    ("DateLessThanEquals", Comparison::Date(Order::LessOrEqual), false),
    ("DateGreaterThan", Comparison::Date(Order::Greater), false),
    ("DateGreaterThanEquals", Comparison::Date(Order::GreaterOrEqual), false),
    ("Bool", Comparison::Bool, false),
    ("BinaryEquals", Comparison::Binary, false),
    ("IpAddress", Comparison::IpAddress, false),
    ("NotIpAddress", Comparison::IpAddress, true),
    ("ArnEquals", Comparison::Arn, false),
    ("ArnNotEquals", Comparison::Arn, true),
    ("ArnLike", Comparison::Arn, false),
    ("ArnNotLike", Comparison::Arn, true),
    ("Null", Comparison::Null, false),
];

impl Operator {
    /// Reads a name such as `ForAnyValue:StringLikeIfExists`; letter case means nothing.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (quantifier, rest) = match name.split_once(':') {
            None => (Quantifier::Whole, name),
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("ForAllValues") => (Quantifier::All, rest),
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("ForAnyValue") => (Quantifier::Any, rest),
            Some(_) => return None,
        };
        const SUFFIX: &str = "IfExists";
        let cut = rest.len().saturating_sub(SUFFIX.len());
        let if_exists = rest.get(cut..).is_some_and(|end| end.eq_ignore_ascii_case(SUFFIX));
        let base = if if_exists { &rest[..cut] } else { rest };
        let (_, comparison, negated) = *OPERATORS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(base))?;
        let decorated = if_exists || quantifier != Quantifier::Whole;
        // Null is about existence itself, so neither suffix nor prefix has a meaning with it.
        (comparison != Comparison::Null || !decorated).then_some(Self { comparison, negated, if_exists, quantifier })
    }
}

impl Order {
    /// Whether `found` lies where it must, seen from `expected`.
    pub(super) fn holds<T: PartialOrd>(self, found: &T, expected: &T) -> bool {
        match self {
            Self::Equal => found == expected,
            Self::Less => found < expected,
            Self::LessOrEqual => found <= expected,
            Self::Greater => expected < found,
            Self::GreaterOrEqual => expected <= found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_prefix_and_suffix() {
        for (name, _, _) in OPERATORS {
            assert!(Operator::parse(name).is_some(), "{name}");
            let decorated = Operator::parse(&format!("ForAllValues:{name}IfExists"));
            assert_eq!(decorated.is_some(), name != "Null", "{name}");
        }
        let found = Operator::parse("foranyvalue:stringnotlikeifexists").unwrap();
        assert_eq!((found.comparison, found.negated, found.if_exists), (Comparison::Like, true, true));
        assert_eq!(found.quantifier, Quantifier::Any);
        for name in
            ["", "IfExists", "StringEqual", "ForNoValue:StringLike", "NumericLike", "BoolIfExist", "ä", "NotNull"]
        {
            assert!(Operator::parse(name).is_none(), "{name}");
        }
    }
}
