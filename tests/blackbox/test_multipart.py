"""All multipart operations through boto3, and the transfer manager that SDK users get by default."""

import hashlib
import io

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from stonecrop import body
from test_objects import code_of

MIB = 1024 * 1024


def upload(s3, bucket, key, parts, **options):
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key=key, **options)["UploadId"]
    done = []
    for number, content in parts.items():
        etag = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=content)["ETag"]
        done.append({"PartNumber": number, "ETag": etag})
    return upload_id, done


def complete(s3, bucket, key, upload_id, parts):
    return s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts})


def test_upload_reads_back_whole_by_range_and_by_part(s3, bucket):
    parts = {1: body(5 * MIB, 1), 2: body(6 * MIB + 13, 2), 7: body(100, 7)}
    upload_id, done = upload(s3, bucket, "key", parts, Metadata={"a": "b"}, ContentType="text/plain")
    listed = s3.list_parts(Bucket=bucket, Key="key", UploadId=upload_id)
    assert [(part["PartNumber"], part["Size"]) for part in listed["Parts"]] == [(number, len(content)) for number, content in parts.items()]
    assert [entry["UploadId"] for entry in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload_id]
    answer = complete(s3, bucket, "key", upload_id, done)
    digests = b"".join(hashlib.md5(content).digest() for content in parts.values())
    assert answer["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
    whole = b"".join(parts.values())
    got = s3.get_object(Bucket=bucket, Key="key")
    assert got["Body"].read() == whole and got["Metadata"] == {"a": "b"} and got["ContentType"] == "text/plain"
    first = 5 * MIB - 10
    assert s3.get_object(Bucket=bucket, Key="key", Range=f"bytes={first}-{first + 99}")["Body"].read() == whole[first : first + 100]
    second = s3.get_object(Bucket=bucket, Key="key", PartNumber=2)
    assert second["Body"].read() == parts[2] and second["PartsCount"] == 3
    attributes = s3.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=["ObjectParts", "ObjectSize"])
    assert attributes["ObjectSize"] == len(whole) and attributes["ObjectParts"]["TotalPartsCount"] == 3
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert complete(s3, bucket, "key", upload_id, done)["ETag"] == answer["ETag"], "a repeated Complete gives the same answer"


