//! The actions that policies speak of, and on what each of them acts.

/// On what an action acts, which decides the resources that a statement may give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionResource {
    /// An object, or the objects of a key pattern.
    Object,
    /// A bucket.
    Bucket,
    /// The whole account, or something that is neither a bucket nor an object.
    Other,
}

/// Declares [`Action`], its names and what each acts on, in one place.
macro_rules! actions {
    ($($resource:ident { $($variant:ident $name:literal,)* })*) => {
        /// An action as policies name it (Service Authorization Reference, "Actions defined by Amazon S3", IAM, STS).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the name beside each action in the table documents it")]
        pub enum Action { $($($variant,)*)* }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)*)*];

            /// The name with its service, `s3:GetObject`.
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$variant => $name,)*)* }
            }

            /// What it acts on.
            pub const fn resource(self) -> ActionResource {
                match self { $($(Self::$variant => ActionResource::$resource,)*)* }
            }
        }
    };
}

actions! {
    Object {
        AbortMultipartUpload "s3:AbortMultipartUpload",
        BypassGovernanceRetention "s3:BypassGovernanceRetention",
        DeleteObject "s3:DeleteObject",
        DeleteObjectAnnotation "s3:DeleteObjectAnnotation",
        DeleteObjectTagging "s3:DeleteObjectTagging",
        DeleteObjectVersion "s3:DeleteObjectVersion",
        DeleteObjectVersionAnnotation "s3:DeleteObjectVersionAnnotation",
        DeleteObjectVersionTagging "s3:DeleteObjectVersionTagging",
        GetObject "s3:GetObject",
        GetObjectAcl "s3:GetObjectAcl",
        GetObjectAnnotation "s3:GetObjectAnnotation",
        GetObjectAttributes "s3:GetObjectAttributes",
        GetObjectLegalHold "s3:GetObjectLegalHold",
        GetObjectRetention "s3:GetObjectRetention",
        GetObjectTagging "s3:GetObjectTagging",
        GetObjectTorrent "s3:GetObjectTorrent",
        GetObjectVersion "s3:GetObjectVersion",
        GetObjectVersionAcl "s3:GetObjectVersionAcl",
        GetObjectVersionAnnotation "s3:GetObjectVersionAnnotation",
        GetObjectVersionAttributes "s3:GetObjectVersionAttributes",
        GetObjectVersionForReplication "s3:GetObjectVersionForReplication",
        GetObjectVersionTagging "s3:GetObjectVersionTagging",
        GetObjectVersionTorrent "s3:GetObjectVersionTorrent",
        InitiateReplication "s3:InitiateReplication",
        ListMultipartUploadParts "s3:ListMultipartUploadParts",
        ListObjectAnnotations "s3:ListObjectAnnotations",
        ListObjectVersionAnnotations "s3:ListObjectVersionAnnotations",
        ObjectOwnerOverrideToBucketOwner "s3:ObjectOwnerOverrideToBucketOwner",
        PutObject "s3:PutObject",
        PutObjectAcl "s3:PutObjectAcl",
        PutObjectAnnotation "s3:PutObjectAnnotation",
        PutObjectLegalHold "s3:PutObjectLegalHold",
        PutObjectRetention "s3:PutObjectRetention",
        PutObjectTagging "s3:PutObjectTagging",
        PutObjectVersionAcl "s3:PutObjectVersionAcl",
        PutObjectVersionAnnotation "s3:PutObjectVersionAnnotation",
        PutObjectVersionTagging "s3:PutObjectVersionTagging",
        ReplicateDelete "s3:ReplicateDelete",
        ReplicateObject "s3:ReplicateObject",
        ReplicateTags "s3:ReplicateTags",
        RestoreObject "s3:RestoreObject",
        UpdateObjectEncryption "s3:UpdateObjectEncryption",
        WriteGetObjectResponse "s3-object-lambda:WriteGetObjectResponse",
    }
    Bucket {
        CreateBucket "s3:CreateBucket",
        CreateBucketMetadataTableConfiguration "s3:CreateBucketMetadataTableConfiguration",
        CreateSession "s3express:CreateSession",
        DeleteBucket "s3:DeleteBucket",
        DeleteBucketMetadataTableConfiguration "s3:DeleteBucketMetadataTableConfiguration",
        DeleteBucketPolicy "s3:DeleteBucketPolicy",
        DeleteBucketWebsite "s3:DeleteBucketWebsite",
        GetAccelerateConfiguration "s3:GetAccelerateConfiguration",
        GetAnalyticsConfiguration "s3:GetAnalyticsConfiguration",
        GetBucketAbac "s3:GetBucketAbac",
        GetBucketAcl "s3:GetBucketAcl",
        GetBucketCors "s3:GetBucketCORS",
        GetBucketLocation "s3:GetBucketLocation",
        GetBucketLogging "s3:GetBucketLogging",
        GetBucketMetadataTableConfiguration "s3:GetBucketMetadataTableConfiguration",
        GetBucketNotification "s3:GetBucketNotification",
        GetBucketObjectLockConfiguration "s3:GetBucketObjectLockConfiguration",
        GetBucketOwnershipControls "s3:GetBucketOwnershipControls",
        GetBucketPolicy "s3:GetBucketPolicy",
        GetBucketPolicyStatus "s3:GetBucketPolicyStatus",
        GetBucketPublicAccessBlock "s3:GetBucketPublicAccessBlock",
        GetBucketRequestPayment "s3:GetBucketRequestPayment",
        GetBucketTagging "s3:GetBucketTagging",
        GetBucketVersioning "s3:GetBucketVersioning",
        GetBucketWebsite "s3:GetBucketWebsite",
        GetEncryptionConfiguration "s3:GetEncryptionConfiguration",
        GetIntelligentTieringConfiguration "s3:GetIntelligentTieringConfiguration",
        GetInventoryConfiguration "s3:GetInventoryConfiguration",
        GetLifecycleConfiguration "s3:GetLifecycleConfiguration",
        GetMetricsConfiguration "s3:GetMetricsConfiguration",
        GetReplicationConfiguration "s3:GetReplicationConfiguration",
        ListBucket "s3:ListBucket",
        ListBucketMultipartUploads "s3:ListBucketMultipartUploads",
        ListBucketVersions "s3:ListBucketVersions",
        ListTagsForResource "s3:ListTagsForResource",
        PutAccelerateConfiguration "s3:PutAccelerateConfiguration",
        PutAnalyticsConfiguration "s3:PutAnalyticsConfiguration",
        PutBucketAbac "s3:PutBucketAbac",
        PutBucketAcl "s3:PutBucketAcl",
        PutBucketCors "s3:PutBucketCORS",
        PutBucketLogging "s3:PutBucketLogging",
        PutBucketNotification "s3:PutBucketNotification",
        PutBucketObjectLockConfiguration "s3:PutBucketObjectLockConfiguration",
        PutBucketOwnershipControls "s3:PutBucketOwnershipControls",
        PutBucketPolicy "s3:PutBucketPolicy",
        PutBucketPublicAccessBlock "s3:PutBucketPublicAccessBlock",
        PutBucketRequestPayment "s3:PutBucketRequestPayment",
        PutBucketTagging "s3:PutBucketTagging",
        PutBucketVersioning "s3:PutBucketVersioning",
        PutBucketWebsite "s3:PutBucketWebsite",
        PutEncryptionConfiguration "s3:PutEncryptionConfiguration",
        PutIntelligentTieringConfiguration "s3:PutIntelligentTieringConfiguration",
        PutInventoryConfiguration "s3:PutInventoryConfiguration",
        PutLifecycleConfiguration "s3:PutLifecycleConfiguration",
        PutMetricsConfiguration "s3:PutMetricsConfiguration",
        PutReplicationConfiguration "s3:PutReplicationConfiguration",
        TagResource "s3:TagResource",
        UntagResource "s3:UntagResource",
        UpdateBucketMetadataAnnotationTableConfiguration "s3:UpdateBucketMetadataAnnotationTableConfiguration",
        UpdateBucketMetadataInventoryTableConfiguration "s3:UpdateBucketMetadataInventoryTableConfiguration",
        UpdateBucketMetadataJournalTableConfiguration "s3:UpdateBucketMetadataJournalTableConfiguration",
    }
    Other {
        AssociateAccessGrantsIdentityCenter "s3:AssociateAccessGrantsIdentityCenter",
        CreateAccessGrant "s3:CreateAccessGrant",
        CreateAccessGrantsInstance "s3:CreateAccessGrantsInstance",
        CreateAccessGrantsLocation "s3:CreateAccessGrantsLocation",
        CreateAccessPoint "s3:CreateAccessPoint",
        CreateAccessPointForObjectLambda "s3:CreateAccessPointForObjectLambda",
        CreateJob "s3:CreateJob",
        CreateMultiRegionAccessPoint "s3:CreateMultiRegionAccessPoint",
        CreateStorageLensGroup "s3:CreateStorageLensGroup",
        DeleteAccessGrant "s3:DeleteAccessGrant",
        DeleteAccessGrantsInstance "s3:DeleteAccessGrantsInstance",
        DeleteAccessGrantsInstanceResourcePolicy "s3:DeleteAccessGrantsInstanceResourcePolicy",
        DeleteAccessGrantsLocation "s3:DeleteAccessGrantsLocation",
        DeleteAccessPoint "s3:DeleteAccessPoint",
        DeleteAccessPointForObjectLambda "s3:DeleteAccessPointForObjectLambda",
        DeleteAccessPointPolicy "s3:DeleteAccessPointPolicy",
        DeleteAccessPointPolicyForObjectLambda "s3:DeleteAccessPointPolicyForObjectLambda",
        DeleteJobTagging "s3:DeleteJobTagging",
        DeleteMultiRegionAccessPoint "s3:DeleteMultiRegionAccessPoint",
        DeleteStorageLensConfiguration "s3:DeleteStorageLensConfiguration",
        DeleteStorageLensConfigurationTagging "s3:DeleteStorageLensConfigurationTagging",
        DeleteStorageLensGroup "s3:DeleteStorageLensGroup",
        DescribeJob "s3:DescribeJob",
        DescribeMultiRegionAccessPointOperation "s3:DescribeMultiRegionAccessPointOperation",
        DissociateAccessGrantsIdentityCenter "s3:DissociateAccessGrantsIdentityCenter",
        GetAccessGrant "s3:GetAccessGrant",
        GetAccessGrantsInstance "s3:GetAccessGrantsInstance",
        GetAccessGrantsInstanceForPrefix "s3:GetAccessGrantsInstanceForPrefix",
        GetAccessGrantsInstanceResourcePolicy "s3:GetAccessGrantsInstanceResourcePolicy",
        GetAccessGrantsLocation "s3:GetAccessGrantsLocation",
        GetAccessPoint "s3:GetAccessPoint",
        GetAccessPointConfigurationForObjectLambda "s3:GetAccessPointConfigurationForObjectLambda",
        GetAccessPointForObjectLambda "s3:GetAccessPointForObjectLambda",
        GetAccessPointPolicy "s3:GetAccessPointPolicy",
        GetAccessPointPolicyForObjectLambda "s3:GetAccessPointPolicyForObjectLambda",
        GetAccessPointPolicyStatus "s3:GetAccessPointPolicyStatus",
        GetAccessPointPolicyStatusForObjectLambda "s3:GetAccessPointPolicyStatusForObjectLambda",
        GetAccountPublicAccessBlock "s3:GetAccountPublicAccessBlock",
        GetDataAccess "s3:GetDataAccess",
        GetJobTagging "s3:GetJobTagging",
        GetMultiRegionAccessPoint "s3:GetMultiRegionAccessPoint",
        GetMultiRegionAccessPointPolicy "s3:GetMultiRegionAccessPointPolicy",
        GetMultiRegionAccessPointPolicyStatus "s3:GetMultiRegionAccessPointPolicyStatus",
        GetMultiRegionAccessPointRoutes "s3:GetMultiRegionAccessPointRoutes",
        GetStorageLensConfiguration "s3:GetStorageLensConfiguration",
        GetStorageLensConfigurationTagging "s3:GetStorageLensConfigurationTagging",
        GetStorageLensDashboard "s3:GetStorageLensDashboard",
        GetStorageLensGroup "s3:GetStorageLensGroup",
        ListAccessGrants "s3:ListAccessGrants",
        ListAccessGrantsInstances "s3:ListAccessGrantsInstances",
        ListAccessGrantsLocations "s3:ListAccessGrantsLocations",
        ListAccessPoints "s3:ListAccessPoints",
        ListAccessPointsForObjectLambda "s3:ListAccessPointsForObjectLambda",
        ListAllMyBuckets "s3:ListAllMyBuckets",
        ListAllMyDirectoryBuckets "s3express:ListAllMyDirectoryBuckets",
        ListCallerAccessGrants "s3:ListCallerAccessGrants",
        ListJobs "s3:ListJobs",
        ListMultiRegionAccessPoints "s3:ListMultiRegionAccessPoints",
        ListStorageLensConfigurations "s3:ListStorageLensConfigurations",
        ListStorageLensGroups "s3:ListStorageLensGroups",
        PauseReplication "s3:PauseReplication",
        PutAccessGrantsInstanceResourcePolicy "s3:PutAccessGrantsInstanceResourcePolicy",
        PutAccessPointConfigurationForObjectLambda "s3:PutAccessPointConfigurationForObjectLambda",
        PutAccessPointPolicy "s3:PutAccessPointPolicy",
        PutAccessPointPolicyForObjectLambda "s3:PutAccessPointPolicyForObjectLambda",
        PutAccessPointPublicAccessBlock "s3:PutAccessPointPublicAccessBlock",
        PutAccountPublicAccessBlock "s3:PutAccountPublicAccessBlock",
        PutJobTagging "s3:PutJobTagging",
        PutMultiRegionAccessPointPolicy "s3:PutMultiRegionAccessPointPolicy",
        PutStorageLensConfiguration "s3:PutStorageLensConfiguration",
        PutStorageLensConfigurationTagging "s3:PutStorageLensConfigurationTagging",
        SubmitMultiRegionAccessPointRoutes "s3:SubmitMultiRegionAccessPointRoutes",
        UpdateAccessGrantsLocation "s3:UpdateAccessGrantsLocation",
        UpdateJobPriority "s3:UpdateJobPriority",
        UpdateJobStatus "s3:UpdateJobStatus",
        UpdateStorageLensGroup "s3:UpdateStorageLensGroup",
        AddClientIdToOpenIdConnectProvider "iam:AddClientIDToOpenIDConnectProvider",
        AddUserToGroup "iam:AddUserToGroup",
        AttachGroupPolicy "iam:AttachGroupPolicy",
        AttachRolePolicy "iam:AttachRolePolicy",
        AttachUserPolicy "iam:AttachUserPolicy",
        CreateAccessKey "iam:CreateAccessKey",
        CreateGroup "iam:CreateGroup",
        CreateOpenIdConnectProvider "iam:CreateOpenIDConnectProvider",
        CreatePolicy "iam:CreatePolicy",
        CreatePolicyVersion "iam:CreatePolicyVersion",
        CreateRole "iam:CreateRole",
        CreateUser "iam:CreateUser",
        DeleteAccessKey "iam:DeleteAccessKey",
        DeleteGroup "iam:DeleteGroup",
        DeleteGroupPolicy "iam:DeleteGroupPolicy",
        DeleteOpenIdConnectProvider "iam:DeleteOpenIDConnectProvider",
        DeletePolicy "iam:DeletePolicy",
        DeletePolicyVersion "iam:DeletePolicyVersion",
        DeleteRole "iam:DeleteRole",
        DeleteRolePermissionsBoundary "iam:DeleteRolePermissionsBoundary",
        DeleteRolePolicy "iam:DeleteRolePolicy",
        DeleteUser "iam:DeleteUser",
        DeleteUserPermissionsBoundary "iam:DeleteUserPermissionsBoundary",
        DeleteUserPolicy "iam:DeleteUserPolicy",
        DetachGroupPolicy "iam:DetachGroupPolicy",
        DetachRolePolicy "iam:DetachRolePolicy",
        DetachUserPolicy "iam:DetachUserPolicy",
        GetAccessKeyLastUsed "iam:GetAccessKeyLastUsed",
        GetAccountSummary "iam:GetAccountSummary",
        GetGroup "iam:GetGroup",
        GetGroupPolicy "iam:GetGroupPolicy",
        GetOpenIdConnectProvider "iam:GetOpenIDConnectProvider",
        GetPolicy "iam:GetPolicy",
        GetPolicyVersion "iam:GetPolicyVersion",
        GetRole "iam:GetRole",
        GetRolePolicy "iam:GetRolePolicy",
        GetUser "iam:GetUser",
        GetUserPolicy "iam:GetUserPolicy",
        ListAccessKeys "iam:ListAccessKeys",
        ListAttachedGroupPolicies "iam:ListAttachedGroupPolicies",
        ListAttachedRolePolicies "iam:ListAttachedRolePolicies",
        ListAttachedUserPolicies "iam:ListAttachedUserPolicies",
        ListEntitiesForPolicy "iam:ListEntitiesForPolicy",
        ListGroupPolicies "iam:ListGroupPolicies",
        ListGroups "iam:ListGroups",
        ListGroupsForUser "iam:ListGroupsForUser",
        ListOpenIdConnectProviders "iam:ListOpenIDConnectProviders",
        ListPolicies "iam:ListPolicies",
        ListPolicyVersions "iam:ListPolicyVersions",
        ListRolePolicies "iam:ListRolePolicies",
        ListRoleTags "iam:ListRoleTags",
        ListRoles "iam:ListRoles",
        ListUserPolicies "iam:ListUserPolicies",
        ListUserTags "iam:ListUserTags",
        ListUsers "iam:ListUsers",
        PassRole "iam:PassRole",
        PutGroupPolicy "iam:PutGroupPolicy",
        PutRolePermissionsBoundary "iam:PutRolePermissionsBoundary",
        PutRolePolicy "iam:PutRolePolicy",
        PutUserPermissionsBoundary "iam:PutUserPermissionsBoundary",
        PutUserPolicy "iam:PutUserPolicy",
        RemoveClientIdFromOpenIdConnectProvider "iam:RemoveClientIDFromOpenIDConnectProvider",
        RemoveUserFromGroup "iam:RemoveUserFromGroup",
        SetDefaultPolicyVersion "iam:SetDefaultPolicyVersion",
        TagRole "iam:TagRole",
        TagUser "iam:TagUser",
        UntagRole "iam:UntagRole",
        UntagUser "iam:UntagUser",
        UpdateAccessKey "iam:UpdateAccessKey",
        UpdateAssumeRolePolicy "iam:UpdateAssumeRolePolicy",
        UpdateGroup "iam:UpdateGroup",
        UpdateOpenIdConnectProviderThumbprint "iam:UpdateOpenIDConnectProviderThumbprint",
        UpdateRole "iam:UpdateRole",
        UpdateRoleDescription "iam:UpdateRoleDescription",
        UpdateUser "iam:UpdateUser",
        AssumeRole "sts:AssumeRole",
        AssumeRoleWithSaml "sts:AssumeRoleWithSAML",
        AssumeRoleWithWebIdentity "sts:AssumeRoleWithWebIdentity",
        GetCallerIdentity "sts:GetCallerIdentity",
        GetFederationToken "sts:GetFederationToken",
        GetSessionToken "sts:GetSessionToken",
        SetSourceIdentity "sts:SetSourceIdentity",
        TagSession "sts:TagSession",
    }
}

