"""Users, groups, roles, policies, access keys and sessions through boto3's iam and sts clients and the aws CLI."""

import json
import os
import subprocess
import time
import urllib.request

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import botocore.httpsession
import pytest

from stonecrop import ACCESS_KEY, REGION, SECRET_KEY, Server, binary

CONFIG = botocore.config.Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})


class Identity:
    """Somebody who signs: makes clients of the three services."""

    def __init__(self, server, access_key, secret_key, token=None):
        self.server, self.access_key, self.secret_key, self.token = server, access_key, secret_key, token

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.server.endpoint,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            aws_session_token=self.token,
            config=CONFIG.merge(botocore.config.Config(signature_version="s3v4")) if service == "s3" else CONFIG,
        )

    @property
    def s3(self):
        return self.client("s3")

    @property
    def iam(self):
        return self.client("iam")

    @property
    def sts(self):
        return self.client("sts")

    def session(self, credentials):
        return Identity(self.server, credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"])

    def user(self, name, *statements, **more):
        """Makes a user with an inline policy and a key."""
        self.iam.create_user(UserName=name, **more)
        if statements:
            self.iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy(*statements))
        return self.key(name)

    def key(self, name):
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        return Identity(self.server, key["AccessKeyId"], key["SecretAccessKey"])


def statement(effect, actions, resources="*", **more):
    return {"Effect": effect, "Action": actions, "Resource": resources, **more}


def allow(actions, resources="*", **more):
    return statement("Allow", actions, resources, **more)


def deny(actions, resources="*", **more):
    return statement("Deny", actions, resources, **more)


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(principal, action="sts:AssumeRole", **more):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Principal": principal, **more}]})


def code(call, *arguments, **parameters):
    """The error code that a call ends with; `None` when it succeeds."""
    try:
        call(*arguments, **parameters)
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
    return None


@pytest.fixture(scope="module")
def identities(tmp_path_factory):
    """A server of its own: the suites on a shared cluster see no users."""
    server = Server(tmp_path_factory.mktemp("identities"), disks=4).start()
    yield server
    server.kill()


@pytest.fixture
def root(identities):
    return Identity(identities, ACCESS_KEY, SECRET_KEY)


@pytest.fixture
def name(request):
    """A name that no other test uses."""
    return request.node.name.removeprefix("test_")[:40].strip("_")


@pytest.fixture
def bucket(root, name):
    bucket = name.replace("_", "-")
    root.s3.create_bucket(Bucket=bucket)
    root.s3.put_object(Bucket=bucket, Key="key", Body=b"content")
    return bucket


