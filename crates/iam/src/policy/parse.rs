//! Reading policy documents (IAM user guide, "Grammar of the IAM JSON policy language").

use super::json::Json;
use super::resource::{Coverage, ResourcePattern, Resources};
use super::{Effect, Policy, PolicyError, Principals, Statement, Version, principal};
use crate::action::{ActionResource, ActionSet};
use crate::condition::{Condition, ConditionKey, Operator};

/// How long a policy may be, by where it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyLimit {
    /// A managed policy: 6,144 characters.
    Managed,
    /// All policies within one user: 2,048.
    InUser,
    /// All policies within one group: 5,120.
    InGroup,
    /// All policies within one role: 10,240.
    InRole,
    /// Given to STS with a request: 2,048.
    Session,
}

/// Longest policy of a bucket, in bytes.
const BUCKET_POLICY_SIZE_MAX: usize = 20 * 1024;

/// Longest policy that says who may take a role, in characters other than white space.
const TRUST_POLICY_LENGTH_MAX: usize = 2048;

impl PolicyLimit {
    /// The limit in characters; white space does not count.
    pub const fn length_max(self) -> usize {
        match self {
            Self::Managed => 6144,
            Self::InUser | Self::Session => 2048,
            Self::InGroup => 5120,
            Self::InRole => 10_240,
        }
    }
}

/// To what a policy belongs, which decides what it may and must say.
#[derive(Clone, Copy)]
enum Owner<'a> {
    Identity,
    Bucket(&'a str),
    Role,
}

impl Policy {
    /// Reads the policy of an identity, or one that limits it.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] that says what is wrong.
    pub fn of_identity(text: &str, limit: PolicyLimit) -> Result<Self, PolicyError> {
        check_length(text, limit.length_max())?;
        parse(text, Owner::Identity)
    }

    /// Reads the policy of the bucket called `bucket`.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] that says what is wrong.
    pub fn of_bucket(text: &str, bucket: &str) -> Result<Self, PolicyError> {
        if BUCKET_POLICY_SIZE_MAX < text.len() {
            return Err(PolicyError::TooLong);
        }
        parse(text, Owner::Bucket(bucket))
    }

    /// Reads the policy that says who may take a role.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] that says what is wrong.
    pub fn of_role(text: &str) -> Result<Self, PolicyError> {
        check_length(text, TRUST_POLICY_LENGTH_MAX)?;
        parse(text, Owner::Role)
    }
}

fn check_length(text: &str, length_max: usize) -> Result<(), PolicyError> {
    let length = text.chars().filter(|character| !character.is_whitespace()).count();
    if length <= length_max { Ok(()) } else { Err(PolicyError::TooLong) }
}

fn parse(text: &str, owner: Owner<'_>) -> Result<Policy, PolicyError> {
    if !text.trim_start().starts_with('{') {
        return Err(PolicyError::NotAnObject);
    }
    let document = Json::parse(text).ok_or(PolicyError::InvalidJson)?;
    let members = document.as_object().ok_or(PolicyError::NotAnObject)?;
    let fields = Fields::of(members, &["Version", "Id", "Statement"])?;
    let version = match fields.text("Version")? {
        None | Some("2008-10-17") => Version::Oldest,
        Some("2012-10-17") => Version::Newest,
        Some(_) => return Err(PolicyError::BadVersion),
    };
    let statements = fields.get("Statement").ok_or(PolicyError::MissingField("Statement"))?;
    let statements = statements.elements();
    if statements.is_empty() {
        return Err(PolicyError::NoStatement);
    }
    let reader = Reader { owner, version };
    let statements: Vec<_> = statements.iter().map(|json| reader.statement(json)).collect::<Result<_, _>>()?;
    reader.check_sids(&statements)?;
    Ok(Policy { id: fields.text("Id")?.map(str::to_owned), statements })
}

/// The members of an object of which all names are known.
struct Fields<'a>(&'a [(String, Json)]);

