"""Permissions by the tags of a bucket, and the operations that change these tags then."""

import concurrent.futures
import itertools
import json

import boto3
import pytest
from botocore.exceptions import ClientError

from stonecrop import ACCESS_KEY, REGION, SECRET_KEY

ACCOUNT = "123456789012"
_names = itertools.count(1)


def clients(server, access_key, secret_key):
    keys = {"aws_access_key_id": access_key, "aws_secret_access_key": secret_key}
    s3, control = (server.spread(boto3.client(service, endpoint_url=server.endpoint, region_name=REGION, **keys)) for service in ("s3", "s3control"))
    # SDKs put the account before the host, where it has no address here.
    control.meta.events.register("before-sign.s3-control", lambda request, **_: setattr(request, "url", request.url.replace(f"{ACCOUNT}.", "", 1)))
    return s3, control


@pytest.fixture
def control(server):
    return clients(server, ACCESS_KEY, SECRET_KEY)[1]


@pytest.fixture
def user(server):
    """Makes users that have one policy."""
    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
    iam = server.spread(boto3.client("iam", endpoint_url=server.endpoint, region_name=REGION, **keys))

    def make(*statements):
        name = f"abac-{next(_names)}"
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return clients(server, key["AccessKeyId"], key["SecretAccessKey"])

    return make


def allow(actions, **condition):
    return {"Effect": "Allow", "Action": actions, "Resource": "*", **({"Condition": condition} if condition else {})}


def arn(bucket):
    return {"AccountId": ACCOUNT, "ResourceArn": f"arn:aws:s3:::{bucket}"}


def code(call, *arguments, **named):
    with pytest.raises(ClientError) as caught:
        call(*arguments, **named)
    return caught.value.response["Error"]["Code"]


def set_abac(s3, bucket, status):
    s3.put_bucket_abac(Bucket=bucket, AbacStatus={"Status": status})


def tag(key, value):
    return {"Key": key, "Value": value}


def test_the_status_is_answered(s3, bucket):
    assert s3.get_bucket_abac(Bucket=bucket)["AbacStatus"]["Status"] == "Disabled"
    for status in ("Enabled", "Disabled"):
        set_abac(s3, bucket, status)
        assert s3.get_bucket_abac(Bucket=bucket)["AbacStatus"]["Status"] == status
    assert code(s3.put_bucket_abac, Bucket=bucket, AbacStatus={"Status": "On"}) == "MalformedXML"


@pytest.mark.parametrize("key", ["aws:ResourceTag/team", "s3:BucketTag/team"])
def test_tags_decide_where_it_is_enabled(s3, bucket, user, key):
    s3.put_object(Bucket=bucket, Key="key", Body=b"content")
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [tag("team", "red")]})
    red, _ = user(allow("s3:*", StringEquals={key: "red"}))
    blue, _ = user(allow("s3:*", StringEquals={key: "blue"}))
    assert code(red.get_object, Bucket=bucket, Key="key") == "AccessDenied"
    set_abac(s3, bucket, "Enabled")
    assert red.get_object(Bucket=bucket, Key="key")["Body"].read() == b"content"
    red.list_objects_v2(Bucket=bucket)
    assert code(blue.get_object, Bucket=bucket, Key="key") == "AccessDenied"
    set_abac(s3, bucket, "Disabled")
    assert code(red.get_object, Bucket=bucket, Key="key") == "AccessDenied"


def test_policies_of_buckets_see_their_tags(s3, bucket, user):
    s3.put_object(Bucket=bucket, Key="key", Body=b"content")
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [tag("stage", "frozen")]})
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*", "Condition": {"StringEquals": {"aws:ResourceTag/stage": "frozen"}}}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    s3.put_object(Bucket=bucket, Key="key", Body=b"content")
    set_abac(s3, bucket, "Enabled")
    assert code(s3.put_object, Bucket=bucket, Key="key", Body=b"late") == "AccessDenied"


