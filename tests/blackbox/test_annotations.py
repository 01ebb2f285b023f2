"""Annotations of objects through boto3, and one by the aws CLI: limits, versions, copies, renames, locks, encryption, permissions."""

import datetime
import io
import json
import os
import pathlib
import subprocess
import sys
import threading

import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from stonecrop import ACCESS_KEY, REGION, SECRET_KEY, wait_until
from test_checksums import computed_by_client, every, value_of
from test_faults import healed
from test_lifecycle import DAY, configure, fast, fast_bucket, rule, s3_fast, until  # noqa: F401
from test_objects import code_of, status_of

MIB = 1024 * 1024
MARKER = "this annotation must never be found on a disk "


def text(size, seed=0):
    """Text of so many bytes."""
    line = f"line {seed} of an annotation: ä€🦀 "
    encoded = (line * (size // len(line.encode()) + 1)).encode()[:size]
    return encoded.decode(errors="ignore").encode().ljust(size, b".")


def put(s3, bucket, key, name, payload=b"text", **options):
    return s3.put_object_annotation(Bucket=bucket, Key=key, AnnotationName=name, AnnotationPayload=payload, **options)


def get(s3, bucket, key, name, **options):
    return s3.get_object_annotation(Bucket=bucket, Key=key, AnnotationName=name, **options)


def read(s3, bucket, key, name, **options):
    return get(s3, bucket, key, name, **options)["AnnotationPayload"].read()


def delete(s3, bucket, key, name, **options):
    return s3.delete_object_annotation(Bucket=bucket, Key=key, AnnotationName=name, **options)


def names(s3, bucket, key, **options):
    listed = s3.list_object_annotations(Bucket=bucket, Key=key, **options).get("Annotations", [])
    return [entry["AnnotationName"] for entry in listed]


def refused(call, *arguments, **options):
    with pytest.raises(ClientError) as error:
        call(*arguments, **options)
    return status_of(error), code_of(error)


@pytest.fixture
def key(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"content")
    return "key"


@pytest.mark.parametrize("size", [1, 100, 20_000, MIB])
def test_an_annotation_is_what_was_put(s3, bucket, key, size):
    payload = text(size)
    stored = put(s3, bucket, key, "my name/ü+&", payload)
    assert (stored["Key"], stored["AnnotationName"]) == (key, "my name/ü+&")
    assert stored["ServerSideEncryption"] == "AES256" and "ObjectVersionId" not in stored
    found = get(s3, bucket, key, "my name/ü+&", ChecksumMode="ENABLED")
    assert found["AnnotationPayload"].read() == payload
    assert (found["ContentLength"], found["ETag"], found["ServerSideEncryption"]) == (size, stored["ETag"], "AES256")
    assert found["ChecksumCRC32"] == stored["ChecksumCRC32"] and found["ChecksumType"] == "FULL_OBJECT"
    assert datetime.datetime.now(datetime.UTC) - found["LastModified"] < datetime.timedelta(minutes=1)
    listed = s3.list_object_annotations(Bucket=bucket, Key=key)
    assert (listed["Bucket"], listed["Key"], listed["AnnotationCount"], listed["MaxAnnotationResults"]) == (bucket, key, 1, 1000)
    [entry] = listed["Annotations"]
    assert (entry["AnnotationName"], entry["Size"], entry["ETag"]) == ("my name/ü+&", size, stored["ETag"])
    assert entry["ChecksumAlgorithm"] == ["CRC32"]
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"content"
    put(s3, bucket, key, "my name/ü+&", b"another")
    assert read(s3, bucket, key, "my name/ü+&") == b"another"
    assert status(delete(s3, bucket, key, "my name/ü+&")) == status(delete(s3, bucket, key, "my name/ü+&")) == 204
    assert refused(get, s3, bucket, key, "my name/ü+&") == (404, "NoSuchAnnotation")
    assert s3.list_object_annotations(Bucket=bucket, Key=key)["AnnotationCount"] == 0


def status(answer):
    return answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize(
    "name, expected",
    [
        ("aws", "InvalidAnnotationName"),
        ("AWS-x", "InvalidAnnotationName"),
        ("s3/x", "InvalidAnnotationName"),
        ("S3", "InvalidAnnotationName"),
        ("", "InvalidAnnotationName"),
        ("a\0", "InvalidAnnotationName"),
        ("n" * 513, "AnnotationNameTooLong"),
        ("ä" * 257, "AnnotationNameTooLong"),
    ],
)
def test_bad_names_are_refused(s3, bucket, key, name, expected):
    assert refused(put, s3, bucket, key, name) == (400, expected)
    assert names(s3, bucket, key) == []


def test_the_longest_name_and_names_like_reserved_ones_are_taken(s3, bucket, key):
    for name in ("n" * 512, "ä" * 256, "aw", "my-aws", "x/s3"):
        put(s3, bucket, key, name, name.encode())
        assert read(s3, bucket, key, name) == name.encode()


@pytest.mark.parametrize(
    "payload, expected",
    [
        (b"", (400, "InvalidRequest")),
        (b"a" * (MIB + 1), (400, "EntityTooLarge")),
        (b"\xff", (415, "UnsupportedMediaType")),
        (text(MIB - 1) + b"\xc3", (415, "UnsupportedMediaType")),
        (b"\xed\xa0\x80", (415, "UnsupportedMediaType")),
    ],
)
def test_what_is_no_annotation_changes_nothing(s3, bucket, key, payload, expected):
    put(s3, bucket, key, "n", b"before")
    assert refused(put, s3, bucket, key, "n", payload) == expected
    assert read(s3, bucket, key, "n") == b"before"


def test_what_is_not_there(s3, bucket, key):
    for call in (put, get, delete):
        assert refused(call, s3, bucket, "missing", "n") == (404, "NoSuchKey")
        assert refused(call, s3, f"{bucket}-missing", key, "n") == (404, "NoSuchBucket")
        assert refused(call, s3, bucket, key, "n", VersionId="0" * 20) == (404, "NoSuchVersion")
    assert refused(s3.list_object_annotations, Bucket=bucket, Key="missing") == (404, "NoSuchKey")
    assert refused(get, s3, bucket, key, "n") == (404, "NoSuchAnnotation")


def test_listings_page_by_name(s3, bucket, key):
    wanted = sorted(f"{letter}/{number:02}" for letter in "ab" for number in range(12))
    for name in reversed(wanted):
        put(s3, bucket, key, name)
    assert names(s3, bucket, key) == wanted
    assert names(s3, bucket, key, AnnotationPrefix="b/1") == ["b/10", "b/11"]
    for prefix in ("", "a/", "b"):
        found, token = [], {}
        while True:
            page = s3.list_object_annotations(Bucket=bucket, Key=key, AnnotationPrefix=prefix, MaxAnnotationResults=5, **token)
            found += [entry["AnnotationName"] for entry in page["Annotations"]]
            assert page["AnnotationCount"] == len(page["Annotations"]) <= 5
            assert page.get("AnnotationPrefix", "") == prefix and page.get("ContinuationToken") == token.get("ContinuationToken")
            if "NextContinuationToken" not in page:
                break
            token = {"ContinuationToken": page["NextContinuationToken"]}
        assert found == [name for name in wanted if name.startswith(prefix)]
    for prefix in ("aws", "n" * 513):
        assert refused(names, s3, bucket, key, AnnotationPrefix=prefix) == (400, "InvalidPrefix")
    assert refused(names, s3, bucket, key, ContinuationToken="!") == (400, "InvalidArgument")


def test_a_thousand_and_no_more_end_with_their_object(s3, server, bucket, key):
    clients = [server.client() for _ in range(8)]
    failed = []

    def some(client, numbers):
        try:
            for number in numbers:
                put(client, bucket, key, f"{number:04}", b"x" * 10)
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=some, args=(client, range(start, 1000, 8))) for start, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert refused(put, s3, bucket, key, "one more") == (400, "AnnotationLimitExceeded")
    put(s3, bucket, key, "0500", b"replaced")
    assert len(names(s3, bucket, key)) == 1000
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/{key}")
    assert names(s3, bucket, "copy") == names(s3, bucket, key) and read(s3, bucket, "copy", "0500") == b"replaced"
    delete(s3, bucket, key, "0000")
    put(s3, bucket, key, "one more")
    s3.put_object(Bucket=bucket, Key=key, Body=b"another object")
    assert names(s3, bucket, key) == []


@pytest.mark.first_answer
@every
def test_every_checksum_is_checked_kept_and_told(s3, bucket, key, algorithm):
    payload, member = text(30_000), f"Checksum{algorithm}"
    expected = value_of(algorithm, payload)
    stored = put(s3, bucket, key, "n", payload, **{member: expected})
    assert stored[member] == expected and stored["ChecksumType"] == "FULL_OBJECT"
    found = get(s3, bucket, key, "n", ChecksumMode="ENABLED")
    assert found[member] == expected and found["AnnotationPayload"].read() == payload
    assert s3.list_object_annotations(Bucket=bucket, Key=key)["Annotations"][0]["ChecksumAlgorithm"] == [algorithm]
    assert refused(put, s3, bucket, key, "n", b"another", **{member: expected}) == (400, "BadDigest")
    assert read(s3, bucket, key, "n") == payload


@computed_by_client
def test_a_checksum_that_the_client_computes_arrives(s3, bucket, key, algorithm):
    stored = put(s3, bucket, key, "n", io.BytesIO(text(300_000)), ChecksumAlgorithm=algorithm)
    assert stored[f"Checksum{algorithm}"] == value_of(algorithm, text(300_000))
    assert get(s3, bucket, key, "n", ChecksumMode="ENABLED")["AnnotationPayload"].read() == text(300_000)


def test_conditions_are_about_the_object(s3, bucket, key):
    tag = s3.head_object(Bucket=bucket, Key=key)["ETag"]
    put(s3, bucket, key, "n", b"first", ObjectIfMatch=tag)
    s3.put_object(Bucket=bucket, Key=key, Body=b"another")
    for call in (put, delete):
        assert refused(call, s3, bucket, key, "n", ObjectIfMatch=tag) == (412, "PreconditionFailed")
    tag = s3.head_object(Bucket=bucket, Key=key)["ETag"]
    put(s3, bucket, key, "n", b"second", ObjectIfMatch=tag)
    delete(s3, bucket, key, "n", ObjectIfMatch=tag)
    assert names(s3, bucket, key) == []


@pytest.mark.first_answer
def test_each_version_has_its_own(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    versions = []
    for number in range(3):
        version = s3.put_object(Bucket=bucket, Key="key", Body=b"content")["VersionId"]
        assert put(s3, bucket, "key", "n", text(20_000, number))["ObjectVersionId"] == version
        versions.append(version)
    put(s3, bucket, "key", "late", b"later", VersionId=versions[0])
    for number, version in enumerate(versions):
        found = get(s3, bucket, "key", "n", VersionId=version)
        assert (found["ObjectVersionId"], found["AnnotationPayload"].read()) == (version, text(20_000, number))
    assert names(s3, bucket, "key", VersionId=versions[0]) == ["late", "n"] and names(s3, bucket, "key") == ["n"]
    marker = s3.delete_object(Bucket=bucket, Key="key")["VersionId"]
    assert refused(get, s3, bucket, "key", "n") == (404, "NoSuchKey")
    assert refused(put, s3, bucket, "key", "n", VersionId=marker) == (405, "MethodNotAllowed")
    s3.delete_object(Bucket=bucket, Key="key", VersionId=marker)
    s3.delete_object(Bucket=bucket, Key="key", VersionId=versions[2])
    assert read(s3, bucket, "key", "n") == text(20_000, 1), "of the version that is current now"
    assert delete(s3, bucket, "key", "n", VersionId=versions[0])["ObjectVersionId"] == versions[0]
    assert names(s3, bucket, "key", VersionId=versions[0]) == ["late"]
    for version in versions[:2]:
        s3.delete_object(Bucket=bucket, Key="key", VersionId=version)
    s3.delete_bucket(Bucket=bucket)
    s3.create_bucket(Bucket=bucket)


def test_copies_take_them_along_unless_told_otherwise(s3, bucket, key):
    for size in (100, 20_000, MIB):
        put(s3, bucket, key, str(size), text(size))
    s3.put_object(Bucket=bucket, Key="target", Body=b"x")
    put(s3, bucket, "target", "ends with what is replaced")
    for options, expected in [({}, True), ({"AnnotationDirective": "COPY"}, True), ({"AnnotationDirective": "EXCLUDE"}, False)]:
        s3.copy_object(Bucket=bucket, Key="target", CopySource=f"{bucket}/{key}", **options)
        assert names(s3, bucket, "target") == (["100", "1048576", "20000"] if expected else [])
        if expected:
            for size in (100, 20_000, MIB):
                assert read(s3, bucket, "target", str(size)) == text(size)
    s3.copy_object(Bucket=bucket, Key=key, CopySource=f"{bucket}/{key}", MetadataDirective="REPLACE")
    assert read(s3, bucket, key, "20000") == text(20_000), "onto itself"
    url = s3.generate_presigned_url("copy_object", Params={"Bucket": bucket, "Key": "linked", "CopySource": f"{bucket}/{key}", "AnnotationDirective": "EXCLUDE"})
    assert "x-amz-object-annotation-directive" in url
    assert refused(s3.copy_object, Bucket=bucket, Key="target", CopySource=f"{bucket}/{key}", AnnotationDirective="MOVE") == (400, "InvalidArgument")


@pytest.mark.first_answer
def test_a_renamed_object_takes_them_along(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key="new", Body=b"replaced")
    put(s3, bucket, "new", "n", b"of what is replaced")
    put(s3, bucket, key, "n", text(50_000))
    put(s3, bucket, key, "small", b"small")
    s3.rename_object(Bucket=bucket, Key="new", RenameSource=f"{bucket}/{key}")
    assert (read(s3, bucket, "new", "n"), read(s3, bucket, "new", "small")) == (text(50_000), b"small")
    s3.put_object(Bucket=bucket, Key=key, Body=b"another")
    assert names(s3, bucket, key) == []


@pytest.mark.first_answer
def test_appending_keeps_them(s3, bucket, key):
    put(s3, bucket, key, "n", b"text")
    s3.put_object(Bucket=bucket, Key=key, Body=b" and more", WriteOffsetBytes=7)
    assert read(s3, bucket, key, "n") == b"text"


def test_a_rule_ends_them_with_their_object(s3_fast, fast_bucket):  # noqa: F811
    configure(s3_fast, fast_bucket, rule(Expiration={"Days": 1}))
    s3_fast.put_object(Bucket=fast_bucket, Key="key", Body=b"content")
    put(s3_fast, fast_bucket, "key", "n", text(30_000))
    until(lambda: "Contents" not in s3_fast.list_objects_v2(Bucket=fast_bucket), seconds=20 * DAY)
    s3_fast.delete_bucket_lifecycle(Bucket=fast_bucket)
    s3_fast.put_object(Bucket=fast_bucket, Key="key", Body=b"content")
    assert names(s3_fast, fast_bucket, "key") == []
    s3_fast.delete_object(Bucket=fast_bucket, Key="key")
    s3_fast.delete_bucket(Bucket=fast_bucket)


@pytest.mark.first_answer
def test_a_lock_keeps_them(s3, bucket):
    locked = f"{bucket}-locked"
    s3.create_bucket(Bucket=locked, ObjectLockEnabledForBucket=True)
    version = s3.put_object(Bucket=locked, Key="key", Body=b"content")["VersionId"]
    put(s3, locked, "key", "n", b"first")
    until_then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    s3.put_object_retention(Bucket=locked, Key="key", Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until_then})
    put(s3, locked, "key", "added", b"later")
    denied = (403, "AccessDenied")
    assert refused(delete, s3, locked, "key", "n") == denied
    assert refused(put, s3, locked, "key", "n", b"replaced") == denied
    assert read(s3, locked, "key", "n") == b"first"
    bypass = lambda request, **_: request.headers.add_header("x-amz-bypass-governance-retention", "true")
    s3.meta.events.register("before-sign.s3.DeleteObjectAnnotation", bypass)
    try:
        delete(s3, locked, "key", "n")
        s3.put_object_legal_hold(Bucket=locked, Key="key", LegalHold={"Status": "ON"})
        assert refused(delete, s3, locked, "key", "added") == denied, "a hold is not bypassed"
    finally:
        s3.meta.events.unregister("before-sign.s3.DeleteObjectAnnotation", bypass)
    s3.put_object_legal_hold(Bucket=locked, Key="key", LegalHold={"Status": "OFF"})
    s3.delete_object(Bucket=locked, Key="key", VersionId=version, BypassGovernanceRetention=True)
    s3.delete_bucket(Bucket=locked)


def test_encryption_is_that_of_the_object_and_no_plain_text_is_on_a_disk(make_server):
    server = make_server(disks=4).start()
    s3 = server.client()
    s3.create_bucket(Bucket="secrets")
    payload = (MARKER * 3000).encode()
    for name, options, expected in [
        ("none", {}, "AES256"),
        ("s3", {"ServerSideEncryption": "AES256"}, "AES256"),
        ("kms", {"ServerSideEncryption": "aws:kms"}, "aws:kms"),
        ("dual", {"ServerSideEncryption": "aws:kms:dsse"}, "aws:kms:dsse"),
    ]:
        s3.put_object(Bucket="secrets", Key=name, Body=b"content", **options)
        for size in (len(MARKER), len(payload)):
            assert put(s3, "secrets", name, str(size), payload[:size])["ServerSideEncryption"] == expected
            found = get(s3, "secrets", name, str(size))
            assert (found["ServerSideEncryption"], found["AnnotationPayload"].read()) == (expected, payload[:size])
        s3.copy_object(Bucket="secrets", Key=f"copy of {name}", CopySource=f"secrets/{name}", ServerSideEncryption="aws:kms")
        assert get(s3, "secrets", f"copy of {name}", str(len(MARKER)))["ServerSideEncryption"] == "aws:kms"
    own = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    s3.put_object(Bucket="secrets", Key="own", Body=b"content", **own)
    assert refused(put, s3, "secrets", "own", "n") == (400, "InvalidRequest")
    assert names(s3, "secrets", "own") == []
    copied = {"Bucket": "secrets", "Key": "own", "CopySource": "secrets/s3", **own}
    assert refused(s3.copy_object, **copied) == (400, "InvalidRequest")
    s3.copy_object(AnnotationDirective="EXCLUDE", **copied)
    server.stop()
    looked_at = 0
    for path in server.root.rglob("*"):
        if path.is_file() and path.suffix != ".log":
            content = path.read_bytes()
            looked_at += len(content)
            assert MARKER.encode() not in content, path
    assert 1_000_000 < looked_at


@pytest.mark.first_answer
def test_permissions_are_their_own(s3, server, bucket, key):
    put(s3, bucket, key, "n", b"text")
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
    nobody = server.client(signature_version=UNSIGNED)
    everything = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]

    def allow(*actions, deny=()):
        statements = [{"Effect": "Allow", "Principal": "*", "Action": list(actions), "Resource": everything}]
        if deny:
            statements.append({"Effect": "Deny", "Principal": "*", "Action": list(deny), "Resource": everything})
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))

    calls = {
        "s3:PutObjectAnnotation": lambda **options: put(nobody, bucket, key, "n", b"text", **options),
        "s3:GetObjectAnnotation": lambda **options: get(nobody, bucket, key, "n", **options),
        "s3:ListObjectAnnotations": lambda **options: names(nobody, bucket, key, **options),
        "s3:DeleteObjectAnnotation": lambda **options: delete(nobody, bucket, key, "x", **options),
    }
    denied = (403, "AccessDenied")
    allow("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket")
    for call in calls.values():
        assert refused(call) == denied
    # A copy asks for them only where there is something to take along.
    assert refused(nobody.copy_object, Bucket=bucket, Key="copy", CopySource=f"{bucket}/{key}") == denied
    nobody.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/{key}", AnnotationDirective="EXCLUDE")
    nobody.copy_object(Bucket=bucket, Key="copy of copy", CopySource=f"{bucket}/copy")
    for action in calls:
        allow(action)
        of_version = action.replace("Object", "ObjectVersion")
        for other, call in calls.items():
            if other == action:
                call()
                assert refused(call, VersionId="null") == denied, of_version
            else:
                assert refused(call) == denied, (action, other)
        allow(of_version)
        calls[action](VersionId="null")
        allow("s3:*", deny=[action])
        assert refused(calls[action]) == denied
    allow("s3:GetObject", "s3:PutObject", "s3:GetObjectAnnotation")
    assert refused(nobody.copy_object, Bucket=bucket, Key="copy", CopySource=f"{bucket}/{key}") == denied
    allow("s3:GetObject", "s3:PutObject", "s3:GetObjectAnnotation", "s3:PutObjectAnnotation")
    nobody.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/{key}")
    assert read(s3, bucket, "copy", "n") == b"text"


