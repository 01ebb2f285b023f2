"""RenameObject through boto3: one step, no copying, conditions, tokens, versions, locks and permissions."""

import datetime
import json

import pytest
from botocore.exceptions import ClientError

from stonecrop import body
from test_objects import code_of

MIB = 1024 * 1024


def rename(s3, bucket, source, target, **options):
    return s3.rename_object(Bucket=bucket, Key=target, RenameSource=f"{bucket}/{source}", **options)


def read(s3, bucket, key, **options):
    return s3.get_object(Bucket=bucket, Key=key, **options)["Body"].read()


def keys(s3, bucket):
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def refused(call, *arguments, **options):
    with pytest.raises(ClientError) as error:
        call(*arguments, **options)
    return code_of(error), error.value.response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("size", [0, 100, 6 * MIB])
def test_the_object_is_what_it_was_under_another_name(s3, bucket, size):
    content = body(size, 1)
    s3.put_object(Bucket=bucket, Key="old name+ü", Body=content, ContentType="text/plain", Metadata={"a": "b"}, Tagging="color=red")
    before = s3.head_object(Bucket=bucket, Key="old name+ü", ChecksumMode="ENABLED")
    s3.rename_object(Bucket=bucket, Key="new", RenameSource=f"{bucket}/old%20name%2B%C3%BC")
    after = s3.head_object(Bucket=bucket, Key="new", ChecksumMode="ENABLED")
    for part in (before, after):
        part.pop("ResponseMetadata")
    assert after == before and read(s3, bucket, "new") == content
    assert s3.get_object_tagging(Bucket=bucket, Key="new")["TagSet"] == [{"Key": "color", "Value": "red"}]
    assert keys(s3, bucket) == ["new"]
    s3.delete_object(Bucket=bucket, Key="new")


def test_what_is_there_is_replaced_unless_conditions_forbid_it(s3, bucket):
    for key in ("a", "b"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode() * 20_000)
    tags = {key: s3.head_object(Bucket=bucket, Key=key)["ETag"] for key in "ab"}
    failed, missing = ("PreconditionFailed", 412), ("NoSuchKey", 404)
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    past = soon - datetime.timedelta(days=3)
    assert refused(rename, s3, bucket, "a", "b", DestinationIfNoneMatch="*") == failed
    assert refused(rename, s3, bucket, "a", "b", DestinationIfMatch=tags["a"]) == failed
    assert refused(rename, s3, bucket, "a", "c", DestinationIfMatch=tags["a"]) == missing
    assert refused(rename, s3, bucket, "a", "b", DestinationIfModifiedSince=soon) == failed
    assert refused(rename, s3, bucket, "a", "b", DestinationIfUnmodifiedSince=past) == failed
    assert refused(rename, s3, bucket, "a", "b", SourceIfMatch=tags["b"]) == failed
    assert refused(rename, s3, bucket, "a", "b", SourceIfNoneMatch=tags["a"]) == failed
    assert refused(rename, s3, bucket, "a", "b", SourceIfModifiedSince=soon) == failed
    assert refused(rename, s3, bucket, "a", "b", SourceIfUnmodifiedSince=past) == failed
    assert refused(rename, s3, bucket, "none", "b") == missing
    assert keys(s3, bucket) == ["a", "b"]
    rename(s3, bucket, "a", "b", DestinationIfMatch=tags["b"], SourceIfMatch=tags["a"], SourceIfModifiedSince=past)
    assert keys(s3, bucket) == ["b"] and read(s3, bucket, "b") == b"a" * 20_000


def test_a_token_makes_it_happen_once(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"first")
    rename(s3, bucket, "a", "b", ClientToken="token-1")
    s3.put_object(Bucket=bucket, Key="a", Body=b"second")
    rename(s3, bucket, "a", "b", ClientToken="token-1")
    assert read(s3, bucket, "a") == b"second" and read(s3, bucket, "b") == b"first"
    assert refused(rename, s3, bucket, "a", "c", ClientToken="token-1") == ("IdempotencyParameterMismatch", 400)
    rename(s3, bucket, "a", "b", ClientToken="token-2")
    assert keys(s3, bucket) == ["b"] and read(s3, bucket, "b") == b"second"
    assert refused(rename, s3, bucket, "b", "c", ClientToken="x" * 65) == ("InvalidArgument", 400)