def admin(server, *words, secret_key=SECRET_KEY):
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": secret_key}
    command = [str(binary()), "admin", "--endpoint", f"http://127.0.0.1:{server.admin_port}", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def account(server, name, *more):
    made = admin(server, "account", "create", name, "--json", *more)
    assert made.returncode == 0, made.stderr
    described = json.loads(made.stdout)
    return described, Identity(server, described["access_key"], described["secret_key"])


def test_a_user_without_policies_can_do_nothing(root, name, bucket):
    user = root.user(name)
    assert code(user.s3.list_buckets) == "AccessDenied"
    assert code(user.s3.list_objects_v2, Bucket=bucket) == "AccessDenied"
    assert code(user.s3.get_object, Bucket=bucket, Key="key") == "AccessDenied"
    assert code(user.s3.put_object, Bucket=bucket, Key="new", Body=b"") == "AccessDenied"
    assert code(user.s3.create_bucket, Bucket="not-" + bucket) == "AccessDenied"
    assert code(user.iam.list_users) == "AccessDenied"
    assert code(user.iam.create_access_key) == "AccessDenied"
    assert user.sts.get_caller_identity()["Arn"].endswith(f":user/{name}")


def test_policies_allow_and_a_denial_wins(root, name, bucket):
    user = root.user(name, allow("s3:*", ["arn:aws:s3:::*"]))
    assert user.s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"content"
    root.iam.put_user_policy(UserName=name, PolicyName="denial", PolicyDocument=policy(deny("s3:GetObject", f"arn:aws:s3:::{bucket}/*")))
    with pytest.raises(botocore.exceptions.ClientError, match=f"user/{name} is not authorized to perform: s3:GetObject .* explicit deny"):
        user.s3.get_object(Bucket=bucket, Key="key")
    user.s3.put_object(Bucket=bucket, Key="other", Body=b"")
    root.iam.delete_user_policy(UserName=name, PolicyName="denial")
    assert code(user.s3.get_object, Bucket=bucket, Key="key") is None


def test_who_makes_a_bucket_needs_the_permissions_for_what_it_is_to_have(root, name):
    user = root.user(name, allow("s3:CreateBucket"))
    bucket = name.replace("_", "-")[:50]
    for number, more in enumerate([{"ACL": "public-read"}, {"ObjectOwnership": "ObjectWriter"}, {"ObjectLockEnabledForBucket": True}, {"GrantRead": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'}]):
        assert code(user.s3.create_bucket, Bucket=f"{bucket}-{number}", **more) == "AccessDenied", more
        assert code(root.s3.head_bucket, Bucket=f"{bucket}-{number}") == "404"
    assert code(user.s3.create_bucket, Bucket=f"{bucket}-plain", ACL="private") is None


def test_policies_have_variables_and_conditions(root, name, bucket):
    own = f"arn:aws:s3:::{bucket}/${{aws:username}}/*"
    user = root.user(name, allow("s3:PutObject", own), allow("s3:ListBucket", Condition={"StringEquals": {"s3:prefix": f"{name}/"}}))
    assert code(user.s3.put_object, Bucket=bucket, Key=f"{name}/a", Body=b"") is None
    assert code(user.s3.put_object, Bucket=bucket, Key="other/a", Body=b"") == "AccessDenied"
    assert [entry["Key"] for entry in user.s3.list_objects_v2(Bucket=bucket, Prefix=f"{name}/")["Contents"]] == [f"{name}/a"]
    assert code(user.s3.list_objects_v2, Bucket=bucket) == "AccessDenied"


def test_groups_give_their_members_what_they_have(root, name, bucket):
    user = root.user(name)
    root.iam.create_group(GroupName=name)
    root.iam.put_group_policy(GroupName=name, PolicyName="read", PolicyDocument=policy(allow("s3:GetObject")))
    assert code(user.s3.get_object, Bucket=bucket, Key="key") == "AccessDenied"
    root.iam.add_user_to_group(GroupName=name, UserName=name)
    assert code(user.s3.get_object, Bucket=bucket, Key="key") is None
    assert code(user.s3.list_buckets) == "AccessDenied"
    root.iam.attach_group_policy(GroupName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    assert code(user.s3.list_buckets) is None
    assert code(root.iam.delete_group, GroupName=name) == "DeleteConflict"
    root.iam.remove_user_from_group(GroupName=name, UserName=name)
    assert code(user.s3.get_object, Bucket=bucket, Key="key") == "AccessDenied"


def test_managed_policies_have_versions(root, name, bucket):
    user = root.user(name)
    arn = root.iam.create_policy(PolicyName=name, PolicyDocument=policy(allow("s3:GetObject")))["Policy"]["Arn"]
    root.iam.attach_user_policy(UserName=name, PolicyArn=arn)
    assert code(user.s3.get_object, Bucket=bucket, Key="key") is None
    assert root.iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    root.iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(allow("s3:ListBucket")), SetAsDefault=True)
    assert code(user.s3.get_object, Bucket=bucket, Key="key") == "AccessDenied"
    assert code(user.s3.list_objects_v2, Bucket=bucket) is None
    root.iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    assert code(user.s3.get_object, Bucket=bucket, Key="key") is None
    assert code(root.iam.delete_policy_version, PolicyArn=arn, VersionId="v1") == "DeleteConflict"
    assert code(root.iam.delete_policy, PolicyArn=arn) == "DeleteConflict"
    found = root.iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]
    assert found["Document"]["Statement"][0]["Action"] == "s3:ListBucket" and not found["IsDefaultVersion"]
    assert [user["UserName"] for user in root.iam.list_entities_for_policy(PolicyArn=arn)["PolicyUsers"]] == [name]
    for _ in range(3):
        root.iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(allow("s3:ListBucket")))
    assert code(root.iam.create_policy_version, PolicyArn=arn, PolicyDocument=policy(allow("s3:*"))) == "LimitExceeded"


def test_boundaries_only_take_away(root, name, bucket):
    arn = root.iam.create_policy(PolicyName=name, PolicyDocument=policy(allow("s3:GetObject")))["Policy"]["Arn"]
    user = root.user(name, allow("s3:*"), PermissionsBoundary=arn)
    assert code(user.s3.get_object, Bucket=bucket, Key="key") is None
    assert code(user.s3.put_object, Bucket=bucket, Key="new", Body=b"") == "AccessDenied"
    assert code(root.iam.delete_policy, PolicyArn=arn) == "DeleteConflict"
    root.iam.delete_user_permissions_boundary(UserName=name)
    assert code(user.s3.put_object, Bucket=bucket, Key="new", Body=b"") is None


def test_keys_are_rotated_and_a_key_that_is_off_is_refused_at_once(root, name, bucket):
    first = root.user(name, allow("s3:*"))
    s3 = first.s3
    assert code(s3.list_buckets) is None
    second = root.key(name)
    for _ in range(3):
        root.iam.update_access_key(UserName=name, AccessKeyId=first.access_key, Status="Inactive")
        assert code(s3.list_buckets) == "InvalidAccessKeyId"
        assert code(second.s3.list_buckets) is None
        root.iam.update_access_key(UserName=name, AccessKeyId=first.access_key, Status="Active")
        assert code(s3.list_buckets) is None
    used = root.iam.get_access_key_last_used(AccessKeyId=second.access_key)
    assert used["UserName"] == name and used["AccessKeyLastUsed"]["ServiceName"] == "s3"
    root.iam.delete_access_key(UserName=name, AccessKeyId=first.access_key)
    assert code(s3.list_buckets) == "InvalidAccessKeyId"
    assert [key["AccessKeyId"] for key in root.iam.list_access_keys(UserName=name)["AccessKeyMetadata"]] == [second.access_key]
    assert code(root.iam.delete_user, UserName=name) == "DeleteConflict"


def test_a_wrong_secret_is_refused_by_all_services(root, name):
    user = root.user(name, allow("*"))
    wrong = Identity(root.server, user.access_key, "x" + user.secret_key[1:])
    assert code(wrong.s3.list_buckets) == "SignatureDoesNotMatch"
    assert code(wrong.iam.list_users) == "SignatureDoesNotMatch"
    assert code(wrong.sts.get_caller_identity) == "SignatureDoesNotMatch"
    unknown = Identity(root.server, "AKIAUNKNOWNUNKNOWN00", user.secret_key)
    assert code(unknown.s3.list_buckets) == "InvalidAccessKeyId"
    assert code(unknown.iam.list_users) == "InvalidClientTokenId"


def test_signatures_of_calls_cover_their_bodies(root, name):
    """A call that is changed on its way, or whose body is not signed, is refused and changes nothing."""
    credentials = botocore.credentials.Credentials(ACCESS_KEY, SECRET_KEY)
    signed = f"Action=CreateUser&Version=2010-05-08&UserName={name}-signed"
    sent = signed.replace("-signed", "-forged")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    def send(body, service="iam", **more):
        request = botocore.awsrequest.AWSRequest("POST", root.server.endpoint + "/", data=signed, headers={**headers, **more})
        botocore.auth.SigV4Auth(credentials, service, REGION).add_auth(request)
        return botocore.httpsession.URLLib3Session().send(
            botocore.awsrequest.AWSRequest("POST", request.url, data=body, headers=dict(request.headers)).prepare()
        )

    for answer in [send(sent), send(signed, **{"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}), send(signed, service="s3")]:
        assert answer.status_code in (400, 403), answer.text
    for suffix in ("signed", "forged"):
        assert code(root.iam.get_user, UserName=f"{name}-{suffix}") == "NoSuchEntity"
    assert send(signed).status_code == 200
    assert send(signed, service="sts").status_code == 409, "the signature may be for either service"


def test_nobody_mints_more_than_it_has(root, name):
    """Each way to more power needs the permission that guards it."""
    arn = root.sts.get_caller_identity()["Arn"]
    account_id = arn.split(":")[4]
    own = f"arn:aws:iam::{account_id}:user/{name}"
    user = root.user(name, allow(["iam:CreateAccessKey", "iam:GetUser"], own))
    root.user(name + "-boss", allow("*"))
    assert code(user.iam.create_access_key) is None
    assert code(user.iam.create_access_key, UserName=name + "-boss") == "AccessDenied"
    everything = policy(allow("*"))
    for call, parameters in [
        (user.iam.create_user, {"UserName": name + "-new"}),
        (user.iam.put_user_policy, {"UserName": name, "PolicyName": "more", "PolicyDocument": everything}),
        (user.iam.attach_user_policy, {"UserName": name, "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        (user.iam.create_policy, {"PolicyName": name + "-more", "PolicyDocument": everything}),
        (user.iam.create_role, {"RoleName": name, "AssumeRolePolicyDocument": trust({"AWS": own})}),
        (user.iam.create_group, {"GroupName": name}),
        (user.iam.update_user, {"UserName": name + "-boss", "NewUserName": name + "-victim"}),
        (user.iam.delete_user_policy, {"UserName": name + "-boss", "PolicyName": "own"}),
    ]:
        assert code(call, **parameters) == "AccessDenied", parameters
    assert code(user.iam.get_user) is None


def test_a_renamed_user_needs_the_permission_on_its_new_name(root, name):
    account_id = root.sts.get_caller_identity()["Account"]
    root.iam.create_user(UserName=name + "-a", Path="/a/")
    user = root.user(name, allow("iam:UpdateUser", f"arn:aws:iam::{account_id}:user/a/*"))
    assert code(user.iam.update_user, UserName=name + "-a", NewPath="/b/") == "AccessDenied"
    assert code(user.iam.update_user, UserName=name + "-a", NewPath="/a/b/") is None


def test_operators_commands_are_for_the_root_user_alone(root, name):
    user = root.user(name, allow("*"))
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": user.access_key, "AWS_SECRET_ACCESS_KEY": user.secret_key}
    command = [str(binary()), "admin", "--endpoint", f"http://127.0.0.1:{root.server.admin_port}", "info"]
    refused = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert refused.returncode != 0 and "AccessDenied" in refused.stderr


def test_what_is_wrong_has_the_codes_of_iam(root, name):
    iam = root.iam
    iam.create_user(UserName=name)
    assert code(iam.create_user, UserName=name.upper()) == "EntityAlreadyExists"
    assert code(iam.create_user, UserName="a b") == "ValidationError"
    assert code(iam.create_user, UserName=name + "2", Path="no-slash") == "ValidationError"
    assert code(iam.get_user, UserName="nobody") == "NoSuchEntity"
    assert code(iam.put_user_policy, UserName=name, PolicyName="p", PolicyDocument="no json") == "MalformedPolicyDocument"
    assert code(iam.put_user_policy, UserName=name, PolicyName="p", PolicyDocument='{"Version": "2012-10-17"}') == "MalformedPolicyDocument"
    long = policy(allow("s3:GetObject", "arn:aws:s3:::" + "x" * 2048))
    assert code(iam.put_user_policy, UserName=name, PolicyName="p", PolicyDocument=long) == "MalformedPolicyDocument"
    assert code(iam.attach_user_policy, UserName=name, PolicyArn="arn:aws:iam::aws:policy/Nothing") == "NoSuchEntity"
    assert code(iam.create_role, RoleName=name, AssumeRolePolicyDocument=policy(allow("sts:AssumeRole"))) == "MalformedPolicyDocument"
    assert code(iam.generate_credential_report) == "InvalidAction"


def test_pages_of_users_join_to_the_whole(root, name):
    path = f"/{name}/"
    for number in range(7):
        root.iam.create_user(UserName=f"{name}-{number}", Path=path)
    paginator = root.iam.get_paginator("list_users")
    pages = list(paginator.paginate(PathPrefix=path, PaginationConfig={"PageSize": 3}))
    assert [len(page["Users"]) for page in pages] == [3, 3, 1]
    assert [user["UserName"] for page in pages for user in page["Users"]] == [f"{name}-{number}" for number in range(7)]


def test_users_have_tags_that_policies_see(root, name, bucket):
    user = root.user(name, allow("s3:GetObject", f"arn:aws:s3:::{bucket}/${{aws:PrincipalTag/area}}"), Tags=[{"Key": "area", "Value": "key"}])
    assert code(user.s3.get_object, Bucket=bucket, Key="key") is None
    root.iam.tag_user(UserName=name, Tags=[{"Key": "Area", "Value": "other"}])
    assert code(user.s3.get_object, Bucket=bucket, Key="key") == "AccessDenied"
    assert root.iam.list_user_tags(UserName=name)["Tags"] == [{"Key": "Area", "Value": "other"}]
    root.iam.untag_user(UserName=name, TagKeys=["area"])
    assert root.iam.list_user_tags(UserName=name)["Tags"] == []


def test_sessions_of_users_can_do_what_the_user_can_but_change_no_identities(root, name, bucket):
    user = root.user(name, allow(["s3:*", "iam:*"]))
    session = user.session(user.sts.get_session_token(DurationSeconds=900)["Credentials"])
    assert session.s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"content"
    assert session.sts.get_caller_identity()["Arn"].endswith(f":user/{name}")
    assert code(session.iam.list_users) == "AccessDenied"
    assert code(session.sts.get_session_token) == "AccessDenied"
    link = session.s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "key"})
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b"content"
    root.iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy(allow("s3:ListAllMyBuckets")))
    assert code(session.s3.get_object, Bucket=bucket, Key="key") == "AccessDenied"


def test_wrong_tokens_are_refused(root, name):
    user = root.user(name, allow("s3:*"))
    session = user.session(user.sts.get_session_token()["Credentials"])
    other = user.session(user.sts.get_session_token()["Credentials"])
    assert code(session.s3.list_buckets) is None
    flipped = ("A" if session.token[40] != "A" else "B").join([session.token[:40], session.token[41:]])
    for token in ["nonsense", flipped, other.token, session.token[:-4], ""]:
        wrong = Identity(root.server, session.access_key, session.secret_key, token or None)
        expected = "InvalidToken" if token else "InvalidAccessKeyId"
        assert code(wrong.s3.list_buckets) == expected, token
        assert code(wrong.sts.get_caller_identity) == "InvalidClientTokenId"
    lasting = Identity(root.server, user.access_key, user.secret_key, session.token)
    assert code(lasting.s3.list_buckets) == "InvalidToken"
    assert code(Identity(root.server, ACCESS_KEY, SECRET_KEY, session.token).s3.list_buckets) == "InvalidToken"


def test_roles_are_taken_by_whom_they_trust(root, name, bucket):
    user, stranger = root.user(name), root.user(name + "-stranger", allow("s3:*"))
    own = user.sts.get_caller_identity()["Arn"]
    role = root.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": own}))["Role"]["Arn"]
    root.iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=policy(allow("s3:GetObject")))
    taken = user.sts.assume_role(RoleArn=role, RoleSessionName="session")
    session = user.session(taken["Credentials"])
    assert session.sts.get_caller_identity()["Arn"] == taken["AssumedRoleUser"]["Arn"]
    assert session.s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"content"
    assert code(session.s3.list_buckets) == "AccessDenied"
    assert code(stranger.sts.assume_role, RoleArn=role, RoleSessionName="session") == "AccessDenied"
    assert code(root.sts.assume_role, RoleArn=role, RoleSessionName="session") == "AccessDenied"
    assert code(user.sts.assume_role, RoleArn=role + "x", RoleSessionName="session") == "AccessDenied"
    assert code(user.sts.assume_role, RoleArn=role, RoleSessionName="session", DurationSeconds=7200) == "ValidationError"
    root.iam.delete_role_policy(RoleName=name, PolicyName="read")
    root.iam.delete_role(RoleName=name)
    assert code(session.s3.get_object, Bucket=bucket, Key="key") == "InvalidToken"
    root.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": own}))
    assert code(session.s3.get_object, Bucket=bucket, Key="key") == "InvalidToken"


def test_session_policies_are_intersected(root, name, bucket):
    user = root.user(name)
    own = user.sts.get_caller_identity()["Arn"]
    role = root.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": own}))["Role"]["Arn"]
    root.iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy(allow(["s3:GetObject", "s3:PutObject"])))
    limit = policy(allow(["s3:GetObject", "s3:ListAllMyBuckets"]))
    session = user.session(user.sts.assume_role(RoleArn=role, RoleSessionName="limited", Policy=limit)["Credentials"])
    assert code(session.s3.get_object, Bucket=bucket, Key="key") is None
    assert code(session.s3.put_object, Bucket=bucket, Key="new", Body=b"") == "AccessDenied"
    assert code(session.s3.list_buckets) == "AccessDenied"
    managed = [{"arn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}]
    session = user.session(user.sts.assume_role(RoleArn=role, RoleSessionName="limited", PolicyArns=managed)["Credentials"])
    assert code(session.s3.get_object, Bucket=bucket, Key="key") is None
    assert code(session.s3.put_object, Bucket=bucket, Key="new", Body=b"") == "AccessDenied"
    assert code(user.sts.assume_role, RoleArn=role, RoleSessionName="limited", Policy="{") == "MalformedPolicyDocument"


def test_roles_ask_for_an_external_id_and_sessions_have_tags(root, name, bucket):
    user = root.user(name)
    own = user.sts.get_caller_identity()["Arn"]
    condition = {"StringEquals": {"sts:ExternalId": "secret-word"}}
    document = trust({"AWS": own}, ["sts:AssumeRole", "sts:TagSession"], Condition=condition)
    role = root.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    root.iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/${{aws:PrincipalTag/key}}")))
    assert code(user.sts.assume_role, RoleArn=role, RoleSessionName="session") == "AccessDenied"
    taken = user.sts.assume_role(RoleArn=role, RoleSessionName="session", ExternalId="secret-word", Tags=[{"Key": "key", "Value": "key"}])
    session = user.session(taken["Credentials"])
    assert code(session.s3.get_object, Bucket=bucket, Key="key") is None
    taken = user.sts.assume_role(RoleArn=role, RoleSessionName="session", ExternalId="secret-word")
    assert code(user.session(taken["Credentials"]).s3.get_object, Bucket=bucket, Key="key") == "AccessDenied"


def test_accounts_are_apart_until_both_agree(root, name, bucket):
    described, other = account(root.server, name, "--email", f"{name}@example.com")
    assert other.sts.get_caller_identity()["Account"] == described["account_id"]
    assert other.iam.get_user()["User"]["Arn"] == f"arn:aws:iam::{described['account_id']}:root"
    assert other.s3.list_buckets()["Buckets"] == []
    assert code(other.s3.get_object, Bucket=bucket, Key="key") == "AccessDenied"
    user = other.user(name)
    arn = user.sts.get_caller_identity()["Arn"]
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}]}
    root.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))
    assert code(user.s3.get_object, Bucket=bucket, Key="key") == "AccessDenied"
    other.iam.put_user_policy(UserName=name, PolicyName="read", PolicyDocument=policy(allow("s3:GetObject")))
    assert code(user.s3.get_object, Bucket=bucket, Key="key") is None
    root.s3.delete_bucket_policy(Bucket=bucket)
    assert code(user.s3.get_object, Bucket=bucket, Key="key") == "AccessDenied"
    assert code(other.iam.put_user_policy, UserName="nobody-" + name, PolicyName="p", PolicyDocument=policy(allow("*"))) == "NoSuchEntity"
    listed = admin(root.server, "account", "list").stdout
    assert described["canonical_id"] in listed and "root" in listed


