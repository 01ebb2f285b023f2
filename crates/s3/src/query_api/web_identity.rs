//! AssumeRoleWithWebIdentity: a role for whom another identity provider knows.

use std::collections::BTreeMap;
use std::time::Duration;

use iam::condition::{ConditionKey, Context, Value, Values};
use iam::{AccessRequest, Action, Decision, IdentityPolicies, Policy, Principal, Resource, ResourcePolicies, evaluate};
use identity::{Provider, Role, SessionOrder, SessionSubject};

use super::call::{Call, CallContext};
use super::error::{CallError, Result};
use super::session::{check_duration, find_role, session_name, write_credential, write_role_user};
use crate::federation::{Claims, Token};
use crate::xml::Writer;

/// How long a session lasts if nothing is said.
const SECONDS: u32 = 3600;

/// The claim that has tags for the session (IAM user guide, "Passing session tags using AssumeRoleWithWebIdentity").
const TAGS: &str = "https://aws.amazon.com/tags";

/// AssumeRoleWithWebIdentity. Nobody has signed the call: the token is the proof.
pub(super) async fn assume_role(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let parameters = &call.parameters;
    let arn = parameters.required("RoleArn")?;
    let session_name = session_name(call)?;
    let token = Token::parse(parameters.required("WebIdentityToken")?)?;
    let (account, role) = find_role(call, Action::AssumeRoleWithWebIdentity, arn).await?;
    let provider = trusted_provider(call, &account, &token.claims).await?;
    call.frontend.issuers.verify(&provider.url, &token).await?;
    let audience = check_claims(call, &provider, &token.claims)?;
    let subject = token.claims.text("sub").ok_or_else(|| CallError::bad_web_token("The token has no subject."))?;
    let tags = session_tags(&token.claims)?;
    check_trust(call, &role, &provider, &token.claims, &tags)?;
    let seconds = check_duration(parameters.number("DurationSeconds")?.unwrap_or(SECONDS), role.session_seconds_max)?;
    let order = SessionOrder {
        subject: SessionSubject::Role { account, name: role.name.clone(), session_name: session_name.clone() },
        duration: Duration::from_secs(seconds.into()),
        policy: parameters.owned("Policy"),
        policy_arns: parameters.members("PolicyArns", "arn"),
        tags,
        source_identity: None,
        provider: Some(provider.arn.clone()),
    };
    let credential = call.directory().begin_session(order).await?;
    write_credential(document, &credential);
    document.text("SubjectFromWebIdentityToken", subject);
    write_role_user(document, &role, &session_name);
    document.text("Provider", &provider.arn);
    document.text("Audience", &audience);
    Ok(())
}

/// The provider of the role's account that has issued the token, if it tells the truth.
async fn trusted_provider(call: &Call<'_>, account: &str, claims: &Claims) -> Result<Provider> {
    let issuer = claims.text("iss").ok_or_else(|| CallError::bad_web_token("The token has no issuer."))?;
    match call.directory().provider_of_issuer(account.to_owned(), issuer.to_owned()).await {
        Ok(provider) => Ok(provider),
        Err(identity::Error::NoSuchEntity { .. }) => {
            Err(CallError::bad_web_token(format!("No OpenIDConnect provider found in your account for {issuer}")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Checks that the token is for one of the provider's clients, and of now. Returns the client.
fn check_claims(call: &Call<'_>, provider: &Provider, claims: &Claims) -> Result<String> {
    let now = call.frontend.env.clock.now().0 / 1000;
    let expires =
        claims.seconds("exp").ok_or_else(|| CallError::bad_web_token("The token does not say when it ends."))?;
    if expires <= now {
        return Err(CallError::expired_web_token());
    }
    if claims.seconds("nbf").is_some_and(|begins| now < begins) {
        return Err(CallError::bad_web_token("The token is not valid yet."));
    }
    let own = |client: &&str| provider.client_ids.iter().any(|own| own == client);
    let audience = claims.texts("aud").into_iter().find(own).map(str::to_owned);
    audience.ok_or_else(|| CallError::bad_web_token("Incorrect token audience"))
}

/// The tags that the token gives the session.
fn session_tags(claims: &Claims) -> Result<BTreeMap<String, String>> {
    let Some(tags) = claims.value(TAGS).and_then(|tags| tags.get("principal_tags")) else { return Ok(BTreeMap::new()) };
    let malformed = || CallError::bad_web_token("The tags in the token are malformed.");
    let one = |(key, values): (&String, &serde_json::Value)| {
        let value = values.as_str().or_else(|| values.as_array()?.first()?.as_str());
        value.map(|value| (key.clone(), value.to_owned())).ok_or_else(malformed)
    };
    tags.as_object().ok_or_else(malformed)?.iter().map(one).collect()
}

/// Whether the role lets in whom the provider vouches for.
fn check_trust(
    call: &Call<'_>,
    role: &Role,
    provider: &Provider,
    claims: &Claims,
    tags: &BTreeMap<String, String>,
) -> Result<()> {
    let trust = Policy::of_role(&role.trust).map_err(identity::Error::from)?;
    let principal = Principal::federated(&provider.arn, claims.text("sub").unwrap_or_default());
    let address = provider.arn.split_once(":oidc-provider/").map_or("", |(_, address)| address);
    let context = ClaimsContext { call: call.context(&role.tags), claims, address, tags };
    let mut actions = vec![Action::AssumeRoleWithWebIdentity];
    actions.extend((!tags.is_empty()).then_some(Action::TagSession));
    for action in actions {
        let asked =
            AccessRequest { principal: &principal, action, resource: Resource::Arn(&role.arn), context: &context };
        let resource = ResourcePolicies::of_role("", &trust);
        if let Decision::Denied(_) = evaluate(&asked, &IdentityPolicies::default(), Some(&resource)) {
            return Err(CallError::denied(format!("Not authorized to perform {}", action.name())));
        }
    }
    Ok(())
}

/// A call as trust policies see it, with what the token says: `issuer:claim`.
struct ClaimsContext<'a> {
    call: CallContext<'a>,
    claims: &'a Claims,
    /// The issuer without its scheme.
    address: &'a str,
    tags: &'a BTreeMap<String, String>,
}

impl Context for ClaimsContext<'_> {
    fn values(&self, key: &ConditionKey) -> Values<'_> {
        let many = |texts: Vec<&str>| {
            Values::Many(texts.into_iter().map(|text| Value::Text(text.to_owned().into())).collect())
        };
        match key {
            ConditionKey::Other(name) => {
                let issuer = format!("{}:", self.address.to_ascii_lowercase());
                let wanted = name.strip_prefix(&issuer);
                let found =
                    self.claims.names().find(|own| wanted.is_some_and(|wanted| own.eq_ignore_ascii_case(wanted)));
                match found.map(|own| self.claims.texts(own)).unwrap_or_default().as_slice() {
                    [] => Values::Missing,
                    [one] => Values::One(Value::Text((*one).to_owned().into())),
                    texts => many(texts.to_vec()),
                }
            }
            ConditionKey::RequestTag(name) => {
                let found = self.tags.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
                Values::of_text(found.map(|(_, value)| value.as_str()))
            }
            ConditionKey::TagKeys => many(self.tags.keys().map(String::as_str).collect()),
            key => self.call.values(key),
        }
    }
}
