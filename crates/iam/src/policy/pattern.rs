//! Text with wildcards and policy variables, compiled once.

use std::borrow::Cow;

use crate::condition::{ConditionKey, Context};

/// A pattern that a text matches or not.
///
/// Between its stars stand segments; the first is anchored at the start of the text, the last at its end, and each of
/// the others is taken at the first place where it fits. A segment covers a fixed number of characters, so the first
/// place is never worse than a later one and nothing is tried twice: a segment without `?` and variables is found in
/// linear time, the others in their length times that of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// Never empty. One segment alone is a pattern without a star.
    segments: Vec<Segment>,
}

/// What stands between two stars.
type Segment = Vec<Token>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// This text.
    Text(Box<str>),
    /// Any one character.
    One,
    /// The value that the request has, taken literally. A request without the value matches nothing.
    Variable(Variable),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Variable {
    key: ConditionKey,
    default: Option<Box<str>>,
}

/// What has a meaning besides itself in the text of a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Syntax {
    wildcards: bool,
    variables: bool,
}

impl Pattern {
    /// A pattern in which `*` and `?` are wildcards, and nothing else has a meaning.
    pub(crate) fn glob(text: &str) -> Self {
        Self::parse(text, Syntax { wildcards: true, variables: false })
    }

    /// A pattern with wildcards and policy variables.
    pub(crate) fn glob_with_variables(text: &str) -> Self {
        Self::parse(text, Syntax { wildcards: true, variables: true })
    }

    /// A text without wildcards.
    pub(crate) fn literal(text: &str) -> Self {
        Self::parse(text, Syntax { wildcards: false, variables: false })
    }

    /// A text without wildcards, but with policy variables.
    pub(crate) fn literal_with_variables(text: &str) -> Self {
        Self::parse(text, Syntax { wildcards: false, variables: true })
    }

    fn parse(text: &str, syntax: Syntax) -> Self {
        let mut pattern = Self { segments: vec![Segment::new()] };
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if syntax.variables
                && let Some((variable, after)) = rest.strip_prefix("${").and_then(|inside| inside.split_once('}'))
            {
                pattern.push_variable(variable);
                rest = after;
                continue;
            }
            match character {
                '*' if syntax.wildcards => pattern.push_star(),
                '?' if syntax.wildcards => pattern.push(Token::One),
                _ => pattern.push_text(&rest[..character.len_utf8()]),
            }
            rest = &rest[character.len_utf8()..];
        }
        pattern
    }

    /// `${*}`, `${?}` and `${$}` stand for the characters themselves; the rest is a key and perhaps a default.
    fn push_variable(&mut self, inside: &str) {
        if matches!(inside, "*" | "?" | "$") {
            return self.push_text(inside);
        }
        let (key, default) = match inside.split_once(',') {
            Some((key, default)) => (key, quoted(default)),
            None => (inside, None),
        };
        self.push(Token::Variable(Variable { key: ConditionKey::parse(key.trim()), default }));
    }

    fn push(&mut self, token: Token) {
        self.segments.last_mut().expect("a pattern always has a segment").push(token);
    }

    fn push_text(&mut self, text: &str) {
        let segment = self.segments.last_mut().expect("a pattern always has a segment");
        match segment.last_mut() {
            Some(Token::Text(before)) => *before = format!("{before}{text}").into(),
            _ => segment.push(Token::Text(text.into())),
        }
    }

    /// Stars beside each other are one.
    fn push_star(&mut self) {
        let repeated = self.segments.len() > 1 && self.segments.last().is_some_and(Vec::is_empty);
        if !repeated {
            self.segments.push(Segment::new());
        }
    }

    /// Whether it matches every text.
    pub(crate) fn is_star(&self) -> bool {
        self.segments.len() == 2 && self.segments.iter().all(Vec::is_empty)
    }

    /// Whether it has no wildcard, and no variable that a request fills.
    pub(crate) fn is_fixed(&self) -> bool {
        let is_text = |token: &Token| matches!(token, Token::Text(_));
        self.segments.len() == 1 && self.segments[0].iter().all(is_text)
    }

    /// The text before the first wildcard or variable, and whether that is all.
    pub(crate) fn literal_head(&self) -> &str {
        match self.segments[0].first() {
            Some(Token::Text(text)) => text,
            _ => "",
        }
    }

    /// The pattern for what follows `prefix`, when the pattern starts with it literally.
    pub(crate) fn without_prefix(&self, prefix: &str) -> Option<Self> {
        let rest: Box<str> = self.literal_head().strip_prefix(prefix)?.into();
        let mut without = self.clone();
        if rest.is_empty() {
            without.segments[0].remove(0);
        } else {
            without.segments[0][0] = Token::Text(rest);
        }
        Some(without)
    }

    /// The conditions keys whose values it needs.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &ConditionKey> {
        self.segments.iter().flatten().filter_map(|token| match token {
            Token::Variable(variable) => Some(&variable.key),
            Token::Text(_) | Token::One => None,
        })
    }

    /// Whether `text` matches.
    pub(crate) fn matches(&self, text: &str, context: &dyn Context) -> bool {
        let (first, others) = self.segments.split_first().expect("a pattern always has a segment");
        let Some(text) = strip_start(text, first, context) else { return false };
        let Some((last, between)) = others.split_last() else { return text.is_empty() };
        let Some(mut text) = strip_end(text, last, context) else { return false };
        between.iter().all(|segment| match strip_through(text, segment, context) {
            Some(rest) => {
                text = rest;
                true
            }
            None => false,
        })
    }

    /// Whether `text`, but for the case of its letters, is this pattern, which has no wildcards.
    pub(crate) fn equals_ignoring_case(&self, text: &str, context: &dyn Context) -> bool {
        let mut expected = String::new();
        for token in self.segments.iter().flatten() {
            match token {
                Token::Text(literal) => expected.push_str(literal),
                Token::One => expected.push('?'),
                Token::Variable(variable) => match variable.value(context) {
                    Some(value) => expected.push_str(&value),
                    None => return false,
                },
            }
        }
        let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
        expected.eq_ignore_ascii_case(text) || lower(&expected) == lower(text)
    }
}

