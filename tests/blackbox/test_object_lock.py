"""Object lock through boto3: default retention, retention, legal hold, who may bypass, and what is kept from whom."""

import datetime
import itertools
import os
import time

import pytest
from botocore.exceptions import ClientError

from test_access import nobody, policy  # noqa: F401
from test_objects import code_of, status_of

_names = itertools.count(1)
ENABLED = {"ObjectLockEnabled": "Enabled"}
LOCKED = (403, "AccessDenied")


def refused(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return status_of(error), code_of(error)


def later(**span):
    """A moment of whole seconds."""
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**span)).replace(microsecond=0)


def default(mode, **period):
    return {**ENABLED, "Rule": {"DefaultRetention": {"Mode": mode, **period}}}


@pytest.fixture
def locked(s3):
    """A bucket with object lock."""
    name = f"locked-{os.getpid()}-{next(_names)}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


@pytest.fixture
def no_checksums(server):
    """A client that computes no checksum that it was not asked for."""
    return server.client(request_checksum_calculation="when_required")


def put(s3, bucket, key="key", **lock):
    return s3.put_object(Bucket=bucket, Key=key, Body=b"content", **lock)["VersionId"]


def test_a_bucket_is_created_with_its_lock_and_keeps_versions(s3, locked):
    assert s3.get_bucket_versioning(Bucket=locked)["Status"] == "Enabled"
    assert s3.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"] == ENABLED
    suspend = {"Bucket": locked, "VersioningConfiguration": {"Status": "Suspended"}}
    assert refused(s3.put_bucket_versioning, **suspend) == (409, "InvalidBucketState")
    assert s3.get_bucket_versioning(Bucket=locked)["Status"] == "Enabled"


def test_lock_is_enabled_later_only_with_versioning(s3, bucket):
    missing = (404, "ObjectLockConfigurationNotFoundError")
    assert refused(s3.get_object_lock_configuration, Bucket=bucket) == missing
    configure = {"Bucket": bucket, "ObjectLockConfiguration": default("GOVERNANCE", Days=1)}
    assert refused(s3.put_object_lock_configuration, **configure) == (409, "InvalidBucketState")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object_lock_configuration(**configure)
    found = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    assert found == default("GOVERNANCE", Days=1)


@pytest.mark.parametrize("configuration, code", [
    (default("GOVERNANCE", Days=0), "InvalidRetentionPeriod"),
    (default("GOVERNANCE", Days=36501), "InvalidRetentionPeriod"),
    (default("GOVERNANCE", Years=101), "InvalidRetentionPeriod"),
    (default("GOVERNANCE", Days=1, Years=1), "MalformedXML"),
    (default("GOVERNANCE"), "MalformedXML"),
    (default("governance", Days=1), "MalformedXML"),
    ({"ObjectLockEnabled": "Disabled"}, "MalformedXML"),
])
def test_bad_configurations_change_nothing(s3, locked, configuration, code):
    s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration=default("COMPLIANCE", Years=1))
    configure = {"Bucket": locked, "ObjectLockConfiguration": configuration}
    assert refused(s3.put_object_lock_configuration, **configure) == (400, code)
    found = s3.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"]
    assert found == default("COMPLIANCE", Years=1)


def test_without_a_lock_nothing_can_be_locked(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"content")
    named, invalid = {"Bucket": bucket, "Key": "key"}, (400, "InvalidRequest")
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": later(days=1)}
    assert refused(s3.put_object_retention, **named, Retention=retention) == invalid
    assert refused(s3.put_object_legal_hold, **named, LegalHold={"Status": "ON"}) == invalid
    assert refused(s3.get_object_retention, **named) == invalid
    assert refused(s3.get_object_legal_hold, **named) == invalid
    assert refused(s3.put_object, **named, Body=b"new", ObjectLockLegalHoldStatus="ON") == invalid
    assert refused(s3.create_multipart_upload, **named, ObjectLockLegalHoldStatus="ON") == invalid
    assert s3.get_object(**named)["Body"].read() == b"content"


