//! Names of identities as policies write them.

/// The ARN of an entity of IAM; `path` begins and ends with a slash.
pub(crate) fn of(account: &str, kind: &str, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:{kind}{path}{name}")
}

/// The account and the name in `arn`, which is of an entity called `kind`; the path is not checked.
pub(crate) fn parse<'a>(arn: &'a str, kind: &str) -> Option<(&'a str, &'a str)> {
    let (account, rest) = arn.strip_prefix("arn:aws:iam::")?.split_once(':')?;
    let path_and_name = rest.strip_prefix(kind)?.strip_prefix('/')?;
    let name = path_and_name.rsplit('/').next().filter(|name| !name.is_empty())?;
    Some((account, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_read_back() {
        let arn = of("123456789012", "policy", "/team/", "Read");
        assert_eq!(arn, "arn:aws:iam::123456789012:policy/team/Read");
        assert_eq!(parse(&arn, "policy"), Some(("123456789012", "Read")));
        assert_eq!(parse("arn:aws:iam::aws:policy/Read", "policy"), Some(("aws", "Read")));
        for text in ["", "Read", "arn:aws:iam::1:role/Read", "arn:aws:iam::1:policy/", "arn:aws:s3:::b"] {
            assert_eq!(parse(text, "policy"), None, "{text}");
        }
    }
}
