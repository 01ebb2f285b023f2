//! Condition keys.

/// Declares [`ConditionKey`] and the names of its variants in one place.
macro_rules! keys {
    (plain { $($variant:ident $name:literal,)* } tagged { $($tagged:ident $prefix:literal,)* }) => {
        /// What a condition or a policy variable asks a request for (IAM user guide, "Global condition context keys";
        /// Service Authorization Reference, "Condition keys for Amazon S3").
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the name beside each key in the table documents it")]
        pub enum ConditionKey {
            $($variant,)*
            $($tagged(Box<str>),)*
            /// A key that this table lacks, in lower case: those of identity providers for example.
            Other(Box<str>),
        }

        impl ConditionKey {
            /// Every key that has no tag in its name.
            pub const PLAIN: &'static [Self] = &[$(Self::$variant,)*];

            /// Reads a name. Letter case means nothing, but in the tag behind a slash it may.
            pub fn parse(name: &str) -> Self {
                let family = |prefix: &str| {
                    let head = name.get(..prefix.len())?;
                    head.eq_ignore_ascii_case(prefix).then(|| &name[prefix.len()..]).filter(|tag| !tag.is_empty())
                };
                $(if name.eq_ignore_ascii_case($name) { return Self::$variant; })*
                $(if let Some(tag) = family($prefix) { return Self::$tagged(tag.into()); })*
                Self::Other(name.to_ascii_lowercase().into())
            }

            /// The name as AWS writes it.
            pub fn name(&self) -> String {
                match self {
                    $(Self::$variant => $name.to_owned(),)*
                    $(Self::$tagged(tag) => format!(concat!($prefix, "{}"), tag),)*
                    Self::Other(name) => name.to_string(),
                }
            }
        }
    };
}

