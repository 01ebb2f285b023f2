//! IAM and STS: calls of the Query protocol (IAM API reference; STS API reference), which clients send as forms to `/`.
//!
//! A call names its action in a parameter. The table below says for each which permission it needs, on what, and which
//! function answers it; [`Call::permit`] runs before every one of them. The functions decode parameters, ask the
//! [`identity::Directory`] once, and encode the answer, one family a file.

mod access_key;
mod account;
mod answer;
mod attachment;
mod call;
mod error;
mod group;
mod inline_policy;
mod parameters;
mod policy;
mod provider;
mod role;
mod session;
mod user;
mod web_identity;

use std::net::SocketAddr;

use axum::body::Body;
use http::Method;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use iam::Action;
use sha2::{Digest, Sha256};

use self::answer::{IAM_NAMESPACE, STS_NAMESPACE};
use self::call::{Call, Subject};
use self::error::{CallError, Result};
use self::parameters::Parameters;
use crate::access_log::AccessLog;
use crate::auth::{Payload, Service, Signature};
use crate::caller::Caller;
use crate::frontend::{Frontend, check_head};
use crate::response::Response;
use crate::uri::Query;
use crate::xml::Writer;

/// Most bytes in the form of a call.
const FORM_SIZE_MAX: usize = 256 * 1024;

/// The one action whose proof is no signature.
const UNSIGNED: &str = "AssumeRoleWithWebIdentity";

/// Whether a request about the service is a call of this protocol.
pub(crate) fn is_call(head: &Parts) -> bool {
    let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_form = kind.trim_start().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded");
    let names_action = head.uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("Action=")));
    match head.method {
        Method::POST => is_form || names_action,
        Method::GET => names_action,
        _ => false,
    }
}

/// Declares what each action is called, what it needs, on what, and which function answers it.
macro_rules! calls {
    ($($namespace:ident { $($name:literal => $module:ident :: $function:ident, $action:ident on $subject:ident;)* })*) => {
        /// Answers `call` of the action `name`.
        async fn run(call: &Call<'_>, name: &str) -> Result<String> {
            match name {
                $($($name => {
                    call.permit(Action::$action, Subject::$subject).await?;
                    let mut document = Writer::in_namespace(concat!($name, "Response"), $namespace);
                    document.open(concat!($name, "Result"));
                    $module::$function(call, &mut document).await?;
                    document.close();
                    Ok(answer::finish(document, &call.request_id))
                })*)*
                _ => Err(CallError::unknown_action(name)),
            }
        }

        /// The action called `name`, as logs and metrics know it.
        fn known_name(name: &str) -> Option<&'static str> {
            match name {
                $($($name => Some($name),)*)*
                _ => None,
            }
        }

        /// Every action with what it needs.
        #[cfg(test)]
        const ALL: &[(&str, Action)] = &[$($(($name, Action::$action),)*)*];
    };
}