/// The default of a variable, which stands in single quotes.
fn quoted(text: &str) -> Option<Box<str>> {
    text.trim().strip_prefix('\'')?.strip_suffix('\'').map(Into::into)
}

impl Variable {
    fn value<'a>(&'a self, context: &'a dyn Context) -> Option<Cow<'a, str>> {
        context.values(&self.key).into_single_text().or_else(|| self.default.as_deref().map(Cow::Borrowed))
    }
}

fn strip_start<'t>(text: &'t str, segment: &[Token], context: &dyn Context) -> Option<&'t str> {
    segment.iter().try_fold(text, |rest, token| match token {
        Token::Text(literal) => rest.strip_prefix(&**literal),
        Token::One => strip_one(rest),
        Token::Variable(variable) => rest.strip_prefix(&*variable.value(context)?),
    })
}

fn strip_end<'t>(text: &'t str, segment: &[Token], context: &dyn Context) -> Option<&'t str> {
    segment.iter().rev().try_fold(text, |rest, token| match token {
        Token::Text(literal) => rest.strip_suffix(&**literal),
        Token::One => rest.char_indices().next_back().map(|(at, _)| &rest[..at]),
        Token::Variable(variable) => rest.strip_suffix(&*variable.value(context)?),
    })
}

/// What follows the first place in `text` where `segment` fits.
fn strip_through<'t>(text: &'t str, segment: &[Token], context: &dyn Context) -> Option<&'t str> {
    let mut rest = text;
    loop {
        if let Some(Token::Text(literal)) = segment.first() {
            rest = &rest[rest.find(&**literal)?..];
        }
        if let Some(after) = strip_start(rest, segment, context) {
            return Some(after);
        }
        rest = strip_one(rest)?;
    }
}

