"""Policies, lists, public access block and CORS through boto3: who may do what, seen from outside."""

import json
import socket
import urllib.error
import urllib.request

import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from test_objects import code_of, status_of


@pytest.fixture
def nobody(server):
    """A client that does not sign."""
    return server.client(signature_version=UNSIGNED)


def policy(bucket, *actions, effect="Allow", condition=None):
    statement = {
        "Sid": "test",
        "Effect": effect,
        "Principal": "*",
        "Action": list(actions),
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def ask(method, url, headers, data=None):
    """Sends a request as browsers do and returns the status and the headers of the answer."""
    request = urllib.request.Request(url, method=method, headers=headers, data=data)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers


def refused(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return status_of(error), code_of(error)


def test_a_policy_is_kept_letter_by_letter_and_acts_at_once(s3, nobody, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"content")
    assert refused(s3.get_bucket_policy, Bucket=bucket) == (404, "NoSuchBucketPolicy")
    assert refused(nobody.get_object, Bucket=bucket, Key="key") == (403, "AccessDenied")
    text = policy(bucket, "s3:GetObject")
    s3.put_bucket_policy(Bucket=bucket, Policy=text)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == text
    assert nobody.get_object(Bucket=bucket, Key="key")["Body"].read() == b"content"
    assert refused(nobody.list_objects_v2, Bucket=bucket) == (403, "AccessDenied")
    assert refused(nobody.get_object, Bucket=bucket, Key="missing") == (403, "AccessDenied")
    assert refused(nobody.put_object, Bucket=bucket, Key="key", Body=b"x") == (403, "AccessDenied")
    s3.delete_bucket_policy(Bucket=bucket)
    assert refused(nobody.get_object, Bucket=bucket, Key="key") == (403, "AccessDenied")


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{}",
        "not json",
        '{"Version": "2012-10-17", "Statement": []}',
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:Fly", "Resource": "arn:aws:s3:::BUCKET"}}',
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::elsewhere/*"}}',
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::BUCKET"}}',
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::BUCKET/*"}}',
    ],
)
def test_malformed_policies_are_refused(s3, bucket, document):
    found = refused(s3.put_bucket_policy, Bucket=bucket, Policy=document.replace("BUCKET", bucket))
    assert found == (400, "MalformedPolicy")
    assert refused(s3.get_bucket_policy, Bucket=bucket) == (404, "NoSuchBucketPolicy")


@pytest.fixture
def source_address(server):
    """The address that the server sees this process come from."""
    with socket.socket(type=socket.SOCK_DGRAM) as way:
        way.connect(server.address)
        return way.getsockname()[0]


def test_conditions_read_the_request(s3, nobody, bucket, source_address):
    s3.put_object(Bucket=bucket, Key="home/a", Body=b"content")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, "s3:ListBucket", condition={"StringLike": {"s3:prefix": "home/*"}}))
    assert nobody.list_objects_v2(Bucket=bucket, Prefix="home/a")["KeyCount"] == 1
    assert refused(nobody.list_objects_v2, Bucket=bucket) == (403, "AccessDenied")
    here = {"IpAddress": {"aws:SourceIp": f"{source_address}/32"}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, "s3:GetObject", condition=here))
    assert nobody.get_object(Bucket=bucket, Key="home/a")["Body"].read() == b"content"
    elsewhere = {"NotIpAddress": {"aws:SourceIp": f"{source_address}/32"}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, "s3:GetObject", condition=elsewhere))
    assert refused(nobody.get_object, Bucket=bucket, Key="home/a") == (403, "AccessDenied")


def test_a_denial_holds_for_the_owner_who_can_still_take_it_back(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"content")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, "s3:*", effect="Deny"))
    assert refused(s3.get_object, Bucket=bucket, Key="key") == (403, "AccessDenied")
    assert refused(s3.delete_bucket, Bucket=bucket) == (403, "AccessDenied")
    s3.delete_bucket_policy(Bucket=bucket)
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"content"


def test_the_policy_status_says_whether_the_public_may_come_in(s3, bucket):
    public = lambda: s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"]
    assert not public()
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, "s3:GetObject"))
    assert public()
    private = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, "s3:GetObject", condition=private))
    assert not public()


def test_the_public_access_block_is_stronger_than_lists_and_policies(s3, nobody, bucket):
    def block(**switches):
        every = dict.fromkeys(["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"], False)
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=every | switches)

    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    assert nobody.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    block(IgnorePublicAcls=True)
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]["IgnorePublicAcls"]
    assert refused(nobody.list_objects_v2, Bucket=bucket) == (403, "AccessDenied")
    block(BlockPublicAcls=True, BlockPublicPolicy=True)
    assert refused(s3.put_bucket_acl, Bucket=bucket, ACL="public-read-write") == (403, "AccessDenied")
    assert refused(s3.put_bucket_policy, Bucket=bucket, Policy=policy(bucket, "s3:GetObject")) == (403, "AccessDenied")
    s3.delete_public_access_block(Bucket=bucket)
    assert refused(s3.get_public_access_block, Bucket=bucket) == (404, "NoSuchPublicAccessBlockConfiguration")
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, "s3:ListBucketVersions"))
    assert nobody.list_object_versions(Bucket=bucket)["Name"] == bucket
    block(RestrictPublicBuckets=True)
    assert refused(nobody.list_object_versions, Bucket=bucket) == (403, "AccessDenied")


def test_ownership_controls_switch_lists_off(s3, bucket):
    assert refused(s3.get_bucket_ownership_controls, Bucket=bucket) == (404, "OwnershipControlsNotFoundError")
    enforced = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    s3.put_bucket_acl(Bucket=bucket, ACL="authenticated-read")
    found = refused(s3.put_bucket_ownership_controls, Bucket=bucket, OwnershipControls=enforced)
    assert found == (400, "InvalidBucketAclWithObjectOwnership")
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=enforced)
    assert s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"] == enforced
    assert refused(s3.put_bucket_acl, Bucket=bucket, ACL="public-read") == (400, "AccessControlListNotSupported")
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")


def test_lists_are_read_back_as_they_were_set(s3, bucket):
    owner = s3.get_bucket_acl(Bucket=bucket)["Owner"]
    grants = [
        {"Grantee": {"Type": "CanonicalUser"} | owner, "Permission": "FULL_CONTROL"},
        {"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}, "Permission": "READ_ACP"},
    ]
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy={"Owner": owner, "Grants": grants})
    found = s3.get_bucket_acl(Bucket=bucket)["Grants"]
    assert sorted(found, key=str) == sorted(grants, key=str), "the order means nothing"
    s3.put_bucket_acl(Bucket=bucket, GrantRead=f'id="{owner["ID"]}"')
    assert [grant["Permission"] for grant in s3.get_bucket_acl(Bucket=bucket)["Grants"]] == ["READ"]
    stranger = {"Grantee": {"Type": "CanonicalUser", "ID": "0" * 64}, "Permission": "READ"}
    found = refused(s3.put_bucket_acl, Bucket=bucket, AccessControlPolicy={"Owner": owner, "Grants": [stranger]})
    assert found == (400, "InvalidArgument")


def test_a_bucket_is_made_with_its_list_and_owner(server, s3, bucket):
    name = f"{bucket}-made"
    s3.create_bucket(Bucket=name, ACL="public-read", ObjectOwnership="ObjectWriter")
    assert len(s3.get_bucket_acl(Bucket=name)["Grants"]) == 2
    assert s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "ObjectWriter"}]
    found = refused(s3.create_bucket, Bucket=f"{name}-2", ACL="public-read", ObjectOwnership="BucketOwnerEnforced")
    assert found == (400, "InvalidBucketAclWithObjectOwnership")
    assert refused(s3.head_bucket, Bucket=f"{name}-2")[0] == 404


def test_tags_of_a_bucket(s3, bucket):
    tags = [{"Key": "color", "Value": "red"}, {"Key": "size", "Value": ""}]
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == (404, "NoSuchTagSet")
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    for bad in [{"Key": "aws:x", "Value": ""}, {"Key": "a!", "Value": ""}]:
        assert refused(s3.put_bucket_tagging, Bucket=bucket, Tagging={"TagSet": [bad]}) == (400, "InvalidTag")
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    s3.delete_bucket_tagging(Bucket=bucket)
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == (404, "NoSuchTagSet")


@pytest.mark.first_answer
def test_browsers_are_told_what_the_rules_allow(server, s3, bucket):
    rule = {
        "AllowedMethods": ["GET", "PUT"],
        "AllowedOrigins": ["https://*.example.com"],
        "AllowedHeaders": ["content-*"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 60,
    }
    assert refused(s3.get_bucket_cors, Bucket=bucket) == (404, "NoSuchCORSConfiguration")
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == [rule]
    url = f"{server.endpoint}/{bucket}/key"
    asked = {"Origin": "https://www.example.com", "Access-Control-Request-Method": "PUT"}
    status, allowed = ask("OPTIONS", url, asked | {"Access-Control-Request-Headers": "Content-Type"})
    assert status == 200
    assert allowed["Access-Control-Allow-Origin"] == "https://www.example.com"
    assert allowed["Access-Control-Allow-Methods"] == "GET, PUT"
    assert allowed["Access-Control-Max-Age"] == "60"
    for wrong in [{"Origin": "https://example.org"}, {"Access-Control-Request-Method": "DELETE"}]:
        assert ask("OPTIONS", url, asked | wrong)[0] == 403
    link = server.client(signature_version="s3v4").generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "key"})
    status, stored = ask("PUT", link, {"Origin": "https://www.example.com"}, data=b"x")
    assert (status, stored["Access-Control-Expose-Headers"]) == (200, "ETag")
    s3.delete_bucket_cors(Bucket=bucket)
    assert ask("OPTIONS", url, asked)[0] == 403


def test_request_payment_is_kept(s3, nobody, bucket):
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, "s3:ListBucket"))
    nobody.list_objects_v2(Bucket=bucket)
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "Requester"
    assert refused(nobody.list_objects_v2, Bucket=bucket) == (403, "AccessDenied")
    s3.list_objects_v2(Bucket=bucket)


def test_tags_of_objects(s3, nobody, bucket):
    tagged = lambda key: {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]}
    s3.put_object(Bucket=bucket, Key="key", Body=b"x", Tagging="color=red&size=big")
    assert tagged("key") == {"color": "red", "size": "big"}
    assert s3.head_object(Bucket=bucket, Key="key")["ResponseMetadata"]["HTTPHeaders"]["x-amz-tagging-count"] == "2"
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/key")
    assert tagged("copy") == tagged("key")
    allow = {"StringEquals": {"s3:ExistingObjectTag/color": "red"}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, "s3:GetObject", condition=allow))
    assert nobody.get_object(Bucket=bucket, Key="key")["Body"].read() == b"x"
    s3.put_object_tagging(Bucket=bucket, Key="key", Tagging={"TagSet": [{"Key": "color", "Value": "blue"}]})
    assert refused(nobody.get_object, Bucket=bucket, Key="key") == (403, "AccessDenied")
    s3.delete_object_tagging(Bucket=bucket, Key="key")
    assert tagged("key") == {}
    for key, value in [("aws:x", ""), ("k" * 129, ""), ("k", "v" * 257)]:
        tagging = {"TagSet": [{"Key": key, "Value": value}]}
        assert refused(s3.put_object_tagging, Bucket=bucket, Key="key", Tagging=tagging) == (400, "InvalidTag")


def test_versions_have_their_own_tags_and_lists(s3, nobody, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket=bucket, Key="key", Body=b"old", Tagging="age=old")["VersionId"]
    s3.put_object(Bucket=bucket, Key="key", Body=b"new")
    assert s3.get_object_tagging(Bucket=bucket, Key="key")["TagSet"] == []
    assert s3.get_object_tagging(Bucket=bucket, Key="key", VersionId=old)["TagSet"] == [{"Key": "age", "Value": "old"}]
    s3.put_object_tagging(Bucket=bucket, Key="key", VersionId=old, Tagging={"TagSet": [{"Key": "age", "Value": "older"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="key", VersionId=old)["TagSet"] == [{"Key": "age", "Value": "older"}]
    s3.put_object_acl(Bucket=bucket, Key="key", VersionId=old, ACL="public-read")
    assert nobody.get_object(Bucket=bucket, Key="key", VersionId=old)["Body"].read() == b"old"
    assert refused(nobody.get_object, Bucket=bucket, Key="key") == (403, "AccessDenied")


def test_objects_are_shared_by_their_lists(s3, nobody, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    assert refused(nobody.get_object, Bucket=bucket, Key="key") == (403, "AccessDenied")
    s3.put_object_acl(Bucket=bucket, Key="key", ACL="public-read")
    assert nobody.get_object(Bucket=bucket, Key="key")["Body"].read() == b"x"
    assert [grant["Permission"] for grant in s3.get_object_acl(Bucket=bucket, Key="key")["Grants"]] == ["READ", "FULL_CONTROL"]
    s3.put_object(Bucket=bucket, Key="key", Body=b"y")
    assert refused(nobody.get_object, Bucket=bucket, Key="key") == (403, "AccessDenied")
    s3.put_object(Bucket=bucket, Key="key", Body=b"z", ACL="public-read")
    assert nobody.get_object(Bucket=bucket, Key="key")["Body"].read() == b"z"


@pytest.mark.one_process
def test_configurations_outlive_the_server(make_server):
    server = make_server().start()
    s3 = server.client()
    s3.create_bucket(Bucket="kept")
    text = policy("kept", "s3:GetObject")
    s3.put_bucket_policy(Bucket="kept", Policy=text)
    s3.put_bucket_acl(Bucket="kept", ACL="public-read")
    server.restart()
    s3 = server.client()
    assert s3.get_bucket_policy(Bucket="kept")["Policy"] == text
    assert len(s3.get_bucket_acl(Bucket="kept")["Grants"]) == 2
