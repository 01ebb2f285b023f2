"""The log of a bucket's requests, delivered as objects of another bucket."""

import datetime
import json
import re
import time
import urllib.parse
import urllib.request

import boto3
import botocore.config
import pytest
from botocore.exceptions import ClientError

from stonecrop import ACCESS_KEY, REGION, SECRET_KEY, Server

FIELDS = [
    "bucket_owner", "bucket", "time", "remote_ip", "requester", "request_id", "operation", "key", "request_uri", "status",
    "error_code", "bytes_sent", "object_size", "total_time", "turn_around_time", "referer", "user_agent", "version_id",
    "host_id", "signature_version", "cipher_suite", "authentication_type", "host", "tls_version", "access_point_arn",
    "acl_required", "source_region",
]
LINE = re.compile(r'\[[^\]]*\]|"[^"]*"|\S+')
WAIT_SECONDS_MAX = 30


# The server is their own.
pytestmark = pytest.mark.one_process


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    flags = ["--access-log-delivery", "1", "--website-domain", "web.localhost"]
    server = Server(tmp_path_factory.mktemp("access-log"), disks=2, flags=flags).start()
    yield server
    server.stop()


@pytest.fixture
def target(s3, bucket):
    """A bucket that takes logs, of whichever bucket of its account."""
    allow(s3, bucket)
    return bucket


@pytest.fixture
def source(s3, target):
    name = f"source-{target}"
    s3.create_bucket(Bucket=name)
    return name


def account(s3, bucket):
    return s3.get_bucket_acl(Bucket=bucket)["Owner"]["ID"]


