"""Quotas of buckets: set by `stonecrop admin`, exact to the byte through boto3, also when many write at once."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from stonecrop import ACCESS_KEY, SECRET_KEY, binary, body
from test_objects import code_of, status_of

MIB = 1024 * 1024
EXCEEDED = (400, "XMinioAdminBucketQuotaExceeded")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    from stonecrop import Server

    server = Server(tmp_path_factory.mktemp("quota"), disks=6).start()
    yield server
    server.stop()


@pytest.fixture
def client(own):
    return own.client()


@pytest.fixture
def named(client, request):
    name = "quota-" + request.node.name.replace("_", "-")[:50].strip("-")
    client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def admin(own):
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "STONECROP_ADMIN_URL": f"http://127.0.0.1:{own.admin_port}",
    }

    def run(*words):
        command = [str(binary()), "admin", "bucket", "quota", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)

    return run


def told(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return status_of(error), code_of(error)


def put(client, bucket, key, size):
    return client.put_object(Bucket=bucket, Key=key, Body=body(size)).get("VersionId")


def test_a_quota_is_set_shown_and_removed(admin, client, named):
    put(client, named, "key", 1000)
    usage = {"bytes": 1000, "objects": 1}
    assert told(admin(named, "--json")) == {"bucket": named, "quota": {"bytes": None, "objects": None}, "usage": usage}
    shown = told(admin(named, "--bytes", "10GiB", "--json"))
    assert shown["quota"] == {"bytes": 10 << 30, "objects": None}
    assert told(admin(named, "--objects", "5", "--json"))["quota"] == {"bytes": None, "objects": 5}
    assert told(admin(named, "--json"))["quota"] == {"bytes": None, "objects": 5}
    assert f"{named}: 1.0 KiB of any number, 1 of 5 objects" in admin(named).stdout
    assert told(admin(named, "--none", "--json"))["quota"] == {"bytes": None, "objects": None}
    assert "does not exist" in admin("no-such-bucket").stderr
    assert admin(named, "--bytes", "much").returncode == 2
    assert admin(named, "--bytes", "1", "--none").returncode == 2


def test_bytes_are_counted_exactly(admin, client, named):
    told(admin(named, "--bytes", "3000", "--json"))
    put(client, named, "a", 1000)
    put(client, named, "b", 2000)
    assert refused(client.put_object, Bucket=named, Key="c", Body=b"1") == EXCEEDED
    assert refused(client.put_object, Bucket=named, Key="a", Body=body(1001)) == EXCEEDED
    assert refused(client.copy_object, Bucket=named, Key="c", CopySource={"Bucket": named, "Key": "a"}) == EXCEEDED
    put(client, named, "empty", 0)
    put(client, named, "a", 500)
    put(client, named, "c", 500)
    client.delete_object(Bucket=named, Key="b")
    put(client, named, "b", 2000)
    assert told(admin(named, "--json"))["usage"] == {"bytes": 3000, "objects": 4}
    # Below what there is: nothing more, but less.
    told(admin(named, "--bytes", "100", "--json"))
    assert refused(client.put_object, Bucket=named, Key="d", Body=b"1") == EXCEEDED
    put(client, named, "b", 1999)
    assert told(admin(named, "--json"))["usage"]["bytes"] == 2999


def test_what_is_appended_and_renamed_is_counted(admin, client, named):
    told(admin(named, "--bytes", "100", "--objects", "1", "--json"))
    append = {"Bucket": named, "Key": "key"}
    client.put_object(**append, Body=body(60), WriteOffsetBytes=0)
    assert refused(client.put_object, **append, Body=body(41), WriteOffsetBytes=60) == EXCEEDED
    client.put_object(**append, Body=body(40), WriteOffsetBytes=60)
    client.rename_object(Bucket=named, Key="renamed", RenameSource=f"{named}/key")
    assert told(admin(named, "--json"))["usage"] == {"bytes": 100, "objects": 1}
    client.delete_object(Bucket=named, Key="renamed")
    assert told(admin(named, "--json"))["usage"] == {"bytes": 0, "objects": 0}


def test_annotations_are_counted_and_bounded(admin, client, named):
    told(admin(named, "--bytes", "100", "--json"))
    client.put_object(Bucket=named, Key="key", Body=body(10))
    annotate = lambda name, size: client.put_object_annotation(Bucket=named, Key="key", AnnotationName=name, AnnotationPayload=b"x" * size)
    annotate("a", 60)
    annotate("b", 30)
    for name, size in [("c", 1), ("b", 31)]:
        assert refused(annotate, name=name, size=size) == EXCEEDED
    assert refused(client.copy_object, Bucket=named, Key="copy", CopySource=f"{named}/key") == EXCEEDED
    annotate("a", 50)
    assert told(admin(named, "--json"))["usage"] == {"bytes": 90, "objects": 1}
    client.delete_object_annotation(Bucket=named, Key="key", AnnotationName="a")
    client.copy_object(Bucket=named, Key="copy", CopySource=f"{named}/key", AnnotationDirective="EXCLUDE")
    assert told(admin(named, "--json"))["usage"] == {"bytes": 50, "objects": 2}
    for key in ("key", "copy"):
        client.delete_object(Bucket=named, Key=key)
    assert told(admin(named, "--json"))["usage"] == {"bytes": 0, "objects": 0}


def test_objects_are_counted_once_a_key(admin, client, named):
    told(admin(named, "--objects", "2", "--json"))
    put(client, named, "a", 10)
    put(client, named, "b", 10)
    put(client, named, "a", 20)
    assert refused(client.put_object, Bucket=named, Key="c", Body=b"") == EXCEEDED
    client.delete_object(Bucket=named, Key="a")
    put(client, named, "c", 10)


def test_all_versions_count(admin, client, named):
    client.put_bucket_versioning(Bucket=named, VersioningConfiguration={"Status": "Enabled"})
    told(admin(named, "--bytes", "2500", "--json"))
    first = put(client, named, "key", 1000)
    put(client, named, "key", 1000)
    assert refused(client.put_object, Bucket=named, Key="key", Body=body(1000)) == EXCEEDED
    client.delete_object(Bucket=named, Key="key")
    assert refused(client.put_object, Bucket=named, Key="key", Body=body(1000)) == EXCEEDED
    client.delete_object(Bucket=named, Key="key", VersionId=first)
    put(client, named, "key", 1000)
    assert told(admin(named, "--json"))["usage"] == {"bytes": 2000, "objects": 1}


def test_an_upload_counts_when_it_is_completed(admin, client, named):
    told(admin(named, "--bytes", "6MiB", "--json"))
    upload = {"Bucket": named, "Key": "key"}
    upload["UploadId"] = client.create_multipart_upload(**upload)["UploadId"]
    parts = []
    for number in (1, 2):
        part = client.upload_part(**upload, PartNumber=number, Body=body(5 * MIB))
        parts.append({"ETag": part["ETag"], "PartNumber": number})
    assert refused(client.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts}) == EXCEEDED
    client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts[:1]})
    assert told(admin(named, "--json"))["usage"] == {"bytes": 5 * MIB, "objects": 1}


def test_many_at_once_stay_within(admin, client, named):
    told(admin(named, "--bytes", "50000", "--objects", "40", "--json"))

    def write(number):
        try:
            put(client, named, f"key{number}", 1000 + number)
            return 1000 + number
        except ClientError as error:
            assert error.response["Error"]["Code"] == EXCEEDED[1]
            return 0

    with ThreadPoolExecutor(16) as threads:
        written = list(threads.map(write, range(100)))
    count = sum(1 for size in written if size)
    assert told(admin(named, "--json"))["usage"] == {"bytes": sum(written), "objects": count}
    assert sum(written) <= 50000 and count == 40


def test_a_quota_survives_a_crash(own, admin, client, named):
    told(admin(named, "--bytes", "1000", "--json"))
    put(client, named, "key", 600)
    own.kill()
    own.start()
    again = own.client()
    assert refused(again.put_object, Bucket=named, Key="other", Body=body(401)) == EXCEEDED
    put(again, named, "other", 400)