def test_they_survive_a_kill_and_lost_disks_and_leave_nothing(make_server):
    server = make_server(disks=6).start()
    s3 = server.client()
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="key", Body=b"content")
    sizes = (100, 20_000, MIB)

    def check():
        for size in sizes:
            assert read(server.client(), "bucket", "key", str(size)) == text(size)

    for size in sizes:
        put(s3, "bucket", "key", str(size), text(size))
    server.kill()
    server.start()
    check()
    for index in (1, 4):
        server.lose_disk(index)
    check()
    for index in (1, 4):
        server.blank_disk(index)
    wait_until(lambda: healed(server) and all((server.disks[index] / "extents").exists() for index in (1, 4)), what="repair")
    check()
    server.stop()
    report = json.loads(server.fsck("--json").stdout)
    assert (report["annotations"], report["missing_shards"], report["orphaned_shards"]) == (3, 0, 0), report
    server.start()
    server.client().delete_object(Bucket="bucket", Key="key")
    server.client().delete_bucket(Bucket="bucket")
    server.stop()
    report = json.loads(server.fsck("--json").stdout)
    assert (report["annotations"], report["segments"]) == (0, 0), report


def test_the_aws_cli_knows_them(server, bucket, key, tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": server.endpoint}
    aws = pathlib.Path(sys.executable).parent / "aws"

    def run(*words):
        command = [str(aws), "s3api", *words, "--bucket", bucket, "--key", key]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else {}

    (tmp_path / "payload").write_text("a text of several words\n")
    run("put-object-annotation", "--annotation-name", "note", "--annotation-payload", str(tmp_path / "payload"))
    listed = run("list-object-annotations")
    assert [entry["AnnotationName"] for entry in listed["Annotations"]] == ["note"]
    # The command takes the place to write to as its last word.
    command = [str(aws), "s3api", "get-object-annotation", "--bucket", bucket, "--key", key, "--annotation-name", "note", str(tmp_path / "read")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "read").read_text() == "a text of several words\n"
    run("delete-object-annotation", "--annotation-name", "note")
    assert run("list-object-annotations").get("Annotations", []) == []
