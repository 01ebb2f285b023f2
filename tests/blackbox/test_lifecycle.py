"""Lifecycle through boto3: rules as they are kept, what they end and what they leave, and what is announced."""

import datetime
import re
import time

import pytest
from botocore.exceptions import ClientError

from stonecrop import body
from test_objects import code_of, status_of

# A "day" of the servers here, in seconds.
DAY = 2


def refused(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return status_of(error), code_of(error)


def rule(name="rule", status="Enabled", **actions):
    filtered = {} if "Filter" in actions or "Prefix" in actions else {"Filter": {}}
    return {"ID": name, "Status": status, **filtered, **actions}


def configure(s3, bucket, *rules):
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": list(rules)})


def put(s3, bucket, key, content=b"content", **more):
    return s3.put_object(Bucket=bucket, Key=key, Body=content, **more).get("VersionId")


def keys(s3, bucket):
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def versions(s3, bucket):
    """Keys and ids of the versions, and keys of the delete markers."""
    page = s3.list_object_versions(Bucket=bucket)
    objects = [(entry["Key"], entry["VersionId"]) for entry in page.get("Versions", [])]
    return objects, [entry["Key"] for entry in page.get("DeleteMarkers", [])]


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def fast(tmp_path_factory):
    """A server whose days are short."""
    from stonecrop import Server

    server = Server(tmp_path_factory.mktemp("lifecycle"), disks=6, flags=["--lifecycle-day", str(DAY)]).start()
    yield server
    server.stop()


@pytest.fixture
def s3_fast(fast):
    return fast.client()


@pytest.fixture
def fast_bucket(s3_fast, request):
    name = "lifecycle-" + re.sub("[^a-z0-9]+", "-", request.node.name.lower())[:50].strip("-")
    s3_fast.create_bucket(Bucket=name)
    return name


def test_rules_are_kept_as_they_were_put_and_removed(s3, bucket):
    missing = (404, "NoSuchLifecycleConfiguration")
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == missing
    date = datetime.datetime(2031, 1, 1, tzinfo=datetime.timezone.utc)
    rules = [
        rule("legacy", Prefix="old/", Expiration={"Days": 31}),
        rule("everything", Filter={}, AbortIncompleteMultipartUpload={"DaysAfterInitiation": 7}),
        rule("tag", Filter={"Tag": {"Key": "k", "Value": "v"}}, Expiration={"Date": date}),
        rule("size", Filter={"ObjectSizeGreaterThan": 5}, NoncurrentVersionExpiration={"NoncurrentDays": 3}),
        rule("markers", "Disabled", Filter={"Prefix": "a"}, Expiration={"ExpiredObjectDeleteMarker": True}),
        rule(
            "and",
            Filter={"And": {"Prefix": "", "Tags": [{"Key": "a", "Value": "b"}], "ObjectSizeLessThan": 9}},
            NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": 3},
        ),
    ]
    configure(s3, bucket, *rules)
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules
    nameless = {key: value for key, value in rules[0].items() if key != "ID"}
    configure(s3, bucket, nameless)
    (kept,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert kept.pop("ID") and kept == nameless
    s3.delete_bucket_lifecycle(Bucket=bucket)
    s3.delete_bucket_lifecycle(Bucket=bucket)
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == missing


@pytest.mark.parametrize("rules, expected", [
    ([rule(Expiration={"Days": 0})], (400, "InvalidArgument")),
    ([rule(Expiration={"Date": datetime.datetime(2031, 1, 1, 1)})], (400, "InvalidArgument")),
    ([rule("i" * 256, Expiration={"Days": 1})], (400, "InvalidArgument")),
    ([rule(Expiration={"Days": 1})] * 2, (400, "InvalidArgument")),
    ([rule(status="on", Expiration={"Days": 1})], (400, "MalformedXML")),
    ([rule()], (400, "InvalidRequest")),
    ([rule(Transitions=[{"Days": 1, "StorageClass": "GLACIER"}])], (501, "NotImplemented")),
    ([rule(str(number), Expiration={"Days": 1}) for number in range(1001)], (400, "MalformedXML")),
])
def test_bad_rules_change_nothing(s3, bucket, rules, expected):
    configure(s3, bucket, rule("kept", Expiration={"Days": 1}))
    change = {"Bucket": bucket, "LifecycleConfiguration": {"Rules": rules}}
    assert refused(s3.put_bucket_lifecycle_configuration, **change) == expected
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]["ID"] == "kept"


def test_a_thousand_rules_fit(s3, bucket):
    configure(s3, bucket, *(rule(str(number), Prefix=f"p{number}/", Expiration={"Days": 1}) for number in range(1000)))
    assert len(s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]) == 1000
    assert put(s3, bucket, "p7/key") is None