def test_reuploaded_part_replaces_the_first_and_unlisted_parts_are_left_out(s3, bucket):
    upload_id, _ = upload(s3, bucket, "key", {1: body(5 * MIB, 1), 2: b"old", 3: b"unlisted"})
    second = s3.upload_part(Bucket=bucket, Key="key", UploadId=upload_id, PartNumber=2, Body=b"new")["ETag"]
    first = s3.list_parts(Bucket=bucket, Key="key", UploadId=upload_id)["Parts"][0]["ETag"]
    complete(s3, bucket, "key", upload_id, [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": second}])
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == body(5 * MIB, 1) + b"new"


def test_bad_completions_are_refused_and_leave_the_upload(s3, bucket):
    upload_id, done = upload(s3, bucket, "key", {1: b"small", 2: b"small too"})
    cases = [
        (done, "EntityTooSmall"),
        (done[::-1], "InvalidPartOrder"),
        ([{"PartNumber": 1, "ETag": '"' + "0" * 32 + '"'}], "InvalidPart"),
        ([{"PartNumber": 9, "ETag": done[0]["ETag"]}], "InvalidPart"),
        ([], "MalformedXML"),
    ]
    for parts, code in cases:
        with pytest.raises(ClientError) as error:
            complete(s3, bucket, "key", upload_id, parts)
        assert code_of(error) == code, parts
    complete(s3, bucket, "key", upload_id, done[:1])
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"small"


@pytest.mark.first_answer
def test_aborted_upload_is_gone(s3, bucket):
    upload_id, done = upload(s3, bucket, "key", {1: b"part"})
    s3.abort_multipart_upload(Bucket=bucket, Key="key", UploadId=upload_id)
    for call in (
        lambda: complete(s3, bucket, "key", upload_id, done),
        lambda: s3.upload_part(Bucket=bucket, Key="key", UploadId=upload_id, PartNumber=1, Body=b"x"),
        lambda: s3.list_parts(Bucket=bucket, Key="key", UploadId=upload_id),
        lambda: s3.list_parts(Bucket=bucket, Key="key", UploadId="no-such-upload"),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert code_of(error) == "NoSuchUpload"


def test_part_number_out_of_range_is_refused(s3, bucket):
    upload_id, _ = upload(s3, bucket, "key", {10_000: b"last"})
    for number in (0, 10_001):
        with pytest.raises(ClientError) as error:
            s3.upload_part(Bucket=bucket, Key="key", UploadId=upload_id, PartNumber=number, Body=b"x")
        assert code_of(error) == "InvalidArgument"


def test_parts_copied_from_an_object(s3, bucket):
    source = body(11 * MIB)
    s3.put_object(Bucket=bucket, Key="source", Body=source)
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"]
    ranges = [(0, 5 * MIB - 1), (5 * MIB, len(source) - 1)]
    parts = []
    for number, (first, last) in enumerate(ranges, 1):
        answer = s3.upload_part_copy(
            Bucket=bucket, Key="key", UploadId=upload_id, PartNumber=number, CopySource={"Bucket": bucket, "Key": "source"},
            CopySourceRange=f"bytes={first}-{last}",
        )
        parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
    with pytest.raises(ClientError) as error:
        s3.upload_part_copy(
            Bucket=bucket, Key="key", UploadId=upload_id, PartNumber=3, CopySource={"Bucket": bucket, "Key": "source"},
            CopySourceRange=f"bytes=0-{len(source)}",
        )
    assert code_of(error) == "InvalidRange"
    complete(s3, bucket, "key", upload_id, parts)
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == source


@pytest.mark.first_answer
def test_uploads_and_parts_are_listed_in_pages(s3, bucket):
    made = {}
    for key in ["a", "b/1", "b/2", "c"]:
        for _ in range(2):
            made.setdefault(key, []).append(s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"])
    found, marker = [], {}
    while True:
        answer = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=3, **marker)
        found += [(entry["Key"], entry["UploadId"]) for entry in answer.get("Uploads", [])]
        if not answer["IsTruncated"]:
            break
        marker = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}
    assert found == [(key, upload_id) for key, uploads in made.items() for upload_id in uploads]
    grouped = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [entry["Prefix"] for entry in grouped["CommonPrefixes"]] == ["b/"]
    for number in range(1, 6):
        s3.upload_part(Bucket=bucket, Key="a", UploadId=made["a"][0], PartNumber=number, Body=b"x")
    page = s3.list_parts(Bucket=bucket, Key="a", UploadId=made["a"][0], PartNumberMarker=2, MaxParts=2)
    assert [part["PartNumber"] for part in page["Parts"]] == [3, 4] and page["IsTruncated"] and page["NextPartNumberMarker"] == 4


@pytest.mark.parametrize("checksum_type", ["COMPOSITE", "FULL_OBJECT"])
def test_checksums_of_multipart_objects(s3, bucket, checksum_type):
    import base64
    import zlib

    parts = {1: body(5 * MIB, 1), 2: body(1000, 2)}
    upload_id = s3.create_multipart_upload(
        Bucket=bucket, Key="key", ChecksumAlgorithm="CRC32", ChecksumType=checksum_type
    )["UploadId"]
    done = []
    for number, content in parts.items():
        answer = s3.upload_part(
            Bucket=bucket, Key="key", UploadId=upload_id, PartNumber=number, Body=content, ChecksumAlgorithm="CRC32"
        )
        done.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": answer["ChecksumCRC32"]})
    answer = complete(s3, bucket, "key", upload_id, done)
    encode = lambda value: base64.b64encode(value.to_bytes(4, "big")).decode()
    if checksum_type == "FULL_OBJECT":
        value = encode(zlib.crc32(b"".join(parts.values())))
    else:
        value = encode(zlib.crc32(b"".join(zlib.crc32(content).to_bytes(4, "big") for content in parts.values()))) + "-2"
    assert answer["ChecksumCRC32"] == value
    head = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert head["ChecksumCRC32"] == value and head["ChecksumType"] == checksum_type


def test_transfer_manager_moves_a_large_file(s3, bucket, tmp_path):
    content = body(40 * MIB + 5)
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=4)
    s3.upload_fileobj(io.BytesIO(content), bucket, "large", Config=config)
    target = tmp_path / "large"
    s3.download_file(bucket, "large", str(target), Config=config)
    assert target.read_bytes() == content