def test_accounts_take_roles_of_others_when_both_agree(root, name, bucket):
    described, other = account(root.server, name)
    user = other.user(name)
    arn = user.sts.get_caller_identity()["Arn"]
    role = root.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": arn}))["Role"]["Arn"]
    root.iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=policy(allow("s3:GetObject")))
    assert code(user.sts.assume_role, RoleArn=role, RoleSessionName="session") == "AccessDenied"
    other.iam.put_user_policy(UserName=name, PolicyName="take", PolicyDocument=policy(allow("sts:AssumeRole", role)))
    session = user.session(user.sts.assume_role(RoleArn=role, RoleSessionName="session")["Credentials"])
    assert session.s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"content"
    assert code(user.s3.get_object, Bucket=bucket, Key="key") == "AccessDenied"


def test_accounts_are_removed_once_they_are_empty(root, name):
    described, other = account(root.server, name)
    assert admin(root.server, "account", "create", name).returncode != 0
    other.s3.create_bucket(Bucket=name.replace("_", "-"))
    assert "owns buckets" in admin(root.server, "account", "remove", name).stderr
    other.s3.delete_bucket(Bucket=name.replace("_", "-"))
    other.iam.create_user(UserName=name)
    assert "delete its users" in admin(root.server, "account", "remove", name).stderr
    other.iam.delete_user(UserName=name)
    assert admin(root.server, "account", "remove", name).returncode == 0
    assert code(other.s3.list_buckets) == "InvalidAccessKeyId"
    assert admin(root.server, "account", "remove", "root").returncode != 0