def test_sources_that_are_none_are_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"bytes")
    for source, expected in [
        ("other-bucket/key", ("InvalidArgument", 400)),
        (f"{bucket}/", ("InvalidArgument", 400)),
        (f"{bucket}/new", ("InvalidRequest", 400)),
        (f"/{bucket}/missing", ("NoSuchKey", 404)),
    ]:
        assert refused(s3.rename_object, Bucket=bucket, Key="new", RenameSource=source) == expected
    s3.rename_object(Bucket=bucket, Key="new", RenameSource="key")
    assert keys(s3, bucket) == ["new"]


def test_with_versions_the_version_leaves_a_marker_behind(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    older = s3.put_object(Bucket=bucket, Key="a", Body=b"older")["VersionId"]
    s3.put_object(Bucket=bucket, Key="a", Body=body(2 * MIB, 2))
    replaced = s3.put_object(Bucket=bucket, Key="b", Body=b"replaced")["VersionId"]
    version = rename(s3, bucket, "a", "b")["ResponseMetadata"]["HTTPHeaders"]["x-amz-version-id"]
    assert read(s3, bucket, "b") == read(s3, bucket, "b", VersionId=version) == body(2 * MIB, 2)
    assert read(s3, bucket, "b", VersionId=replaced) == b"replaced"
    listed = s3.list_object_versions(Bucket=bucket)
    assert [(entry["Key"], entry["VersionId"]) for entry in listed["Versions"]] == [("a", older), ("b", version), ("b", replaced)]
    marker = listed["DeleteMarkers"]
    assert [(entry["Key"], entry["IsLatest"]) for entry in marker] == [("a", True)]
    s3.delete_object(Bucket=bucket, Key="a", VersionId=marker[0]["VersionId"])
    assert read(s3, bucket, "a") == b"older"

    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    rename(s3, bucket, "a", "c")
    assert read(s3, bucket, "c", VersionId="null") == b"older" and refused(read, s3, bucket, "a")[0] == "NoSuchKey"


def test_what_is_locked_stays(s3, bucket):
    locked = f"{bucket}-locked"
    s3.create_bucket(Bucket=locked, ObjectLockEnabledForBucket=True)
    s3.put_object(Bucket=locked, Key="a", Body=b"held", ObjectLockLegalHoldStatus="ON", ChecksumAlgorithm="CRC32")
    assert refused(rename, s3, locked, "a", "b") == ("AccessDenied", 403)
    assert read(s3, locked, "a") == b"held"
    s3.put_object_legal_hold(Bucket=locked, Key="a", LegalHold={"Status": "OFF"})
    rename(s3, locked, "a", "b")
    assert read(s3, locked, "b") == b"held"


def test_reading_and_deleting_the_source_must_be_permitted(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"bytes")
    for denied, resource in (("s3:GetObject", "a"), ("s3:DeleteObject", "a"), ("s3:PutObject", "b")):
        statement = {"Effect": "Deny", "Principal": "*", "Action": denied, "Resource": f"arn:aws:s3:::{bucket}/{resource}"}
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
        assert refused(rename, s3, bucket, "a", "b") == ("AccessDenied", 403), denied
    s3.delete_bucket_policy(Bucket=bucket)
    rename(s3, bucket, "a", "b")
    assert keys(s3, bucket) == ["b"]


def test_uploads_encrypted_and_appended_objects_are_renamed(s3, bucket):
    own = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    s3.put_object(Bucket=bucket, Key="own", Body=body(300_000), **own)
    rename(s3, bucket, "own", "own2")
    assert read(s3, bucket, "own2", **own) == body(300_000)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts", ServerSideEncryption="AES256")["UploadId"]
    named, parts = {"Bucket": bucket, "Key": "parts", "UploadId": upload}, []
    for number in (1, 2):
        etag = s3.upload_part(PartNumber=number, Body=body(5 * MIB, number), **named)["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **named)
    rename(s3, bucket, "parts", "whole")
    s3.put_object(Bucket=bucket, Key="whole", Body=b"end", WriteOffsetBytes=10 * MIB)
    rename(s3, bucket, "whole", "parts")
    assert read(s3, bucket, "parts") == body(5 * MIB, 1) + body(5 * MIB, 2) + b"end"
    assert read(s3, bucket, "parts", PartNumber=3) == b"end"
