//! The account that owns buckets and objects.

use sha2::{Digest, Sha256};

/// An owner as S3 presents one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    canonical_id: String,
    display_name: String,
    account_id: String,
}

impl Account {
    /// The account of the root credential.
    pub fn root() -> Self {
        Self::named("root")
    }

    /// Owner of what nobody has signed for, by the id that AWS shows.
    pub fn anonymous() -> Self {
        Self {
            canonical_id: "65a011a29cdf8ec533ec3d1ccaae921c".to_owned(),
            display_name: String::new(),
            account_id: String::new(),
        }
    }

    /// The account called `name`. Its ids follow from the name, so that they survive a change of keys.
    pub fn named(name: &str) -> Self {
        let digest = Sha256::digest(format!("stonecrop account {name}"));
        let canonical_id: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let account_id = Self::account_id_of(&canonical_id).expect("a digest is an id");
        Self { canonical_id, display_name: name.to_owned(), account_id }
    }

    /// The account with this canonical id, 64 hexadecimal digits, and this name.
    pub fn new(canonical_id: &str, name: &str) -> Self {
        Self { display_name: name.to_owned(), ..Self::nameless(canonical_id) }
    }

    /// The twelve digits that belong to a canonical id; `None` for one that is not of this server.
    pub fn account_id_of(canonical_id: &str) -> Option<String> {
        let leading = canonical_id.get(..16).filter(|_| canonical_id.len() == 64)?;
        let leading = u64::from_str_radix(leading, 16).ok()?;
        Some(format!("{:012}", leading % 1_000_000_000_000))
    }

    /// The account with this canonical id, of which nothing else is known.
    pub fn nameless(canonical_id: &str) -> Self {
        let account_id = Self::account_id_of(canonical_id).unwrap_or_default();
        Self { canonical_id: canonical_id.to_owned(), display_name: String::new(), account_id }
    }

    /// The 64 hexadecimal digits that `Owner/ID` shows.
    pub fn canonical_id(&self) -> &str {
        &self.canonical_id
    }

    /// The name that `Owner/DisplayName` shows; empty when it is not known.
    pub fn display_name(&self) -> &str {
        &self.display_name
    }

    /// The twelve decimal digits that `x-amz-expected-bucket-owner` is compared with.
    pub fn account_id(&self) -> &str {
        &self.account_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_form_that_aws_gives_them() {
        let root = Account::root();
        assert_eq!(root.canonical_id().len(), 64);
        assert!(root.canonical_id().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(root.account_id().len(), 12);
        assert!(root.account_id().bytes().all(|byte| byte.is_ascii_digit()));
    }
}