def test_keys_that_end_on_their_own(root, name):
    """`DurationSeconds` of CreateAccessKey is this server's own; the client is told of it."""
    root.iam.create_user(UserName=name)
    root.iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy(allow("s3:*")))
    client = root.client("iam")
    client.meta.events.register("before-call.iam.CreateAccessKey", lambda params, **_: params["body"].update(DurationSeconds="2"))
    key = client.create_access_key(UserName=name)["AccessKey"]
    short = Identity(root.server, key["AccessKeyId"], key["SecretAccessKey"])
    assert code(short.s3.list_buckets) is None
    deadline = time.monotonic() + 20
    while code(short.s3.list_buckets) is None:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert code(short.s3.list_buckets) == "InvalidAccessKeyId"


def test_everything_is_there_after_a_restart_and_a_change_of_the_root_secret(make_server, name):
    server = make_server(disks=2).start()
    root = Identity(server, ACCESS_KEY, SECRET_KEY)
    user = root.user(name, allow(["s3:*", "sts:*"]))
    root.iam.create_group(GroupName=name)
    root.iam.add_user_to_group(GroupName=name, UserName=name)
    described, other = account(server, name)
    session = user.session(user.sts.get_session_token()["Credentials"])
    user.s3.create_bucket(Bucket="kept")
    server.stop()
    for directory in server.disks:
        found = subprocess.run(["grep", "-rlaF", user.secret_key, str(directory)], capture_output=True, text=True)
        assert found.stdout == "", "a secret is on disk in the clear"
    server.start()
    for identity in (user, session):
        assert [bucket["Name"] for bucket in identity.s3.list_buckets()["Buckets"]] == ["kept"]
    assert other.s3.list_buckets()["Buckets"] == []
    assert [group["GroupName"] for group in root.iam.list_groups_for_user(UserName=name)["Groups"]] == [name]
    used = root.iam.get_access_key_last_used(AccessKeyId=user.access_key)
    assert used["AccessKeyLastUsed"]["ServiceName"] == "s3"
    server.stop()

    server.environment["STONECROP_SECRET_KEY"] = "another-root-secret"
    with pytest.raises(RuntimeError, match="STONECROP_PREVIOUS_SECRET_KEY"):
        server.start()
    server.environment["STONECROP_PREVIOUS_SECRET_KEY"] = SECRET_KEY
    server.start()
    assert code(user.s3.list_buckets) is None and code(session.s3.list_buckets) is None
    server.stop()
    del server.environment["STONECROP_PREVIOUS_SECRET_KEY"]
    server.start()
    assert code(user.s3.list_buckets) is None
    assert code(root.s3.list_buckets) == "SignatureDoesNotMatch"
    server.stop()