fn strip_one(text: &str) -> Option<&str> {
    text.chars().next().map(|character| &text[character.len_utf8()..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::{NoContext, Value, Values};
    use proptest::prelude::*;

    struct OneUser(&'static str);

    impl Context for OneUser {
        fn values(&self, key: &ConditionKey) -> Values<'_> {
            match key {
                ConditionKey::Username => Values::One(Value::Text(self.0.into())),
                _ => Values::Missing,
            }
        }
    }

    #[test]
    fn wildcards_stand_for_characters() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "anything/at:all", true),
            ("a*", "abc", true),
            ("a*", "ba", false),
            ("*c", "abc", true),
            ("a*c", "ac", true),
            ("a*ca", "aca", true),
            ("ab*ba", "aba", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?c", "aäc", true),
            ("?*?", "ä", false),
            ("?*?", "äö", true),
            ("*a*b*c*", "xxaxxbxxcxx", true),
            ("*a*b*c*", "xxaxxcxxbxx", false),
            ("*a?b*", "aab-axb", true),
            ("photos/*/2024/*.jpg", "photos/a/b/2024/x.jpg", true),
            ("photos/*/2024/*.jpg", "photos/2024/x.jpg", false),
            ("Photos", "photos", false),
        ] {
            assert_eq!(Pattern::glob(pattern).matches(text, &NoContext), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn variables_stand_for_values_taken_literally() {
        for (pattern, user, text, expected) in [
            ("home/${aws:username}/*", "ann", "home/ann/x", true),
            ("home/${aws:username}/*", "ann", "home/bob/x", false),
            ("home/${AWS:UserName}", "ann", "home/ann", true),
            ("home/${aws:username}/*", "*", "home/bob/x", false),
            ("home/${aws:username}/*", "*", "home/*/x", true),
            ("*${aws:username}*", "ann", "xxannxx", true),
            ("*${aws:username}", "ann", "annann", true),
            ("home/${aws:userid}", "ann", "home/", false),
            ("home/${aws:userid, 'nobody'}", "ann", "home/nobody", true),
            ("home/${aws:userid,nobody}", "ann", "home/nobody", false),
            ("a${*}b${?}c${$}", "ann", "a*b?c$", true),
            ("a${*}b", "ann", "axxb", false),
            ("a${aws:username", "ann", "a${aws:username", true),
        ] {
            let found = Pattern::glob_with_variables(pattern).matches(text, &OneUser(user));
            assert_eq!(found, expected, "{pattern} {user} {text}");
        }
        assert!(Pattern::glob("${aws:username}").matches("${aws:username}", &OneUser("ann")));
        assert!(Pattern::literal_with_variables("A-${aws:username}").equals_ignoring_case("a-ANN", &OneUser("ann")));
        assert!(Pattern::literal("STRASSE Ä").equals_ignoring_case("strasse ä", &NoContext));
    }

    #[test]
    fn prefixes_are_taken_off_only_where_they_are_literal() {
        let rest = |pattern: &str| Pattern::glob(pattern).without_prefix("arn:aws:s3:::");
        assert_eq!(rest("arn:aws:s3:::b/*"), Some(Pattern::glob("b/*")));
        assert_eq!(rest("arn:aws:s3:::*"), Some(Pattern::glob("*")));
        assert_eq!(rest("arn:*:s3:::b"), None);
        assert_eq!(rest("*"), None);
    }

    /// The same question answered by a table of all pairs of prefixes.
    fn oracle(pattern: &[char], text: &[char]) -> bool {
        let mut row = vec![false; text.len() + 1];
        row[0] = true;
        for token in pattern {
            let before = row.clone();
            row[0] = before[0] && *token == '*';
            for at in 0..text.len() {
                row[at + 1] = match token {
                    '*' => before[at + 1] || row[at],
                    '?' => before[at],
                    literal => before[at] && *literal == text[at],
                };
            }
        }
        row[text.len()]
    }

    proptest! {
        #[test]
        fn wildcards_match_what_a_table_of_prefixes_matches(pattern in "[abä*?]{0,12}", text in "[abä]{0,12}") {
            let characters = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = oracle(&characters(&pattern), &characters(&text));
            prop_assert_eq!(Pattern::glob(&pattern).matches(&text, &NoContext), expected);
        }

        #[test]
        fn variables_match_as_if_their_value_stood_there(
            before in "[ab*?]{0,4}", value in "[ab]{0,3}", after in "[ab*?]{0,4}", text in "[ab]{0,8}",
        ) {
            let value: &'static str = value.leak();
            let pattern = Pattern::glob_with_variables(&format!("{before}${{aws:username}}{after}"));
            let plain = Pattern::glob(&format!("{before}{value}{after}"));
            prop_assert_eq!(pattern.matches(&text, &OneUser(value)), plain.matches(&text, &NoContext));
        }
    }

    #[test]
    fn many_stars_do_not_explode() {
        // With backtracking into every star this takes longer than the universe has.
        let pattern = Pattern::glob(&"*a?a".repeat(200));
        assert!(!pattern.matches(&"a".repeat(599), &NoContext));
        let pattern = Pattern::glob(&format!("{}b", "*a".repeat(500)));
        assert!(!pattern.matches(&"a".repeat(1024), &NoContext));
    }
}
