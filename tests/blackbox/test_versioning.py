"""Versions through boto3: ids, delete markers, the null version, listings, conditions, copies."""

import hashlib

import pytest
from botocore.exceptions import ClientError

from stonecrop import body

NEVER_GIVEN_OUT = "00000000000000010000"


def answer(error):
    """Status, code and headers of a refusal."""
    metadata = error.value.response["ResponseMetadata"]
    return metadata["HTTPStatusCode"], error.value.response["Error"]["Code"], metadata["HTTPHeaders"]


def refused(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return answer(error)


@pytest.fixture
def versioned(s3, bucket):
    """A bucket whose versioning is enabled."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def suspend(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


def put(s3, bucket, content, key="key"):
    """Stores some bytes; returns the id of the version, or `null`."""
    return s3.put_object(Bucket=bucket, Key=key, Body=content).get("VersionId", "null")


def read(s3, bucket, version=None, key="key"):
    named = {"VersionId": version} if version else {}
    return s3.get_object(Bucket=bucket, Key=key, **named)["Body"].read()


def listed(s3, bucket, **arguments):
    """All versions: of each page the objects first, as boto3 gives them, then the delete markers."""
    entries = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, **arguments):
        entries += [(entry, False) for entry in page.get("Versions", [])]
        entries += [(entry, True) for entry in page.get("DeleteMarkers", [])]
    return [(entry["Key"], entry["VersionId"], entry["IsLatest"], is_marker) for entry, is_marker in entries]


def test_versioning_is_off_then_enabled_or_suspended(s3, bucket):
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    for status in ("Enabled", "Suspended", "Enabled", "Enabled"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status
    configure = s3.put_bucket_versioning
    assert refused(configure, Bucket=bucket, VersioningConfiguration={"Status": "On"})[:2] == (400, "MalformedXML")
    assert refused(configure, Bucket=bucket, VersioningConfiguration={})[:2] == (400, "IllegalVersioningConfigurationException")
    both = {"Status": "Enabled", "MFADelete": "Enabled"}
    assert refused(configure, Bucket=bucket, VersioningConfiguration=both)[:2] == (403, "AccessDenied")
    status = refused(configure, Bucket="no-such-bucket-at-all", VersioningConfiguration={"Status": "Enabled"})
    assert status[:2] == (404, "NoSuchBucket")


def test_without_versioning_nothing_is_told_of_versions(s3, bucket):
    assert "VersionId" not in s3.put_object(Bucket=bucket, Key="key", Body=b"1")
    assert "VersionId" not in s3.get_object(Bucket=bucket, Key="key")
    assert listed(s3, bucket) == [("key", "null", True, False)]
    deleted = s3.delete_object(Bucket=bucket, Key="key")
    assert "VersionId" not in deleted and "DeleteMarker" not in deleted
    status, code, headers = refused(s3.get_object, Bucket=bucket, Key="key")
    assert (status, code) == (404, "NoSuchKey") and "x-amz-delete-marker" not in headers


@pytest.mark.parametrize("size", [0, 100, 1_500_000])
def test_every_version_is_read_by_its_id(s3, versioned, size):
    contents = [body(size) + bytes([number]) for number in range(4)]
    versions = [put(s3, versioned, content) for content in contents]
    assert len(set(versions)) == 4 and "null" not in versions
    assert read(s3, versioned) == contents[-1]
    for version, content in zip(versions, contents):
        got = s3.get_object(Bucket=versioned, Key="key", VersionId=version)
        assert got["Body"].read() == content and got["VersionId"] == version
        head = s3.head_object(Bucket=versioned, Key="key", VersionId=version)
        assert head["VersionId"] == version and head["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
        attributes = s3.get_object_attributes(Bucket=versioned, Key="key", VersionId=version, ObjectAttributes=["ObjectSize"])
        assert attributes["VersionId"] == version and attributes["ObjectSize"] == len(content)
    part = s3.get_object(Bucket=versioned, Key="key", VersionId=versions[0], Range="bytes=-1")
    assert part["Body"].read() == b"\0" and part["VersionId"] == versions[0]
    latest = [("key", version, version == versions[-1], False) for version in reversed(versions)]
    assert listed(s3, versioned) == latest


def test_a_delete_marker_hides_the_key_and_is_deleted_by_its_id(s3, versioned):
    version = put(s3, versioned, b"1")
    deleted = s3.delete_object(Bucket=versioned, Key="key")
    marker = deleted["VersionId"]
    assert deleted["DeleteMarker"] is True and marker != version
    for call in (s3.get_object, s3.head_object):
        status, _, headers = refused(call, Bucket=versioned, Key="key")
        assert status == 404
        assert headers["x-amz-delete-marker"] == "true" and headers["x-amz-version-id"] == marker
        status, _, headers = refused(call, Bucket=versioned, Key="key", VersionId=marker)
        assert status == 405
        assert headers["x-amz-delete-marker"] == "true" and headers["allow"] == "DELETE" and "last-modified" in headers
    assert refused(s3.get_object, Bucket=versioned, Key="key")[1] == "NoSuchKey"
    assert refused(s3.get_object, Bucket=versioned, Key="key", VersionId=marker)[1] == "MethodNotAllowed"
    assert "Contents" not in s3.list_objects_v2(Bucket=versioned)
    assert read(s3, versioned, version) == b"1"
    assert refused(s3.delete_bucket, Bucket=versioned)[:2] == (409, "BucketNotEmpty")

    removed = s3.delete_object(Bucket=versioned, Key="key", VersionId=marker)
    assert removed["DeleteMarker"] is True and removed["VersionId"] == marker
    assert read(s3, versioned) == b"1"
    removed = s3.delete_object(Bucket=versioned, Key="key", VersionId=version)
    assert "DeleteMarker" not in removed and removed["VersionId"] == version
    assert listed(s3, versioned) == []
    s3.delete_bucket(Bucket=versioned)


def test_a_key_that_never_was_can_be_deleted_to_a_marker(s3, versioned):
    for _ in range(2):
        assert s3.delete_object(Bucket=versioned, Key="key")["DeleteMarker"] is True
    assert [(latest, marker) for _, _, latest, marker in listed(s3, versioned)] == [(True, True), (False, True)]


def test_the_null_version(s3, bucket):
    put(s3, bucket, b"before")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert s3.head_object(Bucket=bucket, Key="key")["VersionId"] == "null"
    first = put(s3, bucket, b"first")
    assert read(s3, bucket, "null") == b"before"
    suspend(s3, bucket)
    assert put(s3, bucket, b"after") == "null"
    assert read(s3, bucket, "null") == read(s3, bucket) == b"after"
    assert listed(s3, bucket) == [("key", "null", True, False), ("key", first, False, False)]
    deleted = s3.delete_object(Bucket=bucket, Key="key")
    assert deleted["DeleteMarker"] is True and deleted["VersionId"] == "null"
    assert refused(s3.get_object, Bucket=bucket, Key="key", VersionId="null")[:2] == (405, "MethodNotAllowed")
    s3.delete_object(Bucket=bucket, Key="key", VersionId="null")
    assert read(s3, bucket) == b"first"
    assert refused(s3.get_object, Bucket=bucket, Key="key", VersionId="null")[:2] == (404, "NoSuchVersion")


def test_ids_that_are_none(s3, versioned):
    put(s3, versioned, b"1")
    for version in ("x", "Null", NEVER_GIVEN_OUT + "0", NEVER_GIVEN_OUT.replace("1", "G")):
        for call in (s3.get_object, s3.head_object, s3.delete_object):
            status, code, _ = refused(call, Bucket=versioned, Key="key", VersionId=version)
            assert status == 400 and code in ("InvalidArgument", "400"), version
    assert refused(s3.get_object, Bucket=versioned, Key="key", VersionId=NEVER_GIVEN_OUT)[:2] == (404, "NoSuchVersion")
    assert refused(s3.get_object, Bucket=versioned, Key="other", VersionId=NEVER_GIVEN_OUT)[:2] == (404, "NoSuchVersion")
    deleted = s3.delete_object(Bucket=versioned, Key="key", VersionId=NEVER_GIVEN_OUT)
    assert deleted["VersionId"] == NEVER_GIVEN_OUT and "DeleteMarker" not in deleted
    assert len(listed(s3, versioned)) == 1


def test_deleting_many_versions_at_once(s3, versioned):
    versions = [put(s3, versioned, bytes([number])) for number in range(3)]
    answer = s3.delete_objects(Bucket=versioned, Delete={"Objects": [{"Key": "key"}]})
    (hidden,) = answer["Deleted"]
    assert hidden["DeleteMarker"] is True and "VersionId" not in hidden
    marker = hidden["DeleteMarkerVersionId"]
    objects = [{"Key": "key", "VersionId": version} for version in [*versions, marker, "not-a-version"]]
    answer = s3.delete_objects(Bucket=versioned, Delete={"Objects": objects})
    assert {entry["VersionId"] for entry in answer["Deleted"]} == {*versions, marker}
    for entry in answer["Deleted"]:
        assert entry.get("DeleteMarkerVersionId") == (marker if entry["VersionId"] == marker else None)
    (error,) = answer["Errors"]
    assert error["VersionId"] == "not-a-version" and error["Code"] == "InvalidArgument"
    assert listed(s3, versioned) == []


def test_versions_are_listed_in_pages_with_both_markers(s3, versioned):
    for key in ("a", "b/1", "b/2", "c"):
        for number in range(3):
            put(s3, versioned, bytes([number]), key)
    s3.delete_object(Bucket=versioned, Key="c")
    everything = s3.list_object_versions(Bucket=versioned)
    whole = [(entry["Key"], entry["VersionId"]) for entry in everything["Versions"]]
    assert [key for key, _ in whole] == sorted(key for key, _ in whole) and len(whole) == 12
    for limit in (1, 2, 5, 100):
        arguments, found, markers = {"MaxKeys": limit}, [], []
        while True:
            page = s3.list_object_versions(Bucket=versioned, **arguments)
            entries = page.get("Versions", []) + page.get("DeleteMarkers", [])
            assert 0 < len(entries) <= limit and page["MaxKeys"] == limit
            found += [(entry["Key"], entry["VersionId"]) for entry in page.get("Versions", [])]
            markers += [entry["Key"] for entry in page.get("DeleteMarkers", [])]
            if not page["IsTruncated"]:
                break
            arguments |= {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
        assert found == whole and markers == ["c"], limit
    rolled = s3.list_object_versions(Bucket=versioned, Delimiter="/")
    assert [entry["Prefix"] for entry in rolled["CommonPrefixes"]] == ["b/"]
    assert {entry["Key"] for entry in rolled["Versions"]} == {"a", "c"}
    assert {key for key, *_ in listed(s3, versioned, Prefix="b/")} == {"b/1", "b/2"}
    above = s3.list_object_versions(Bucket=versioned, KeyMarker="b/1")
    assert {entry["Key"] for entry in above["Versions"]} == {"b/2", "c"}
    assert refused(s3.list_object_versions, Bucket=versioned, VersionIdMarker="null")[:2] == (400, "InvalidArgument")


def test_copies_read_a_version_and_make_one(s3, versioned):
    first, second = put(s3, versioned, b"first"), put(s3, versioned, b"second")
    source = {"Bucket": versioned, "Key": "key", "VersionId": first}
    # Onto itself: what was the first version is current again.
    copied = s3.copy_object(Bucket=versioned, Key="key", CopySource=source)
    assert copied["CopySourceVersionId"] == first and copied["VersionId"] not in (first, second)
    assert read(s3, versioned) == b"first" and read(s3, versioned, second) == b"second"
    upload = s3.create_multipart_upload(Bucket=versioned, Key="parts")["UploadId"]
    part = s3.upload_part_copy(Bucket=versioned, Key="parts", UploadId=upload, PartNumber=1, CopySource=source | {"VersionId": second})
    assert part["CopySourceVersionId"] == second
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]}
    completed = s3.complete_multipart_upload(Bucket=versioned, Key="parts", UploadId=upload, MultipartUpload=parts)
    assert read(s3, versioned, completed["VersionId"], "parts") == b"second"
    marker = s3.delete_object(Bucket=versioned, Key="key")["VersionId"]
    status = refused(s3.copy_object, Bucket=versioned, Key="copy", CopySource=source | {"VersionId": marker})
    assert status[:2] == (400, "InvalidRequest")
    del source["VersionId"]
    assert refused(s3.copy_object, Bucket=versioned, Key="copy", CopySource=source)[:2] == (404, "NoSuchKey")


@pytest.mark.first_answer
def test_conditions_are_about_the_current_version(s3, versioned):
    first = s3.put_object(Bucket=versioned, Key="key", Body=b"1", IfNoneMatch="*")
    second = s3.put_object(Bucket=versioned, Key="key", Body=b"2", IfMatch=first["ETag"])
    assert refused(s3.put_object, Bucket=versioned, Key="key", Body=b"3", IfMatch=first["ETag"])[:2] == (412, "PreconditionFailed")
    assert refused(s3.put_object, Bucket=versioned, Key="key", Body=b"3", IfNoneMatch="*")[:2] == (412, "PreconditionFailed")
    assert refused(s3.delete_object, Bucket=versioned, Key="key", IfMatch=first["ETag"])[:2] == (412, "PreconditionFailed")
    assert s3.delete_object(Bucket=versioned, Key="key", IfMatch=second["ETag"])["DeleteMarker"] is True
    # A delete marker is no object, but something to be deleted.
    assert refused(s3.put_object, Bucket=versioned, Key="key", Body=b"3", IfMatch="*")[:2] == (404, "NoSuchKey")
    assert refused(s3.delete_object, Bucket=versioned, Key="key", IfMatch=second["ETag"])[:2] == (412, "PreconditionFailed")
    s3.put_object(Bucket=versioned, Key="key", Body=b"3", IfNoneMatch="*")
    named = {"Bucket": versioned, "Key": "key", "VersionId": first["VersionId"]}
    assert refused(s3.delete_object, IfMatch=second["ETag"], **named)[:2] == (412, "PreconditionFailed")
    s3.delete_object(IfMatch=first["ETag"], **named)
    assert len(listed(s3, versioned)) == 3


# A write that is sent again makes a version more.
@pytest.mark.first_answer
def test_a_thousand_versions_of_a_key(s3, versioned):
    versions = [put(s3, versioned, str(number).encode()) for number in range(1001)]
    page = s3.list_object_versions(Bucket=versioned)
    assert page["IsTruncated"] and len(page["Versions"]) == 1000
    assert [version for _, version, *_ in listed(s3, versioned)] == versions[::-1]
    assert read(s3, versioned, versions[500]) == b"500"
    objects = [{"Key": "key", "VersionId": version} for version in versions]
    s3.delete_objects(Bucket=versioned, Delete={"Objects": objects[1:], "Quiet": True})
    assert read(s3, versioned) == b"0"
