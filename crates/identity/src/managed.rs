//! Managed policies that every account finds, by the names that AWS gives them.

/// A policy that the server brings along.
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    pub(crate) id: &'static str,
    pub(crate) description: &'static str,
    pub(crate) document: &'static str,
}

/// When all of them were made.
pub(crate) const CREATED: u64 = 1_423_248_000_000;

/// By name.
pub(crate) const ALL: [Builtin; 6] = [
    Builtin {
        name: "AdministratorAccess",
        id: "ANPAADMINISTRATORACC",
        description: "Provides full access to all actions and resources.",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    },
    Builtin {
        name: "AmazonS3FullAccess",
        id: "ANPAAMAZONS3FULLACCE",
        description: "Provides full access to all buckets.",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","s3-object-lambda:*"],"Resource":"*"}]}"#,
    },
    Builtin {
        name: "AmazonS3ReadOnlyAccess",
        id: "ANPAAMAZONS3READONLY",
        description: "Provides read only access to all buckets.",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*","s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"],"Resource":"*"}]}"#,
    },
    Builtin {
        name: "IAMFullAccess",
        id: "ANPAIAMFULLACCESS000",
        description: "Provides full access to identities.",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:*"],"Resource":"*"}]}"#,
    },
    Builtin {
        name: "IAMReadOnlyAccess",
        id: "ANPAIAMREADONLYACCES",
        description: "Provides read only access to identities.",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:Get*","iam:List*"],"Resource":"*"}]}"#,
    },
    Builtin {
        name: "ReadOnlyAccess",
        id: "ANPAREADONLYACCESS00",
        description: "Provides read only access to buckets and identities.",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:Get*","iam:List*","s3:Get*","s3:List*"],"Resource":"*"}]}"#,
    },
];

/// The ARN of one of them.
pub(crate) fn arn(builtin: &Builtin) -> String {
    crate::arn::of("aws", "policy", "/", builtin.name)
}

/// The one with this ARN.
pub(crate) fn find(arn_wanted: &str) -> Option<&'static Builtin> {
    let (account, name) = crate::arn::parse(arn_wanted, "policy")?;
    let found = ALL.iter().find(|builtin| builtin.name == name)?;
    (account == "aws" && arn(found) == arn_wanted).then_some(found)
}

#[cfg(test)]
mod tests {
    use iam::{Policy, PolicyLimit};

    use super::*;

    #[test]
    fn all_of_them_are_policies_in_order_of_name() {
        for builtin in &ALL {
            Policy::of_identity(builtin.document, PolicyLimit::Managed).unwrap();
            assert_eq!(find(&arn(builtin)).unwrap().name, builtin.name);
        }
        assert!(ALL.is_sorted_by_key(|builtin| builtin.name));
        assert!(find("arn:aws:iam::aws:policy/Nothing").is_none());
        assert!(find("arn:aws:iam::123456789012:policy/ReadOnlyAccess").is_none());
    }
}