def test_what_will_end_is_announced(s3, bucket):
    tagged = {"Filter": {"Tag": {"Key": "short", "Value": "yes"}}}
    configure(
        s3, bucket,
        rule("long one", Filter={"Prefix": "a"}, Expiration={"Days": 20}),
        rule("short", **tagged, Expiration={"Days": 2}),
        rule("uploads", Filter={"Prefix": "a"}, AbortIncompleteMultipartUpload={"DaysAfterInitiation": 3}),
    )

    def announced(answer):
        header = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-expiration")
        if header is None:
            return None
        date, name = re.fullmatch(r'expiry-date="(.*)", rule-id="(.*)"', header).groups()
        moment = datetime.datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT")
        assert (moment.hour, moment.minute, moment.second) == (0, 0, 0)
        return name, (moment - datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)).days

    assert announced(s3.put_object(Bucket=bucket, Key="a", Body=b"")) == ("long%20one", 20)
    assert announced(s3.head_object(Bucket=bucket, Key="a")) == ("long%20one", 20)
    assert announced(s3.put_object(Bucket=bucket, Key="b", Body=b"", Tagging="short=yes")) == ("short", 2)
    assert announced(s3.get_object(Bucket=bucket, Key="b")) == ("short", 2)
    assert announced(s3.put_object(Bucket=bucket, Key="c", Body=b"")) is None
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a")
    assert upload["AbortRuleId"] == "uploads"
    left = upload["AbortDate"] - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(days=3) <= left <= datetime.timedelta(days=4)
    assert "AbortDate" not in s3.create_multipart_upload(Bucket=bucket, Key="b")


def test_filters_choose_what_ends(s3_fast, fast_bucket):
    s3 = s3_fast
    put(s3, fast_bucket, "before/old")
    configure(
        s3, fast_bucket,
        rule("prefix", Filter={"Prefix": "before/"}, Expiration={"Days": 1}),
        rule("tag", Filter={"Tag": {"Key": "end", "Value": "yes"}}, Expiration={"Days": 1}),
        rule("size", Filter={"And": {"Prefix": "sized/", "ObjectSizeGreaterThan": 10, "ObjectSizeLessThan": 30_000}},
             Expiration={"Days": 1}),
        rule("past", Filter={"Prefix": "past/"}, Expiration={"Date": datetime.datetime(2015, 1, 1)}),
        rule("future", Filter={"Prefix": "future/"}, Expiration={"Date": datetime.datetime(2035, 1, 1)}),
        rule("disabled", "Disabled", Filter={"Prefix": "kept/"}, Expiration={"Days": 1}),
    )
    put(s3, fast_bucket, "tagged", Tagging="end=yes")
    put(s3, fast_bucket, "untagged", Tagging="end=yes")
    s3.delete_object_tagging(Bucket=fast_bucket, Key="untagged")
    put(s3, fast_bucket, "tagged later")
    s3.put_object_tagging(Bucket=fast_bucket, Key="tagged later", Tagging={"TagSet": [{"Key": "end", "Value": "yes"}]})
    for size in (10, 11, 20_000, 30_000):
        put(s3, fast_bucket, f"sized/{size}", body(size))
    for key in ("past/a", "future/a", "kept/a", "before/new"):
        put(s3, fast_bucket, key)
    kept = ["future/a", "kept/a", "sized/10", "sized/30000", "untagged"]
    until(lambda: keys(s3, fast_bucket) == kept)
    time.sleep(2 * DAY)
    assert keys(s3, fast_bucket) == kept


def test_what_is_written_again_begins_anew(s3_fast, fast_bucket):
    configure(s3_fast, fast_bucket, rule(Expiration={"Days": 3}))
    began = time.monotonic()
    while time.monotonic() - began < 4 * DAY:
        put(s3_fast, fast_bucket, "key")
        time.sleep(0.5)
        assert keys(s3_fast, fast_bucket) == ["key"]
    until(lambda: keys(s3_fast, fast_bucket) == [])


