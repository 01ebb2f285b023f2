"""What decides about requests is the same on all nodes from the next request on: identities, policies, keys, quotas, locks, rules."""

import concurrent.futures
import datetime
import json

import boto3
import pytest
from botocore.exceptions import ClientError

from stonecrop import ACCESS_KEY, REGION, SECRET_KEY, body, wait_until
from test_identities import CONFIG, policy, statement
from test_objects import code_of, status_of

MARKER = b"this sentence must never be found on the disk of any node "


@pytest.fixture
def bucket(cluster, request):
    name = request.node.name.replace("_", "-")[:60].strip("-")
    cluster.client(1).create_bucket(Bucket=name)
    return name


def service(cluster, name, node, access_key=ACCESS_KEY, secret_key=SECRET_KEY, token=None):
    return boto3.client(
        name, endpoint_url=cluster.endpoints[node], region_name=REGION, config=CONFIG, aws_access_key_id=access_key,
        aws_secret_access_key=secret_key, aws_session_token=token,
    )


def refusal(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return status_of(error), code_of(error)


def test_an_identity_is_known_and_revoked_everywhere_at_once(cluster, bucket):
    iam = {node: service(cluster, "iam", node) for node in cluster.nodes}
    for turn in range(8):
        nodes = [1 + (turn + step) % 4 for step in range(4)]
        name = f"user-{turn}"
        iam[nodes[0]].create_user(UserName=name)
        key = iam[nodes[1]].create_access_key(UserName=name)["AccessKey"]
        user = {node: service(cluster, "s3", node, key["AccessKeyId"], key["SecretAccessKey"]) for node in nodes}
        assert refusal(user[nodes[2]].put_object, Bucket=bucket, Key=name, Body=b"mine") == (403, "AccessDenied")
        may_write = policy(statement("Allow", ["s3:PutObject", "s3:GetObject"], f"arn:aws:s3:::{bucket}/*"))
        iam[nodes[2]].put_user_policy(UserName=name, PolicyName="own", PolicyDocument=may_write)
        user[nodes[3]].put_object(Bucket=bucket, Key=name, Body=b"mine")
        session = service(cluster, "sts", nodes[0], key["AccessKeyId"], key["SecretAccessKey"]).get_session_token()["Credentials"]
        keys = session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"]
        assert service(cluster, "s3", nodes[1], *keys).get_object(Bucket=bucket, Key=name)["Body"].read() == b"mine"
        iam[nodes[3]].delete_user_policy(UserName=name, PolicyName="own")
        assert refusal(user[nodes[0]].get_object, Bucket=bucket, Key=name) == (403, "AccessDenied")
        iam[nodes[0]].delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        assert refusal(user[nodes[1]].get_object, Bucket=bucket, Key=name) == (403, "InvalidAccessKeyId")


def test_a_policy_of_a_bucket_acts_everywhere_at_once(cluster, bucket):
    s3 = {node: cluster.client(node) for node in cluster.nodes}
    s3[1].put_object(Bucket=bucket, Key="key", Body=b"content")
    iam = service(cluster, "iam", 1)
    iam.create_user(UserName="reader")
    iam.put_user_policy(UserName="reader", PolicyName="own", PolicyDocument=policy(statement("Allow", "s3:GetObject")))
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    # Of a user each node has to find the key before the bucket.
    user = {node: service(cluster, "s3", node, key["AccessKeyId"], key["SecretAccessKey"]) for node in cluster.nodes}
    deny = {
        "Version": "2012-10-17",
        "Statement": [statement("Deny", "s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal="*")],
    }
    for turn in range(8):
        first, second, third = (1 + (turn + step) % 4 for step in range(3))
        s3[first].put_bucket_policy(Bucket=bucket, Policy=json.dumps(deny))
        for asked in (s3, user):
            assert refusal(asked[second].get_object, Bucket=bucket, Key="key") == (403, "AccessDenied")
        s3[second].delete_bucket_policy(Bucket=bucket)
        for asked in (user, s3):
            assert asked[third].get_object(Bucket=bucket, Key="key")["Body"].read() == b"content"


@pytest.mark.parametrize("method", ["AES256", "aws:kms", "aws:kms:dsse"])
@pytest.mark.parametrize("size", [100, 3_000_000])
def test_what_one_node_encrypts_every_node_reads(cluster, method, size):
    s3 = {node: cluster.client(node) for node in cluster.nodes}
    name = f"sealed-{method.replace(':', '-').lower()}-{size}"
    s3[1].create_bucket(Bucket=name)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": method}}
    s3[2].put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    content = (MARKER * (size // len(MARKER) + 1))[:size]
    assert s3[3].put_object(Bucket=name, Key="key", Body=content)["ServerSideEncryption"] == method
    for client in s3.values():
        assert client.get_object(Bucket=name, Key="key")["Body"].read() == content
        ranged = client.get_object(Bucket=name, Key="key", Range="bytes=40-99")
        assert ranged["Body"].read() == content[40:100]
    found = [path for path in cluster.directory.glob("node*/disk*/**/*") if path.is_file() and MARKER in path.read_bytes()]
    assert found == []


def test_writers_of_all_nodes_together_stay_within_a_quota(cluster, bucket):
    cluster.admin("bucket", "quota", bucket, "--objects", "20")

    def put(number):
        try:
            cluster.client(1 + number % 4).put_object(Bucket=bucket, Key=f"key-{number}", Body=body(10))
            return True
        except ClientError as error:
            assert error.response["Error"]["Code"] == "XMinioAdminBucketQuotaExceeded"
            return False

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(put, range(60))) == 20
    assert len(cluster.client(3).list_objects_v2(Bucket=bucket)["Contents"]) == 20


def test_a_lock_holds_on_every_node(cluster):
    s3 = {node: cluster.client(node) for node in cluster.nodes}
    s3[1].create_bucket(Bucket="locked-everywhere", ObjectLockEnabledForBucket=True)
    kept_until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    version = s3[2].put_object(
        Bucket="locked-everywhere", Key="key", Body=b"kept", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=kept_until,
        ChecksumAlgorithm="CRC32",
    )["VersionId"]
    for client in s3.values():
        one = {"Bucket": "locked-everywhere", "Key": "key", "VersionId": version}
        assert refusal(client.delete_object, **one, BypassGovernanceRetention=True) == (403, "AccessDenied")
        assert client.get_object(**one)["Body"].read() == b"kept"


def test_rules_go_on_when_the_leader_dies(cluster, bucket):
    s3 = cluster.client(1)
    rule = {"ID": "short", "Status": "Enabled", "Filter": {"Prefix": "short/"}, "Expiration": {"Days": 2}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    for number in range(40):
        s3.put_object(Bucket=bucket, Key=f"short/{number}", Body=body(20_000, number))
    s3.put_object(Bucket=bucket, Key="long", Body=b"stays")
    leader = cluster.leader()
    cluster.run("kill", leader)
    try:
        other = cluster.client(1 + leader % 4)
        names = lambda: [entry["Key"] for entry in other.list_objects_v2(Bucket=bucket).get("Contents", [])]
        wait_until(lambda: names() == ["long"], 40, "the end of what is due")
    finally:
        cluster.run("restart", leader)
    cluster.wait_until_whole(60)