def test_tags_are_changed_one_by_one(s3, bucket, control):
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [tag("a", "1"), tag("b", "2")]})
    set_abac(s3, bucket, "Enabled")
    assert code(s3.put_bucket_tagging, Bucket=bucket, Tagging={"TagSet": []}) == "InvalidRequest"
    assert code(s3.delete_bucket_tagging, Bucket=bucket) == "InvalidRequest"
    control.tag_resource(**arn(bucket), Tags=[tag("b", "3"), tag("c/d", "ä")])
    expected = [tag("a", "1"), tag("b", "3"), tag("c/d", "ä")]
    assert control.list_tags_for_resource(**arn(bucket))["Tags"] == expected
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == expected
    control.untag_resource(**arn(bucket), TagKeys=["a", "c/d", "missing"])
    assert control.list_tags_for_resource(**arn(bucket))["Tags"] == [tag("b", "3")]
    many = [tag(f"tag{number}", "x") for number in range(50)]
    assert code(control.tag_resource, **arn(bucket), Tags=many) == "BadRequest"
    assert code(control.tag_resource, **arn(bucket), Tags=[tag("aws:own", "x")]) == "InvalidTag"
    control.untag_resource(**arn(bucket), TagKeys=["b"])
    assert code(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"
    assert control.list_tags_for_resource(**arn(bucket)).get("Tags", []) == []
    assert code(control.tag_resource, **arn("no-such-bucket"), Tags=[]) == "NoSuchBucket"
    # Disabled, the older operations work again.
    set_abac(s3, bucket, "Disabled")
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [tag("z", "1")]})


def test_tags_that_are_changed_at_once_all_hold(s3, bucket, control):
    """However many change the tags at the same time, each change is made to what the others have made of them."""
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [tag(f"old{number}", "x") for number in range(10)]})
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        changes = []
        for number in range(10):
            changes.append(threads.submit(control.tag_resource, **arn(bucket), Tags=[tag(f"new{number}", "x")]))
            changes.append(threads.submit(control.untag_resource, **arn(bucket), TagKeys=[f"old{number}"]))
        for change in changes:
            change.result()
    tags = control.list_tags_for_resource(**arn(bucket))["Tags"]
    assert [own["Key"] for own in tags] == [f"new{number}" for number in range(10)]


def test_policies_see_the_tags_that_are_given_and_taken(s3, bucket, user):
    own, control = user(
        allow(["s3:TagResource"], StringEquals={"aws:RequestTag/team": "red"}, **{"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}),
        allow(["s3:UntagResource"], **{"ForAnyValue:StringEquals": {"aws:TagKeys": ["team"]}}),
    )
    control.tag_resource(**arn(bucket), Tags=[tag("team", "red")])
    assert code(control.tag_resource, **arn(bucket), Tags=[tag("team", "blue")]) == "AccessDenied"
    assert code(control.tag_resource, **arn(bucket), Tags=[tag("team", "red"), tag("more", "x")]) == "AccessDenied"
    assert code(control.list_tags_for_resource, **arn(bucket)) == "AccessDenied"
    assert code(control.untag_resource, **arn(bucket), TagKeys=["more"]) == "AccessDenied"
    control.untag_resource(**arn(bucket), TagKeys=["team"])


def test_buckets_are_created_with_tags(s3, bucket, user):
    def create(client, name, *tags):
        return client.create_bucket(Bucket=name, CreateBucketConfiguration={"Tags": list(tags)})

    create(s3, f"{bucket}-tagged", tag("team", "red"), tag("a", "1"))
    assert s3.get_bucket_tagging(Bucket=f"{bucket}-tagged")["TagSet"] == [tag("a", "1"), tag("team", "red")]
    assert code(create, s3, f"{bucket}-bad", tag("aws:own", "x")) == "InvalidTag"
    assert code(s3.head_bucket, Bucket=f"{bucket}-bad") == "404"
    creator, _ = user(allow(["s3:CreateBucket"], StringEquals={"aws:RequestTag/team": "red"}), allow(["s3:TagResource"]))
    create(creator, f"{bucket}-red", tag("team", "red"))
    assert code(create, creator, f"{bucket}-blue", tag("team", "blue")) == "AccessDenied"
    assert code(creator.create_bucket, Bucket=f"{bucket}-plain") == "AccessDenied"
    untagged, _ = user(allow(["s3:CreateBucket"]))
    assert code(create, untagged, f"{bucket}-tags", tag("team", "red")) == "AccessDenied"
    untagged.create_bucket(Bucket=f"{bucket}-none")