def allow(s3, bucket, **condition):
    statement = {"Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    if condition:
        statement["Condition"] = condition
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def enable(s3, source, target, prefix="log/", **more):
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": prefix, **more}})


def parse(line):
    values = LINE.findall(line)
    assert len(values) == len(FIELDS), line
    return {name: value.strip('"[]') for name, value in zip(FIELDS, values)}


def delivered(s3, target, prefix=""):
    lines = []
    for entry in s3.list_objects_v2(Bucket=target, Prefix=prefix).get("Contents", []):
        body = s3.get_object(Bucket=target, Key=entry["Key"])["Body"].read().decode()
        assert body.endswith("\n")
        lines += [parse(line) for line in body.splitlines()]
    return lines


def wait_for(s3, target, condition, prefix=""):
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while time.monotonic() < deadline:
        lines = delivered(s3, target, prefix)
        if condition(lines):
            return lines
        time.sleep(0.2)
    raise AssertionError(f"not delivered: {lines}")


def code(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def test_each_request_has_a_line_with_all_fields(server, s3, source, target):
    enable(s3, source, target)
    s3.put_object(Bucket=source, Key="a folder/ä", Body=b"content")
    answer = s3.get_object(Bucket=source, Key="a folder/ä", Range="bytes=0-2")
    answer["Body"].read()
    assert code(s3.get_object, Bucket=source, Key="missing") == "NoSuchKey"
    s3.copy_object(Bucket=source, Key="copy", CopySource={"Bucket": source, "Key": "a folder/ä"})
    s3.list_objects_v2(Bucket=source)
    s3.get_bucket_versioning(Bucket=source)
    request = urllib.request.Request(f"{server.endpoint}/{source}/secret?x=\"1\"".replace('"', "%22"), headers={"User-Agent": 'an "agent"\\', "Referer": "http://example.com/a b"})
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(request)
    presigned = server.client(signature_version="s3v4").generate_presigned_url("get_object", Params={"Bucket": source, "Key": "copy"})
    urllib.request.urlopen(presigned).read()
    s3.delete_object(Bucket=source, Key="copy")

    wanted = {
        "REST.PUT.OBJECT", "REST.GET.OBJECT", "REST.COPY.OBJECT", "REST.COPY.OBJECT_GET", "REST.GET.BUCKET",
        "REST.GET.VERSIONING", "REST.DELETE.OBJECT",
    }
    lines = wait_for(s3, target, lambda lines: wanted <= {line["operation"] for line in lines} and len(lines) >= 10)

    owner = account(s3, source)
    by_key = {(line["operation"], urllib.parse.unquote(line["key"]), line["status"]): line for line in lines}
    put = by_key["REST.PUT.OBJECT", "a folder/ä", "200"]
    assert put["bucket_owner"] == owner and put["bucket"] == source and put["requester"] == owner
    assert put["key"] == "a%20folder/%C3%A4"
    assert put["request_uri"] == f"PUT /{source}/a%20folder/%C3%A4 HTTP/1.1"
    assert put["remote_ip"] == "127.0.0.1" and put["host"] == server.host
    assert (put["error_code"], put["object_size"]) == ("-", "7")
    assert int(put["total_time"]) >= int(put["turn_around_time"]) >= 0
    assert put["user_agent"].startswith("Boto3/")
    assert (put["signature_version"], put["authentication_type"]) == ("SigV4", "AuthHeader")
    unknown = ["cipher_suite", "tls_version", "access_point_arn", "acl_required", "source_region", "version_id", "referer"]
    assert all(put[name] == "-" for name in unknown)
    at = datetime.datetime.strptime(put["time"], "%d/%b/%Y:%H:%M:%S %z")
    assert abs(datetime.datetime.now(datetime.timezone.utc) - at) < datetime.timedelta(minutes=2)
    got = by_key["REST.GET.OBJECT", "a folder/ä", "206"]
    assert (got["bytes_sent"], got["object_size"]) == ("3", "7")
    assert got["request_id"] == answer["ResponseMetadata"]["RequestId"]
    assert got["host_id"] == answer["ResponseMetadata"]["HostId"]
    assert by_key["REST.GET.OBJECT", "missing", "404"]["error_code"] == "NoSuchKey"
    assert by_key["REST.COPY.OBJECT", "copy", "200"]["object_size"] == "7"
    assert by_key["REST.COPY.OBJECT_GET", "a folder/ä", "200"]["bucket"] == source
    assert by_key["REST.GET.OBJECT", "copy", "200"]["authentication_type"] == "QueryString"
    assert by_key["REST.DELETE.OBJECT", "copy", "204"]["bytes_sent"] == "-"
    denied = by_key["REST.GET.OBJECT", "secret", "403"]
    assert (denied["requester"], denied["error_code"], denied["signature_version"]) == ("-", "AccessDenied", "-")
    assert denied["user_agent"] == "an %22agent%22%5C" and denied["referer"] == "http://example.com/a b"


def test_lines_tell_versions_and_each_deleted_key(s3, source, target):
    s3.put_bucket_versioning(Bucket=source, VersioningConfiguration={"Status": "Enabled"})
    enable(s3, source, target)
    version = s3.put_object(Bucket=source, Key="versioned", Body=b"1")["VersionId"]
    s3.get_object(Bucket=source, Key="versioned", VersionId=version)["Body"].read()
    keys = [f"key{number}" for number in range(5)]
    for key in keys:
        s3.put_object(Bucket=source, Key=key, Body=b"x")
    objects = [{"Key": key} for key in keys] + [{"Key": "versioned", "VersionId": version}, {"Key": "bad", "VersionId": "no"}]
    s3.delete_objects(Bucket=source, Delete={"Objects": objects, "Quiet": True})
    lines = wait_for(s3, target, lambda lines: sum(line["operation"] == "BATCH.DELETE.OBJECT" for line in lines) >= 7)
    put, got = [next(line for line in lines if line["operation"] == name) for name in ("REST.PUT.OBJECT", "REST.GET.OBJECT")]
    assert put["version_id"] == got["version_id"] == version
    batch = {line["key"]: line for line in lines if line["operation"] == "BATCH.DELETE.OBJECT"}
    assert all(batch[key]["status"] == "204" and batch[key]["version_id"] == "-" for key in keys)
    assert batch["versioned"]["version_id"] == version
    assert (batch["bad"]["status"], batch["bad"]["error_code"]) == ("400", "InvalidArgument")
    whole = [line for line in lines if line["operation"] == "REST.POST.MULTI_OBJECT_DELETE"]
    assert len(whole) == 1 and whole[0]["request_id"] == batch["key0"]["request_id"]


def test_bad_signatures_and_other_callers_have_lines(server, s3, source, target):
    enable(s3, source, target)
    s3.put_object(Bucket=source, Key="public", Body=b"all", ACL="public-read")
    wrong = boto3.client("s3", endpoint_url=server.endpoint, region_name=REGION, aws_access_key_id=ACCESS_KEY, aws_secret_access_key="wrong-" + SECRET_KEY)
    assert code(wrong.get_object, Bucket=source, Key="public") == "SignatureDoesNotMatch"
    iam = boto3.client("iam", endpoint_url=server.endpoint, region_name=REGION, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY)
    user = iam.create_user(UserName="logged")["User"]
    key = iam.create_access_key(UserName="logged")["AccessKey"]
    iam.put_user_policy(UserName="logged", PolicyName="all", PolicyDocument=json.dumps({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}))
    own = boto3.client("s3", endpoint_url=server.endpoint, region_name=REGION, aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    own.head_object(Bucket=source, Key="public")
    urllib.request.urlopen(f"{server.endpoint}/{source}/public").read()
    lines = wait_for(s3, target, lambda lines: len(lines) >= 4)
    refused = next(line for line in lines if line["error_code"] == "SignatureDoesNotMatch")
    assert (refused["operation"], refused["status"], refused["requester"]) == ("REST.GET.OBJECT", "403", "-")
    head = next(line for line in lines if line["operation"] == "REST.HEAD.OBJECT")
    assert head["requester"] == user["Arn"] and (head["bytes_sent"], head["object_size"]) == ("-", "3")
    anonymous = next(line for line in lines if line["operation"] == "REST.GET.OBJECT" and line["status"] == "200")
    assert (anonymous["requester"], anonymous["acl_required"], anonymous["authentication_type"]) == ("-", "Yes", "-")


def test_visits_of_websites_have_lines(server, s3, source, target):
    s3.put_bucket_website(Bucket=source, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    s3.put_object(Bucket=source, Key="index.html", Body=b"<p>", ACL="public-read")
    enable(s3, source, target)
    for path, status in (("", 200), ("missing", 403)):
        request = urllib.request.Request(f"{server.endpoint}/{path}", headers={"Host": f"{source}.web.localhost"})
        try:
            assert urllib.request.urlopen(request).status == status
        except urllib.error.HTTPError as error:
            assert error.code == status
    lines = wait_for(s3, target, lambda lines: len(lines) >= 2)
    assert {(line["operation"], line["key"], line["status"]) for line in lines} == {("WEBSITE.GET.OBJECT", "-", "200"), ("WEBSITE.GET.OBJECT", "missing", "403")}


def test_keys_have_the_form_that_was_chosen(s3, source, target):
    unique = r"-[0-9A-F]{16}$"
    now = datetime.datetime.now(datetime.timezone.utc)
    digits = boto3_account(s3, source)
    for prefix, key_format, expected in (
        ("simple/", {"SimplePrefix": {}}, r"simple/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d" + unique),
        ("event/", {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}, rf"event/{digits}/{REGION}/{source}/\d{{4}}/\d\d/\d\d/\d{{4}}-\d\d-\d\d-00-00-00" + unique),
        ("delivery/", {"PartitionedPrefix": {"PartitionDateSource": "DeliveryTime"}}, rf"delivery/{digits}/{REGION}/{source}/{now:%Y}/\d\d/\d\d/{now:%Y}-\d\d-\d\d-\d\d-\d\d-\d\d" + unique),
    ):
        enable(s3, source, target, prefix, TargetObjectKeyFormat=key_format)
        assert s3.get_bucket_logging(Bucket=source)["LoggingEnabled"]["TargetObjectKeyFormat"] == key_format
        s3.list_objects_v2(Bucket=source)
        wait_for(s3, target, lambda lines: lines, prefix)
        keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=target, Prefix=prefix)["Contents"]]
        assert all(re.match(expected, key) for key in keys), keys


def boto3_account(s3, bucket):
    # The digits follow from the canonical id.
    return f"{int(account(s3, bucket)[:16], 16) % 10**12:012}"


def test_log_objects_are_put_as_others_are(s3, source, target):
    s3.put_bucket_versioning(Bucket=target, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_encryption(Bucket=target, ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]})
    reader = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
    enable(s3, source, target, TargetGrants=[{"Grantee": {"Type": "Group", "URI": reader}, "Permission": "READ"}])
    assert s3.get_bucket_logging(Bucket=source)["LoggingEnabled"]["TargetGrants"][0]["Grantee"]["URI"] == reader
    s3.list_objects_v2(Bucket=source)
    wait_for(s3, target, lambda lines: lines)
    key = s3.list_objects_v2(Bucket=target)["Contents"][0]["Key"]
    head = s3.head_object(Bucket=target, Key=key)
    assert head["ServerSideEncryption"] == "AES256" and head["VersionId"] and head["ContentType"] == "text/plain"
    grants = s3.get_object_acl(Bucket=target, Key=key)["Grants"]
    assert {(grant["Grantee"].get("URI"), grant["Permission"]) for grant in grants} == {(reader, "READ"), (None, "FULL_CONTROL")}


def test_only_targets_that_take_logs_are_accepted(s3, source, target):
    def put(**more):
        status = {"TargetBucket": target, "TargetPrefix": "log/", **more}
        return code(s3.put_bucket_logging, Bucket=source, BucketLoggingStatus={"LoggingEnabled": status})

    assert put(TargetBucket="no-such-bucket") == "InvalidTargetBucketForLogging"
    assert put(TargetObjectKeyFormat={"PartitionedPrefix": {"PartitionDateSource": "kaboom"}}) == "MalformedXML"
    assert put(TargetGrants=[{"Grantee": {"Type": "CanonicalUser", "ID": "nobody"}, "Permission": "READ"}]) == "InvalidArgument"
    allow(s3, target, ArnLike={"aws:SourceArn": "arn:aws:s3:::another"})
    assert put() == "AccessDenied"
    s3.delete_bucket_policy(Bucket=target)
    assert put() == "AccessDenied"
    s3.put_bucket_acl(Bucket=target, ACL="log-delivery-write")
    enable(s3, source, target)
    s3.put_bucket_request_payment(Bucket=target, RequestPaymentConfiguration={"Payer": "Requester"})
    assert put() == "InvalidTargetBucketForLogging"
    # What was refused has changed nothing.
    assert s3.get_bucket_logging(Bucket=source)["LoggingEnabled"]["TargetPrefix"] == "log/"
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=source)
    s3.create_bucket(Bucket=f"locked-{source}", ObjectLockEnabledForBucket=True)
    allow(s3, f"locked-{source}")
    s3.put_object_lock_configuration(Bucket=f"locked-{source}", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}})
    assert put(TargetBucket=f"locked-{source}") == "InvalidTargetBucketForLogging"
    s3.create_bucket(Bucket=f"enforced-{source}", ObjectOwnership="BucketOwnerEnforced")
    allow(s3, f"enforced-{source}", StringEquals={"aws:SourceAccount": boto3_account(s3, source)})
    everyone = [{"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}, "Permission": "READ"}]
    assert put(TargetBucket=f"enforced-{source}", TargetGrants=everyone) == "AccessControlListNotSupported"
    enable(s3, source, f"enforced-{source}")


def test_what_the_target_refuses_later_is_dropped_and_counted(server, s3, source, target):
    enable(s3, source, target)
    s3.delete_bucket_policy(Bucket=target)
    s3.list_objects_v2(Bucket=source)

    def refused():
        metrics = urllib.request.urlopen(f"http://127.0.0.1:{server.admin_port}/metrics").read().decode()
        found = re.search(r'stonecrop_bucket_log_lines_total\{outcome="refused"\} (\d+)', metrics)
        return found and int(found[1])

    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not refused():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert delivered(s3, target) == []


def test_a_shutdown_delivers_what_waits(make_server):
    server = make_server(disks=2, flags=["--access-log-delivery", "86400"]).start()
    s3 = server.client()
    for name in ("source", "target"):
        s3.create_bucket(Bucket=name)
    allow(s3, "target")
    enable(s3, "source", "target")
    for number in range(20):
        s3.put_object(Bucket="source", Key=f"key{number}", Body=b"x")
    assert delivered(s3, "target") == []
    server.stop()
    server.start()
    keys = [line["key"] for line in delivered(server.client(), "target") if line["operation"] == "REST.PUT.OBJECT"]
    assert sorted(keys) == sorted(f"key{number}" for number in range(20))
