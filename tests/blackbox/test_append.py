"""Appending to objects by x-amz-write-offset-bytes, through boto3."""

import base64
import threading
import zlib

import pytest
from botocore.exceptions import ClientError

from stonecrop import body
from test_objects import code_of

# An append that is sent again finds that it has been done.
pytestmark = pytest.mark.first_answer
MIB = 1024 * 1024


def append(s3, bucket, key, offset, content, **options):
    return s3.put_object(Bucket=bucket, Key=key, Body=content, WriteOffsetBytes=offset, **options)


def read(s3, bucket, key, **options):
    return s3.get_object(Bucket=bucket, Key=key, **options)["Body"].read()


def refused(call, *arguments, **options):
    with pytest.raises(ClientError) as error:
        call(*arguments, **options)
    return code_of(error), error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_an_object_grows_line_by_line(s3, bucket):
    whole = b""
    for line in (f"line {number}\n".encode() * (1 + number * 300) for number in range(12)):
        answer = append(s3, bucket, "log", len(whole), line, **({} if whole else {"ContentType": "text/plain", "Metadata": {"a": "b"}}))
        whole += line
        assert answer.get("Size") == len(whole)
        assert read(s3, bucket, "log") == whole
    head = s3.head_object(Bucket=bucket, Key="log", ChecksumMode="ENABLED")
    assert (head["ContentLength"], head["ContentType"], head["Metadata"]) == (len(whole), "text/plain", {"a": "b"})
    assert head["ETag"] == answer["ETag"] and head["ETag"].endswith('-12"')
    assert (head["ChecksumCRC32"], head["ChecksumType"]) == (base64.b64encode(zlib.crc32(whole).to_bytes(4, "big")).decode(), "FULL_OBJECT")
    parts = s3.get_object_attributes(Bucket=bucket, Key="log", ObjectAttributes=["ObjectParts", "ObjectSize"])
    assert (parts["ObjectSize"], parts["ObjectParts"]["TotalPartsCount"]) == (len(whole), 12)
    assert sum(part["Size"] for part in parts["ObjectParts"]["Parts"]) == len(whole)
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Size"] == len(whole)


def test_large_pieces_are_read_by_range_part_and_copy(s3, bucket):
    pieces = [body(3 * MIB + 1, 1), body(7 * MIB, 2), body(5, 3)]
    offset = 0
    for piece in pieces:
        append(s3, bucket, "key", offset, piece)
        offset += len(piece)
    whole = b"".join(pieces)
    assert read(s3, bucket, "key", Range=f"bytes={3 * MIB - 5}-{3 * MIB + 99}") == whole[3 * MIB - 5 : 3 * MIB + 100]
    assert read(s3, bucket, "key", PartNumber=2) == pieces[1]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/key")
    assert read(s3, bucket, "copy") == whole and append(s3, bucket, "copy", offset, b"more")["Size"] == offset + 4
    assert read(s3, bucket, "key") == whole, "the source has not grown"


def test_the_offset_must_be_the_size(s3, bucket):
    wrong = ("InvalidWriteOffset", 400)
    assert refused(append, s3, bucket, "key", 5, b"more") == wrong
    append(s3, bucket, "key", 0, b"bytes")
    for offset in (0, 4, 6):
        assert refused(append, s3, bucket, "key", offset, b"more") == wrong
    assert refused(append, s3, bucket, "key", 5, b"more", ChecksumCRC32="AAAAAA==") == ("BadDigest", 400)
    assert refused(append, s3, bucket, "key", 5, b"more", IfMatch='"other"') == ("PreconditionFailed", 412)
    etag = s3.head_object(Bucket=bucket, Key="key")["ETag"]
    append(s3, bucket, "key", 5, b" and more", IfMatch=etag)
    assert read(s3, bucket, "key") == b"bytes and more"


def test_of_writers_at_once_one_wins_each_time(server, s3, bucket):
    outcomes = []

    def write(content):
        try:
            append(server.client(), bucket, "key", 0, content * 1000)
            outcomes.append("won")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    writers = [threading.Thread(target=write, args=(bytes([letter]),)) for letter in b"abcdef"]
    [writer.start() for writer in writers]
    [writer.join() for writer in writers]
    assert sorted(outcomes) == ["InvalidWriteOffset"] * 5 + ["won"]
    assert len(set(read(s3, bucket, "key"))) == 1


def test_encrypted_objects_grow_under_their_own_keys(s3, bucket):
    append(s3, bucket, "key", 0, b"secret", ServerSideEncryption="AES256")
    assert append(s3, bucket, "key", 6, body(200_000))["ServerSideEncryption"] == "AES256"
    append(s3, bucket, "key", 200_006, b"end", ServerSideEncryption="AES256")
    assert read(s3, bucket, "key") == b"secret" + body(200_000) + b"end"
    assert refused(append, s3, bucket, "key", 200_009, b"x", ServerSideEncryption="aws:kms") == ("EncryptionTypeMismatch", 400)
    own = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    s3.put_object(Bucket=bucket, Key="own", Body=b"bytes", **own)
    assert refused(append, s3, bucket, "own", 5, b"x", **own)[0] == "InvalidRequest"
    assert refused(append, s3, bucket, "own", 5, b"x")[0] == "InvalidRequest"


def test_versions_do_not_change(s3, bucket):
    append(s3, bucket, "key", 0, b"bytes")
    for status in ("Enabled", "Suspended"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        assert refused(append, s3, bucket, "key", 5, b"more") == ("InvalidRequest", 400)
    assert read(s3, bucket, "key") == b"bytes"


def test_only_put_object_appends(s3, bucket):
    append(s3, bucket, "key", 0, b"bytes")
    s3.meta.events.register("before-call.s3.CopyObject", lambda params, **_: params["headers"].update({"x-amz-write-offset-bytes": "5"}))
    assert refused(s3.copy_object, Bucket=bucket, Key="key2", CopySource=f"{bucket}/key") == ("NotImplemented", 501)
    for wrong in ("-1", "x", "1.5"):
        handler = lambda params, wrong=wrong, **_: params["headers"].update({"x-amz-write-offset-bytes": wrong})
        s3.meta.events.register("before-call.s3.PutObject", handler, unique_id="offset")
        assert refused(s3.put_object, Bucket=bucket, Key="key", Body=b"x") == ("InvalidArgument", 400)
        s3.meta.events.unregister("before-call.s3.PutObject", handler, unique_id="offset")