def test_the_aws_cli_manages_users(root, name, tmp_path):
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": root.server.endpoint,
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_PAGER": "",
    }

    def aws(*words):
        ran = subprocess.run(["aws", *words, "--output", "json"], env=environment, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout) if ran.stdout.strip() else None

    assert aws("iam", "create-user", "--user-name", name)["User"]["UserName"] == name
    (tmp_path / "policy.json").write_text(policy(allow("s3:*")))
    aws("iam", "put-user-policy", "--user-name", name, "--policy-name", "all", "--policy-document", f"file://{tmp_path}/policy.json")
    key = aws("iam", "create-access-key", "--user-name", name)["AccessKey"]
    environment.update(AWS_ACCESS_KEY_ID=key["AccessKeyId"], AWS_SECRET_ACCESS_KEY=key["SecretAccessKey"])
    assert aws("sts", "get-caller-identity")["Arn"].endswith(f":user/{name}")
    aws("s3api", "create-bucket", "--bucket", name.replace("_", "-"))
    session = aws("sts", "get-session-token", "--duration-seconds", "900")["Credentials"]
    environment.update(AWS_ACCESS_KEY_ID=session["AccessKeyId"], AWS_SECRET_ACCESS_KEY=session["SecretAccessKey"], AWS_SESSION_TOKEN=session["SessionToken"])
    assert name.replace("_", "-") in [bucket["Name"] for bucket in aws("s3api", "list-buckets")["Buckets"]]


def test_a_request_asks_the_cluster_once_how_far_it_is(identities, root, bucket):
    """For its sender, its bucket and the source of a copy together: what it reads is as new as when it came in."""
    user = root.user("reading", allow("s3:*")).s3
    calls = {
        "GetObject": lambda: user.get_object(Bucket=bucket, Key="key")["Body"].read(),
        "PutObject": lambda: user.put_object(Bucket=bucket, Key="other", Body=b"content"),
        "CopyObject": lambda: user.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "key"}),
    }
    requests = 50
    readings = {}
    for operation, call in calls.items():
        before = identities.metrics()["stonecrop_metadata_reads_total"]
        for _ in range(requests):
            call()
        readings[operation] = (identities.metrics()["stonecrop_metadata_reads_total"] - before) / requests
    # What the server does on its own now and then reads too.
    assert all(1 <= each < 1.5 for each in readings.values()), readings
