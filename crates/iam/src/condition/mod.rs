//! Conditions of statements: a key, an operator and what is expected, compiled once and asked at each request.

mod key;
mod operator;
mod test;
mod value;

pub use key::ConditionKey;
pub use value::{Value, Values};

pub(crate) use operator::Operator;
pub(crate) use value::parse_date;

use crate::policy::{PolicyError, Version};
use operator::Quantifier;
use test::Test;

/// Where the values of condition keys come from. Asked only for the keys that a statement names, so that nothing is
/// computed in vain.
pub trait Context {
    /// The values of `key` in this request.
    fn values(&self, key: &ConditionKey) -> Values<'_>;
}

/// A request without values.
pub struct NoContext;

impl Context for NoContext {
    fn values(&self, _: &ConditionKey) -> Values<'_> {
        Values::Missing
    }
}

/// One condition: all of a statement's conditions must hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    key: ConditionKey,
    operator: Operator,
    test: Test,
}

impl Condition {
    /// Compiles `key` under `operator` with what is expected.
    ///
    /// # Errors
    ///
    /// [`PolicyError::BadConditionValue`] when the operator cannot read an expected value.
    pub(crate) fn compile(
        operator: Operator,
        key: &str,
        expected: &[String],
        version: Version,
    ) -> Result<Self, PolicyError> {
        let test = Test::compile(operator.comparison, expected, version)
            .ok_or_else(|| PolicyError::BadConditionValue(key.to_owned()))?;
        Ok(Self { key: ConditionKey::parse(key), operator, test })
    }

    /// The key it asks for.
    pub(crate) fn key(&self) -> &ConditionKey {
        &self.key
    }

    /// All keys whose values it needs, those of its variables included.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &ConditionKey> {
        std::iter::once(&self.key).chain(self.test.patterns().flat_map(|pattern| pattern.keys()))
    }

    /// Whether it holds in a request.
    pub(crate) fn holds(&self, context: &dyn Context) -> bool {
        let values = context.values(&self.key);
        let values = values.as_slice();
        if let Test::Null(expected) = self.test {
            return values.is_empty() == expected;
        }
        let Operator { negated, if_exists, quantifier, .. } = self.operator;
        if values.is_empty() {
            return if_exists
                || match quantifier {
                    Quantifier::Whole => negated,
                    Quantifier::All => true,
                    Quantifier::Any => false,
                };
        }
        let mut each = values.iter().map(|value| self.test.matches(value, context) != negated);
        match quantifier {
            Quantifier::All => each.all(|holds| holds),
            Quantifier::Any => each.any(|holds| holds),
            // "Does not equal" of a key with several values is the opposite of "equals".
            Quantifier::Whole if negated => each.all(|holds| holds),
            Quantifier::Whole => each.any(|holds| holds),
        }
    }

    /// Whether it holds for so few values of its key that what it guards is not public (S3 user guide, "The meaning of
    /// public").
    pub(crate) fn confines(&self) -> bool {
        let Operator { negated, if_exists, quantifier, .. } = self.operator;
        let definite = !negated && !if_exists && quantifier != Quantifier::All;
        definite && self.key.confines() && self.test.is_narrow(&self.key)
    }
}

#[cfg(test)]
mod tests;