impl<'a> Fields<'a> {
    fn of(members: &'a [(String, Json)], known: &[&str]) -> Result<Self, PolicyError> {
        match members.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(PolicyError::UnknownField(name.clone())),
            None => Ok(Self(members)),
        }
    }

    fn get(&self, name: &str) -> Option<&'a Json> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, PolicyError> {
        self.get(name).map(|value| value.as_text().ok_or(PolicyError::Syntax)).transpose()
    }

    /// An element or its complement, of which exactly one must be there.
    fn either(&self, name: &'static str, complement: &'static str) -> Result<Either<'a>, PolicyError> {
        match (self.get(name), self.get(complement)) {
            (Some(value), None) => Ok(Either::Only(value)),
            (None, Some(value)) => Ok(Either::AllBut(value)),
            (None, None) => Err(PolicyError::MissingField(name)),
            (Some(_), Some(_)) => Err(PolicyError::Syntax),
        }
    }
}

/// The value of an element, or of its complement.
enum Either<'a> {
    Only(&'a Json),
    AllBut(&'a Json),
}

/// Reads the statements of one document.
struct Reader<'a> {
    owner: Owner<'a>,
    version: Version,
}

const STATEMENT_FIELDS: [&str; 9] =
    ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

impl Reader<'_> {
    fn statement(&self, json: &Json) -> Result<Statement, PolicyError> {
        let fields = Fields::of(json.as_object().ok_or(PolicyError::Syntax)?, &STATEMENT_FIELDS)?;
        let effect = match fields.text("Effect")? {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            Some(other) => return Err(PolicyError::BadEffect(other.to_owned())),
            None => return Err(PolicyError::MissingField("Effect")),
        };
        let principals = self.principals(&fields, effect)?;
        let (resources, coverage) = self.resources(&fields)?;
        let actions = self.actions(&fields, coverage)?;
        let conditions = fields.get("Condition").map(|json| self.conditions(json)).transpose()?.unwrap_or_default();
        let sid = fields.text("Sid")?.map(str::to_owned);
        Ok(Statement { sid, effect, principals, actions, resources, conditions })
    }

    fn principals(&self, fields: &Fields<'_>, effect: Effect) -> Result<Option<Principals>, PolicyError> {
        let there = fields.get("Principal").or(fields.get("NotPrincipal")).is_some();
        if matches!(self.owner, Owner::Identity) {
            return if there { Err(PolicyError::PrincipalNotAllowed) } else { Ok(None) };
        }
        match fields.either("Principal", "NotPrincipal")? {
            Either::Only(json) => principal::parse(json).map(|entries| Some(Principals::Only(entries))),
            Either::AllBut(_) if effect == Effect::Allow => Err(PolicyError::AllowNotPrincipal),
            Either::AllBut(json) => principal::parse(json).map(|entries| Some(Principals::AllBut(entries))),
        }
    }

    /// The resources of a statement, and in a bucket's policy of what kind they are.
    fn resources(&self, fields: &Fields<'_>) -> Result<(Resources, Coverage), PolicyError> {
        let everything = Coverage { bucket: true, objects: true };
        if matches!(self.owner, Owner::Role) {
            let there = fields.get("Resource").or(fields.get("NotResource")).is_some();
            return if there {
                Err(PolicyError::ProhibitedField("Resource"))
            } else {
                Ok((Resources::Own, everything))
            };
        }
        match fields.either("Resource", "NotResource")? {
            Either::Only(json) => self.patterns(json).map(|(patterns, coverage)| (Resources::Only(patterns), coverage)),
            Either::AllBut(json) => self.patterns(json).map(|(patterns, _)| (Resources::AllBut(patterns), everything)),
        }
    }

    fn patterns(&self, json: &Json) -> Result<(Vec<ResourcePattern>, Coverage), PolicyError> {
        let texts = json.texts().ok_or(PolicyError::Syntax)?;
        if texts.is_empty() {
            return Err(PolicyError::MissingField("Resource"));
        }
        let mut covered = Coverage::default();
        let mut patterns = Vec::with_capacity(texts.len());
        for text in texts {
            let pattern = match self.owner {
                Owner::Bucket(bucket) => {
                    let (pattern, coverage) = ResourcePattern::parse_in_bucket(text, bucket, self.version)?;
                    covered.bucket |= coverage.bucket;
                    covered.objects |= coverage.objects;
                    pattern
                }
                Owner::Identity | Owner::Role => ResourcePattern::parse(text, self.version)?,
            };
            patterns.push(pattern);
        }
        Ok((patterns, covered))
    }

    fn actions(&self, fields: &Fields<'_>, coverage: Coverage) -> Result<ActionSet, PolicyError> {
        let (json, all_but) = match fields.either("Action", "NotAction")? {
            Either::Only(json) => (json, false),
            Either::AllBut(json) => (json, true),
        };
        let texts = json.texts().ok_or(PolicyError::Syntax)?;
        if texts.is_empty() {
            return Err(PolicyError::MissingField("Action"));
        }
        let mut named = ActionSet::default();
        for text in texts {
            let set = ActionSet::matching(text);
            self.check_action(text, &set)?;
            if !all_but && !self.apply(&set, coverage) {
                return Err(PolicyError::ActionDoesNotApply);
            }
            named.extend(set);
        }
        Ok(if all_but { named.complement() } else { named })
    }

    /// Other services may have actions that are unknown here, but a bucket has none of those.
    fn check_action(&self, text: &str, set: &ActionSet) -> Result<(), PolicyError> {
        match self.owner {
            Owner::Bucket(_) if set.iter().any(|action| action.name().starts_with("s3")) => Ok(()),
            Owner::Bucket(_) => Err(PolicyError::BadAction),
            Owner::Role if set.iter().any(|action| !action.name().starts_with("sts:")) => Err(PolicyError::NotSts),
            Owner::Identity | Owner::Role => {
                let prefaced =
                    text.split_once(':').is_some_and(|(service, name)| !service.is_empty() && !name.is_empty());
                if text == "*" || prefaced { Ok(()) } else { Err(PolicyError::NoVendor) }
            }
        }
    }

    /// Whether some resource of the statement is of the kind that one of the actions acts on.
    fn apply(&self, actions: &ActionSet, coverage: Coverage) -> bool {
        let Owner::Bucket(_) = self.owner else { return true };
        actions.iter().any(|action| match action.resource() {
            ActionResource::Bucket => coverage.bucket,
            ActionResource::Object => coverage.objects,
            ActionResource::Other => false,
        })
    }

    fn conditions(&self, json: &Json) -> Result<Vec<Condition>, PolicyError> {
        let mut conditions = Vec::new();
        for (name, keys) in json.as_object().ok_or(PolicyError::Syntax)? {
            let operator = Operator::parse(name).ok_or_else(|| PolicyError::BadOperator(name.clone()))?;
            for (key, expected) in keys.as_object().ok_or(PolicyError::Syntax)? {
                let expected: Option<Vec<String>> = expected.elements().iter().map(expected_text).collect();
                let expected = expected.filter(|texts| !texts.is_empty()).ok_or(PolicyError::Syntax)?;
                let condition = Condition::compile(operator, key, &expected, self.version)?;
                self.check_key(condition.key())?;
                conditions.push(condition);
            }
        }
        Ok(conditions)
    }

    /// A key that a bucket's policy can never meet would be a restriction that does not act.
    fn check_key(&self, key: &ConditionKey) -> Result<(), PolicyError> {
        let unknown = matches!(key, ConditionKey::Other(_));
        match self.owner {
            Owner::Bucket(_) if unknown => Err(PolicyError::BadConditionKey),
            Owner::Bucket(_) | Owner::Identity | Owner::Role => Ok(()),
        }
    }

    fn check_sids(&self, statements: &[Statement]) -> Result<(), PolicyError> {
        let mut sids: Vec<_> = statements.iter().filter_map(|statement| statement.sid.as_deref()).collect();
        sids.retain(|sid| !sid.is_empty());
        sids.sort_unstable();
        let repeated = sids.windows(2).any(|pair| pair[0] == pair[1]);
        // Buckets have always taken what IAM refuses.
        let refused = repeated && matches!(self.owner, Owner::Identity | Owner::Role);
        if refused { Err(PolicyError::DuplicateSid) } else { Ok(()) }
    }
}

/// What a condition expects may be written without quotes when it is a number or boolean.
fn expected_text(json: &Json) -> Option<String> {
    match json {
        Json::Text(text) | Json::Bare(text) => Some(text.clone()),
        Json::Null | Json::List(_) | Json::Object(_) => None,
    }
}