def test_versions_end_below_a_marker_and_the_marker_after_them(s3_fast, fast_bucket):
    s3 = s3_fast
    s3.put_bucket_versioning(Bucket=fast_bucket, VersioningConfiguration={"Status": "Enabled"})
    first = put(s3, fast_bucket, "key")
    configure(s3, fast_bucket, rule(Expiration={"Days": 1}))
    until(lambda: versions(s3, fast_bucket) == ([("key", first)], ["key"]))
    assert refused(s3.get_object, Bucket=fast_bucket, Key="key") == (404, "NoSuchKey")
    configure(
        s3, fast_bucket,
        rule("old", NoncurrentVersionExpiration={"NoncurrentDays": 1}),
        rule("markers", Expiration={"ExpiredObjectDeleteMarker": True}),
    )
    until(lambda: versions(s3, fast_bucket) == ([], []))
    s3.delete_bucket(Bucket=fast_bucket)


def test_so_many_newer_versions_are_kept(s3_fast, fast_bucket):
    s3 = s3_fast
    s3.put_bucket_versioning(Bucket=fast_bucket, VersioningConfiguration={"Status": "Enabled"})
    for number in range(6):
        put(s3, fast_bucket, "key", b"%d" % number)
    keep = {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2}
    configure(s3, fast_bucket, rule(NoncurrentVersionExpiration=keep))
    until(lambda: len(versions(s3, fast_bucket)[0]) == 3)
    time.sleep(2 * DAY)
    newest = [put(s3, fast_bucket, "key", b"new%d" % number) for number in range(2)]
    until(lambda: len(versions(s3, fast_bucket)[0]) == 3)
    assert [version for _, version in versions(s3, fast_bucket)[0]][:2] == newest[::-1]
    assert s3.get_object(Bucket=fast_bucket, Key="key")["Body"].read() == b"new1"


def test_uploads_are_dropped(s3_fast, fast_bucket):
    s3 = s3_fast
    upload = {"Bucket": fast_bucket, "Key": "drop/me"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    s3.upload_part(**upload, PartNumber=1, Body=b"part")
    configure(s3, fast_bucket, rule(Prefix="drop/", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}))
    s3.create_multipart_upload(Bucket=fast_bucket, Key="drop/later")
    s3.create_multipart_upload(Bucket=fast_bucket, Key="kept")
    until(lambda: [entry["Key"] for entry in s3.list_multipart_uploads(Bucket=fast_bucket)["Uploads"]] == ["kept"])
    assert refused(s3.upload_part, **upload, PartNumber=2, Body=b"part") == (404, "NoSuchUpload")


def test_a_lock_is_stronger_than_a_rule(s3_fast):
    s3, name = s3_fast, "lifecycle-locked"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    until_date = now + datetime.timedelta(seconds=5 * DAY)
    retained = put(s3, name, "retained", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until_date)
    held = put(s3, name, "held", ObjectLockLegalHoldStatus="ON")
    put(s3, name, "free")
    configure(s3, name, rule(Expiration={"Days": 1}, NoncurrentVersionExpiration={"NoncurrentDays": 1}))
    until(lambda: len(versions(s3, name)[0]) == 2)
    assert datetime.datetime.now(datetime.timezone.utc) < until_date
    until(lambda: versions(s3, name)[0] == [("held", held)])
    assert until_date <= datetime.datetime.now(datetime.timezone.utc)
    s3.put_object_legal_hold(Bucket=name, Key="held", VersionId=held, LegalHold={"Status": "OFF"})
    until(lambda: versions(s3, name) == ([], []))
    assert retained != held


def test_removed_rules_end_nothing(s3_fast, fast_bucket):
    for number in range(20):
        put(s3_fast, fast_bucket, f"key{number}")
    configure(s3_fast, fast_bucket, rule(Expiration={"Days": 2}))
    time.sleep(DAY / 2)
    s3_fast.delete_bucket_lifecycle(Bucket=fast_bucket)
    time.sleep(3 * DAY)
    assert len(keys(s3_fast, fast_bucket)) == 20


def test_rules_go_on_after_a_crash(make_server):
    server = make_server(flags=["--lifecycle-day", str(DAY)]).start()
    s3 = server.client()
    s3.create_bucket(Bucket="bucket")
    for number in range(300):
        put(s3, "bucket", f"key{number}")
    configure(s3, "bucket", rule(Expiration={"Days": 2}))
    server.kill()
    server.start()
    s3 = server.client()
    until(lambda: keys(s3, "bucket") == [])