def test_the_default_is_given_to_puts_copies_and_uploads(s3, locked):
    s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration=default("COMPLIANCE", Days=3))
    versions = [put(s3, locked)]
    copied = s3.copy_object(Bucket=locked, Key="copy", CopySource={"Bucket": locked, "Key": "key"})
    upload = {"Bucket": locked, "Key": "parts"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    part = s3.upload_part(**upload, PartNumber=1, Body=b"part")
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    completed = s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    versions += [copied["VersionId"], completed["VersionId"]]
    for key, version in zip(["key", "copy", "parts"], versions):
        found = s3.head_object(Bucket=locked, Key=key)
        assert found["ObjectLockMode"] == "COMPLIANCE"
        left = found["ObjectLockRetainUntilDate"] - found["LastModified"]
        assert abs(left.total_seconds() - 3 * 24 * 3600) < 5
        named = {"Bucket": locked, "Key": key, "VersionId": version}
        assert refused(s3.delete_object, **named) == LOCKED
        assert refused(s3.delete_object, **named, BypassGovernanceRetention=True) == LOCKED
    assert refused(s3.delete_bucket, Bucket=locked) == (409, "BucketNotEmpty")


def test_the_request_goes_before_the_default(s3, locked):
    s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration=default("GOVERNANCE", Years=1))
    until = later(days=5)
    put(s3, locked, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until, ObjectLockLegalHoldStatus="OFF")
    found = s3.get_object(Bucket=locked, Key="key")
    assert (found["ObjectLockMode"], found["ObjectLockRetainUntilDate"]) == ("COMPLIANCE", until)
    assert found["ObjectLockLegalHoldStatus"] == "OFF"
    put(s3, locked, "held", ObjectLockLegalHoldStatus="ON")
    found = s3.get_object(Bucket=locked, Key="held")
    assert (found["ObjectLockMode"], found["ObjectLockLegalHoldStatus"]) == ("GOVERNANCE", "ON")


def test_governance_yields_to_who_bypasses_it(s3, locked):
    version = put(s3, locked, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=later(days=9))
    named = {"Bucket": locked, "Key": "key", "VersionId": version}
    assert refused(s3.delete_object, **named) == LOCKED
    shorter = {"Mode": "GOVERNANCE", "RetainUntilDate": later(days=1)}
    longer = {"Mode": "GOVERNANCE", "RetainUntilDate": later(days=20)}
    assert refused(s3.put_object_retention, **named, Retention=shorter) == LOCKED
    s3.put_object_retention(**named, Retention=longer)
    assert s3.get_object_retention(**named)["Retention"] == longer
    s3.put_object_retention(**named, Retention=shorter, BypassGovernanceRetention=True)
    assert s3.get_object_retention(**named)["Retention"] == shorter
    assert refused(s3.put_object_retention, **named, Retention={}) == LOCKED
    s3.put_object_retention(**named, Retention={}, BypassGovernanceRetention=True)
    assert refused(s3.get_object_retention, **named) == (404, "NoSuchObjectLockConfiguration")
    s3.put_object_retention(**named, Retention=shorter)
    s3.delete_object(**named, BypassGovernanceRetention=True)
    assert refused(s3.head_object, **named)[0] == 404


