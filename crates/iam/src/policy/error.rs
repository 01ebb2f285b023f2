//! What is wrong with a policy document.

/// Why a policy was refused. The messages are those that AWS gives, as far as they are known: S3 answers them with
/// `MalformedPolicy`, IAM with `MalformedPolicyDocument`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not JSON, or a member of an object is there twice.
    #[error("This policy contains invalid Json")]
    InvalidJson,
    /// No object at all.
    #[error("Policies must be valid JSON and the first byte must be '{{'")]
    NotAnObject,
    /// Longer than its kind may be.
    #[error("Policy exceeds the maximum allowed document size.")]
    TooLong,
    /// An element has the wrong JSON type.
    #[error("Invalid policy syntax.")]
    Syntax,
    /// A version that does not exist.
    #[error("The policy must contain a valid version string")]
    BadVersion,
    /// No statement at all.
    #[error("Could not parse the policy: Statement is empty!")]
    NoStatement,
    /// An element without which nothing can be decided, or the complement of one that is there as well.
    #[error("Missing required field {0}")]
    MissingField(&'static str),
    /// An element that nobody knows: it could be meant as a restriction.
    #[error("Unknown field {0}")]
    UnknownField(String),
    /// An element that this kind of policy has not.
    #[error("Has prohibited field {0}")]
    ProhibitedField(&'static str),
    /// Principals in a policy that belongs to one.
    #[error("Policy document should not specify a principal.")]
    PrincipalNotAllowed,
    /// Neither `Allow` nor `Deny`.
    #[error("Invalid effect: {0}")]
    BadEffect(String),
    /// An action that does not exist, or that has no service in front.
    #[error("Policy has invalid action")]
    BadAction,
    /// An action of an identity's policy without its service.
    #[error("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")]
    NoVendor,
    /// An action of a role's trust policy that has nothing to do with taking it.
    #[error("AssumeRole policy may only specify STS AssumeRole actions.")]
    NotSts,
    /// A resource outside the bucket that the policy belongs to.
    #[error("Policy has invalid resource")]
    BadResource,
    /// A resource of an identity's policy that is no ARN.
    #[error("Resource {0} must be in ARN format or \"*\".")]
    NotAnArn(String),
    /// No resource of the statement is of the kind that the action acts on.
    #[error("Action does not apply to any resource(s) in statement")]
    ActionDoesNotApply,
    /// A principal of no known form.
    #[error("Invalid principal in policy")]
    BadPrincipal,
    /// Everybody but somebody would be let in.
    #[error("Allow with NotPrincipal is not allowed.")]
    AllowNotPrincipal,
    /// An operator that does not exist.
    #[error("Invalid Condition type : {0}")]
    BadOperator(String),
    /// A key that does not exist.
    #[error("Policy has an invalid condition key")]
    BadConditionKey,
    /// A value that its operator cannot compare.
    #[error("Conditions have an invalid value for key {0}")]
    BadConditionValue(String),
    /// Two statements of one name.
    #[error("Statement IDs (SID) in a single policy must be unique.")]
    DuplicateSid,
}