/// Words of 64 bits that hold one bit for every action.
const WORDS: usize = Action::ALL.len().div_ceil(64);

/// A set of actions: what the patterns of a statement name, found once when the statement is parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ActionSet([u64; WORDS]);

impl ActionSet {
    /// The actions whose names match `pattern`, in which `*` and `?` are wildcards and letter case means nothing.
    pub(crate) fn matching(pattern: &str) -> Self {
        let pattern = crate::policy::Pattern::glob(&pattern.to_ascii_lowercase());
        let mut set = Self::default();
        for action in Action::ALL {
            if pattern.matches(&action.name().to_ascii_lowercase(), &crate::condition::NoContext) {
                set.insert(*action);
            }
        }
        set
    }

    /// Adds `action`.
    pub(crate) fn insert(&mut self, action: Action) {
        let number = action as usize;
        self.0[number / 64] |= 1 << (number % 64);
    }

    /// Adds what `other` has.
    pub(crate) fn extend(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(word, more)| *word |= more);
    }

    /// All actions but these.
    pub(crate) fn complement(&self) -> Self {
        let mut others = Self::default();
        Action::ALL.iter().filter(|action| !self.contains(**action)).for_each(|action| others.insert(*action));
        others
    }

    /// Whether `action` is in it.
    pub(crate) fn contains(&self, action: Action) -> bool {
        let number = action as usize;
        self.0[number / 64] >> (number % 64) & 1 == 1
    }

    /// Its actions in the order of the table.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Action> + '_ {
        Action::ALL.iter().copied().filter(|action| self.contains(*action))
    }
}

#[cfg(test)]
mod tests;