keys! {
    plain {
        CalledVia "aws:CalledVia",
        CalledViaFirst "aws:CalledViaFirst",
        CalledViaLast "aws:CalledViaLast",
        CurrentTime "aws:CurrentTime",
        EpochTime "aws:EpochTime",
        FederatedProvider "aws:FederatedProvider",
        MultiFactorAuthAge "aws:MultiFactorAuthAge",
        MultiFactorAuthPresent "aws:MultiFactorAuthPresent",
        PrincipalAccount "aws:PrincipalAccount",
        PrincipalArn "aws:PrincipalArn",
        PrincipalIsAwsService "aws:PrincipalIsAWSService",
        PrincipalOrgId "aws:PrincipalOrgID",
        PrincipalOrgPaths "aws:PrincipalOrgPaths",
        PrincipalServiceName "aws:PrincipalServiceName",
        PrincipalServiceNamesList "aws:PrincipalServiceNamesList",
        PrincipalType "aws:PrincipalType",
        Referer "aws:Referer",
        RequestedRegion "aws:RequestedRegion",
        AccountOfResource "aws:ResourceAccount",
        ResourceOrgId "aws:ResourceOrgID",
        ResourceOrgPaths "aws:ResourceOrgPaths",
        SecureTransport "aws:SecureTransport",
        SourceAccount "aws:SourceAccount",
        SourceArn "aws:SourceArn",
        SourceIdentity "aws:SourceIdentity",
        SourceIp "aws:SourceIp",
        SourceOrgId "aws:SourceOrgID",
        SourceOrgPaths "aws:SourceOrgPaths",
        SourceOwner "aws:SourceOwner",
        SourceVpc "aws:SourceVpc",
        SourceVpcArn "aws:SourceVpcArn",
        SourceVpce "aws:SourceVpce",
        TagKeys "aws:TagKeys",
        TokenIssueTime "aws:TokenIssueTime",
        UserAgent "aws:UserAgent",
        UserId "aws:userid",
        Username "aws:username",
        ViaAwsService "aws:ViaAWSService",
        VpcSourceIp "aws:VpcSourceIp",
        AccessPointNetworkOrigin "s3:AccessPointNetworkOrigin",
        AuthType "s3:authType",
        DataAccessPointAccount "s3:DataAccessPointAccount",
        DataAccessPointArn "s3:DataAccessPointArn",
        Delimiter "s3:delimiter",
        DestinationRegion "s3:destinationRegion",
        IfMatch "s3:if-match",
        IfNoneMatch "s3:if-none-match",
        InventoryAccessibleOptionalFields "s3:InventoryAccessibleOptionalFields",
        LocationConstraint "s3:LocationConstraint",
        MaxKeys "s3:max-keys",
        ObjectCreationOperation "s3:ObjectCreationOperation",
        ObjectLockLegalHold "s3:object-lock-legal-hold",
        ObjectLockMode "s3:object-lock-mode",
        ObjectLockRemainingRetentionDays "s3:object-lock-remaining-retention-days",
        ObjectLockRetainUntilDate "s3:object-lock-retain-until-date",
        Prefix "s3:prefix",
        RequestObjectTagKeys "s3:RequestObjectTagKeys",
        ResourceAccount "s3:ResourceAccount",
        SignatureAge "s3:signatureAge",
        SignatureVersion "s3:signatureversion",
        TlsVersion "s3:TlsVersion",
        VersionId "s3:VersionId",
        Acl "s3:x-amz-acl",
        ContentSha256 "s3:x-amz-content-sha256",
        CopySource "s3:x-amz-copy-source",
        GrantFullControl "s3:x-amz-grant-full-control",
        GrantRead "s3:x-amz-grant-read",
        GrantReadAcp "s3:x-amz-grant-read-acp",
        GrantWrite "s3:x-amz-grant-write",
        GrantWriteAcp "s3:x-amz-grant-write-acp",
        MetadataDirective "s3:x-amz-metadata-directive",
        ObjectOwnership "s3:x-amz-object-ownership",
        ServerSideEncryption "s3:x-amz-server-side-encryption",
        ServerSideEncryptionKmsKeyId "s3:x-amz-server-side-encryption-aws-kms-key-id",
        ServerSideEncryptionCustomerAlgorithm "s3:x-amz-server-side-encryption-customer-algorithm",
        StorageClass "s3:x-amz-storage-class",
        WebsiteRedirectLocation "s3:x-amz-website-redirect-location",
        RoleSessionName "sts:RoleSessionName",
        ExternalId "sts:ExternalId",
        TransitiveTagKeys "sts:TransitiveTagKeys",
        PolicyArn "iam:PolicyARN",
        PermissionsBoundary "iam:PermissionsBoundary",
        PassedToService "iam:PassedToService",
    }
    tagged {
        PrincipalTag "aws:PrincipalTag/",
        RequestTag "aws:RequestTag/",
        ResourceTag "aws:ResourceTag/",
        BucketTag "s3:BucketTag/",
        ExistingObjectTag "s3:ExistingObjectTag/",
        RequestObjectTag "s3:RequestObjectTag/",
    }
}

impl ConditionKey {
    /// Whether fixed values of this key confine who may come in, so that what they guard is not public (S3 user guide,
    /// "The meaning of public").
    pub(super) fn confines(&self) -> bool {
        matches!(
            self,
            Self::PrincipalAccount
                | Self::PrincipalArn
                | Self::PrincipalOrgId
                | Self::SourceIp
                | Self::SourceArn
                | Self::SourceVpc
                | Self::SourceVpce
                | Self::SourceOwner
                | Self::SourceAccount
                | Self::UserId
                | Self::DataAccessPointAccount
                | Self::DataAccessPointArn
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_in_any_case() {
        for key in ConditionKey::PLAIN {
            assert_eq!(ConditionKey::parse(&key.name().to_uppercase()), *key);
        }
        for (name, expected) in [
            ("aws:sourceip", ConditionKey::SourceIp),
            ("s3:existingobjecttag/Color", ConditionKey::ExistingObjectTag("Color".into())),
            ("aws:PrincipalTag/a/b", ConditionKey::PrincipalTag("a/b".into())),
            ("aws:PrincipalTag/", ConditionKey::Other("aws:principaltag/".into())),
            ("s3:versionid", ConditionKey::VersionId),
            ("Issuer.example.com:Aud", ConditionKey::Other("issuer.example.com:aud".into())),
        ] {
            assert_eq!(ConditionKey::parse(name), expected, "{name}");
        }
    }
}
