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

    /// The account called `name`. Its ids follow from the name, so that they survive a change of keys.
    pub(crate) fn named(name: &str) -> Self {
        let digest = Sha256::digest(format!("stonecrop account {name}"));
        let canonical_id = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let leading = digest[..8].iter().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
        let account_id = format!("{:012}", leading % 1_000_000_000_000);
        Self { canonical_id, display_name: name.to_owned(), account_id }
    }

    /// The 64 hexadecimal digits that `Owner/ID` shows.
    pub fn canonical_id(&self) -> &str {
        &self.canonical_id
    }

    /// The name that `Owner/DisplayName` shows.
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