calls! {
    IAM_NAMESPACE {
        "CreateUser" => user::create_user, CreateUser on NewUser;
        "GetUser" => user::get_user, GetUser on User;
        "UpdateUser" => user::update_user, UpdateUser on User;
        "DeleteUser" => user::delete_user, DeleteUser on User;
        "ListUsers" => user::list_users, ListUsers on UsersBelow;
        "TagUser" => user::tag_user, TagUser on User;
        "UntagUser" => user::untag_user, UntagUser on User;
        "ListUserTags" => user::list_user_tags, ListUserTags on User;
        "PutUserPermissionsBoundary" => user::put_boundary, PutUserPermissionsBoundary on User;
        "DeleteUserPermissionsBoundary" => user::delete_boundary, DeleteUserPermissionsBoundary on User;
        "CreateAccessKey" => access_key::create_access_key, CreateAccessKey on User;
        "UpdateAccessKey" => access_key::update_access_key, UpdateAccessKey on User;
        "DeleteAccessKey" => access_key::delete_access_key, DeleteAccessKey on User;
        "ListAccessKeys" => access_key::list_access_keys, ListAccessKeys on User;
        "GetAccessKeyLastUsed" => access_key::get_access_key_last_used, GetAccessKeyLastUsed on KeyHolder;
        "CreateGroup" => group::create_group, CreateGroup on NewGroup;
        "GetGroup" => group::get_group, GetGroup on Group;
        "UpdateGroup" => group::update_group, UpdateGroup on Group;
        "DeleteGroup" => group::delete_group, DeleteGroup on Group;
        "ListGroups" => group::list_groups, ListGroups on GroupsBelow;
        "ListGroupsForUser" => group::list_groups_for_user, ListGroupsForUser on User;
        "AddUserToGroup" => group::add_user_to_group, AddUserToGroup on Group;
        "RemoveUserFromGroup" => group::remove_user_from_group, RemoveUserFromGroup on Group;
        "CreatePolicy" => policy::create_policy, CreatePolicy on NewPolicy;
        "GetPolicy" => policy::get_policy, GetPolicy on Policy;
        "DeletePolicy" => policy::delete_policy, DeletePolicy on Policy;
        "ListPolicies" => policy::list_policies, ListPolicies on PoliciesBelow;
        "CreatePolicyVersion" => policy::create_policy_version, CreatePolicyVersion on Policy;
        "GetPolicyVersion" => policy::get_policy_version, GetPolicyVersion on Policy;
        "DeletePolicyVersion" => policy::delete_policy_version, DeletePolicyVersion on Policy;
        "ListPolicyVersions" => policy::list_policy_versions, ListPolicyVersions on Policy;
        "SetDefaultPolicyVersion" => policy::set_default_policy_version, SetDefaultPolicyVersion on Policy;
        "ListEntitiesForPolicy" => policy::list_entities_for_policy, ListEntitiesForPolicy on Policy;
        "AttachUserPolicy" => attachment::attach_user_policy, AttachUserPolicy on User;
        "DetachUserPolicy" => attachment::detach_user_policy, DetachUserPolicy on User;
        "ListAttachedUserPolicies" => attachment::list_attached_user_policies, ListAttachedUserPolicies on User;
        "AttachGroupPolicy" => attachment::attach_group_policy, AttachGroupPolicy on Group;
        "DetachGroupPolicy" => attachment::detach_group_policy, DetachGroupPolicy on Group;
        "ListAttachedGroupPolicies" => attachment::list_attached_group_policies, ListAttachedGroupPolicies on Group;
        "AttachRolePolicy" => attachment::attach_role_policy, AttachRolePolicy on Role;
        "DetachRolePolicy" => attachment::detach_role_policy, DetachRolePolicy on Role;
        "ListAttachedRolePolicies" => attachment::list_attached_role_policies, ListAttachedRolePolicies on Role;
        "PutUserPolicy" => inline_policy::put_user_policy, PutUserPolicy on User;
        "GetUserPolicy" => inline_policy::get_user_policy, GetUserPolicy on User;
        "DeleteUserPolicy" => inline_policy::delete_user_policy, DeleteUserPolicy on User;
        "ListUserPolicies" => inline_policy::list_user_policies, ListUserPolicies on User;
        "PutGroupPolicy" => inline_policy::put_group_policy, PutGroupPolicy on Group;
        "GetGroupPolicy" => inline_policy::get_group_policy, GetGroupPolicy on Group;
        "DeleteGroupPolicy" => inline_policy::delete_group_policy, DeleteGroupPolicy on Group;
        "ListGroupPolicies" => inline_policy::list_group_policies, ListGroupPolicies on Group;
        "PutRolePolicy" => inline_policy::put_role_policy, PutRolePolicy on Role;
        "GetRolePolicy" => inline_policy::get_role_policy, GetRolePolicy on Role;
        "DeleteRolePolicy" => inline_policy::delete_role_policy, DeleteRolePolicy on Role;
        "ListRolePolicies" => inline_policy::list_role_policies, ListRolePolicies on Role;
        "CreateRole" => role::create_role, CreateRole on NewRole;
        "GetRole" => role::get_role, GetRole on Role;
        "UpdateRole" => role::update_role, UpdateRole on Role;
        "UpdateRoleDescription" => role::update_role_description, UpdateRoleDescription on Role;
        "UpdateAssumeRolePolicy" => role::update_assume_role_policy, UpdateAssumeRolePolicy on Role;
        "DeleteRole" => role::delete_role, DeleteRole on Role;
        "ListRoles" => role::list_roles, ListRoles on RolesBelow;
        "TagRole" => role::tag_role, TagRole on Role;
        "UntagRole" => role::untag_role, UntagRole on Role;
        "ListRoleTags" => role::list_role_tags, ListRoleTags on Role;
        "PutRolePermissionsBoundary" => role::put_boundary, PutRolePermissionsBoundary on Role;
        "DeleteRolePermissionsBoundary" => role::delete_boundary, DeleteRolePermissionsBoundary on Role;
        "CreateOpenIDConnectProvider" => provider::create_provider, CreateOpenIdConnectProvider on NewProvider;
        "GetOpenIDConnectProvider" => provider::get_provider, GetOpenIdConnectProvider on Provider;
        "ListOpenIDConnectProviders" => provider::list_providers, ListOpenIdConnectProviders on Everything;
        "DeleteOpenIDConnectProvider" => provider::delete_provider, DeleteOpenIdConnectProvider on Provider;
        "AddClientIDToOpenIDConnectProvider" => provider::add_client_id, AddClientIdToOpenIdConnectProvider on Provider;
        "RemoveClientIDFromOpenIDConnectProvider" => provider::remove_client_id, RemoveClientIdFromOpenIdConnectProvider on Provider;
        "UpdateOpenIDConnectProviderThumbprint" => provider::update_thumbprint, UpdateOpenIdConnectProviderThumbprint on Provider;
        "GetAccountSummary" => account::get_account_summary, GetAccountSummary on Everything;
    }
    STS_NAMESPACE {
        "GetCallerIdentity" => session::get_caller_identity, GetCallerIdentity on Oneself;
        "GetSessionToken" => session::get_session_token, GetSessionToken on Oneself;
        "AssumeRole" => session::assume_role, AssumeRole on RoleToTake;
        "AssumeRoleWithWebIdentity" => web_identity::assume_role, AssumeRoleWithWebIdentity on RoleToTake;
    }
}