def test_compliance_yields_to_nobody(s3, locked):
    until = later(days=9)
    version = put(s3, locked, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    named = {"Bucket": locked, "Key": "key", "VersionId": version}
    for retention in (
        {"Mode": "COMPLIANCE", "RetainUntilDate": later(days=1)},
        {"Mode": "GOVERNANCE", "RetainUntilDate": later(days=20)},
        {},
    ):
        change = {**named, "Retention": retention, "BypassGovernanceRetention": True}
        assert refused(s3.put_object_retention, **change) == LOCKED
    s3.put_object_retention(**named, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": later(days=20)})
    assert refused(s3.delete_object, **named, BypassGovernanceRetention=True) == LOCKED


def test_a_retention_ends(s3, locked):
    until = later(seconds=3)
    version = put(s3, locked, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    named = {"Bucket": locked, "Key": "key", "VersionId": version}
    assert refused(s3.delete_object, **named) == LOCKED
    while datetime.datetime.now(datetime.timezone.utc) <= until:
        time.sleep(0.2)
    s3.delete_object(**named)


def test_a_legal_hold_stands_beside_the_retention(s3, locked):
    version = put(s3, locked, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=later(days=1))
    named = {"Bucket": locked, "Key": "key", "VersionId": version}
    assert refused(s3.get_object_legal_hold, **named) == (404, "NoSuchObjectLockConfiguration")
    s3.put_object_legal_hold(**named, LegalHold={"Status": "ON"})
    assert s3.get_object_legal_hold(**named)["LegalHold"] == {"Status": "ON"}
    assert refused(s3.delete_object, **named, BypassGovernanceRetention=True) == LOCKED
    assert refused(s3.put_object_legal_hold, **named, LegalHold={"Status": "on"}) == (400, "MalformedXML")
    s3.put_object_legal_hold(**named, LegalHold={"Status": "OFF"})
    assert s3.head_object(**named)["ObjectLockLegalHoldStatus"] == "OFF"
    assert refused(s3.delete_object, **named) == LOCKED
    s3.delete_object(**named, BypassGovernanceRetention=True)


def test_locked_versions_are_hidden_and_shown_again(s3, locked):
    version = put(s3, locked, ObjectLockLegalHoldStatus="ON")
    marker = s3.delete_object(Bucket=locked, Key="key")["VersionId"]
    put(s3, locked)
    assert s3.get_object(Bucket=locked, Key="key", VersionId=version)["Body"].read() == b"content"
    s3.delete_object(Bucket=locked, Key="key", VersionId=marker)
    named = [{"Key": "key", "VersionId": version}, {"Key": "other"}]
    answer = s3.delete_objects(Bucket=locked, Delete={"Objects": named}, BypassGovernanceRetention=True)
    assert [(error["Code"], error["VersionId"]) for error in answer["Errors"]] == [("AccessDenied", version)]
    assert [deleted["Key"] for deleted in answer["Deleted"]] == ["other"]


@pytest.mark.parametrize("lock", [
    {"ObjectLockMode": "GOVERNANCE"},
    {"ObjectLockRetainUntilDate": later(days=1)},
    {"ObjectLockMode": "governance", "ObjectLockRetainUntilDate": later(days=1)},
    {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": later(days=-1)},
    {"ObjectLockLegalHoldStatus": "MAYBE"},
])
def test_half_a_lock_is_refused(s3, locked, lock):
    named = {"Bucket": locked, "Key": "key"}
    assert refused(s3.put_object, **named, Body=b"content", **lock) == (400, "InvalidArgument")
    assert refused(s3.create_multipart_upload, **named, **lock) == (400, "InvalidArgument")
    assert refused(s3.head_object, **named)[0] == 404


def test_what_is_locked_needs_a_digest(s3, no_checksums, locked):
    named = {"Bucket": locked, "Key": "key", "Body": b"content"}
    no_checksums.put_object(**named)
    assert refused(no_checksums.put_object, **named, ObjectLockLegalHoldStatus="ON") == (400, "InvalidRequest")
    s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration=default("GOVERNANCE", Days=1))
    assert refused(no_checksums.put_object, **named) == (400, "InvalidRequest")
    no_checksums.put_object(**named, ContentMD5="mgNkuembtIDdJeHwKEyFVQ==")


def test_others_bypass_and_see_only_what_they_are_permitted(s3, nobody, locked):  # noqa: F811
    version = put(s3, locked, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=later(days=1))
    named = {"Bucket": locked, "Key": "key", "VersionId": version}
    may = ["s3:GetObjectVersion", "s3:DeleteObjectVersion"]
    s3.put_bucket_policy(Bucket=locked, Policy=policy(locked, *may))
    assert "ObjectLockMode" not in nobody.head_object(**named)
    assert refused(nobody.delete_object, **named, BypassGovernanceRetention=True) == LOCKED
    s3.put_bucket_policy(Bucket=locked, Policy=policy(locked, *may, "s3:GetObjectRetention"))
    assert nobody.head_object(**named)["ObjectLockMode"] == "GOVERNANCE"
    s3.put_bucket_policy(Bucket=locked, Policy=policy(locked, *may, "s3:BypassGovernanceRetention"))
    assert refused(nobody.delete_object, **named) == LOCKED
    nobody.delete_object(**named, BypassGovernanceRetention=True)


def test_policies_bound_retentions_wherever_they_stand(s3, locked):
    put(s3, locked)
    days = {"NumericGreaterThan": {"s3:object-lock-remaining-retention-days": "10"}}
    denied = policy(locked, "s3:PutObjectRetention", effect="Deny", condition=days)
    s3.put_bucket_policy(Bucket=locked, Policy=denied)
    named = {"Bucket": locked, "Key": "key"}
    long, short = later(days=30), later(days=5)
    retain = lambda until: {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": until}}
    assert refused(s3.put_object_retention, **named, **retain(long)) == LOCKED
    s3.put_object_retention(**named, **retain(short))
    by_header = {"Body": b"new", "ObjectLockMode": "GOVERNANCE"}
    assert refused(s3.put_object, **named, **by_header, ObjectLockRetainUntilDate=long) == LOCKED
    put(s3, locked, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=short)


def test_a_lock_survives_a_restart(make_server):
    server = make_server().start()
    s3 = server.client()
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    until = later(days=3)
    version = put(s3, "locked", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    server.kill()
    server.start()
    s3 = server.client()
    named = {"Bucket": "locked", "Key": "key", "VersionId": version}
    assert s3.get_object_retention(**named)["Retention"]["RetainUntilDate"] == until
    assert refused(s3.delete_object, **named, BypassGovernanceRetention=True) == LOCKED