impl Frontend {
    /// Answers a call. Always answers: what goes wrong becomes an error of this protocol.
    pub(crate) async fn answer_call(
        &self,
        head: Parts,
        body: Body,
        remote: Option<SocketAddr>,
        log: &mut AccessLog,
    ) -> Response {
        let request_id = log.request_id().to_owned();
        match self.perform_call(head, body, remote, log).await {
            Ok(document) => answer::respond(document),
            Err(error) => {
                log.set_error_code(error.known_code());
                error.answer(&request_id)
            }
        }
    }

    async fn perform_call(
        &self,
        head: Parts,
        body: Body,
        remote: Option<SocketAddr>,
        log: &mut AccessLog,
    ) -> Result<String> {
        check_head(&head)?;
        let query = Query::parse(head.uri.query().unwrap_or_default())?;
        let room = self.reserve_xml(FORM_SIZE_MAX).await?;
        let mut body = self.body(body, Payload::Unsigned, &head.headers, log.received())?;
        let body = body.read_bounded(FORM_SIZE_MAX).await?;
        let form = std::str::from_utf8(&body).map_err(|_| CallError::malformed("The form is not UTF-8."))?;
        let parameters = Parameters::new(&query, Query::parse(form)?);
        let signature = self.authenticate_call(&head, &query, &hex::encode(Sha256::digest(&body))).await?;
        drop(room);
        let caller = Caller::of(signature.as_ref());
        let name = parameters.required("Action")?.to_owned();
        log.set_operation(known_name(&name).unwrap_or("UnknownAction"), &caller);
        if signature.is_none() && name != UNSIGNED {
            return Err(CallError::unsigned());
        }
        let Parts { headers, .. } = head;
        let request_id = log.request_id().to_owned();
        let known = signature.map(|signature| signature.known);
        run(&Call { frontend: self, parameters, caller, known, headers, remote, request_id }, &name).await
    }

    /// Finds out who sent a call, and whether they signed all of it.
    async fn authenticate_call(&self, head: &Parts, query: &Query, body_hash: &str) -> Result<Option<Signature>> {
        let services = [Service::Iam, Service::Sts];
        let Some(claim) = self.authenticator.claim(head, query, &services)? else { return Ok(None) };
        let known = self.directory.find(claim.access_key(), claim.token()).await?.known;
        let (service, region) = (claim.service().unwrap_or(Service::Iam), claim.region().to_owned());
        let signature = self.authenticator.verify_whole(claim, head, query, body_hash, known.clone())?;
        self.note_use(&known, service, &region);
        Ok(Some(signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_needs_the_permission_of_its_name() {
        for (name, action) in ALL {
            let own = action.name().split_once(':').unwrap().1;
            assert_eq!(*name, own);
        }
    }

    #[test]
    fn calls_are_told_from_other_requests() {
        let head = |method: &str, uri: &str, kind: &str| {
            http::Request::builder().method(method).uri(uri).header(CONTENT_TYPE, kind).body(()).unwrap().into_parts().0
        };
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        assert!(is_call(&head("POST", "/", form)));
        assert!(is_call(&head("POST", "/?Action=GetCallerIdentity", "")));
        assert!(is_call(&head("GET", "/?Version=2011-06-15&Action=GetCallerIdentity", "")));
        assert!(!is_call(&head("GET", "/", form)));
        assert!(!is_call(&head("POST", "/", "multipart/form-data; boundary=x")));
        assert!(!is_call(&head("PUT", "/?Action=x", form)));
    }
}
